"""Tails and quantiles of the distributions that tests and intervals use: those of ``scipy.stats``, to the last digit.

``scipy.stats`` itself is not imported: it would take every node, hub and command two thirds of a second to start.
"""

from __future__ import annotations

import math

from scipy import special

__all__ = [
    "chi_square_log_tail",
    "chi_square_tail",
    "f_log_tail",
    "normal_quantile",
    "normal_tail",
    "t_quantile",
    "t_tail",
]


def normal_quantile(p: float) -> float:
    """The quantile of the standard normal distribution.

    Examples
    --------
    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return float(special.ndtri(p))


def normal_tail(x: float) -> float:
    """The probability above ``x`` of the standard normal distribution."""
    return float(special.ndtr(-x))


def t_quantile(p: float, df: float) -> float:
    """The quantile of Student's t.

    Examples
    --------
    >>> round(t_quantile(0.975, 10), 6)
    2.228139
    """
    return float(special.stdtrit(df, p)) if df > 0 else math.nan


def t_tail(x: float, df: float) -> float:
    """The probability above ``x`` of Student's t."""
    return float(special.stdtr(df, -x)) if df > 0 else math.nan


def chi_square_tail(x: float, df: float) -> float:
    """The probability above ``x`` of chi-square.

    Examples
    --------
    >>> round(chi_square_tail(3.841459, 1), 6)
    0.05
    """
    return float(special.chdtrc(df, max(x, 0.0))) if df > 0 else math.nan


def chi_square_log_tail(x: float, df: float) -> float:
    """The natural logarithm of the probability above ``x`` of chi-square; minus infinity where that underflows."""
    return _logarithm(chi_square_tail(x, df), float(special.chdtr(df, max(x, 0.0))))


def f_log_tail(x: float, numerator: float, denominator: float) -> float:
    """The natural logarithm of the probability above ``x`` of F; minus infinity where that underflows.

    Examples
    --------
    >>> round(f_log_tail(4.0, 2, 20), 4)
    -3.3647
    """
    if not min(numerator, denominator) > 0:
        return math.nan
    freedom, x = (numerator, denominator), max(x, 0.0)
    return _logarithm(float(special.fdtrc(*freedom, x)), float(special.fdtr(*freedom, x)))


def _logarithm(above: float, below: float) -> float:
    """Of the probability above, from whichever of the two has more digits."""
    if above == 0:
        return -math.inf
    return math.log1p(-below) if above > below else math.log(above)
