"""Linear mixed models against lme4 and lmerTest (lmm_facts.R says with which calls), and against statsmodels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from descriptive_cases import FixedPoint, deal
from lmm_cases import FACTS, MODELS, fitted, table, whole_clusters

from hansa.model.exposure import FloatArray
from hansa.stats.lmm import plan as lmm
from hansa.stats.lmm.arguments import read_mixed_model
from hansa.stats.lmm.criterion import theta_of
from hansa.stats.lmm.posed import Posed, pose_mixed
from hansa.stats.lmm.steps import LARGEST_FACTOR


def test_every_reference_model_is_compared() -> None:
    assert set(MODELS) == set(FACTS)


@pytest.mark.parametrize("name", MODELS)
def test_the_least_criterion_and_what_follows_are_those_of_lme4(name: str) -> None:
    """lme4 settles theta to about 1e-7, where the criterion is flat: values of it agree to rounding."""
    found, fact = fitted(name), FACTS[name]
    assert (found.n, found.clusters, found.singular) == (fact["n"], fact["clusters"], fact["singular"])
    assert found.criterion == pytest.approx(fact["criterion"], rel=1e-12)
    assert found.loglik == pytest.approx(fact["loglik"], rel=1e-12)
    assert found.aic == pytest.approx(fact["aic"], rel=1e-12)
    assert found.bic == pytest.approx(fact["bic"], rel=1e-12)
    assert [term.coef for term in found.terms] == pytest.approx(fact["coef"], rel=1e-7)
    assert [term.se for term in found.terms] == pytest.approx(fact["se"], rel=1e-6)
    assert [term.statistic for term in found.terms] == pytest.approx(fact["t"], rel=1e-6)
    assert found.residual_sd == pytest.approx(fact["sigma"], rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_variances_and_degrees_of_freedom_are_those_of_lme4_and_lmertest(name: str) -> None:
    """lmerTest takes numerical second derivatives at lme4's theta: they have six digits."""
    found, fact = fitted(name), FACTS[name]
    assert list(found.dfs) == pytest.approx(fact["df"], rel=1e-5)
    logarithms = [math.log(max(p, 1e-300)) for p in fact["p"]]
    least = math.log(1e-300)
    assert [max(term.p_log or 0.0, least) for term in found.terms] == pytest.approx(logarithms, rel=1e-5)
    variances, correlations = (np.atleast_1d(fact[kind]).tolist() for kind in ("variances", "correlations"))
    assert [one.variance for one in found.variances] == pytest.approx(variances, rel=1e-5, abs=1e-10)
    assert [one.correlation for one in found.correlations] == pytest.approx(correlations, rel=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_at_given_variances_all_digits_are_lme4s(name: str) -> None:
    columns, variables = table(name.split(maxsplit=1)[0])
    group = MODELS[name]["formula"].rpartition("| ")[2].rstrip(")")
    owners = whole_clusters(columns, group, 5)
    cohorts = FixedPoint(lmm.METHOD, deal(columns, variables, owners), variables)
    posed = pose_mixed(cohorts, read_mixed_model(MODELS[name], variables))
    for fact in FACTS[name]["at"]:
        found = posed.at(_scaled(posed, np.atleast_1d(fact["theta"])))
        assert posed.criterion(found) == pytest.approx(fact["criterion"], rel=1e-11)
        coef = posed.back @ found.beta
        coef[0] += posed.request.arguments["response_centre"]
        assert coef == pytest.approx(np.array(fact["coef"]), rel=1e-9)


def _scaled(posed: Posed, theta: FloatArray) -> FloatArray:
    """The theta of the scaled, centred effects for lme4's, whose elements stand column by column."""
    q = len(posed.places)
    factor = np.zeros((q, q))
    factor.T[np.triu_indices(q)] = theta
    turned = np.linalg.solve(posed.effects_back, factor)
    _, upper = np.linalg.qr(turned.T)
    return theta_of(upper.T)


def test_the_search_needs_few_rounds() -> None:
    """Each tells the hub the sums at one more theta."""
    steps = {name: fitted(name).iterations for name in MODELS}
    assert max(steps[name] for name in MODELS if name != "math three") <= 10
    assert steps["math three"] <= 20


@pytest.mark.parametrize("name", ["sleep slopes", "orthodont", "schools"])
def test_statsmodels_agrees_to_what_it_settles(name: str) -> None:
    columns, variables = table(name.split(maxsplit=1)[0])
    frame = pd.DataFrame(dict(columns)).rename(columns={"class": "school"})
    fixed, effects, group = {
        "sleep slopes": ("reaction ~ days", "~ days", "subject"),
        "orthodont": ("distance ~ age * sex", "~ 1", "subject"),
        "schools": ("lang ~ iq + ses + comb", "~ 1", "school"),
    }[name]
    other: Any = smf.mixedlm(fixed, frame, groups=frame[group], re_formula=effects).fit(reml=True)
    found = fitted(name)
    assert sorted(term.coef or 0.0 for term in found.terms) == pytest.approx(sorted(other.fe_params), rel=1e-4)
    assert found.loglik == pytest.approx(other.llf, abs=1e-3)
    assert found.residual_variance == pytest.approx(other.scale, rel=1e-3)
    assert set(variables) >= {group.replace("school", "class")}


def test_degrees_of_freedom_of_a_balanced_design_are_those_of_its_strata() -> None:
    """A slope within 18 people of 10 days each has 161, an intercept and slope that vary 17 (Bates et al. 2015)."""
    assert fitted("sleep intercept").dfs[1] == pytest.approx(161, rel=1e-8)
    assert fitted("sleep slopes").dfs == pytest.approx((17, 17), rel=1e-8)


def test_factors_beyond_the_largest_are_none() -> None:
    assert math.isfinite(LARGEST_FACTOR)
    posed_columns, variables = table("sleep")
    owners = whole_clusters(posed_columns, "subject", 3)
    cohorts = FixedPoint(lmm.METHOD, deal(posed_columns, variables, owners), variables)
    posed = pose_mixed(cohorts, read_mixed_model(MODELS["sleep intercept"], variables))
    for factor in (2 * LARGEST_FACTOR, math.nan, -math.inf):
        totals = cohorts.sum("lmm.round", posed.request, factor=np.array([[factor]]))
        assert totals["invalid"] == 3
        assert not any(np.any(totals[name]) for name in totals if name != "invalid")
