"""Real numbers as integers modulo 2^128 with 64 fraction bits, in two 64-bit lanes.

Sums of such integers are exact and do not depend on their order, so that a total does not depend on which
node answers first. ``lanes`` is a uint64 array of shape (2, n): row 0 the low lane (fraction), row 1 the high
lane (two's complement integer part).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hansa.errors import HeadroomError
from hansa.model.exposure import FloatArray

__all__ = [
    "PART_NUMBERS",
    "Lane",
    "Lanes",
    "add_into",
    "decode",
    "encode",
    "subtract_from",
]

Lanes = NDArray[np.uint64]
Lane = NDArray[np.uint64]

PART_NUMBERS = 2**18
"""Numbers of a share that travel in one message (4 MB); longer shares go in parts."""

_TWO_64 = 2.0**64
_SIGN = np.uint64(1 << 63)


def encode(values: FloatArray, *, nodes: int) -> Lanes:
    """Numbers as fixed-point integers, with room for a sum over ``nodes`` shares.

    Parameters
    ----------
    values : float64, shape (n,)
    nodes : int
        How many shares will be added; each must stay below 2^127 / nodes as an integer, that is below
        2^63 / nodes as a number. Nothing is ever clipped.

    Raises
    ------
    HeadroomError
        If a value is not finite, or too large. The message names no value.

    Examples
    --------
    >>> decode(encode(np.array([1.5, -0.25]), nodes=3))
    array([ 1.5 , -0.25])
    """
    largest = float(np.abs(values).max()) if values.size else 0.0
    if not np.isfinite(largest):
        raise HeadroomError(
            "a share is not finite",
            why="a sum with not-a-number or infinity in it says nothing",
            fix="look for overflow in the step, and for data outside the dictionary's ranges",
        )
    if largest >= 2.0**63 / max(nodes, 1):
        raise HeadroomError(
            "a share is too large for the secure sum",
            why=f"with {nodes} nodes each share stays below 2^63 / {nodes}",
            fix="declare plausible ranges and units in the dictionary, so that columns are scaled",
        )
    fraction, whole = np.modf(values)
    lanes = np.empty((2, values.size), dtype=np.uint64)
    # A fraction below one has 53 significant bits: scaled by 2^64 it stays below 2^64.
    lanes[0] = (np.abs(fraction) * _TWO_64).astype(np.uint64)
    lanes[1] = whole.astype(np.int64).view(np.uint64)
    np.negative(lanes[0], out=lanes[0], where=fraction < 0)
    lanes[1] -= (fraction < 0) & (lanes[0] != 0)
    return lanes


def decode(lanes: Lanes) -> FloatArray:
    """The numbers, each rounded once to float64."""
    negative = lanes[1] >= _SIGN
    low, high = lanes.copy()
    np.negative(low, out=low, where=negative)
    np.invert(high, out=high, where=negative)
    high += negative & (low == 0)
    values: FloatArray = high.astype(np.float64) + low.astype(np.float64) / _TWO_64
    np.negative(values, out=values, where=negative)
    return values


def add_into(total: Lanes, other: Lanes | tuple[Lane, Lane]) -> None:
    """The sum modulo 2^128, in place."""
    total[0] += other[0]
    carry = total[0] < other[0]
    total[1] += other[1]
    total[1] += carry


def subtract_from(total: Lanes, other: Lanes | tuple[Lane, Lane]) -> None:
    """The difference modulo 2^128, in place."""
    borrow = total[0] < other[0]
    total[0] -= other[0]
    total[1] -= other[1]
    total[1] -= borrow
