"""The ROC curve and the groups of a calibration curve, from counts of people by binned score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import FloatArray

__all__ = ["Roc", "ScoreGroup", "groups_of", "roc"]


@dataclass(frozen=True, eq=False)
class Roc:
    """The area under the curve with its standard error; it may be off by ``bound`` at most.

    ``edges`` (m - 1,) lie between the bins; ``counts`` (2, m) are people without and with the event.
    """

    area: float
    se: float
    bound: float
    edges: FloatArray
    counts: FloatArray


@dataclass(frozen=True)
class ScoreGroup:
    """Neighbouring bins: the score they begin at, their people and events."""

    lower: float
    n: int
    events: int


def roc(histogram: tuple[FloatArray, FloatArray]) -> Roc:
    """The area by counting, ties half (Bamber 1975), its variance by DeLong et al. (1988, Biometrics 44:837).

    Pairs within one bin count half. Of such pairs either all or none may be in order, so the area is off by
    at most half their share.

    Parameters
    ----------
    histogram : edges (m - 1,) and counts (2, m)
        Both outcomes occur.

    Examples
    --------
    >>> found = roc((np.array([0.0]), np.array([[6.0, 2.0], [2.0, 6.0]])))
    >>> found.area, found.bound
    (0.75, 0.1875)
    """
    edges, counts = histogram
    without, having = counts
    n0, n1 = without.sum(), having.sum()
    beaten = (np.cumsum(without) - without / 2) / n0  # share of non-events that an event in the bin beats
    beating = (np.cumsum(having[::-1])[::-1] - having / 2) / n1
    area = float(having @ beaten / n1)
    variances = [
        float(weights @ (places - area) ** 2 / (n - 1) / n) if n > 1 else 0.0
        for weights, places, n in ((having, beaten, n1), (without, beating, n0))
    ]
    bound = float(without @ having / (2 * n0 * n1))
    return Roc(area, math.sqrt(sum(variances)), bound, edges, counts)


def groups_of(found: Roc, most: int, *, fewest: int, cell: int) -> tuple[ScoreGroup, ...]:
    """Neighbouring bins merged into groups of about equal size.

    Each holds at least ``fewest`` people, and of events and of non-events none or at least ``cell``.

    Parameters
    ----------
    found : Roc
    most : int
        The most groups.
    fewest, cell : int

    Returns
    -------
    tuple of ScoreGroup
        Empty where not even all together satisfy this.
    """
    target = max(float(fewest), found.counts.sum() / most)
    starts = np.concatenate([[-math.inf], found.edges])
    groups: list[tuple[float, FloatArray]] = []
    lower, inside = -math.inf, np.zeros(2)
    for position, people in enumerate(found.counts.T):
        inside = inside + people
        if inside.sum() >= target * (1 - 1e-9) and _fits(inside, fewest, cell):
            groups.append((lower, inside))
            lower, inside = float(starts[position + 1]) if position + 1 < len(starts) else math.inf, np.zeros(2)
    while inside.any() and not _fits(inside, fewest, cell) and groups:
        lower, before = groups.pop()
        inside = inside + before
    if inside.any():
        groups.append((lower, inside))
    if not all(_fits(people, fewest, cell) for _, people in groups):
        return ()
    return tuple(ScoreGroup(lower, round(people.sum()), round(people[1])) for lower, people in groups)


def _fits(people: FloatArray, fewest: int, cell: int) -> bool:
    return bool(people.sum() >= fewest and ((people == 0) | (people >= cell)).all())
