"""Questions are compared with the questions before them, person by person.

A *population* is what one question summed over: its people, kept at the node as a bitmap. Two populations
that share a dictionary variable are compared in the count round of the later one:

- analysis sets, each direction separately: the people in the new and not in the old, and the reverse. Either
  is none, or at least ``differing``: else the difference of two totals would tell of a few;
- strata and columns by all people who are in one and not the other, who are none or at least a ``cell``: a
  column may itself rest on a cell, so a difference of columns may.

Strata and levels that are plain dictionary levels are not compared with each other (an asker cannot cut them
to fit a person), only with derived ones.

Three analysis sets are checked over the league in all sums and differences (P1 + P2 - P3). For a site's own
releases, where the node sees everything, no linear combination of released sets may rest on fewer than
``differing`` people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from pyroaring import BitMap

from hansa.model.exposure import FloatArray
from hansa.privacy.rules import Breach
from hansa.privacy.thresholds import Thresholds

__all__ = [
    "Population",
    "comparable",
    "differences",
    "given_away",
    "isolates_few",
    "judge_differences",
    "judge_triples",
    "triples",
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
        return False  # the same question over the same epochs is about the same people
    return "set" in (new.kind, old.kind) or new.derived or old.derived


def differences(new: Population, old: Population, *, node: str) -> tuple[int, int]:
    """People in the new and not the old, and the reverse, at this node.

    A node outside either roster adds nothing: its whole share stands between the two totals, which
    :func:`given_away` judges.
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


def judge_triples(counts: Sequence[float], limits: Thresholds) -> tuple[Breach, ...]:
    """Whether a sum and difference of three totals would rest on a few people."""
    if any(0.5 < count < limits.differing - 0.5 for count in counts):
        sentence = f"with two earlier questions this one would tell of fewer than {limits.differing} people"
        return (Breach("combinations", "history", sentence),)
    return ()


def given_away(rosters: Sequence[frozenset[str]], new: frozenset[str], limits: Thresholds) -> frozenset[str]:
    """The nodes whose share would be given away by a total over ``new`` beside totals over ``rosters``.

    Totals over node sets can be combined; a combination that fewer than ``min_nodes`` nodes stand behind is as
    good as their own release. Such a combination of the sets exists exactly when leaving those nodes out lowers
    the rank of the membership matrix.

    Examples
    --------
    >>> sorted(given_away([frozenset("abcd")], frozenset("abc"), Thresholds()))
    ['d']
    >>> given_away([frozenset("abcdef")], frozenset("abc"), Thresholds())
    frozenset()
    """
    if not set(rosters) - {new}:
        return frozenset()
    nodes = sorted(new.union(*rosters))
    before = np.array([[node in roster for node in nodes] for roster in set(rosters)], dtype=np.float64)
    before = before.reshape(-1, len(nodes))
    after = np.vstack([before, [[node in new for node in nodes]]])
    found: list[frozenset[int]] = []
    for size in range(1, limits.min_nodes):
        for few in map(frozenset, combinations(range(len(nodes)), size)):
            kept = [place for place in range(len(nodes)) if place not in few]
            known = sum(smaller < few for smaller in found)  # what these nodes give away without the others
            if _lost(after, kept) - _lost(before, kept) > known:
                found.append(few)
    return frozenset(nodes[place] for few in found for place in few)


def _lost(matrix: FloatArray, kept: Sequence[int]) -> int:
    """How many independent combinations vanish outside the columns that are left out."""
    return _rank(matrix) - _rank(matrix[:, kept])


def triples(new: Population, one: Population, other: Population, *, node: str) -> tuple[int, int, int]:
    """The people at this node behind new - one - other, new - one + other and new + one - other.

    Only of nodes that are in all three rosters, as for :func:`differences`.
    """
    if any(node not in population.roster for population in (new, one, other)):
        return 0, 0, 0
    n, a, b = new.people, one.people, other.people
    everyone = n | a | b
    both, either = a & b, a | b
    none_left = (n & either) - both  # 1 - 1 - 0
    return (
        len(everyone) - len(none_left),
        len(everyone) - len((n & a) - b) - len(both - n),
        len(everyone) - len((n & b) - a) - len(both - n),
    )


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
