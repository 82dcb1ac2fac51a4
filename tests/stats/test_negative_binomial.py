"""Negative binomial regression against MASS and statsmodels; the pooled fit for every split; what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from descriptive_cases import described
from glm_cases import HERE, VARIABLES, coefs, data, errors, fit, fit_with_rounds
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from hansa.errors import MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.glm.negative_binomial_step import NEGATIVE_BINOMIAL
from hansa.stats.glm.result import GlmResult, likelihood_ratio

FACTS: dict[str, dict[str, Any]] = {
    fact["name"]: fact for fact in json.loads((HERE / "negative_binomial_facts.json").read_text())
}
NB: dict[str, Any] = {"family": "negative binomial"}
MODELS: dict[str, dict[str, Any]] = {
    "counts": {"formula": "events ~ x + g"},
    "offset": {"formula": "events ~ x + g + offset(log(time))"},
    "frequency": {"formula": "events ~ x + g", "weights": "copies", "weights_type": "frequency"},
    "sites": {"formula": "events ~ x + g + offset(log(time))", "node": "intercepts"},
    "no intercept": {"formula": "events ~ 0 + g + x"},
    "quine": {"formula": "Days ~ Eth + Sex + Lrn"},
}
QUINE = described(
    Variable(name="Days", type="integer", range=(0, 100)),
    *(Variable(name=name, type="number", range=(0, 1)) for name in ("Eth", "Sex", "Lrn")),
)


def rows(name: str) -> tuple[dict[str, FloatArray], NDArray[np.int64], dict[str, Variable]]:
    columns, sites = data()
    if name != "quine":
        return columns, sites, VARIABLES
    found = {key: np.array(values, dtype=np.float64) for key, values in FACTS["quine data"]["columns"].items()}
    return found, np.arange(146) % 5, QUINE


def counted(name: str, **changes: Any) -> GlmResult:
    columns, sites, variables = rows(name)
    return fit(columns, sites, variables, **{**NB, **MODELS[name], **changes})


def in_r(fact: dict[str, float], name: str) -> float:
    plain = name.replace("[", "").replace("]", "")
    return fact[plain] if plain in fact else next(value for key, value in fact.items() if key.startswith(plain))


def test_every_reference_model_is_compared() -> None:
    assert set(MODELS) == set(FACTS) - {"quine data"}


@pytest.mark.parametrize("name", MODELS)
def test_coefficients_and_theta_are_those_of_r(name: str) -> None:
    result, fact = counted(name), FACTS[name]
    for term in result.terms:
        assert term.coef == pytest.approx(in_r(fact["coef"], term.name), rel=1e-8)
        assert term.se == pytest.approx(in_r(fact["se"], term.name), rel=1e-8)
        assert term.p == pytest.approx(in_r(fact["p"], term.name), rel=1e-7)
    assert result.theta == pytest.approx(fact["theta"], rel=1e-8)
    assert result.theta_se == pytest.approx(fact["theta_se"], rel=1e-8)
    assert result.theta == pytest.approx(fact["glm_nb_theta"], rel=1e-8)
    # glm.nb takes theta's error from the step before its last
    assert result.theta_se == pytest.approx(fact["glm_nb_theta_se"], rel=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_deviance_likelihood_and_test_against_poisson_are_those_of_r(name: str) -> None:
    result, fact = counted(name), FACTS[name]
    found = {"deviance": result.deviance, "loglik": result.loglik, "aic": result.aic, "df": result.df_residual}
    if name not in ("sites", "no intercept"):  # R's null model has one intercept, ours one for each node, or none
        found["null_deviance"] = result.null_deviance
    assert found == pytest.approx({key: fact[key] for key in found}, rel=1e-9)
    assert result.overdispersion_statistic == pytest.approx(fact["lr"], rel=1e-8)
    assert result.overdispersion_p == pytest.approx(stats.chi2.sf(fact["lr"], 1) / 2, rel=1e-7)


def test_statsmodels_finds_the_same() -> None:
    columns, _ = data()
    x = np.column_stack([np.ones(240), columns["x"], columns["g"] == 1, columns["g"] == 2])
    model = sm.NegativeBinomial(columns["events"], x)
    reference = model.fit(disp=0, method="newton", maxiter=200, tol=1e-14)
    result = counted("counts")
    assert coefs(result) == pytest.approx(reference.params[:-1], rel=1e-7)
    assert 1 / (result.theta or 0) == pytest.approx(reference.params[-1], rel=1e-7)
    assert result.loglik == pytest.approx(reference.llf, rel=1e-10)


def test_the_null_model_has_a_theta_of_its_own() -> None:
    columns, _ = data()
    reference = sm.NegativeBinomial(columns["events"], np.ones(240)).fit(disp=0, maxiter=200)
    result = counted("counts")
    assert result.null_loglik == pytest.approx(reference.llf, rel=1e-9)
    assert result.lr_statistic == pytest.approx(2 * ((result.loglik or 0) - reference.llf), rel=1e-7)
    assert likelihood_ratio(counted("counts", formula="events ~ x"), result).df == 2


# --- every split --------------------------------------------------------------------------------------------

splits = st.integers(1, 6).flatmap(
    lambda last: st.one_of(
        st.lists(st.integers(0, last), min_size=240, max_size=240).map(np.array),
        st.integers(0, 239).map(lambda one: np.where(np.arange(240) == one, last + 1, np.arange(240) % (last + 1))),
        st.integers(1, 9).map(lambda node: np.full(240, node)),
    )
)


@settings(max_examples=8, deadline=None)
@given(owners=splits)
def test_every_split_gives_the_pooled_fit(owners: np.ndarray[Any, Any]) -> None:
    columns, _ = data()
    pooled, found = (
        fit(columns, nodes, formula="events ~ x + g", **NB) for nodes in (np.zeros(240, dtype=np.int64), owners)
    )
    assert coefs(found) == pytest.approx(coefs(pooled), rel=1e-9)
    assert errors(found) == pytest.approx(errors(pooled), rel=1e-9)
    assert (found.theta, found.theta_se) == pytest.approx((pooled.theta, pooled.theta_se), rel=1e-8)
    assert found.loglik == pytest.approx(pooled.loglik, rel=1e-11)


@settings(max_examples=8, deadline=None)
@given(owners=splits)
def test_intercepts_of_nodes_are_a_model_with_an_indicator_for_each(owners: np.ndarray[Any, Any]) -> None:
    columns, _ = data()
    found = fit(columns, owners, formula="events ~ x + g", node="intercepts", **NB)
    present = [node for node in range(int(owners.max()) + 1) if columns["events"][owners == node].any()]
    kept = np.isin(owners, present)
    levels = tuple(f"s{place}" for place in range(max(2, len(present))))
    variables = {**VARIABLES, "site": Variable(name="site", type="category", levels=levels)}
    place = np.searchsorted(present, owners[kept]).astype(float)
    table = {name: column[kept] for name, column in columns.items()} | {"site": place}
    formula = "events ~ site + x + g" if len(present) > 1 else "events ~ x + g"
    full = fit(table, np.zeros(int(kept.sum()), dtype=np.int64), variables, formula=formula, **NB)
    names = ("x", "g[b]", "g[c]")
    assert coefs(found) == pytest.approx([full.by_name[name].coef for name in names], rel=1e-8)
    assert errors(found) == pytest.approx([full.by_name[name].se for name in names], rel=1e-8)
    assert (found.theta, found.theta_se) == pytest.approx((full.theta, full.theta_se), rel=1e-7)
    assert found.loglik == pytest.approx(full.loglik, rel=1e-10)


def test_a_node_without_any_count_says_nothing_but_costs_a_degree_of_freedom() -> None:
    columns, owners = data()
    flat = np.where((columns["events"] == 0) & (owners == 4), 5, owners)
    kept = flat != 5
    assert (~kept).sum() > 1
    arguments: dict[str, Any] = {"formula": "events ~ x + g", "node": "intercepts", **NB}
    found = fit(columns, flat, **arguments)
    without = fit({name: column[kept] for name, column in columns.items()}, flat[kept], **arguments)
    assert coefs(found) == pytest.approx(coefs(without), rel=1e-9)
    assert (found.theta, found.loglik) == pytest.approx((without.theta, without.loglik), rel=1e-8)
    assert (found.n, found.df_residual) == (240, 240 - 3 - 6)


def test_nothing_of_a_node_leaves_it_but_the_profile() -> None:
    columns, owners = data()
    result, rounds = fit_with_rounds(columns, owners, formula="events ~ x", node="intercepts", **NB)
    assert "(Intercept)" not in result.by_name
    assert not {"glm.irls", "glm.negative_binomial"} & set(rounds)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.3, 8))
def test_theta_s_score_and_information_are_derivatives_of_the_likelihood(seed: int, theta: float) -> None:
    random = np.random.default_rng(seed)
    x, y = np.column_stack([np.ones(30), random.normal(size=30)]), random.poisson(4, 30).astype(float)
    arrays = {"x": x, "y": y, "model": np.array([2.0, 1.0])}

    def at(value: float) -> Any:
        return NEGATIVE_BINOMIAL.compute(arrays, {"beta": np.array([1.0, 0.2]), "theta": np.array(value)})  # type: ignore[arg-type]  # one partition

    h = 1e-4 * theta
    low, here, high = at(theta - h), at(theta), at(theta + h)
    mu = np.exp(x @ [1.0, 0.2])
    assert here["loglik"] == pytest.approx(stats.nbinom.logpmf(y, theta, theta / (theta + mu)).sum(), rel=1e-10)
    assert here["theta_score"] == pytest.approx((high["loglik"] - low["loglik"]) / (2 * h), rel=1e-4, abs=1e-5)
    slope = (high["theta_score"] - low["theta_score"]) / (2 * h)
    assert here["theta_information"] == pytest.approx(-slope, rel=1e-4, abs=1e-5)


# --- what is refused ----------------------------------------------------------------------------------------


def test_counts_that_do_not_vary_enough_ask_for_a_poisson_model() -> None:
    columns, owners = data()
    even = {**columns, "events": np.tile([3.0, 4.0], 120)}
    with pytest.raises(NotEstimable, match="Poisson") as error:
        fit(even, owners, formula="events ~ x", **NB)
    assert error.value.field == "family"


@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_without_any_count_there_is_no_model(node: str) -> None:
    columns, owners = data()
    with pytest.raises(NotEstimable, match=r"count above zero|does not vary"):
        fit({**columns, "events": np.zeros(240)}, owners, formula="events ~ x", node=node, **NB)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"link": "identity"}, "link"),
        ({"weights": "precision", "weights_type": "sampling"}, "family"),
        ({"weights": "precision", "weights_type": "precision"}, "family"),
        ({"covariance": "HC0"}, "family"),
        ({"penalty": "firth"}, "penalty"),
    ],
)
def test_what_is_not_defined_for_it_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as error:
        counted("counts", **changes)
    assert error.value.field == field


@pytest.mark.parametrize("theta", [-1.0, 0.0, math.inf, math.nan])
def test_a_theta_that_no_fit_asks_for_is_refused(theta: float) -> None:
    arrays = {"x": np.ones((3, 1)), "y": np.array([0.0, 1.0, 2.0]), "model": np.array([2.0, 1.0])}
    with pytest.raises(MethodError, match="theta"):
        NEGATIVE_BINOMIAL.compute(arrays, {"beta": np.zeros(1), "theta": np.array(theta)})  # type: ignore[arg-type]  # one partition
