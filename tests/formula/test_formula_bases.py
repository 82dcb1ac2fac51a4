"""Splines and polynomials, against R (the calls stand in r_facts.json; r_facts.R made them)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.formula import (
    FloatArray,
    b_spline,
    design_needs,
    natural_spline,
    orthogonal_polynomial,
    parse_formula,
)
from hansa.model import Variable

R = json.loads(Path(__file__).with_name("r_facts.json").read_text())
X: FloatArray = np.array(R["data"]["x"])

inside = st.floats(0, 10)


def basis(fact: dict[str, Any], x: FloatArray) -> FloatArray:
    knots = tuple(fact["knots"])
    if fact["call"].startswith("poly"):
        return orthogonal_polynomial(x, tuple(fact["alpha"]), tuple(fact["norm2"]))
    if fact["call"].startswith("ns"):
        return natural_spline(x, knots, tuple(fact["boundary"]))
    return b_spline(x, knots, tuple(fact["boundary"]), fact["degree"])


@pytest.mark.parametrize("fact", R["bases"], ids=lambda fact: fact["call"])
def test_bases_equal_those_of_r(fact: dict[str, Any]) -> None:
    np.testing.assert_allclose(basis(fact, X), fact["values"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("fact", R["bases"], ids=lambda fact: fact["call"])
def test_a_missing_value_is_a_row_of_missing_values(fact: dict[str, Any]) -> None:
    with_gap = np.concatenate([X[:3], [np.nan], X[3:]])
    found = basis(fact, with_gap)
    assert np.isnan(found[3]).all()
    np.testing.assert_array_equal(np.delete(found, 3, axis=0), basis(fact, X))


@pytest.mark.parametrize("fact", R["bases"], ids=lambda fact: fact["call"])
def test_no_rows_give_an_empty_basis_of_the_same_width(fact: dict[str, Any]) -> None:
    assert basis(fact, X[:0]).shape == (0, len(fact["values"][0]))


@pytest.mark.parametrize("call", ["ns(x, df = 4)", "bs(x, df = 6)"])
def test_df_puts_knots_at_the_quantiles_that_r_uses(call: str) -> None:
    (fact,) = [one for one in R["bases"] if one["call"] == call]
    variables = {"x": Variable(name="x", type="number", range=tuple(fact["boundary"]))}
    (need,) = design_needs(parse_formula(f"~ {call}"), variables)
    np.testing.assert_allclose(np.quantile(X, need.probabilities), fact["knots"], rtol=1e-14)


@given(st.lists(inside, min_size=1, max_size=8))
def test_b_splines_are_a_partition_of_unity(values: list[float]) -> None:
    found = b_spline(np.array(values), (2.0, 5.0), (0.0, 10.0))
    assert (found >= 0).all()
    assert (found.sum(axis=1) <= 1 + 1e-12).all()


@given(st.floats(11, 1e3), st.floats(11, 1e3))
def test_natural_splines_are_linear_beyond_the_boundary(a: float, b: float) -> None:
    at_a, at_b, middle = natural_spline(np.array([a, b, (a + b) / 2]), (2.0, 5.0), (0.0, 10.0))
    np.testing.assert_allclose(middle, (at_a + at_b) / 2, rtol=1e-9, atol=1e-9)


def test_natural_splines_and_lines_span_each_other() -> None:
    x = np.linspace(-3, 14, 40)
    with_intercept = np.column_stack([np.ones_like(x), natural_spline(x, (2.0, 5.0), (0.0, 10.0))])
    _, residual, rank, _ = np.linalg.lstsq(with_intercept, x, rcond=None)
    assert rank == 4
    assert residual[0] < 1e-20
