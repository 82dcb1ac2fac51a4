"""A frozen model judged elsewhere, against pooled references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from descriptive_cases import FixedPoint, deal, described
from glm_cases import fit
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from hansa.errors import NotEstimable, StudyError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.plain import to_plain
from hansa.stats.validation import plan as validation
from hansa.stats.validation.plan import Validation, frozen
from hansa.stats.validation.roc import groups_of, roc

VARIABLES = described(
    Variable(name="x", type="number"),
    Variable(name="z", type="number"),
    Variable(name="g", type="category", levels=("a", "b", "c")),
    Variable(name="yes", type="boolean"),
)


def people(n: int, seed: int, shift: float = 0.0) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    x, z, g = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 3, n).astype(float)
    yes = rng.random(n) < expit(shift - 0.5 + 0.8 * x - 0.4 * z + 0.5 * (g == 1))
    return {"x": x, "z": z, "g": g, "yes": yes.astype(float)}


def model(formula: str = "yes ~ x + z + g") -> dict[str, Any]:
    columns = people(600, 1)
    return frozen(fit(columns, np.arange(600) % 3, VARIABLES, formula=formula, family="binomial"))


def validate(columns: dict[str, FloatArray], nodes: int = 3, **arguments: Any) -> Validation:
    owners = np.arange(len(columns["x"])) % nodes
    cohorts = FixedPoint(validation.METHOD, deal(columns, VARIABLES, owners), VARIABLES)
    found = validation.plan(cohorts, arguments)
    assert isinstance(found, Validation)
    return found


def scores(chosen: dict[str, Any], columns: dict[str, FloatArray]) -> FloatArray:
    beta, g = chosen["coefficients"], columns["g"]
    levels = beta["g[b]"] * (g == 1) + beta["g[c]"] * (g == 2)
    return np.asarray(beta["(Intercept)"] + beta["x"] * columns["x"] + beta["z"] * columns["z"] + levels)


@pytest.mark.parametrize("nodes", [1, 4])
def test_calibration_and_discrimination_are_the_pooled_ones(nodes: int) -> None:
    chosen, columns = model(), people(800, 2, shift=0.7)
    found = validate(columns, nodes, model=chosen)
    score, y = scores(chosen, columns), columns["yes"]
    large = sm.GLM(y, np.ones(800), family=sm.families.Binomial(), offset=score).fit(tol=1e-14)
    line = sm.GLM(y, sm.add_constant(score), family=sm.families.Binomial()).fit(tol=1e-14)
    risk = expit(score)
    assert (found.intercept.value, found.intercept.se) == pytest.approx((large.params[0], large.bse[0]), rel=1e-8)
    assert (found.slope.value, found.slope.se) == pytest.approx((line.params[1], line.bse[1]), rel=1e-8)
    assert found.brier == pytest.approx(float(np.mean((y - risk) ** 2)), rel=1e-10)
    assert found.observed_expected.value == pytest.approx(y.sum() / risk.sum(), rel=1e-10)
    assert (found.mean_predicted, found.mean_observed) == pytest.approx((risk.mean(), y.mean()), rel=1e-10)
    assert (found.n, found.events, found.not_covered) == (800, int(y.sum()), 0)
    assert abs(found.auroc.value - roc_auc_score(y, score)) <= found.auroc_bound < 2e-3


def test_a_model_judged_on_its_own_people_is_calibrated() -> None:
    found = validate(people(600, 1), model=model())
    assert found.intercept.value == pytest.approx(0, abs=1e-9)
    assert found.slope.value == pytest.approx(1, abs=1e-9)
    assert found.observed_expected.value == pytest.approx(1, abs=1e-9)


def test_calibration_groups_hold_enough_people_and_events_and_add_up() -> None:
    chosen, columns = model(), people(800, 2)
    found = validate(columns, model=chosen)
    assert 5 <= len(found.curve) <= 10
    assert all(group.n >= 10 for group in found.curve)
    assert all(min(group.events, group.n - group.events) in range(5, 800) for group in found.curve)
    assert sum(group.n for group in found.curve) == 800
    assert sum(group.events for group in found.curve) == found.events
    expected = sum(group.n * group.predicted for group in found.curve)
    assert expected == pytest.approx(800 * found.mean_predicted, rel=1e-10)
    assert [group.predicted for group in found.curve] == sorted(group.predicted for group in found.curve)
    assert all(group.lower < group.observed < group.upper for group in found.curve)


def test_one_group_is_given_where_there_are_too_few_for_more() -> None:
    columns = people(26, 5)
    columns["yes"] = (np.arange(26) % 4 == 0).astype(float)
    found = validate(columns, model=model())
    (group,) = found.curve
    assert (group.n, group.events) == (26, 7)
    assert group.predicted == pytest.approx(found.mean_predicted, rel=1e-12)


def test_people_at_a_level_the_model_does_not_know_are_left_out_and_counted() -> None:
    training = people(600, 1)
    training["g"] = np.where(training["g"] == 2, 0.0, training["g"])
    fitted = fit(training, np.arange(600) % 3, VARIABLES, formula="yes ~ x + g", family="binomial")
    columns = people(300, 2)
    found = validate(columns, model=frozen(fitted))
    unknown = int((columns["g"] == 2).sum())
    assert (found.n, found.not_covered) == (300 - unknown, unknown)


def test_splines_keep_the_knots_of_the_training_people() -> None:
    chosen, columns = model("yes ~ ns(x, df=3)"), people(500, 3)
    columns["x"] = columns["x"] * 2 + 1
    again = validate(columns, model=chosen)
    assert chosen["facts"]
    assert again.n == 500
    assert 0.5 < again.auroc.value < 1


def test_a_plain_result_freezes_like_the_result() -> None:
    result = fit(people(600, 1), np.arange(600) % 3, VARIABLES, formula="yes ~ x", family="binomial")
    assert frozen(to_plain(result)) == frozen(result)


def test_a_model_that_predicts_no_risk_is_refused() -> None:
    columns = people(300, 1)
    sites = fit(columns, np.arange(300) % 3, VARIABLES, formula="yes ~ x", family="binomial", node="intercepts")
    with pytest.raises(StudyError, match="intercepts"):
        frozen(sites)
    linear = frozen(fit(columns, np.arange(300) % 3, VARIABLES, formula="z ~ x"))
    with pytest.raises(StudyError, match="logistic"):
        validate(columns, model=linear)


@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": {"(Intercept)": 0.0}},
        {"coefficients": {"(Intercept)": 0.0, "x": float("inf"), "z": 0.0, "g[b]": 0.0, "g[c]": 0.0}},
        {"coefficients": [1.0]},
    ],
)
def test_coefficients_that_are_not_the_formulas_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match="coefficient"):
        validate(people(100, 1), model={**model(), **change})


def test_too_few_events_are_not_judged() -> None:
    columns = people(200, 1)
    columns["yes"] = (np.arange(200) < 4).astype(float)
    with pytest.raises(NotEstimable, match="too few"):
        validate(columns, model=model())


def test_one_risk_for_everybody_is_not_judged() -> None:
    with pytest.raises(NotEstimable, match="same risk"):
        validate(people(200, 1), model=model("yes ~ 1"))


counts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(counts)
def test_the_true_area_is_within_the_bound(bins: list[tuple[int, int]]) -> None:
    table = np.array(bins, dtype=float).T + np.array([[1.0], [1.0]]) * (np.arange(len(bins)) == 0)
    found = roc((np.arange(len(bins) - 1.0), table))
    rng = np.random.default_rng(len(bins))
    score = [bin_ + rng.random(int(k)) for row in table for bin_, k in enumerate(row)]
    y = np.repeat([0, 1], table.sum(axis=1).astype(int))
    assert abs(roc_auc_score(y, np.concatenate(score)) - found.area) <= found.bound + 1e-12


@settings(max_examples=100, deadline=None)
@given(counts)
def test_groups_hold_none_or_a_cell_of_each_outcome_and_everybody(bins: list[tuple[int, int]]) -> None:
    table = np.array(bins, dtype=float).T + np.array([[1.0], [1.0]]) * (np.arange(len(bins)) == 0)
    groups = groups_of(roc((np.arange(len(bins) - 1.0), table)), 10, fewest=10, cell=5)
    assert len(groups) <= 10
    for group in groups:
        assert group.n >= 10
        assert all(count == 0 or count >= 5 for count in (group.events, group.n - group.events))
    if groups:
        assert sum(group.n for group in groups) == table.sum()
