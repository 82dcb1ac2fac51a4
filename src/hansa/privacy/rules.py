"""The disclosure rules, judged on totals over the league (or on one site's own tally for a release).

Each rule is a function from a tally and the thresholds to breaches. A breach is for the node's steward;
outside the node every breach is the one code ``disclosure``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import Exposure, FloatArray
from hansa.privacy.counts import Tally
from hansa.privacy.people import People
from hansa.privacy.thresholds import Thresholds

__all__ = [
    "ADVICE",
    "Breach",
    "counts_as_node",
    "dominant",
    "fills_arms",
    "held_in_arms",
    "is_own_release",
    "judge",
    "judge_cross",
    "judge_nodes",
    "judge_parameters",
]

ADVICE = "fix one analysis set for all models, merge sparse levels, or widen the population"
"""The one general advice that leaves a node with a data-dependent refusal."""

_HALF = 0.5  # totals of counts are whole numbers; half a person separates them in the face of rounding


@dataclass(frozen=True)
class Breach:
    """A rule that does not hold, in the steward's words. ``place`` names the exposure and column."""

    rule: str
    place: str
    sentence: str


def judge(tally: Tally, limits: Thresholds) -> tuple[Breach, ...]:
    """All breaches of one exposure's totals.

    Groups, cells (of columns, of both values of two-valued ones, of products and differences) and effective
    people.
    """
    if tally.block.weights:
        return tuple(_effective(tally, limits))
    rules = (_group, _cells, _products, _combinations, _effective)
    return tuple(breach for rule in rules for breach in rule(tally, limits))


def judge_parameters(tally: Tally, limits: Thresholds) -> tuple[Breach, ...]:
    """Too many columns for the people, for exposures with a parameter for each column."""
    most = limits.parameters_per_person * tally.people
    if not tally.block.parameters or tally.people < _HALF or len(tally.block.names) <= most:
        return ()
    return (
        Breach(
            "parameters",
            tally.block.name,
            f"{len(tally.block.names)} columns are too many for these people: more could be solved for than hidden",
        ),
    )


def judge_cross(tally: Tally, limits: Thresholds) -> tuple[Breach, ...]:
    """Few people in any of the four cells of two two-valued columns, for a release of one site.

    A site's own coefficient and standard error of a two-valued column give the four counts away (the variance
    of a log odds ratio is the sum of their reciprocals); over the league the counts are of no single site.
    """
    if not tally.block.products:
        return ()
    present, absent = tally.column(0), tally.column(1)
    two_valued = (tally.column(4) < _HALF) & (present > _HALF) & (absent > _HALF)
    found = []
    for first, second, both in zip(*np.triu_indices(len(tally.block.names), k=1), tally.pairs, strict=True):
        cells = (both, present[first] - both, present[second] - both, absent[first] - present[second] + both)
        if two_valued[first] and two_valued[second] and any(_few(float(count), limits.cell) for count in cells):
            place = f"{tally.block.name}: {tally.block.names[first]} by {tally.block.names[second]}"
            found.append(Breach("cell", place, f"fewer than {limits.cell} people are in one of the four cells"))
    return tuple(found)


def judge_nodes(counting: float, limits: Thresholds) -> tuple[Breach, ...]:
    """Too few nodes with a group and a cell in every level."""
    if counting > limits.min_nodes - _HALF:
        return ()
    return (Breach("nodes", "analysis set", f"fewer than {limits.min_nodes} nodes have enough people in every level"),)


def counts_as_node(local: Sequence[Tally], strata: Sequence[Sequence[bool]], limits: Thresholds) -> bool:
    """Whether one node has a group in every exposure and a cell in every level, arm and stratum."""
    for tally, marked in zip(local, strata, strict=True):
        if tally.people < limits.group:
            return False
        chosen = np.asarray(marked, dtype=bool)
        fewest = np.minimum(tally.column(0), tally.column(1))[chosen]
        if (fewest < limits.cell).any():
            return False
    return True


def held_in_arms(local: Sequence[Tally], arms: Sequence[Sequence[bool]]) -> FloatArray:
    """The people of one node in each arm: with and without each marked column, shape (2 * marks,)."""
    parts = [
        np.concatenate([tally.column(kind)[np.flatnonzero(marked)] for kind in (0, 1)])
        for tally, marked in zip(local, arms, strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def fills_arms(held: FloatArray, limits: Thresholds) -> FloatArray:
    """Of each arm, 1 where this node's people in it are a group, else 0."""
    return (held >= limits.group).astype(np.float64)


def is_own_release(held: FloatArray, filling: FloatArray, limits: Thresholds) -> bool:
    """Whether this node has people in an arm that too few nodes fill: that arm's sums are then these nodes' own.

    ``filling`` are the nodes that fill each arm, over the league.
    """
    return bool(((held > _HALF) & (filling < limits.min_nodes - _HALF)).any())


def _group(tally: Tally, limits: Thresholds) -> Iterator[Breach]:
    if _few(tally.people, limits.group):
        yield Breach("group", tally.block.name, f"fewer than {limits.group} people are in this set")


def _cells(tally: Tally, limits: Thresholds) -> Iterator[Breach]:
    present, absent = tally.column(0), tally.column(1)
    for position, name in enumerate(tally.block.names):
        if _few(present[position], limits.cell):
            yield Breach(
                "cell",
                f"{tally.block.name}: {name}",
                f"fewer than {limits.cell} people have a value not zero",
            )
        if tally.block.indicator[position] and _few(absent[position], limits.cell):
            yield Breach("cell", f"{tally.block.name}: {name}", f"fewer than {limits.cell} people lack this level")


def _products(tally: Tally, limits: Thresholds) -> Iterator[Breach]:
    if not tally.block.products:
        return
    first, second = np.triu_indices(len(tally.block.names), k=1)
    for pair in np.flatnonzero((tally.pairs > _HALF) & (tally.pairs < limits.cell - _HALF)):
        names = tally.block.names[first[pair]], tally.block.names[second[pair]]
        yield Breach(
            "cell",
            f"{tally.block.name}: {names[0]} x {names[1]}",
            f"fewer than {limits.cell} people have both",
        )


def _combinations(tally: Tally, limits: Thresholds) -> Iterator[Breach]:
    """Two-valued columns of which an asker cut at least one to size: no few people in the one and not the other.

    Such columns together say what one column of their difference would say. Written other than as none and
    some value, a cut column would hide who differs, so that is a breach too.
    """
    present, absent, others = tally.column(0), tally.column(1), tally.column(4)
    two_valued = (others < _HALF) & (present > _HALF)
    for place in np.flatnonzero(two_valued & np.asarray(tally.block.derived, dtype=bool) & (absent < _HALF)):
        if tally.column(2)[place] > 0:
            name = f"{tally.block.name}: {tally.block.names[place]}"
            yield Breach("coding", name, "a derived column of two values is written as 0 and 1 or as a condition")
    if not tally.block.products:
        return
    pairs = zip(*np.triu_indices(len(tally.block.names), k=1), tally.pairs, strict=True)
    for first, second, both in pairs:
        if not (two_valued[first] and two_valued[second]):
            continue
        apart = present[first] - both, present[second] - both
        cut = tally.block.derived[first] or tally.block.derived[second]
        if cut and any(_few(float(count), limits.cell) for count in apart):
            names = f"{tally.block.names[first]} and {tally.block.names[second]}"
            yield Breach("cell", f"{tally.block.name}: {names}", f"fewer than {limits.cell} people tell them apart")


def _effective(tally: Tally, limits: Thresholds) -> Iterator[Breach]:
    effective = effective_people(tally.column(2), tally.column(3))
    for position, name in enumerate(tally.block.names):
        if not tally.block.indicator[position] and _few(effective[position], limits.effective):
            yield Breach(
                "effective",
                f"{tally.block.name}: {name}",
                f"this sum rests on fewer than {limits.effective:g} effective people",
            )


def effective_people(total: FloatArray, squares: FloatArray) -> FloatArray:
    """Kish's effective number, 0 where nobody differs."""
    return np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)


def _few(count: float, least: float) -> bool:
    """More than none, fewer than ``least``, with the slack that rounding needs."""
    return 1e-9 < count < least * (1 - 1e-9)


def dominant(exposure: Exposure, people: People, limits: Thresholds) -> tuple[str, ...]:
    """The columns whose sum at one site rests on two people (for a site's own release).

    The two largest contributions make more than ``dominance`` of the sum, or what is left without them is
    less than ``p_percent`` of the largest (Hundepool et al. 2012, Statistical Disclosure Control, 4.2.1).
    Contributions are a person's absolute sums; sums over fewer than three people are the group rule's.
    """
    size = np.where(exposure.rows[:, None], np.abs(exposure.columns), 0.0)
    largest = np.sort(people.total(size), axis=0)[::-1]
    if len(largest) < 3:
        return ()
    total = largest.sum(axis=0)
    rest = total - largest[0] - largest[1]
    few = (total > 0) & ((largest[0] + largest[1] > limits.dominance * total) | (rest < limits.p_percent * largest[0]))
    return tuple(f"{exposure.name}: {exposure.names[place]}" for place in np.flatnonzero(few))
