"""Centres and powers of two, so that sums in fixed point lose neither headroom nor low bits.

The secure sum carries 64 fraction bits. A column is therefore moved to a public centre and multiplied by a
power of two before it is squared, so that its squares are near one. Powers of two change no significant bit.
"""

from __future__ import annotations

import math

import numpy as np

from hansa.model.exposure import FloatArray

__all__ = ["power_of_two", "scale_about_mean", "sharpened"]

_FINE = 2.0**-24
"""A mean square between this and its inverse keeps 40 bits below it in the secure sum's 64."""


def power_of_two(range_: tuple[float, float] | None) -> tuple[float, float]:
    """A public centre and scale for a column, from its dictionary range.

    Parameters
    ----------
    range_ : (lowest, highest) or None
        The plausible range, in the variable's unit.

    Returns
    -------
    centre, scale : float
        ``(x - centre) * scale`` lies within -1 and 1 for x in the range; ``scale`` is a power of two. Without
        a range, 0 and 1.

    Examples
    --------
    >>> power_of_two((80.0, 200.0))
    (140.0, 0.015625)
    >>> power_of_two(None)
    (0.0, 1.0)
    """
    if range_ is None:
        return 0.0, 1.0
    lowest, highest = range_
    half = highest / 2 - lowest / 2
    return lowest + half, 2.0 ** -math.ceil(math.log2(half))


def scale_about_mean(scale: FloatArray, distance: FloatArray) -> FloatArray:
    """Scales for squares about the mean: the range's, unless the mean lies farther than that from the centre.

    Parameters
    ----------
    scale : array of powers of two
    distance : array of the same shape
        Of the mean from the public centre.

    Examples
    --------
    >>> scale_about_mean(np.array([0.5, 1.0]), np.array([2.0, -1000.0])).tolist()
    [0.5, 0.0009765625]
    """
    reach = np.maximum(np.abs(distance), 1 / scale)
    return np.asarray(2.0 ** -np.ceil(np.log2(reach)))


def sharpened(scale: FloatArray, mean_square: FloatArray) -> FloatArray:
    """Scales under which the mean squares found come near one; unchanged where they are near enough.

    Parameters
    ----------
    scale : array of powers of two
    mean_square : array of the same shape
        Mean of ``((x - centre) * scale) ** 2``; zero where it was too small to be seen, NaN where nobody is.

    Returns
    -------
    array of powers of two, of the same shape

    Examples
    --------
    >>> sharpened(np.array([1.0, 1.0]), np.array([0.5, 2.0**-40])).tolist()
    [1.0, 1048576.0]
    """
    near = np.isnan(mean_square) | ((mean_square >= _FINE) & (mean_square <= 1 / _FINE))
    seen = np.where(near | (mean_square <= 0), 1.0, mean_square)
    factor = np.where(mean_square <= 0, 1 / _FINE, 2.0 ** -np.round(np.log2(seen) / 2))
    return np.where(near, scale, scale * factor)
