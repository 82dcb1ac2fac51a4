"""The federated fit: the pooled one for every split and at every scale; what cannot be fitted says so."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from descriptive_cases import FixedPoint, deal, heart_frame
from glm_cases import VARIABLES, coefs, data, errors, fit, fit_with_rounds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from hansa.errors import MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.contract import Frame
from hansa.stats.direct import DirectCohorts
from hansa.stats.glm import plan as glm
from hansa.stats.glm.result import likelihood_ratio, log_p_value, wald
from hansa.stats.plain import to_plain

MODELS: tuple[dict[str, Any], ...] = (
    {"formula": "level ~ x + g"},
    {"formula": "level ~ x*g + I(x + 2 * x) + year"},
    {"formula": "level ~ g + x - 1", "covariance": "HC3"},
    {"formula": "yes ~ x + g", "family": "binomial"},
    {"formula": "yes ~ x + ns(dose, df=3)", "family": "binomial", "link": "probit"},
    {"formula": "events ~ poly(x, 2) + g + offset(log(time))", "family": "poisson", "covariance": "HC2"},
    {"formula": "cost ~ x + year + I(year^2)", "family": "gamma", "link": "log"},
    {"formula": "cost ~ g", "family": "gamma"},
    {"formula": "level ~ x + g", "weights": "copies", "weights_type": "frequency", "covariance": "HC1"},
    {"formula": "yes ~ x", "family": "binomial", "weights": "precision", "weights_type": "sampling"},
)

splits = st.integers(1, 6).flatmap(
    lambda last: st.one_of(
        st.lists(st.integers(0, last), min_size=240, max_size=240).map(np.array),
        st.integers(0, 239).map(lambda one: np.where(np.arange(240) == one, last + 1, np.arange(240) % (last + 1))),
    )
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model['formula']}, {model.get('link')}")
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(owners=splits)
def test_every_split_gives_the_pooled_fit(model: dict[str, Any], owners: np.ndarray[Any, Any]) -> None:
    columns, _ = data()
    pooled, found = fit(columns, np.zeros(240, dtype=np.int64), **model), fit(columns, owners, **model)
    assert coefs(found) == pytest.approx(coefs(pooled), rel=1e-10)
    assert errors(found) == pytest.approx(errors(pooled), rel=1e-10)
    assert found.deviance == pytest.approx(pooled.deviance, rel=1e-10)
    assert (found.aliased, found.df_residual) == (pooled.aliased, pooled.df_residual)


@settings(max_examples=10, deadline=None)
@given(owners=splits, parts=st.integers(1, 4))
def test_partitions_of_a_node_change_nothing(owners: np.ndarray[Any, Any], parts: int) -> None:
    columns, _ = data()
    arguments: dict[str, Any] = {
        "formula": "yes ~ x + g",
        "family": "binomial",
        "node": "intercepts",
        "covariance": "HC2",
    }
    split = []
    for (frame,) in deal(columns, VARIABLES, owners):
        pieces = np.array_split(np.arange(frame.rows), parts)
        split.append([Frame({k: v[p] for k, v in frame.columns.items()}, VARIABLES, len(p)) for p in pieces])
    whole = fit(columns, owners, **arguments)
    found = glm.plan(DirectCohorts(glm.METHOD, split, VARIABLES), arguments)
    assert coefs(found) == pytest.approx(coefs(whole), rel=1e-10)
    assert errors(found) == pytest.approx(errors(whole), rel=1e-10)


# --- intercepts of nodes ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(owners=splits, family=st.sampled_from(["binomial", "gaussian", "poisson", "gamma"]))
def test_intercepts_of_nodes_are_a_model_with_an_indicator_for_each(owners: np.ndarray[Any, Any], family: str) -> None:
    columns, _ = data()
    response = {"binomial": "yes", "gaussian": "level", "poisson": "events", "gamma": "cost"}[family]
    link = "log" if family == "gamma" else None
    arguments: dict[str, Any] = {"family": family, "link": link}
    found = fit(columns, owners, formula=f"{response} ~ x + g", node="intercepts", **arguments)
    present = sorted({int(owner) for owner in owners if _varies(columns[response][owners == owner], family)})
    kept = np.isin(owners, present)
    place = np.searchsorted(present, owners[kept]).astype(float)
    levels = tuple(f"s{place}" for place in range(max(2, len(present))))
    variables = {**VARIABLES, "site": Variable(name="site", type="category", levels=levels)}
    rows = {name: column[kept] for name, column in columns.items()} | {"site": place}
    formula = f"{response} ~ site + x + g" if len(present) > 1 else f"{response} ~ x + g"
    full = fit(rows, np.zeros(int(kept.sum()), dtype=np.int64), variables, formula=formula, **arguments)
    names = ("x", "g[b]", "g[c]")
    assert coefs(found) == pytest.approx([full.by_name[name].coef for name in names], rel=1e-8)
    assert errors(found) == pytest.approx([full.by_name[name].se for name in names], rel=1e-8)
    assert found.deviance == pytest.approx(full.deviance, rel=1e-10)
    assert found.loglik == pytest.approx(full.loglik, rel=1e-9)


def _varies(y: np.ndarray[Any, Any], family: str) -> bool:
    if family == "binomial":
        return len(set(y.tolist())) == 2
    return bool(y.any()) if family == "poisson" else True


def test_a_node_whose_outcome_does_not_vary_says_nothing_but_costs_a_degree_of_freedom() -> None:
    columns, owners = data()
    rows = np.flatnonzero((columns["yes"] == 1) & (owners == 4))[:6]
    flat = owners.copy()
    flat[rows] = 5
    kept = flat != 5
    arguments: dict[str, Any] = {"formula": "yes ~ x + g", "family": "binomial", "node": "intercepts"}
    found = fit(columns, flat, **arguments)
    without = fit({name: column[kept] for name, column in columns.items()}, flat[kept], **arguments)
    assert coefs(found) == pytest.approx(coefs(without), rel=1e-10)
    assert found.deviance == pytest.approx(without.deviance, rel=1e-10)
    assert (found.n, found.df_residual) == (240, 240 - 3 - 6)


def test_nothing_of_a_node_leaves_it_but_the_profile() -> None:
    columns, owners = data()
    cohorts = FixedPoint(glm.METHOD, deal(columns, VARIABLES, owners), VARIABLES)
    result = glm.plan(cohorts, {"formula": "yes ~ x", "family": "binomial", "node": "intercepts"})
    assert "(Intercept)" not in result.by_name
    (profile,) = [step for step in glm.METHOD.steps if step.name == "glm.profile"]
    assert {output.additive for output in profile.outputs} == {"node"}
    assert "glm.irls" not in cohorts.rounds


def test_a_column_that_is_constant_in_each_node_is_aliased_with_their_intercepts() -> None:
    columns, owners = data()
    columns = {**columns, "time": owners.astype(float) ** 2}
    result = fit(columns, owners, formula="level ~ x + time", node="intercepts")
    assert result.aliased == ("time",)
    assert result.by_name["time"].coef is None
    assert result.covariance_terms == ("x",)


# --- scale --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
@pytest.mark.parametrize(
    ("shift", "size"), [(0.0, 1e5), (1e9, 1.0), (0.0, 1e-9), (1e6, 1e-2), (0.0, 1e12), (-3e4, 1e2)]
)
def test_a_columns_unit_and_origin_change_nothing(family: str, shift: float, size: float) -> None:
    columns, owners = data()
    response = {"gaussian": "level", "binomial": "yes", "poisson": "events"}[family]
    moved = (columns["x"] * size) + shift
    base = (moved - shift) / size  # what float64 kept of x
    first = fit({**columns, "x": base}, owners, formula=f"{response} ~ x + g", family=family)
    found = fit({**columns, "x": moved}, owners, formula=f"{response} ~ x + g", family=family)
    slopes, expected = found.by_name, first.by_name
    assert slopes["x"].coef == pytest.approx((expected["x"].coef or 0) / size, rel=1e-9)
    assert slopes["x"].se == pytest.approx((expected["x"].se or 0) / size, rel=1e-9)
    assert slopes["g[b]"].coef == pytest.approx(expected["g[b]"].coef, rel=1e-9)
    assert found.deviance == pytest.approx(first.deviance, rel=1e-10)


@pytest.mark.parametrize(("shift", "size"), [(0.0, 1e7), (0.0, 1e-7), (1e8, 1e-1), (-1e3, 1e3)])
@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_the_unit_of_a_gaussian_response_changes_nothing(shift: float, size: float, node: str) -> None:
    columns, owners = data()
    moved = columns["level"] * size + shift
    base = (moved - shift) / size
    first = fit({**columns, "level": base}, owners, formula="level ~ x + g", node=node)
    found = fit({**columns, "level": moved}, owners, formula="level ~ x + g", node=node)
    assert found.by_name["x"].coef == pytest.approx((first.by_name["x"].coef or 0) * size, rel=1e-9)
    assert found.by_name["x"].se == pytest.approx((first.by_name["x"].se or 0) * size, rel=1e-9)
    assert found.loglik == pytest.approx((first.loglik or 0) - 240 * math.log(size), rel=1e-9)


@pytest.mark.parametrize("link", ["log", "inverse", "identity"])
@pytest.mark.parametrize("size", [1e6, 1e-6])
def test_the_unit_of_a_gamma_response_moves_coefficients_as_its_link_says(link: str, size: float) -> None:
    columns, owners = data()
    first = fit(columns, owners, formula="cost ~ g", family="gamma", link=link)
    found = fit({**columns, "cost": columns["cost"] * size}, owners, formula="cost ~ g", family="gamma", link=link)
    factor = {"log": 1.0, "inverse": 1 / size, "identity": size}[link]
    assert found.by_name["g[b]"].coef == pytest.approx((first.by_name["g[b]"].coef or 0) * factor, rel=1e-9)
    assert found.by_name["g[b]"].p_log == pytest.approx(first.by_name["g[b]"].p_log, rel=1e-8)
    assert found.deviance == pytest.approx(first.deviance, rel=1e-10)


def test_squares_of_large_doses_and_of_years_equal_the_pooled_fit() -> None:
    columns, owners = data()
    found = fit(columns, owners, formula="level ~ dose + I(dose^2) + year + I(year^2)")
    mpmath.mp.dps = 60
    x = [[1, mpmath.mpf(d), mpmath.mpf(d) ** 2, mpmath.mpf(t), mpmath.mpf(t) ** 2] for d, t in
         zip(columns["dose"].tolist(), columns["year"].tolist(), strict=True)]  # fmt: skip
    matrix, y = mpmath.matrix(x), mpmath.matrix(columns["level"].tolist())
    exact = mpmath.lu_solve(matrix.T * matrix, matrix.T * y)
    assert coefs(found)[1:] == pytest.approx([float(exact[i]) for i in range(1, 5)], rel=1e-8)


# --- levels, knots, aliasing --------------------------------------------------------------------------------


def test_a_level_that_nobody_has_is_dropped_and_said() -> None:
    columns, owners = data()
    columns = {**columns, "g": np.where(columns["g"] == 0, 2.0, columns["g"])}
    result = fit(columns, owners, formula="level ~ x + g")
    assert result.dropped_levels == ("g: a",)
    assert [term.name for term in result.terms] == ["(Intercept)", "x", "g[c]"]


def test_knots_are_pooled_quantiles_and_are_said() -> None:
    columns, owners = data()
    result = fit(columns, owners, formula="level ~ ns(x, df=3)")
    (text,) = result.knots
    (fact,) = result.facts.values()
    inner = np.quantile(columns["x"], [0.05, 0.95])
    assert np.abs(np.array(fact["boundary"]) - inner).max() < 0.3
    assert text.startswith("quantiles(x")
    assert f"within {fact['boundary'][0]:g} to" in text


def test_a_knot_beyond_which_few_people_lie_is_not_given() -> None:
    columns, owners = data()
    few = {name: column[:60] for name, column in columns.items()}
    with pytest.raises(NotEstimable, match="too few people"):
        fit(few, owners[:60], formula="level ~ ns(x, df=3)")


def test_a_polynomial_of_too_high_a_degree_is_named() -> None:
    columns, owners = data()
    columns = {**columns, "x": np.arange(240.0) % 3}
    with pytest.raises(NotEstimable, match=r"poly\(x, 3\)"):
        fit(columns, owners, formula="level ~ poly(x, 3)")


@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_constant_and_repeated_columns_are_aliased_in_order(node: str) -> None:
    columns, owners = data()
    columns = {**columns, "time": np.full(240, 1e9), "precision": 3 - 2 * columns["x"]}
    result = fit(columns, owners, formula="level ~ x + time + precision + g", node=node)
    plain = fit(columns, owners, formula="level ~ x + g", node=node)
    assert result.aliased == ("time", "precision")
    assert coefs(result) == pytest.approx(coefs(plain), rel=1e-10)
    assert result.df_residual == plain.df_residual


# --- what cannot be fitted ----------------------------------------------------------------------------------


def _separated(quasi: bool) -> dict[str, np.ndarray[Any, Any]]:
    columns, _ = data()
    yes = (columns["x"] > 0).astype(float)
    if quasi:
        yes = np.where(columns["g"] == 2, 1.0, columns["yes"])
    return {**columns, "yes": yes}


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize(("quasi", "name"), [(False, "x"), (True, r"g\[c\]")])
@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_separation_is_told_with_the_term_at_fault(link: str, quasi: bool, name: str, node: str) -> None:
    columns, owners = _separated(quasi), data()[1]
    with pytest.raises(NotEstimable, match=f"no finite estimate exists for {name}:"):
        fit(columns, owners, formula="yes ~ x + g" if quasi else "yes ~ x", family="binomial", link=link, node=node)


def test_separation_is_told_after_few_rounds() -> None:
    columns, owners = _separated(quasi=True), data()[1]
    cohorts = FixedPoint(glm.METHOD, deal(columns, VARIABLES, owners), VARIABLES)
    with pytest.raises(NotEstimable):
        glm.plan(cohorts, {"formula": "yes ~ x + g", "family": "binomial"})
    assert cohorts.rounds.count("glm.irls") <= 15


def test_counts_of_zero_at_a_level_are_separation_too() -> None:
    columns, owners = data()
    columns = {**columns, "events": np.where(columns["g"] == 1, 0.0, columns["events"])}
    with pytest.raises(NotEstimable, match=r"g\[b\]"):
        fit(columns, owners, formula="events ~ g", family="poisson")


@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 9.0), st.integers(0, 10_000))
def test_strong_effects_are_not_taken_for_separation(effect: float, seed: int) -> None:
    columns, owners = data()
    rng = np.random.default_rng(seed)
    x = rng.normal(size=240)
    yes = (rng.random(240) < 1 / (1 + np.exp(-effect * x))).astype(float)
    yes[np.argmax(x)], yes[np.argmin(x)] = 0.0, 1.0  # overlap, so that the estimate is finite
    found = fit({**columns, "x": x, "yes": yes}, owners, formula="yes ~ x", family="binomial")
    assert found.terms[1].coef == pytest.approx(
        sm.GLM(yes, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-14).params[1], rel=1e-8
    )


def test_an_outcome_that_does_not_vary_is_not_fitted() -> None:
    columns, owners = data()
    with pytest.raises(NotEstimable, match="does not vary"):
        fit({**columns, "yes": np.ones(240)}, owners, formula="yes ~ x", family="binomial")


def test_as_many_coefficients_as_rows_are_not_fitted() -> None:
    columns, _ = data()
    few = {name: column[:3] for name, column in columns.items()}
    with pytest.raises(NotEstimable, match="as many coefficients"):
        fit(few, np.zeros(3, dtype=np.int64), formula="level ~ x + dose")


@pytest.mark.parametrize(
    ("family", "formula", "change"),
    [
        ("gamma", "cost ~ x", {"cost": 0.0}),
        ("poisson", "events ~ x", {"events": -1.0}),
        ("gaussian", "level ~ x", {"level": math.nan}),
        ("gaussian", "level ~ x", {"x": math.nan}),
    ],
)
def test_rows_that_do_not_fit_are_told_without_a_value(family: str, formula: str, change: dict[str, float]) -> None:
    columns, owners = data()
    changed = {name: np.where(np.arange(240) == 7, value, columns[name]) for name, value in change.items()}
    with pytest.raises(MethodError, match="some rows cannot be used"):
        fit({**columns, **changed}, owners, formula=formula, family=family)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "formula"),
        ({"formula": "~ x"}, "formula"),
        ({"formula": "level ~ 0"}, "formula"),
        ({"formula": "level ~ x", "family": "tweedie"}, "family"),
        ({"formula": "level ~ x", "link": "logit"}, "link"),
        ({"formula": "level ~ x", "family": "binomial"}, "formula"),
        ({"formula": "level ~ x", "node": "random"}, "node"),
        ({"formula": "level ~ x - 1", "node": "intercepts"}, "node"),
        ({"formula": "level ~ 1", "node": "intercepts"}, "formula"),
        ({"formula": "level ~ x", "weights": "copies"}, "weights_type"),
        ({"formula": "level ~ x", "weights_type": "sampling"}, "weights"),
        ({"formula": "level ~ x", "weights": "g", "weights_type": "frequency"}, "weights"),
        ({"formula": "level ~ x", "weights": "wieght", "weights_type": "frequency"}, "weights"),
        (
            {"formula": "level ~ x", "weights": "copies", "weights_type": "sampling", "covariance": "model"},
            "covariance",
        ),
        ({"formula": "level ~ x", "level": 95}, "level"),
        ({"formula": "level ~ x", "famly": "binomial"}, "famly"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    columns, owners = data()
    with pytest.raises(StudyError) as refused:
        fit(columns, owners, **arguments)
    assert refused.value.field == field


# --- weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", ["model", "HC0", "HC3"])
@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_frequency_weights_stand_for_so_many_rows(covariance: str, node: str) -> None:
    columns, owners = data()
    copies = columns["copies"].astype(np.int64)
    arguments: dict[str, Any] = {"formula": "level ~ x + g", "covariance": covariance, "node": node}
    found = fit(columns, owners, weights="copies", weights_type="frequency", **arguments)
    expanded = {name: np.repeat(column, copies) for name, column in columns.items()}
    full = fit(expanded, np.repeat(owners, copies), **arguments)
    assert coefs(found) == pytest.approx(coefs(full), rel=1e-10)
    assert errors(found) == pytest.approx(errors(full), rel=1e-9)
    numbers = [(one.n, one.loglik, one.aic, one.dispersion, one.null_deviance) for one in (found, full)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-9)


def test_sampling_weights_give_a_sandwich_that_does_not_depend_on_their_unit() -> None:
    columns, owners = data()
    arguments: dict[str, Any] = {
        "formula": "yes ~ x + g",
        "family": "binomial",
        "weights_type": "sampling",
        "weights": "precision",
    }
    found = fit(columns, owners, **arguments)
    larger = fit({**columns, "precision": columns["precision"] * 1000}, owners, **arguments)
    x = np.column_stack([np.ones(240), columns["x"], columns["g"] == 1, columns["g"] == 2])
    reference = sm.GLM(columns["yes"], x, family=sm.families.Binomial(), freq_weights=columns["precision"])
    assert coefs(found) == pytest.approx(reference.fit(tol=1e-14).params, rel=1e-8)
    residual = columns["precision"] * (columns["yes"] - reference.fit(tol=1e-14).fittedvalues)
    bread = np.linalg.inv(-reference.hessian(coefs(found)))
    sandwich = bread @ (x.T * residual**2) @ x @ bread
    assert errors(found) == pytest.approx(np.sqrt(np.diag(sandwich)), rel=1e-7)
    assert errors(larger) == pytest.approx(errors(found), rel=1e-9)
    assert (found.covariance_kind, found.loglik, found.aic, found.lr_p) == ("HC0", None, None, None)


def test_rows_of_weight_zero_do_not_count() -> None:
    columns, owners = data()
    kept = np.arange(240) % 4 > 0
    weighted = {**columns, "precision": np.where(kept, columns["precision"], 0.0)}
    arguments: dict[str, Any] = {"formula": "level ~ x", "weights": "precision", "weights_type": "precision"}
    found = fit(weighted, owners, **arguments)
    without = fit({name: column[kept] for name, column in columns.items()}, owners[kept], **arguments)
    assert coefs(found) == pytest.approx(coefs(without), rel=1e-10)
    numbers = [(one.n, one.aic, one.dispersion) for one in (found, without)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-10)


# --- tests and criteria -------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", [0.3, 2.0, 9.0, 38.0, 200.0, 5e3])
@pytest.mark.parametrize("df", [None, 3.0, 40.0, 1e5])
def test_tiny_p_values_are_exact_on_the_log_scale(statistic: float, df: float | None) -> None:
    mpmath.mp.dps = 40
    if df is None:
        exact = mpmath.log(mpmath.erfc(mpmath.mpf(statistic) / mpmath.sqrt(2)))
    else:
        x = mpmath.mpf(df) / (df + mpmath.mpf(statistic) ** 2)
        exact = mpmath.log(mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True))
    assert log_p_value(statistic, df) == pytest.approx(float(exact), rel=1e-9)


def test_wald_and_likelihood_ratio_tests_agree_with_their_definitions() -> None:
    columns, owners = data()
    small = fit(columns, owners, formula="yes ~ x", family="binomial")
    large = fit(columns, owners, formula="yes ~ x + g", family="binomial")
    tested = likelihood_ratio(small, large)
    assert tested.statistic == pytest.approx(small.deviance - large.deviance, rel=1e-9)
    assert tested.df == 2
    assert tested.p == pytest.approx(stats.chi2.sf(tested.statistic, 2), rel=1e-9)
    block, beta = np.array(large.covariance)[2:, 2:], coefs(large)[2:]
    assert wald(large, ["g"]).statistic == pytest.approx(float(beta @ np.linalg.solve(block, beta)), rel=1e-9)
    assert wald(large, ["x"]).p == pytest.approx(large.by_name["x"].p, rel=1e-9)
    linear = fit(columns, owners, formula="level ~ x + g")
    assert wald(linear, ["x"]).p == pytest.approx(linear.by_name["x"].p, rel=1e-9)
    assert wald(linear, ["g[b]", "g[c]"]) == wald(linear, ["g"])


def test_models_that_are_not_nested_are_not_compared() -> None:
    columns, owners = data()
    small, large = (fit(columns, owners, formula=text) for text in ("level ~ x", "level ~ x + g"))
    other = fit({name: column[:200] for name, column in columns.items()}, owners[:200], formula="level ~ x + g")
    for first, second in ((large, small), (small, small), (small, other)):
        with pytest.raises(MethodError, match="not nested"):
            likelihood_ratio(first, second)
    with pytest.raises(MethodError, match="no estimated coefficient"):
        wald(small, ["g"])


def test_a_model_of_an_intercept_alone_is_its_own_null_model() -> None:
    columns, owners = data()
    result = fit(columns, owners, formula="yes ~ 1", family="binomial")
    share = float(columns["yes"].mean())
    assert result.terms[0].coef == pytest.approx(math.log(share / (1 - share)), rel=1e-10)
    assert (result.lr_df, result.lr_p) == (0, 1.0)
    assert result.pseudo_r2 == pytest.approx(0.0, abs=1e-12)


def test_results_are_plain_values() -> None:
    columns, owners = data()
    plain = to_plain(fit(columns, owners, formula="yes ~ x + g", family="binomial"))
    assert plain["schema"] == "glm/1.1"
    assert plain["ratio"] == "odds ratio"
    assert plain["terms"][1]["exponentiated"] == pytest.approx(math.exp(plain["terms"][1]["coef"]))


def test_a_logistic_fit_takes_few_rounds() -> None:
    columns, owners = data()
    _, rounds = fit_with_rounds(columns, owners, formula="yes ~ year + g", family="binomial")
    assert rounds[:2] == ["glm.levels", "glm.means"]
    assert len(rounds) <= 9


# --- the heart data -----------------------------------------------------------------------------------------


def test_blood_pressure_matters_within_hospitals_and_not_between_them() -> None:
    _, columns, variables, owners = heart_frame()
    wanted = ("disease", "age", "sex", "resting_bp", "exang", "max_heart_rate")
    kept = ~np.isnan(np.column_stack([columns[name] for name in wanted])).any(axis=1)
    rows = {name: columns[name][kept] for name in wanted}
    assert np.bincount(owners[kept]).tolist() == [303, 293, 121, 143]
    arguments: dict[str, Any] = {"formula": "disease ~ age + sex + resting_bp", "family": "binomial"}
    common = fit(rows, owners[kept], variables, **arguments)
    sites = fit(rows, owners[kept], variables, node="intercepts", **arguments)
    assert common.by_name["resting_bp"].p == pytest.approx(0.119315288, rel=1e-6)
    assert sites.by_name["resting_bp"].p == pytest.approx(0.006606205, rel=1e-6)
    x = sm.add_constant(np.column_stack([rows[name] for name in ("age", "sex", "resting_bp")]))
    pooled = sm.GLM(rows["disease"], x, family=sm.families.Binomial()).fit(tol=1e-14)
    assert coefs(common) == pytest.approx(pooled.params, rel=1e-8)
    assert errors(common) == pytest.approx(pooled.bse, rel=1e-8)
    assert (common.deviance, common.loglik) == pytest.approx((pooled.deviance, pooled.llf), rel=1e-10)


def test_variables_of_the_demo_take_dictionary_ranges_without_asking_for_sizes() -> None:
    _, columns, variables, owners = heart_frame()
    kept = ~np.isnan(columns["resting_bp"])
    rows = {name: columns[name][kept] for name in ("disease", "age", "sex", "resting_bp")}
    _, rounds = fit_with_rounds(
        rows, owners[kept], variables, formula="disease ~ age + sex + resting_bp", family="binomial"
    )
    assert "glm.sizes" not in rounds
