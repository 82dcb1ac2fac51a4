"""How large columns are, told so coarsely that it gives scales for later sums and hardly anything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs

__all__ = ["BUCKETS", "bucket_scale", "size_counts"]

BUCKETS = 64
"""Sizes are told in 64 classes, each 2^8 wide, from 2^-256 to 2^256."""

_BITS = 8


def size_counts(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, FloatArray]:  # noqa: ARG001  # a step takes inputs
    """In which class of sizes the root mean square of each column lies at this node: one-hot, (k, BUCKETS).

    A column of zeros is in no class.
    """
    values = [arrays["values"] for arrays in partitions]
    largest = np.max([np.abs(part).max(axis=0, initial=0.0) for part in values], axis=0)
    safe = np.where(largest > 0, largest, 1.0)  # squares of what is divided by it cannot overflow
    squares = np.sum([((part / safe) ** 2).sum(axis=0) for part in values], axis=0)
    size = safe * np.sqrt(squares / sum(len(part) for part in values))
    seen = size > 0
    exponent = np.floor(np.log2(np.where(seen, size, 1.0)) / _BITS) + BUCKETS // 2
    bucket = np.clip(exponent, 0, BUCKETS - 1).astype(np.int64)
    counts = np.zeros((len(size), BUCKETS))
    counts[np.arange(len(size)), bucket] = seen
    return {"counts": counts}


def bucket_scale(counts: FloatArray) -> FloatArray:
    """The power of two that brings the largest size counted near one; one where all is zero.

    Parameters
    ----------
    counts : array, shape (k, BUCKETS)

    Returns
    -------
    array, shape (k,)

    Examples
    --------
    >>> counts = np.zeros((1, BUCKETS))
    >>> counts[0, 34] = 3  # sizes from 2^16 to 2^24
    >>> bucket_scale(counts) == 2.0**-20
    array([ True])
    """
    seen = counts > 0.5
    last = BUCKETS - 1 - np.argmax(seen[:, ::-1], axis=1)
    exponent = -(_BITS * (last - BUCKETS // 2) + _BITS // 2)
    return np.where(seen.any(axis=1), 2.0**exponent, 1.0)
