"""Numbers as a journal prints them.

A blank is an en dash; minus is the minus sign; ranges take an en dash, or "to" where a bound is negative.
"""

from __future__ import annotations

import math

__all__ = [
    "BLANK",
    "BLANK_NOTE",
    "count",
    "estimate",
    "fixed",
    "p_value",
    "percent",
    "ratio",
    "significant",
]

BLANK = "–"
BLANK_NOTE = "– withheld: it would tell, or let one work out, something about few people."

_DIGITS = 3
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def significant(value: float | None, digits: int = _DIGITS) -> str:
    """A number to so many significant digits; the digits before the point are always whole.

    Examples
    --------
    >>> significant(0.061234), significant(-12.345), significant(12345.6), significant(1.234e-7)
    ('0.0612', '−12.3', '12,346', '1.23×10⁻⁷')
    >>> significant(None)
    '–'
    """
    if value is None or not math.isfinite(value):
        return BLANK
    if value == 0:
        return "0"
    mantissa, power = f"{abs(value):.{digits - 1}e}".split("e")
    sign = "−" if value < 0 else ""
    if not -5 < int(power) < 7:
        return f"{sign}{mantissa}×10{str(int(power)).translate(_SUPERSCRIPTS)}"
    return fixed(value, max(0, digits - 1 - int(power)))


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals, grouped from five digits before the point on.

    Examples
    --------
    >>> fixed(-0.5, 2), fixed(-0.001, 1), fixed(1234.5, 1), fixed(12345.0, 0)
    ('−0.50', '0.0', '1234.5', '12,345')
    """
    if value is None or not math.isfinite(value):
        return BLANK
    text = f"{abs(value):{',' if abs(value) >= 10_000 else ''}.{decimals}f}"
    negative = value < 0 and any(digit in text for digit in "123456789")
    return f"−{text}" if negative else text


def count(value: float | None) -> str:
    """A number of people.

    Examples
    --------
    >>> count(860), count(12345), count(None)
    ('860', '12,345', '–')
    """
    return fixed(value, 0)


def percent(value: float | None) -> str:
    """Per cent, one decimal.

    Examples
    --------
    >>> percent(21.08)
    '21.1'
    """
    return fixed(value, 1)


def p_value(p: float | None) -> str:
    """A p-value: two decimals, three below 0.01, and more where fewer would round up to 0.05.

    Examples
    --------
    >>> p_value(0.1234), p_value(0.0071), p_value(0.0481), p_value(0.0497), p_value(1e-12), p_value(0.9971)
    ('0.12', '0.007', '0.048', '0.0497', '<0.001', '>0.99')
    """
    if p is None or not math.isfinite(p):
        return BLANK
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    if p < 0.0095:
        return f"{p:.3f}"
    return next(text for text in (f"{p:.{places}f}" for places in range(2, 20)) if p >= 0.05 or float(text) < 0.05)


def estimate(middle: float | None, low: float | None, high: float | None) -> str:
    """An estimate and its interval, with the decimals that the interval's width supports (two digits of it).

    Without a middle, the interval alone.

    Examples
    --------
    >>> estimate(0.0612, 0.0441, 0.0774), estimate(-1.523, -1.93, -1.1), estimate(None, 0.0441, 0.0774)
    ('0.061 (0.044–0.077)', '−1.52 (−1.93 to −1.10)', '0.044–0.077')
    """
    decimals = _decimals(low, high) + 1
    return _bracketed(*(fixed(value, max(0, decimals)) for value in (middle, low, high)), alone=middle is None)


def ratio(middle: float | None, low: float | None, high: float | None) -> str:
    """A ratio and its interval: two decimals, more where the interval is narrow, fewer above ten.

    Examples
    --------
    >>> ratio(1.063, 1.046, 1.081), ratio(1.00071, 1.00021, 1.00121), ratio(0.62, 0.021, 17.04)
    ('1.06 (1.05–1.08)', '1.0007 (1.0002–1.0012)', '0.62 (0.021–17.0)')
    """
    decimals = _decimals(low, high)
    return _bracketed(*(_ratio(value, decimals) for value in (middle, low, high)), alone=middle is None)


def _decimals(low: float | None, high: float | None) -> int:
    if low is None or high is None or not 0 < high - low < math.inf:
        return _DIGITS - 1
    return math.ceil(-math.log10((high - low) / 2))


def _ratio(value: float | None, decimals: int) -> str:
    if value is None or not 1e-5 < value < 1e7:
        return significant(value, 2)
    power = math.floor(math.log10(value))
    usual = 1 - power if value < 0.095 else min(2, max(0, 2 - power))
    return fixed(value, max(usual, decimals))


def _bracketed(middle: str, low: str, high: str, *, alone: bool) -> str:
    bounds = _joined(low, high)
    return bounds if alone else f"{middle} ({bounds})"


def _joined(low: str, high: str) -> str:
    if BLANK in (low, high):
        return BLANK
    return f"{low} to {high}" if {"−", "×"} & {*low, *high} else f"{low}–{high}"
