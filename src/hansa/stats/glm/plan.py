"""Generalised linear models over all cohorts, equal to the fit of the pooled rows.

McCullagh P, Nelder JA (1989). Generalized Linear Models, 2nd edition; section 2.5 for the algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from hansa.formula import Design, facts_to_plain, resolve_design
from hansa.model import Variable
from hansa.stats.contract import Arguments, Cohorts, Method
from hansa.stats.glm.arguments import Model, read_model
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.design import dropped_in_words, knots_in_words, reads
from hansa.stats.glm.facts import pooled_facts
from hansa.stats.glm.families import has_dispersion, log_likelihood
from hansa.stats.glm.firth import fit_penalised, penalised_result
from hansa.stats.glm.firth_step import PENALTY
from hansa.stats.glm.fit import Fitted, fit_pooled, pose
from hansa.stats.glm.negative_binomial import fit_negative_binomial, negative_binomial_result
from hansa.stats.glm.negative_binomial_step import NEGATIVE_BINOMIAL, NEGATIVE_BINOMIAL_PROFILE
from hansa.stats.glm.profile import PROFILE
from hansa.stats.glm.result import GlmResult, Term, as_rows, chi_square, likelihood_ratio, term, wald
from hansa.stats.glm.robust import MEAT, PROFILE_MEAT
from hansa.stats.glm.steps import IRLS, MEANS, SIZES, START

__all__ = ["METHOD", "GlmResult", "Term", "likelihood_ratio", "plan", "wald"]

_RATIOS = {
    ("binomial", "logit"): "odds ratio",
    ("binomial", "log"): "risk ratio",
    ("binomial", "cloglog"): "hazard ratio",
    ("poisson", "log"): "rate ratio",
    ("gamma", "log"): "ratio of means",
    ("gaussian", "log"): "ratio of means",
}


def plan(cohorts: Cohorts, arguments: Arguments) -> GlmResult:
    """Fit a generalised linear model over all cohorts, as if their rows were in one table.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: in R's notation, offsets included. ``family``: gaussian (default), binomial, poisson, gamma or
        negative binomial. ``link``: ``None`` for the canonical one, or identity, log, logit, probit, cloglog,
        inverse as R allows them. ``node``: "common" (default), or "intercepts" for an intercept in each node,
        which never leaves it and is not reported. ``weights``: a variable, with ``weights_type`` "frequency"
        (each row stands for so many equal ones), "precision" (R's ``weights``: the dispersion is divided by
        them) or "sampling" (inverse probabilities; sandwich covariance, no likelihood). ``covariance``: "model"
        (default) or "HC0" to "HC3". ``level``: of the intervals, 0.95. ``penalty``: "firth" for a logistic model
        whose estimates are finite under separation, too; tests and intervals then are those of the profile.

    Returns
    -------
    GlmResult
        The dispersion of gaussian and gamma models is Pearson's chi-square over its degrees of freedom.
        Columns that are combinations of earlier ones are aliased, as in R.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine the model: separation, no variation, too few rows.
    ConvergenceError
        When the iteration ends without an answer.
    """
    model = read_model(arguments, cohorts.variables)
    facts = pooled_facts(cohorts, model.formula)
    design = resolve_design(model.formula, cohorts.variables, facts)
    if model.family == "negative binomial":
        poisson = replace(model, family="poisson")
        counted = fit_negative_binomial(pose(cohorts, poisson, design))
        return negative_binomial_result(_result(poisson, design, counted.fitted), counted)
    problem = pose(cohorts, model, design)
    if model.penalty is None:
        return _result(model, design, fit_pooled(problem))
    found = fit_penalised(problem)
    return penalised_result(_result(model, design, found.fitted), found)


def _result(model: Model, design: Design, fitted: Fitted) -> GlmResult:
    estimated = int(fitted.kept.sum())
    df = round(fitted.n) - estimated - fitted.intercepts
    # the null model has the intercepts alone
    df_null = round(fitted.n) - fitted.intercepts - int("(Intercept)" in fitted.names)
    loglik, null_loglik = (
        None if deviance is None else _log_likelihood(model, fitted, deviance)
        for deviance in (fitted.scaled_deviance, fitted.scaled_null)
    )
    tested = None if loglik is None or null_loglik is None else 2 * (loglik - null_loglik)
    parameters = estimated + fitted.intercepts + int(has_dispersion(model.family))
    kept = tuple(name for name, keep in zip(fitted.names, fitted.kept, strict=True) if keep)
    return GlmResult(
        formula=str(model.formula),
        family=model.family,
        link=model.link,
        node=model.node,
        terms=_terms(model, fitted, df),
        ratio=_RATIOS.get((model.family, model.link)),
        statistic_kind="t" if has_dispersion(model.family) else "z",
        level=model.level,
        n=round(fitted.n),
        df_residual=df,
        df_null=df_null,
        deviance=fitted.deviance,
        null_deviance=fitted.null_deviance,
        loglik=loglik,
        null_loglik=null_loglik,
        aic=None if loglik is None else 2 * parameters - 2 * loglik,
        bic=None if loglik is None else parameters * math.log(fitted.n) - 2 * loglik,
        dispersion=fitted.dispersion,
        pearson=fitted.pearson,
        pseudo_r2=_mcfadden(model, loglik, null_loglik),
        deviance_r2=1 - fitted.deviance / fitted.null_deviance if fitted.null_deviance else None,
        lr_statistic=tested,
        lr_df=df_null - df,
        lr_p=None if tested is None else chi_square("likelihood ratio", tested, df_null - df).p,
        covariance_terms=kept,
        covariance=as_rows(fitted.covariance),
        covariance_kind=model.covariance,
        weights=model.weights,
        weights_type=model.weights_type,
        iterations=fitted.iterations,
        converged=True,
        aliased=tuple(name for name, keep in zip(fitted.names, fitted.kept, strict=True) if not keep),
        knots=knots_in_words(design),
        dropped_levels=dropped_in_words(design),
        facts=facts_to_plain(design.facts),
    )


def _terms(model: Model, fitted: Fitted, df: int) -> tuple[Term, ...]:
    errors = iter(math.sqrt(max(variance, 0.0)) for variance in fitted.covariance.diagonal())
    freedom = float(df) if has_dispersion(model.family) else None
    ratio = (model.family, model.link) in _RATIOS
    return tuple(
        term(name, float(coef), next(errors), df=freedom, level=model.level, ratio=ratio)
        if keep
        else term(name, None, 0.0, df=freedom, level=model.level, ratio=ratio)
        for name, coef, keep in zip(fitted.names, fitted.coef, fitted.kept, strict=True)
    )


def _log_likelihood(model: Model, fitted: Fitted, deviance: float) -> float | None:
    """On the response's own scale: a density gains a factor ``scale`` per row with the scaling undone."""
    if model.weights_type == "sampling":
        return None
    rows = fitted.weight if model.family == "gamma" else fitted.n
    precise = model.family != "gaussian" or model.weights_type == "precision"
    scaled = log_likelihood(model.family, deviance, rows, fitted.saturated if precise else 0.0)
    return scaled + rows * math.log(fitted.scale)


def _mcfadden(model: Model, loglik: float | None, null_loglik: float | None) -> float | None:
    if has_dispersion(model.family) or loglik is None or not null_loglik:
        return None
    return 1 - loglik / null_loglik


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    read_model(arguments, variables)
    return reads(arguments)


METHOD = Method(
    name="glm",
    version=1,
    title="Generalised linear model",
    steps=(
        *(*FACT_STEPS, SIZES, MEANS, START, IRLS, PROFILE, MEAT, PROFILE_MEAT),
        *(PENALTY, NEGATIVE_BINOMIAL, NEGATIVE_BINOMIAL_PROFILE),
    ),
    plan=plan,
    complete=_complete,
    site_release=True,
    citations=(
        "McCullagh P, Nelder JA (1989). Generalized Linear Models, 2nd edition. Chapman & Hall.",
        "Firth D (1993). Bias reduction of maximum likelihood estimates. Biometrika 80:27.",
        "Heinze G, Schemper M (2002). A solution to the problem of separation in logistic regression. Stat Med 21.",
        "Lawless JF (1987). Negative binomial and mixed Poisson regression. Can J Stat 15:209.",
        "Zeileis A (2004). Econometric computing with HC and HAC covariance matrix estimators. JSS 11(10).",
    ),
)
