"""Cox's proportional-hazards model over all cohorts, equal to the pooled model stratified by node.

Cox DR (1972). Regression models and life-tables. Journal of the Royal Statistical Society B 34:187-220.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hansa.formula import Design, facts_to_plain, resolve_design
from hansa.model import Variable
from hansa.stats.contract import Arguments, Cohorts, Method
from hansa.stats.cox.arguments import CoxModel, read_cox
from hansa.stats.cox.baseline import baseline_hazards
from hansa.stats.cox.check_steps import PAIRS, PROPORTIONAL
from hansa.stats.cox.concordance import PREDICTORS, RANKED, league_concordance
from hansa.stats.cox.diagnostics import Concordance, Proportional, concordance, proportional_tests
from hansa.stats.cox.firth import PENALTY, fit_firth
from hansa.stats.cox.fit import CoxFitted, fit_cox
from hansa.stats.cox.grid import CENTRE, EXTENT, HAZARDS, MOMENTS, RISKS
from hansa.stats.cox.grid_robust import RESIDUALS
from hansa.stats.cox.grid_tests import grid_tests
from hansa.stats.cox.pooled import GridFitted, fit_grid
from hansa.stats.cox.result import CoxResult
from hansa.stats.cox.ridge import SPREAD
from hansa.stats.cox.steps import MEANS, MEAT, ROUND, SIZES
from hansa.stats.fitting.firth_fit import profiled_term
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.design import dropped_in_words, knots_in_words
from hansa.stats.glm.facts import pooled_facts
from hansa.stats.glm.result import Term, Test, as_rows, chi_square, term

__all__ = ["METHOD", "CoxResult", "cox_result", "plan"]


def plan(cohorts: Cohorts, arguments: Arguments) -> CoxResult:
    """Fit a Cox model over all cohorts, each with a baseline hazard of its own.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: in R's notation, ``Surv(time, event) ~ age + sex`` or ``Surv(start, stop, event) ~ ...``,
        with ``strata()`` for further baseline hazards within nodes, ``cluster()`` for robust errors, and
        offsets. ``ties``: "efron" (default) or "breslow". ``baseline``: "node" (default), or "pooled" for one
        baseline hazard over all nodes, exact for times on the ``grid`` (1 for whole numbers).
        ``weights``: a variable, with ``weights_type``
        "frequency" (each row stands for so many people) or "sampling" (inverse probabilities). ``robust``: errors
        by the sandwich; the default with sampling weights and clusters. ``level``: of the intervals, 0.95.
        ``penalty``: "firth", for finite estimates whatever the data, with profile intervals; or "ridge" of strength
        ``theta``, over standardised columns.

    Returns
    -------
    CoxResult
        Coefficients, errors and tests equal R's ``coxph(..., strata(node))`` on the rows of all cohorts; with a
        pooled baseline R's ``coxph`` without these strata.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine the model: no events, monotone likelihood, no variation within nodes.
    ConvergenceError
        When the iteration ends without an answer.
    """
    model = read_cox(arguments, cohorts.variables)
    facts = pooled_facts(cohorts, model.formula)
    design = resolve_design(model.formula, cohorts.variables, facts)
    fit = fit_grid if model.baseline == "pooled" else fit_firth if model.penalty == "firth" else fit_cox
    fitted = fit(cohorts, model, design)
    ranked = league_concordance(fitted) if isinstance(fitted, GridFitted) else concordance(fitted)
    return cox_result(model, design, fitted, ranked)


def cox_result(model: CoxModel, design: Design, fitted: CoxFitted, ranked: Concordance | None) -> CoxResult:
    """What the fit says."""
    problem, names, terms = fitted.problem, fitted.problem.names, _terms(model, fitted)
    kept = [name for name, keep in zip(names, problem.kept, strict=True) if keep]
    loglik, null, df = fitted.loglik, fitted.null_loglik, fitted.df
    events = round(float(problem.means["events"]))
    return CoxResult(
        formula=str(model.formula),
        baseline=model.baseline,
        grid=model.grid,
        rounded=isinstance(fitted, GridFitted) and fitted.problem.rounded,
        ties=model.ties,
        strata=tuple(map(str, model.formula.strata)),
        late_entry=len(model.formula.survival or ()) == 3,
        terms=_profiled(terms, fitted),
        wald_terms=terms if fitted.profiles else (),
        ratio="hazard ratio",
        statistic_kind="chi2" if fitted.profiles else "z",
        penalty=model.penalty,
        theta=model.theta,
        level=model.level,
        n=round(float(problem.means["rows"])),
        events=events,
        df=df,
        loglik=loglik,
        null_loglik=null,
        aic=None if fitted.profiles else 2 * df - 2 * loglik,
        bic=None if fitted.profiles else math.log(events) * df - 2 * loglik,
        tests=_tests(model, fitted, 2 * (loglik - null)),
        covariance_terms=tuple(kept),
        covariance=as_rows(fitted.covariance),
        covariance_kind="robust" if model.robust else "model",
        model_errors=tuple(float(error) for error in np.sqrt(np.diag(fitted.model_covariance))),
        clusters=fitted.clusters,
        weights=model.weights,
        weights_type=model.weights_type,
        baseline_hazards=baseline_hazards(fitted) if isinstance(fitted, GridFitted) else (),
        proportional=_proportional(fitted),
        concordance=ranked,
        iterations=fitted.fit.iterations,
        aliased=tuple(name for name in names if name not in kept),
        knots=knots_in_words(design),
        dropped_levels=dropped_in_words(design),
        facts=facts_to_plain(design.facts),
    )


def _profiled(terms: tuple[Term, ...], fitted: CoxFitted) -> tuple[Term, ...]:
    """With Firth's penalty, the terms with the tests and intervals of their profiles."""
    if not fitted.profiles:
        return terms
    profiles = iter(fitted.profiles)
    return tuple(one if one.coef is None else profiled_term(one, next(profiles), ratio=True) for one in terms)


def _proportional(fitted: CoxFitted) -> tuple[Proportional, ...]:
    """None with a penalty, which is at a maximum where the score of constant coefficients is not zero."""
    if fitted.problem.model.penalty is not None:
        return ()
    if isinstance(fitted, GridFitted):
        return grid_tests(fitted)
    return proportional_tests(fitted)


def _terms(model: CoxModel, fitted: CoxFitted) -> tuple[Term, ...]:
    errors = iter(math.sqrt(max(variance, 0.0)) for variance in fitted.covariance.diagonal())
    return tuple(
        term(name, float(coef), next(errors), df=None, level=model.level, ratio=True)
        if keep
        else term(name, None, 0.0, df=None, level=model.level, ratio=True)
        for name, coef, keep in zip(fitted.problem.names, fitted.coef, fitted.problem.kept, strict=True)
    )


def _tests(model: CoxModel, fitted: CoxFitted, ratio: float) -> tuple[Test, ...]:
    """Of all coefficients together: by likelihood where there is one, Wald's, and the score test."""
    coef = fitted.coef[fitted.problem.kept]
    wald = float(coef @ np.linalg.solve(fitted.covariance, coef))
    likelihood = () if model.weights_type == "sampling" else (chi_square("likelihood ratio", ratio, fitted.df),)
    if model.theta is not None:  # Wald's statistic has no known distribution
        return likelihood
    score = () if fitted.score_test is None else (chi_square("score", fitted.score_test, len(coef)),)
    return (*likelihood, chi_square("Wald", wald, len(coef)), *score)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    model = read_cox(arguments, variables)
    weights = [] if model.weights is None else [model.weights]
    return (*(str(expression) for expression in model.formula.expressions), *weights)


METHOD = Method(
    name="cox",
    version=1,
    title="Cox proportional-hazards model",
    steps=(
        *(*FACT_STEPS, SIZES, MEANS, ROUND, MEAT, PROPORTIONAL, PAIRS),
        *(CENTRE, EXTENT, RISKS, HAZARDS, MOMENTS, RESIDUALS, PENALTY, SPREAD),
        *(PREDICTORS, RANKED),
    ),
    plan=plan,
    complete=_complete,
    site_release=True,
    refused="levels and events within them need enough people at several nodes; a treatment that is constant within "
    "nodes is not compared with the nodes' own baseline hazards, and is by control_arm",
    citations=(
        "Cox DR (1972). Regression models and life-tables. JRSS B 34:187.",
        "Efron B (1977). The efficiency of Cox's likelihood function for censored data. JASA 72:557.",
        "Grambsch PM, Therneau TM (1994). Proportional hazards tests and diagnostics. Biometrika 81:515.",
        "Uno H, Cai T, Pencina MJ, D'Agostino RB, Wei LJ (2011). On the C-statistics. Stat Med 30:1105.",
    ),
)
