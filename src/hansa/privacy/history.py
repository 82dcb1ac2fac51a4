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
from numpy.typing import NDArray
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


_NOTHING = 1e-12
_WHOLE = 1e-6
"""Far above rounding, and below what distinguishes sets of some hundred nodes from one another."""


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


def given_away(rosters: Sequence[frozenset[str]], *new: frozenset[str], limits: Thresholds) -> frozenset[str]:
    """The nodes whose share would be given away by totals over the sets ``new`` beside totals over ``rosters``.

    Totals over node sets can be combined; a combination that fewer than ``min_nodes`` nodes stand behind is as
    good as their own release.

    Examples
    --------
    >>> sorted(given_away([frozenset("abcd")], frozenset("abc"), limits=Thresholds()))
    ['d']
    >>> given_away([frozenset("abcdef")], frozenset("abc"), limits=Thresholds())
    frozenset()
    """
    if not set(rosters) - set(new):
        return frozenset()
    nodes = sorted(frozenset().union(*new, *rosters))
    before, after = (_projector(sets, nodes) for sets in (set(rosters), {*rosters, *new}))
    found: list[frozenset[int]] = []
    for size in range(1, limits.min_nodes):
        few = np.array(list(combinations(range(len(nodes)), size)), dtype=np.intp).reshape(-1, size)
        told = _combinations_within(after, few) - _combinations_within(before, few)
        for place in np.flatnonzero(told > 0):
            those = frozenset(few[place].tolist())
            # What these nodes give away without the others stands already.
            if told[place] > sum(smaller < those for smaller in found):
                found.append(those)
    return frozenset(nodes[place] for those in found for place in those)


def _projector(sets: set[frozenset[str]], nodes: Sequence[str]) -> FloatArray:
    """The projection onto all combinations of totals over these sets, shape (nodes, nodes)."""
    members = np.array([[node in one for node in nodes] for one in sets], dtype=np.float64).reshape(-1, len(nodes))
    _, values, directions = np.linalg.svd(members, full_matrices=False)
    kept = directions[values > _NOTHING * max(members.shape) * values.max(initial=0.0)]
    return np.asarray(kept.T @ kept)


def _combinations_within(projector: FloatArray, few: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many independent combinations rest on no other nodes than these, for each row of ``few`` (k, size).

    A combination is one of totals where the projection leaves it as it is: an eigenvalue of one.
    """
    blocks = projector[few[:, :, None], few[:, None, :]]
    return np.asarray((np.linalg.eigvalsh(blocks) > 1 - _WHOLE).sum(axis=1))


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
