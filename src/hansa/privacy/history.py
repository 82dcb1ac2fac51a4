"""Questions are compared with the questions before them, person by person.

A *population* is what one question summed over: its people, kept at the node as a bitmap. Two populations
that share a dictionary variable are compared in the count round of the later one:

- analysis sets, each direction separately: the people in the new and not in the old, and the reverse. Either
  is none, or at least ``differing``: else the difference of two totals would tell of a few;
- strata and columns by all people who are in one and not the other, who are none or at least a ``cell``: a
  column may itself rest on a cell, so a difference of columns may.

Strata and levels that are plain dictionary levels are not compared with each other (an asker cannot cut them
to fit a person), only with derived ones.

For a site's own releases also combinations are checked (P1 + P2 - P3): no linear combination of released
populations may rest on fewer than ``differing`` people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from hansa.model.exposure import FloatArray
from hansa.privacy.rules import Breach
from hansa.privacy.thresholds import Thresholds

__all__ = [
    "Population",
    "comparable",
    "differences",
    "isolates_few",
    "judge_differences",
    "left_alone",
]


@dataclass(frozen=True, eq=False)
class Population:
    """The people behind one sum, as one node knows them.

    ``id`` is the same at every node that is asked the same; ``kind`` is ``set``, ``stratum`` or ``column``;
    ``roster`` are the nodes whose sum it entered (one for a release of a site); ``people`` is this node's
    part, empty where it was not asked.
    """

    id: str
    kind: str
    derived: bool
    variables: frozenset[str]
    roster: frozenset[str]
    people: BitMap


def comparable(new: Population, old: Population) -> bool:
    """Whether the difference of their totals could tell of few people."""
    if new.id == old.id or not new.variables & old.variables:
        return False
    return "set" in (new.kind, old.kind) or new.derived or old.derived


def differences(new: Population, old: Population, *, node: str) -> tuple[int, int]:
    """People in the new and not the old, and the reverse, at this node.

    A node outside either roster adds nothing: its whole share stands between the two totals, which
    :func:`left_alone` judges.
    """
    if node not in new.roster or node not in old.roster:
        return 0, 0
    return new.people.difference_cardinality(old.people), old.people.difference_cardinality(new.people)


def judge_differences(kinds: tuple[str, str], added: float, removed: float, limits: Thresholds) -> tuple[Breach, ...]:
    """Whether totals over two populations differ by a few people."""
    sets = kinds == ("set", "set")
    counts, least = ((added, removed), limits.differing) if sets else ((added + removed,), limits.cell)
    if any(0.5 < count < least - 0.5 for count in counts):
        return (Breach("differing", "history", f"fewer than {least} people differ from an earlier question"),)
    return ()


def left_alone(new: frozenset[str], old: frozenset[str], limits: Thresholds) -> frozenset[str]:
    """The nodes whose share two totals would give away: those in one roster only, if fewer than ``min_nodes``.

    Examples
    --------
    >>> sorted(left_alone(frozenset("abc"), frozenset("abcd"), Thresholds()))
    ['d']
    """
    apart = new ^ old
    return apart if 0 < len(apart) < limits.min_nodes else frozenset()


def isolates_few(populations: Sequence[BitMap], least: int) -> bool:
    """Whether a linear combination of totals over these populations rests on fewer than ``least`` people only.

    People who are in the same populations form an atom; totals are sums over atoms. A combination that rests
    on small atoms only exists exactly when leaving those columns out lowers the rank of the membership
    matrix. Atoms are small below ``least`` people, so a combination over several small atoms is refused too.

    Examples
    --------
    >>> p1, p2 = BitMap(range(50)), BitMap(range(50, 100))
    >>> isolates_few([p1, p2, BitMap(range(1, 100))], least=10)
    True
    >>> isolates_few([p1, p2], least=10)
    False
    """
    members = _atoms(populations)
    sizes = np.array([size for _, size in members])
    matrix = np.array([pattern for pattern, _ in members], dtype=np.float64).reshape(len(members), len(populations)).T
    return _rank(matrix[:, sizes >= least]) < _rank(matrix)


def _rank(matrix: FloatArray) -> int:
    return int(np.linalg.matrix_rank(matrix)) if matrix.size else 0


def _atoms(populations: Sequence[BitMap]) -> list[tuple[tuple[bool, ...], int]]:
    """Membership pattern and size of each atom, by refining one population at a time."""
    everyone = BitMap.union(*populations) if populations else BitMap()
    atoms: list[tuple[tuple[bool, ...], BitMap]] = [((), everyone)]
    for population in populations:
        atoms = [
            ((*pattern, inside), part)
            for pattern, people in atoms
            for inside, part in ((True, people & population), (False, people - population))
            if part
        ]
    return [(pattern, len(people)) for pattern, people in atoms]
