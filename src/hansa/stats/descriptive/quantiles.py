"""Quantiles of the pooled distribution from counts in bins, refined where a wanted order statistic lies.

Nobody's value is ever asked for. The hub sends edges, gets the pooled counts between them, and splits only
the bin that holds the wanted order statistic, as long as some part of it that holds this order statistic
holds enough people. The edges come from a public grid and never settle on a person's value: the parts are
aligned halves, quarters, eighths, ... of the bin split. Only a value shared by many people lets a bin shrink
to nearly a point.

The quantile is type 7 of Hyndman and Fan (1996, The American Statistician 50:361), numpy's and R's default:
with h = (n - 1) p, the order statistics floor(h) and floor(h) + 1 are interpolated linearly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hansa.model.exposure import FloatArray

__all__ = [
    "BINS",
    "Bin",
    "Quantile",
    "Search",
    "bin_counts",
    "bracketed",
    "first_edges",
    "order_statistics",
    "quantile",
    "ranks_of",
    "refine",
    "search_for",
]

BINS = 64
"""Bins per round, besides the two open ends: a round narrows a search 64-fold."""

_TAIL = 8
"""Of the first round's bins, those on each side of the range; each reaches 64 times as far as the last."""

_POINT = 2.0**-28
"""Relative to the first grid, the width at which a bin counts as a single value."""

_RESOLUTION = 2.0**-40
"""Relative to its edges' size, the width below which a bin cannot be split further in float64."""

_CELL = 5
"""Where fewer people (and not none) lie on one side of a bin, its midpoint is given: a position within the
bin would tell how many."""


@dataclass(frozen=True)
class Bin:
    """People in [lower, upper): ``inside`` of them; ``below`` and ``above`` lie on either side.

    ``point`` says that the bin has shrunk to one value, as far as can be told.
    """

    lower: float
    upper: float
    below: int
    inside: int
    above: int
    point: bool

    @property
    def width(self) -> float:
        """The bin's width, in the variable's unit."""
        return self.upper - self.lower


@dataclass(frozen=True)
class Quantile:
    """A quantile and how far it may be off: the pooled type-7 quantile is within ``error_bound`` of it.

    Both are ``None`` where too few people lie at or beyond it.
    """

    probability: float
    estimate: float | None
    error_bound: float | None


@dataclass(frozen=True, eq=False)
class Search:
    """The search for the order statistic of ``rank`` (from 0): where it looks next, or what it found.

    ``edges``, shape (BINS + 1,), rise strictly. ``even`` says that the bins are equally wide; ``finest`` is the
    width at which a bin is a point.
    """

    rank: int
    edges: FloatArray
    finest: float
    even: bool = False
    searching: bool = True
    bin: Bin | None = None


def ranks_of(probability: float, n: int) -> tuple[int, int, float]:
    """The two order statistics (from 0) behind a type-7 quantile, and the weight of the second.

    Examples
    --------
    >>> ranks_of(0.25, 10)
    (2, 3, 0.25)
    """
    h = (n - 1) * probability
    low = math.floor(h)
    return low, min(low + 1, n - 1), h - low


def first_edges(range_: tuple[float, float] | None, mean: float, sd: float) -> FloatArray:
    """The first grid: even over the range, and 64-fold wider bins on either side for values beyond it.

    Without a dictionary range, the range is four standard deviations (rounded up to a power of two) around
    the mean (rounded to a multiple of that).

    Returns
    -------
    array, shape (BINS + 1,)
    """
    if range_ is None:
        half = 4 * 2.0 ** math.ceil(math.log2(sd)) if sd > 0 else max(1.0, abs(mean))
        middle = round(mean / half) * half
        range_ = (middle - half, middle + half)
    inner = np.linspace(range_[0], range_[1], BINS - 2 * _TAIL + 1)
    reach = (inner[-1] - inner[0]) * 64.0 ** np.arange(_TAIL)
    return np.concatenate([(inner[0] - reach)[::-1], inner, inner[-1] + reach])


def search_for(rank: int, edges: FloatArray) -> Search:
    """The search for an order statistic, before its first round over the first grid."""
    return Search(rank, edges, finest=_POINT * float(edges[-1 - _TAIL] - edges[_TAIL]))


def bracketed(probability: float, n: int, smallest: int) -> bool:
    """Whether enough people lie beyond the quantile on both sides for it to be no extreme.

    Examples
    --------
    >>> bracketed(0.05, 200, 10), bracketed(0.05, 202, 10)
    (False, True)
    """
    low, high, _ = ranks_of(probability, n)
    return low >= smallest and n - 1 - high >= smallest


def bin_counts(values: FloatArray, edges: FloatArray) -> FloatArray:
    """How many values lie below the first edge, in each [edge, next edge), and from the last edge on.

    Parameters
    ----------
    values : array, shape (n,)
        Without missing values.
    edges : array, shape (..., m)
        Each row rises strictly.

    Returns
    -------
    array, shape (..., m + 1)

    Examples
    --------
    >>> bin_counts(np.array([1.0, 2.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.0, 1.0, 2.0, 1.0]
    """
    below = np.searchsorted(np.sort(values), edges, side="left")
    return np.diff(below, axis=-1, prepend=0, append=values.size).astype(np.float64)


def order_statistics(
    count: Callable[[FloatArray], FloatArray], searches: Sequence[Search], smallest: int
) -> list[Bin | None]:
    """The bins that hold the wanted order statistics; one round of counts per refinement, for all together.

    Parameters
    ----------
    count : from edges (m, BINS + 1) to pooled counts (m, BINS + 2)
    searches : m searches
    smallest : int
        The fewest people that a bin may hold.

    Returns
    -------
    list of Bin or None
        ``None`` where no bin holds enough people, or nothing was searched.
    """
    current = list(searches)
    while any(search.searching for search in current):
        counts = count(np.stack([search.edges for search in current]))
        current = [
            refine(search, found, smallest) if search.searching else search
            for search, found in zip(current, counts, strict=True)
        ]
    return [search.bin for search in current]


def refine(search: Search, counts: FloatArray, smallest: int) -> Search:
    """The search after one round: its bin found, or the next edges to ask for.

    Of the aligned windows of 1, 2, 4, ... bins around the order statistic, the smallest that holds enough
    people is kept. A window of several even bins is final, since no finer part would hold enough.
    """
    found = _smallest_window(search, counts, smallest)
    if found is None:
        return replace(search, searching=False)
    window, bins = found
    point = window.width <= max(search.finest, _RESOLUTION * max(abs(window.lower), abs(window.upper)))
    if point or (search.even and bins > 1):
        return replace(search, searching=False, bin=replace(window, point=point))
    edges = np.linspace(window.lower, window.upper, BINS + 1)
    return replace(search, edges=edges, even=True)


def quantile(probability: float, n: int, bins: tuple[Bin | None, Bin | None]) -> Quantile:
    """The quantile from the bins of its two order statistics.

    Each order statistic is interpolated linearly within its bin by rank; the bound is the bins' width,
    weighted likewise, since the order statistic may lie anywhere in its bin.
    """
    low, high, weight = ranks_of(probability, n)
    first, second = bins
    if first is None or second is None:
        return Quantile(probability, None, None)
    estimate = (1 - weight) * _position(first, low) + weight * _position(second, high)
    return Quantile(probability, estimate, (1 - weight) * first.width + weight * second.width)


def _smallest_window(search: Search, counts: FloatArray, smallest: int) -> tuple[Bin, int] | None:
    """The smallest aligned window around the rank with enough people, and of how many bins it is made."""
    below = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    at = int(np.searchsorted(below, search.rank, side="right")) - 2
    if not 0 <= at < BINS:
        return None
    size = 1
    while size <= BINS:
        first = at // size * size
        inside = int(below[first + size + 1] - below[first + 1])
        if inside >= smallest:
            lower, upper = float(search.edges[first]), float(search.edges[first + size])
            above = int(below[-1] - below[first + size + 1])
            return Bin(lower, upper, int(below[first + 1]), inside, above, point=False), size
        size *= 2
    return None


def _position(found: Bin, rank: int) -> float:
    """Where in its bin the order statistic is put."""
    if found.point:
        return _shortest_decimal(found.lower, found.upper)
    if 0 < found.below < _CELL or 0 < found.above < _CELL:
        return found.lower + found.width / 2
    return found.lower + found.width * (rank - found.below + 0.5) / found.inside


def _shortest_decimal(lower: float, upper: float) -> float:
    """The number of [lower, upper) with the fewest decimals: the value that people there most likely share."""
    middle = lower + (upper - lower) / 2
    candidates = (round(middle, digits) for digits in range(16))
    return next((value for value in candidates if lower <= value < upper), middle)
