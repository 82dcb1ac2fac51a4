"""Linear mixed models over all cohorts, equal to lme4's fit of the pooled rows.

Laird NM, Ware JH (1982). Random-effects models for longitudinal data. Biometrics 38:963.
Bates D, Maechler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using lme4. J Stat Softw 67(1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hansa.formula import facts_to_plain, parse_mixed_formula
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Cohorts, Method
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.design import dropped_in_words, knots_in_words
from hansa.stats.glm.result import Term, as_rows, term
from hansa.stats.glm.steps import IRLS, MEANS, SIZES, START
from hansa.stats.lmm.arguments import PERSON, complete_on, read_mixed_model
from hansa.stats.lmm.criterion import Criterion, factor_of, theta_of
from hansa.stats.lmm.freedom import satterthwaite
from hansa.stats.lmm.posed import Posed, pose_mixed
from hansa.stats.lmm.result import Correlation, LmmResult, Variance
from hansa.stats.lmm.search import least
from hansa.stats.lmm.steps import COUNT, ROUND

__all__ = ["METHOD", "LmmResult", "plan"]

_SINGULAR = 1e-4
"""A relative standard deviation below is none, as in lme4's isSingular."""


def plan(cohorts: Cohorts, arguments: Arguments) -> LmmResult:
    """Fit a linear mixed model over all cohorts, as if their rows were in one table.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: in lme4's notation, with one group of random effects such as ``(1 + age | clinic)``; the random
        effects are correlated, and stand in the fixed part, too. Clusters lie within nodes: two of the same name at two
        nodes are two clusters. The group ``node`` is the custodian's node. ``method``: "REML" (default) or "ML".
        ``level``: of the intervals, 0.95.

    Returns
    -------
    LmmResult

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine the model, or there are fewer than ten clusters.
    ConvergenceError
        When the search ends without an answer.
    """
    posed = pose_mixed(cohorts, read_mixed_model(arguments, cohorts.variables))
    found, steps = least(posed.at, theta_of(np.eye(len(posed.places))))
    return _result(posed, found, steps)


# --- in the variables' units --------------------------------------------------------------------------------


def _result(posed: Posed, found: Criterion, steps: int) -> LmmResult:
    model, fixed, back = posed.model, posed.fixed, posed.back
    coef = back @ found.beta
    if fixed.has_intercept:
        coef[0] += fixed.request.arguments["response_centre"]
    covariance = found.variance * back @ found.information.inverse @ back.T
    freedom = satterthwaite(found, back)
    between, residual = posed.variances(found)
    criterion = posed.criterion(found)
    kept = tuple(name for name, keep in zip(fixed.names, fixed.kept, strict=True) if keep)
    parameters = len(kept) + len(found.theta) + 1
    return LmmResult(
        formula=str(model),
        method=model.method,
        group=model.random.group.name,
        terms=_terms(posed, coef, covariance, freedom),
        dfs=_where(posed, freedom),
        statistic_kind="t",
        ratio=None,
        level=model.level,
        n=round(fixed.n),
        clusters=posed.clusters,
        variances=tuple(
            Variance(name, float(one), math.sqrt(one)) for name, one in zip(posed.names, np.diag(between), strict=True)
        ),
        correlations=_correlations(posed, between, residual),
        residual_variance=residual,
        residual_sd=math.sqrt(residual),
        icc=float(between[0, 0] / (between[0, 0] + residual)) if posed.names == ("(Intercept)",) else None,
        singular=bool((np.abs(np.diag(factor_of(found.theta, len(between)))) < _SINGULAR).any()),
        criterion=criterion,
        loglik=-criterion / 2,
        aic=criterion + 2 * parameters,
        bic=criterion + math.log(fixed.n) * parameters,
        parameters=parameters,
        covariance_terms=kept,
        covariance=as_rows(covariance),
        iterations=steps,
        aliased=tuple(name for name, keep in zip(fixed.names, fixed.kept, strict=True) if not keep),
        knots=knots_in_words(fixed.design),
        dropped_levels=dropped_in_words(fixed.design),
        facts=facts_to_plain(fixed.design.facts),
    )


def _where(posed: Posed, values: FloatArray) -> tuple[float | None, ...]:
    """A value for each column; ``None`` for the aliased."""
    found = iter(float(value) for value in values)
    return tuple(next(found) if keep else None for keep in posed.fixed.kept)


def _terms(posed: Posed, coef: FloatArray, covariance: FloatArray, freedom: FloatArray) -> tuple[Term, ...]:
    columns = (coef, np.sqrt(np.maximum(np.diag(covariance), 0.0)), freedom)
    level = posed.model.level
    return tuple(
        term(name, value, se or 0.0, df=df, level=level, ratio=False)
        for name, value, se, df in zip(posed.fixed.names, *(_where(posed, column) for column in columns), strict=True)
    )


def _correlations(posed: Posed, between: FloatArray, residual: float) -> tuple[Correlation, ...]:
    """Of each pair of random effects that both vary, beside the residuals and the unit of their columns."""
    sds = np.sqrt(np.diag(between))
    varies = sds > _SINGULAR * math.sqrt(residual) * np.diag(posed.effects_back)
    found = []
    for first, second in zip(*np.triu_indices(len(sds), k=1), strict=True):
        both = varies[first] and varies[second]
        value = float(np.clip(between[first, second] / (sds[first] * sds[second]), -1.0, 1.0)) if both else None
        found.append(Correlation(posed.names[first], posed.names[second], value))
    return tuple(found)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return complete_on(read_mixed_model(arguments, variables))


def _by_person(arguments: Arguments) -> bool:
    return any(part.group.name == PERSON for part in parse_mixed_formula(arguments["formula"]).random)


METHOD = Method(
    name="lmm",
    version=1,
    title="Linear mixed model",
    steps=(*FACT_STEPS, SIZES, MEANS, START, IRLS, COUNT, ROUND),
    plan=plan,
    complete=_complete,
    by_person=_by_person,
    citations=(
        "Laird NM, Ware JH (1982). Random-effects models for longitudinal data. Biometrics 38:963.",
        "Bates D, Maechler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using lme4. JSS 67(1).",
        "Satterthwaite FE (1946). Approximate distribution of variance components. Biometrics Bulletin 2:110.",
        "Kuznetsova A, Brockhoff PB, Christensen RHB (2017). lmerTest package. J Stat Softw 82(13).",
    ),
)
