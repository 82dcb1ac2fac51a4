"""Counting pairs: how many points before a place have a smaller value, for many places at once.

A wavelet matrix (Claude F, Navarro G, Ordonez A 2015, Information Systems 47:15): values are numbered by size,
and points are dealt out by one binary digit of their number after the other, so that n points and n questions
take n log n steps, all of them in whole arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hansa.model.exposure import FloatArray

__all__ = ["smaller_before"]


def smaller_before(
    values: FloatArray, weights: FloatArray, place: NDArray[np.intp], than: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Per question, the weight of points before a place that have a smaller value, and of those with an equal one.

    Parameters
    ----------
    values, weights : arrays, shape (n,)
        Of the points, in order.
    place : integer array, shape (q,)
        Only the first ``place`` points count.
    than : array, shape (q,)

    Examples
    --------
    >>> points, ones = np.array([3.0, 1.0, 2.0]), np.ones(3)
    >>> [found.tolist() for found in smaller_before(points, ones, np.array([2, 3]), np.array([2.0, 3.0]))]
    [[1.0, 2.0], [0.0, 1.0]]
    """
    order = np.unique(values)
    ranks = np.searchsorted(order, values)
    below, upto = np.searchsorted(order, than, side="left"), np.searchsorted(order, than, side="right")
    smaller, no_larger = np.split(_less(ranks, weights, np.tile(place, 2), np.concatenate([below, upto])), 2)
    return smaller, no_larger - smaller


def _less(ranks: NDArray[np.intp], weights: FloatArray, place: NDArray[np.intp], bound: NDArray[np.intp]) -> FloatArray:
    """Per question, the weight of the first ``place`` points whose rank is less than ``bound``."""
    total = np.zeros(len(place))
    if not len(ranks):
        return total
    begin, end = np.zeros_like(place), place
    for digit in range(int(ranks.max()).bit_length(), -1, -1):
        zero = (ranks >> digit) & 1 == 0
        zeros = np.zeros(len(zero) + 1, dtype=np.intp)
        np.cumsum(zero, out=zeros[1:])
        weight = _prefix(np.where(zero, weights, 0.0))
        high = (bound >> digit) & 1 == 1
        total += np.where(high, weight[end] - weight[begin], 0.0)
        begin = np.where(high, zeros[-1] + begin - zeros[begin], zeros[begin])
        end = np.where(high, zeros[-1] + end - zeros[end], zeros[end])
        order = np.concatenate([np.flatnonzero(zero), np.flatnonzero(~zero)])
        ranks, weights = ranks[order], weights[order]
    return total


def _prefix(values: FloatArray) -> FloatArray:
    found = np.zeros(len(values) + 1)
    np.cumsum(values, out=found[1:])
    return found
