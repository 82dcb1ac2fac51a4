"""Fixed-point integers against Python's own: exact, order-free, never clipped."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import HeadroomError
from hansa.privacy.fixed_point import Lanes, add_into, decode, encode, subtract_from

MODULUS = 2**128
number = st.floats(-(2.0**60), 2.0**60, allow_subnormal=False)
shares = st.lists(number, min_size=1, max_size=7)


def add(left: Lanes, right: Lanes) -> Lanes:
    total = left.copy()
    add_into(total, right)
    return total


def subtract(left: Lanes, right: Lanes) -> Lanes:
    total = left.copy()
    subtract_from(total, right)
    return total


def as_integer(lanes: Lanes) -> int:
    return int(lanes[0, 0]) + (int(lanes[1, 0]) << 64)


def of(value: float, nodes: int = 7) -> Lanes:
    return encode(np.array([value]), nodes=nodes)


@given(number)
def test_a_number_is_its_exact_multiple_of_two_to_the_minus_64_cut_towards_zero(value: float) -> None:
    assert as_integer(of(value)) == int(Fraction(value) * 2**64) % MODULUS


@given(shares)
def test_a_sum_is_the_integers_sum_whatever_the_order(values: list[float]) -> None:
    expected = sum(int(Fraction(value) * 2**64) for value in values) % MODULUS
    for ordered in itertools.islice(itertools.permutations(values), 6):
        total = of(ordered[0])
        for value in ordered[1:]:
            total = add(total, of(value))
        assert as_integer(total) == expected


@given(st.integers(0, MODULUS - 1), st.integers(0, MODULUS - 1))
def test_subtraction_takes_addition_back(left: int, right: int) -> None:
    a, b = (np.array([[v % 2**64], [v >> 64]], dtype=np.uint64) for v in (left, right))
    assert as_integer(subtract(add(a, b), b)) == left
    assert as_integer(subtract(a, b)) == (left - right) % MODULUS


@given(shares)
def test_the_decoded_sum_is_within_one_unit_in_the_last_place_of_the_exact_one(values: list[float]) -> None:
    total = of(values[0])
    for value in values[1:]:
        total = add(total, of(value))
    exact = Fraction(sum(int(Fraction(value) * 2**64) for value in values), 2**64)
    found = float(decode(total)[0])
    assert abs(Fraction(found) - exact) <= Fraction(float(np.spacing(abs(float(exact)))))


@given(st.floats(2.0**-11, 2.0**52))
def test_a_number_whose_bits_fit_comes_back_unchanged(value: float) -> None:
    assert decode(of(value))[0] == value
    assert decode(of(-value))[0] == -value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(HeadroomError, match="not finite"):
        encode(np.array([1.0, value]), nodes=3)


@pytest.mark.parametrize("nodes", [1, 3, 7, 50])
def test_headroom_ends_where_the_sum_of_all_nodes_could_wrap(nodes: int) -> None:
    most = 2.0**63 / nodes
    inside = float(np.nextafter(most, 0))
    total = of(inside, nodes)
    for _ in range(nodes - 1):
        total = add(total, of(inside, nodes))
    assert decode(total)[0] == pytest.approx(nodes * inside, rel=1e-15)
    for outside in (most, -most):
        with pytest.raises(HeadroomError, match="too large"):
            of(outside, nodes)


def test_the_message_of_a_refused_share_shows_no_value() -> None:
    with pytest.raises(HeadroomError) as caught:
        of(1.2345e30)
    assert "1.2345" not in str(caught.value)


def test_nothing_encodes_to_nothing() -> None:
    assert encode(np.zeros(0), nodes=3).shape == (2, 0)
