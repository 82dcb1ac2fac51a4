"""Firth's penalty: the pooled fit for every split and unit, true peaks and bounds, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from descriptive_cases import FixedPoint, deal
from glm_cases import VARIABLES, coefs, data, errors, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from hansa.errors import MethodError, NotEstimable, StudyError
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Request, Totals
from hansa.stats.fitting import firth
from hansa.stats.fitting.firth import Place, climb, inverse_and_log_determinant, profile_bound
from hansa.stats.glm import plan as glm
from hansa.stats.glm.result import GlmResult, likelihood_ratio, wald

FIRTH: dict[str, Any] = {"family": "binomial", "penalty": "firth"}

splits = st.integers(1, 6).flatmap(
    lambda last: st.one_of(
        st.lists(st.integers(0, last), min_size=240, max_size=240).map(np.array),
        st.integers(0, 239).map(lambda one: np.where(np.arange(240) == one, last + 1, np.arange(240) % (last + 1))),
        st.integers(1, 9).map(lambda node: np.full(240, node)),
    )
)


def intervals(result: GlmResult) -> FloatArray:
    return np.array([[term.lower, term.upper, term.statistic] for term in result.terms], dtype=np.float64)


@pytest.mark.parametrize("separated", [False, True])
@settings(max_examples=5, deadline=None)
@given(owners=splits)
def test_every_split_gives_the_pooled_fit(separated: bool, owners: np.ndarray[Any, Any]) -> None:
    columns, _ = data()
    if separated:
        columns = {**columns, "yes": np.where(columns["g"] == 2, 1.0, columns["yes"])}
    pooled, found = (fit(columns, nodes, formula="yes ~ x + g", **FIRTH) for nodes in (np.zeros(240, int), owners))
    assert coefs(found) == pytest.approx(coefs(pooled), rel=1e-9)
    assert errors(found) == pytest.approx(errors(pooled), rel=1e-9)
    assert intervals(found) == pytest.approx(intervals(pooled), rel=1e-8, abs=1e-10)
    assert (found.loglik, found.null_loglik) == pytest.approx((pooled.loglik, pooled.null_loglik), rel=1e-10)


def test_frequencies_are_so_many_equal_rows() -> None:
    columns, owners = data()
    often = np.repeat(np.arange(240), columns["copies"].astype(int))
    weighted = fit(columns, owners, formula="yes ~ x", weights="copies", weights_type="frequency", **FIRTH)
    repeated = fit({name: column[often] for name, column in columns.items()}, owners[often], formula="yes ~ x", **FIRTH)
    assert coefs(weighted) == pytest.approx(coefs(repeated), rel=1e-9)
    assert intervals(weighted) == pytest.approx(intervals(repeated), rel=1e-8)


@pytest.mark.parametrize(("shift", "size"), [(0.0, 1e5), (1e6, 1.0), (-3e4, 1e-3)])
def test_a_columns_unit_and_origin_change_nothing(shift: float, size: float) -> None:
    columns, owners = data()
    moved = columns["x"] * size + shift
    first = fit({**columns, "x": (moved - shift) / size}, owners, formula="yes ~ x + g", **FIRTH)
    found = fit({**columns, "x": moved}, owners, formula="yes ~ x + g", **FIRTH)
    assert intervals(found)[1, :2] == pytest.approx(intervals(first)[1, :2] / size, rel=1e-8)
    assert intervals(found)[2:] == pytest.approx(intervals(first)[2:], rel=1e-8)
    assert found.loglik == pytest.approx((first.loglik or 0) + np.log(size), rel=1e-9)


def test_nearly_collinear_columns_are_fitted_all_the_same() -> None:
    columns, owners = data()
    near = {**columns, "time": columns["x"] + 1e-3 * columns["time"]}
    found = fit(near, owners, formula="yes ~ x + time", **FIRTH)
    turned = fit({**columns, "time": near["time"] - columns["x"]}, owners, formula="yes ~ x + time", **FIRTH)
    assert intervals(found)[2] == pytest.approx(intervals(turned)[2], rel=1e-6)
    assert found.by_name["time"].coef == pytest.approx(turned.by_name["time"].coef, rel=1e-7)


def test_an_aliased_column_has_no_profile() -> None:
    columns, owners = data()
    found = fit(columns, owners, formula="yes ~ x + I(2 * x + 1) + g", **FIRTH)
    plain = fit(columns, owners, formula="yes ~ x + g", **FIRTH)
    assert [term.name for term in found.terms if term.coef is None] == list(found.aliased) == [found.terms[2].name]
    assert [term.lower for term in found.terms if term.coef is not None] == pytest.approx(
        [term.lower for term in plain.terms], rel=1e-9
    )


class Watched(FixedPoint):
    """Keeps the inputs of each round."""

    inputs: list[FloatArray]

    def sum(self, step: str, request: Request, /, **inputs: Any) -> Totals:
        if "beta" in inputs:
            self.inputs = [*getattr(self, "inputs", []), np.asarray(inputs["beta"])]
        return super().sum(step, request, **inputs)


@pytest.mark.parametrize("terms", ["x", "dose", "year", "time", "x + g + year"])
def test_coefficients_held_at_zero_are_zero_and_not_nearly_so(terms: str) -> None:
    columns, owners = data()
    cohorts = Watched(glm.METHOD, deal(columns, VARIABLES, owners), VARIABLES)
    glm.plan(cohorts, {"formula": f"yes ~ {terms}", **FIRTH})
    slopes = np.array([beta[1:] for beta in cohorts.inputs])
    none = (np.abs(slopes) < 1e-9).all(axis=1)
    assert none.sum() > 4
    assert not slopes[none].any(), "a node takes rounding for an attempt to single people out"


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_place_with_some_coefficients_at_zero_has_them_there_to_the_last_digit(seed: int) -> None:
    random = np.random.default_rng(seed)
    root = random.normal(size=(4, 4))
    place = Place(random.normal(size=4), 0.0, np.zeros(4), np.zeros(4), root @ root.T)
    held = np.diag(random.uniform(0.1, 3, 4))[1:]
    found = firth.nearest(firth.Peak(place, np.zeros((4, 4)), 0), held, np.zeros(3))
    assert found[1:].tolist() == [0.0, 0.0, 0.0]
    assert found[0] != 0


# --- peaks and bounds ---------------------------------------------------------------------------------------


def likelihood(x: FloatArray, y: FloatArray) -> firth.At:
    """The penalised likelihood of these rows."""

    def at(beta: FloatArray) -> Place:
        eta = x @ beta
        mu = expit(eta)
        weight = np.exp(-np.abs(eta)) / (1 + np.exp(-np.abs(eta))) ** 2
        information = x.T @ (x * weight[:, None])
        found = inverse_and_log_determinant(information)
        if found is None:
            return Place(beta, -math.inf, np.zeros(len(beta)), np.zeros(len(beta)), information)
        inverse, log_determinant = found
        pull = (weight * ((x @ inverse) * x).sum(axis=1) * (0.5 - mu)) @ x
        value = float(-np.logaddexp(0, np.where(y > 0, -eta, eta)).sum()) + log_determinant / 2
        return Place(beta, value, x.T @ (y - mu) + pull, pull, information)

    return at


cases = st.tuples(st.integers(0, 2**32), st.integers(15, 40), st.integers(1, 3), st.booleans())


def rows_of(case: tuple[int, int, int, bool]) -> tuple[FloatArray, FloatArray]:
    seed, n, p, separated = case
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), random.normal(size=(n, p))])
    y = (x[:, 1] > 0.2 if separated else random.random(n) < 0.4).astype(float)
    y[:2] = 0, 1
    return x, y


@settings(deadline=None)
@given(case=cases)
def test_the_peak_is_one(case: tuple[int, int, int, bool]) -> None:
    x, y = rows_of(case)
    at, p = likelihood(x, y), x.shape[1]
    peak = climb(at, at(np.zeros(p)), np.zeros((p, p)), np.zeros((0, p)))
    assert np.abs(peak.place.score).max() < 1e-7
    around = [peak.place.beta + 1e-3 * sign * direction for direction in np.eye(p) for sign in (-1, 1)]
    assert all(at(beta).value <= peak.place.value for beta in around)


@settings(deadline=None, max_examples=40)
@given(case=cases)
def test_both_searches_find_the_same_bound_where_the_profile_has_fallen(case: tuple[int, int, int, bool]) -> None:
    x, y = rows_of(case)
    at, p = likelihood(x, y), x.shape[1]
    peak = climb(at, at(np.zeros(p)), np.zeros((p, p)), np.zeros((0, p)))
    row, drop = np.eye(p)[1], 1.9207294103470277
    for side in (-1.0, 1.0):
        bound = profile_bound(at, peak, row, drop, side)
        climbed = firth._bound_by_climbing(at, peak, row, drop, side)
        assert bound == pytest.approx(climbed, rel=1e-7, abs=1e-8)
        if case[3]:
            continue  # complete separation: the profile may have another ridge, so that this start leads elsewhere
        begin = firth.nearest(peak, row[None, :], np.array([bound]))
        there = climb(at, at(begin), peak.curvature, row[None, :]).place
        assert peak.place.value - there.value == pytest.approx(drop, abs=1e-6)


# --- what is refused, and advised ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"penalty": "lasso"}, "penalty"),
        ({"family": "poisson", "formula": "events ~ x"}, "penalty"),
        ({"link": "probit"}, "penalty"),
        ({"node": "intercepts"}, "node"),
        ({"weights": "precision", "weights_type": "sampling"}, "penalty"),
        ({"weights": "precision", "weights_type": "precision"}, "penalty"),
        ({"covariance": "HC1"}, "penalty"),
    ],
)
def test_what_the_penalty_is_not_defined_for_is_refused(changes: dict[str, Any], field: str) -> None:
    columns, owners = data()
    with pytest.raises(StudyError) as error:
        fit(columns, owners, **{"formula": "yes ~ x", **FIRTH, **changes})
    assert error.value.field == field


def test_separation_without_a_penalty_advises_it() -> None:
    columns, owners = data()
    columns = {**columns, "yes": np.where(columns["g"] == 2, 1.0, columns["yes"])}
    with pytest.raises(NotEstimable, match="separation") as error:
        fit(columns, owners, formula="yes ~ x + g", family="binomial")
    assert 'penalty = "firth"' in str(error.value.fix)
    assert fit(columns, owners, formula="yes ~ x + g", **FIRTH).converged


def test_penalised_likelihoods_of_two_models_are_not_compared() -> None:
    columns, owners = data()
    small, large = (fit(columns, owners, formula=formula, **FIRTH) for formula in ("yes ~ x", "yes ~ x + g"))
    with pytest.raises(MethodError, match="penalised"):
        likelihood_ratio(small, large)
    assert wald(large, ["g"]).df == 2
    assert wald(large, ["x"]).statistic == pytest.approx((large.wald_terms[1].statistic or 0) ** 2)
