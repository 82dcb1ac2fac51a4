"""Counting pairs: how many points before a place have a smaller value, for many places at once.

A wavelet matrix (Claude F, Navarro G, Ordonez A 2015, Information Systems 47:15): values are numbered by size,
and points are dealt out by one binary digit of their number after the other, so that n points and n questions
take n log n steps, all of them in whole arrays.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hansa.model.exposure import FloatArray

__all__ = ["smaller_before"]

_Places = NDArray[np.int32]
_Kind = TypeVar("_Kind", np.int32, np.float64)


def smaller_before(
    values: FloatArray, weights: FloatArray | None, place: NDArray[np.intp], asked: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Per question, the weight of points before a place whose value is smaller than a point's, or the same.

    Parameters
    ----------
    values : array, shape (n,)
        Of the points, in order.
    weights : array, shape (n,)
        Of the points; ``None`` for 1.
    place : integer array, shape (q,)
        Only the first ``place`` points count.
    asked : integer array, shape (q,)
        The point whose value is compared.

    Examples
    --------
    >>> points = np.array([3.0, 1.0, 2.0, 2.0])
    >>> [found.tolist() for found in smaller_before(points, None, np.array([2, 4]), np.array([2, 0]))]
    [[1.0, 3.0], [0.0, 1.0]]
    """
    n = len(values)
    by_size = _by_size(values)
    rank = _moved(np.arange(n, dtype=np.int32), by_size.astype(np.int32))
    new = np.append(True, np.diff(values[by_size]) != 0)[:n]
    smaller = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    bound = smaller[rank[asked]]
    # sorted by value and place, points of one value stand together, and those before the place stand first
    end = np.searchsorted(smaller * n + by_size, bound * n + place)
    total = _prefix(np.ones(n) if weights is None else weights[by_size])
    return _less(rank, weights, place.astype(np.int32), bound.astype(np.int32)), total[end] - total[bound]


def _by_size(values: FloatArray) -> NDArray[np.intp]:
    """The order by value, ties as they stand: a stable sort takes several times as long and is for ties only."""
    order = np.argsort(values)
    ascending = values[order]
    return np.argsort(values, kind="stable") if (ascending[1:] == ascending[:-1]).any() else order


def _less(rank: _Places, weights: FloatArray | None, place: _Places, bound: _Places) -> FloatArray:
    """Per question, the weight of the first ``place`` points whose rank is less than ``bound``."""
    total = np.zeros(len(place))
    begin, end = np.zeros_like(place), place
    every: _Places = np.arange(len(rank), dtype=np.int32)
    for digit in range(len(rank).bit_length() - 1, -1, -1):
        one = (rank >> digit) & 1 != 0
        ones = np.zeros(len(rank) + 1, dtype=np.int32)
        np.cumsum(one, out=ones[1:])
        zeros = len(rank) - ones[-1]
        low = begin - ones[begin], end - ones[end]
        high = (bound >> digit) & 1 != 0
        if weights is None:
            counted = low[1] - low[0]
        else:
            before = _prefix(np.where(one, 0.0, weights))
            counted = before[end] - before[begin]
        total += np.where(high, counted, 0)
        begin, end = (np.where(high, zeros + ones[at], below) for at, below in zip((begin, end), low, strict=True))
        dealt = np.where(one, zeros + ones[:-1], every - ones[:-1])
        rank = _moved(rank, dealt)
        weights = None if weights is None else _moved(weights, dealt)
    return total


def _moved(values: NDArray[_Kind], to: _Places) -> NDArray[_Kind]:
    found = np.empty_like(values)
    found[to] = values
    return found


def _prefix(values: FloatArray) -> FloatArray:
    found = np.zeros(len(values) + 1)
    np.cumsum(values, out=found[1:])
    return found
