"""Causal contrasts of two treatments over all cohorts, equal to the analysis of the pooled rows.

Hernan MA, Robins JM (2020). Causal Inference: What If. Chapman & Hall.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hansa.formula import Design, resolve_design
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Cohorts, Method, Request, Totals
from hansa.stats.effect.arguments import Contrast, read_contrast
from hansa.stats.effect.propensity_fit import check_estimable, differences_of, on_columns
from hansa.stats.effect.result import EffectResult, contrasts_of, means_of
from hansa.stats.effect.steps import BALANCE, EQUATIONS, OUTCOMES
from hansa.stats.glm.arguments import read_model
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.design import reads
from hansa.stats.glm.facts import pooled_facts
from hansa.stats.glm.fit import Problem, fit_coefficients, null_point, pose, unscaled
from hansa.stats.glm.profile import PROFILE
from hansa.stats.glm.steps import IRLS, MEANS, SIZES, START

__all__ = ["METHOD", "plan"]


def plan(cohorts: Cohorts, arguments: Arguments) -> EffectResult:
    """The contrast of the treated and the untreated over all cohorts, as if their rows were in one table.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``outcome``: a number, or yes and no. ``treatment``: yes or no. ``adjust``: the terms of the propensity
        model and, by arm, of the outcome models. ``estimand``: "ATE" (default), "ATT" or "ATO". ``estimator``:
        "aipw" (default), "weighting" or "standardisation". ``node``: "common" (default), or "intercepts" for one of
        each node in the propensity model, so that nodes may differ in how many they treat. ``level``: of the
        intervals, 0.95.

    Returns
    -------
    EffectResult
        Errors are those of the stacked estimating equations: that the models are estimated is accounted for.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine a model in both arms.
    ConvergenceError
        When the iteration ends without an answer.
    """
    asked = read_contrast(arguments, cohorts.variables)
    outcome = _posed(cohorts, {"formula": asked.outcome_formula, "family": asked.family})
    score = _posed(cohorts, {"formula": asked.propensity_formula, "family": "binomial", "node": asked.node})
    check_estimable(score)
    within = asked.node == "intercepts"
    alpha = on_columns(score, fit_coefficients(score, null_point(score)).point.beta)
    alpha = np.append(0.0, alpha) if within else alpha
    beta = np.zeros((2, len(alpha)))
    if asked.estimator != "weighting":
        check_estimable(outcome)
        beta = _by_arm(outcome, score)
    request = Request(
        {
            "propensity": {**score.request.arguments, "mix": None, "node": "common"},
            "outcome": outcome.request.arguments,
            "estimand": asked.estimand,
            "estimator": asked.estimator,
            "within": within,
        }
    )
    balance = cohorts.sum("effect.balance", request, alpha=alpha, beta=beta)
    sums = cohorts.sum("effect.outcomes", request, alpha=alpha, beta=beta)
    mu = sums["numerator"] / sums["denominator"]
    totals = cohorts.sum("effect.equations", request, alpha=alpha, beta=beta, mu=mu)
    scale, centre = (float(outcome.request.arguments[name]) for name in ("response_scale", "response_centre"))
    means = mu / scale + centre
    covariance = _sandwich(totals["slope"], totals["meat"], first=int(within)) / scale**2
    return _result(asked, score.design, balance, means, covariance)


def _posed(cohorts: Cohorts, arguments: Mapping[str, Any]) -> Problem:
    model = read_model(arguments, cohorts.variables)
    return pose(cohorts, model, resolve_design(model.formula, cohorts.variables, pooled_facts(cohorts, model.formula)))


def _by_arm(outcome: Problem, score: Problem) -> FloatArray:
    """The outcome models' coefficients of the scaled, centred columns, untreated and treated, shape (2, p)."""
    fitted = unscaled(outcome, fit_coefficients(outcome, null_point(outcome)), None)
    found = dict(zip(fitted.names, fitted.coef, strict=True))
    names, treatment = score.design.names, fitted.names[1]
    plain = np.array([found[name] for name in names])
    more = np.array([found[treatment if name == "(Intercept)" else f"{treatment}:{name}"] for name in names])
    arms = np.stack([plain, plain + more])
    centre, scale = (np.asarray(score.request.arguments[name]) for name in ("centre", "scale"))
    arms[:, 0] += arms[:, 1:] @ centre[1:] - float(outcome.request.arguments["response_centre"])
    shift = float(outcome.request.arguments["response_scale"])
    return np.asarray(arms / scale * (shift if outcome.model.family == "gaussian" else 1.0))


def _sandwich(slope: FloatArray, meat: FloatArray, *, first: int) -> FloatArray:
    """The covariance of the two mean potential outcomes: A^-1 B A^-T of the stacked equations.

    They begin at ``first``: a common intercept that is not in the model has none.
    """
    slope, meat = slope[first:, first:], meat[first:, first:]
    influence = np.linalg.solve(slope.T, np.eye(len(slope))[-2:].T).T
    return np.asarray(influence @ meat @ influence.T)


def _result(
    asked: Contrast, design: Design, balance: Totals, means: FloatArray, covariance: FloatArray
) -> EffectResult:
    return EffectResult(
        outcome=asked.outcome,
        treatment=asked.treatment,
        adjust=asked.adjust,
        family=asked.family,
        estimand=asked.estimand,
        estimator=asked.estimator,
        node=asked.node,
        level=asked.level,
        n=round(float(balance["people"].sum())),
        untreated=round(float(balance["people"][0])),
        treated=round(float(balance["people"][1])),
        means=means_of(means, covariance, asked.level),
        contrasts=contrasts_of(means, covariance, asked.level, binary=asked.family == "binomial"),
        effective_untreated=float(balance["weight"][0] ** 2 / balance["weight_square"][0]),
        effective_treated=float(balance["weight"][1] ** 2 / balance["weight_square"][1]),
        balance=differences_of(
            design.names, balance["people"], balance["plain"], balance["weight"], balance["weighted"]
        ),
    )


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return reads({"formula": read_contrast(arguments, variables).outcome_formula})


METHOD = Method(
    name="effect",
    version=1,
    title="Causal contrast of two treatments",
    steps=(*FACT_STEPS, SIZES, MEANS, START, IRLS, PROFILE, BALANCE, OUTCOMES, EQUATIONS),
    plan=plan,
    complete=_complete,
    counts_rows=True,
    refused="both arms and, within them, levels and outcomes need enough people at several nodes; a treatment that is "
    "constant within nodes, such as that of a single-arm trial, is compared by control_arm, for survival",
    citations=(
        "Lunceford JK, Davidian M (2004). Stratification and weighting via the propensity score. Stat Med 23:2937.",
        "Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting. JASA 113:390.",
        "Stefanski LA, Boos DD (2002). The calculus of M-estimation. Am Stat 56:29.",
        "VanderWeele TJ, Ding P (2017). Sensitivity analysis in observational research. Ann Intern Med 167:268.",
    ),
)
