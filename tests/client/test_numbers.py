from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.client.tables.numbers import BLANK, estimate, fixed, p_value, ratio, significant

finite = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-12)


def parsed(text: str) -> float:
    mantissa, _, power = text.replace("−", "-").replace(",", "").partition("×10")
    digits = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(mantissa) * 10.0 ** int(digits or 0)


@given(finite)
def test_three_significant_digits_are_within_half_a_unit_of_the_third(value: float) -> None:
    assert parsed(significant(value)) == pytest.approx(value, rel=5.1e-3)


@given(finite, st.integers(0, 6))
def test_fixed_never_shows_minus_zero(value: float, decimals: int) -> None:
    assert not re.fullmatch(r"−0(\.0*)?", fixed(value, decimals))


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_blank(value: float | None) -> None:
    assert significant(value) == fixed(value, 2) == p_value(value) == BLANK
    assert ratio(None, value, 1.0) == estimate(None, value, 1.0) == BLANK


@given(st.floats(0, 1))
def test_a_shown_p_value_lies_on_the_same_side_of_five_per_cent(p: float) -> None:
    shown = p_value(p).lstrip("<>")
    assert (float(shown) < 0.05) == (p < 0.05)


@given(st.floats(1e-3, 1e5), st.floats(1e-3, 3.0))
def test_the_bounds_of_a_ratio_are_told_apart(middle: float, half: float) -> None:
    low, high = middle * math.exp(-half), middle * math.exp(half)
    shown = ratio(middle, low, high)
    bounds = re.split("–| to ", shown.partition(" (")[2].rstrip(")"))
    assert parsed(bounds[0]) < parsed(bounds[1])


@given(finite.filter(lambda value: abs(value) < 1e6), st.floats(1e-5, 1e3))
def test_an_estimate_is_rounded_to_a_tenth_of_its_half_width(middle: float, half: float) -> None:
    shown = estimate(middle, middle - half, middle + half)
    assert abs(parsed(shown.partition(" (")[0]) - middle) <= 0.0501 * 10 ** math.ceil(math.log10(half)) + 1e-9 * abs(
        middle
    )
