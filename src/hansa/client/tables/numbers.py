"""Numbers as a journal prints them.

A blank is an en dash; minus is the minus sign; ranges take an en dash, or "to" where a bound is negative.
"""

from __future__ import annotations

import math

__all__ = [
    "BLANK",
    "BLANK_NOTE",
    "count",
    "fixed",
    "interval",
    "is_known",
    "p_value",
    "percent",
    "significant",
]

BLANK = "–"
BLANK_NOTE = "– withheld: it would tell, or let one work out, something about few people."

_DIGITS = 3
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


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
    """A p-value: two decimals, three below 0.01 and where two would say 0.05 of less.

    Examples
    --------
    >>> p_value(0.1234), p_value(0.0071), p_value(0.0481), p_value(1e-12), p_value(0.9971)
    ('0.12', '0.007', '0.048', '<0.001', '>0.99')
    """
    if p is None or not math.isfinite(p):
        return BLANK
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    return f"{p:.3f}" if p < 0.0095 or 0.045 <= p < 0.05 else f"{p:.2f}"


def interval(low: float | None, high: float | None, digits: int = _DIGITS) -> str:
    """A range.

    Examples
    --------
    >>> interval(1.041, 1.082), interval(-0.2, 0.31), interval(None, 2.0)
    ('1.04–1.08', '−0.200 to 0.310', '–')
    """
    if not is_known(low) or not is_known(high):
        return BLANK
    first, last = significant(low, digits), significant(high, digits)
    joined = " to " if "−" in first + last or "×" in first + last else "–"
    return f"{first}{joined}{last}"
