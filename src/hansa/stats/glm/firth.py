"""Logistic regression with Firth's penalty: estimates, penalised likelihood-ratio tests, profile intervals.

The estimates are finite whatever the data, under separation too. As in R's logistf, a test leaves the penalty as it
is: that of all columns, also of the one whose coefficient is held at zero (Heinze & Schemper 2002).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hansa.stats.fitting.firth import climb
from hansa.stats.fitting.firth_fit import Penalty, Profile, profiled_term, profiles_of
from hansa.stats.glm.fit import Fitted, Problem, null_point, unscaled
from hansa.stats.glm.result import GlmResult, chi_square

__all__ = ["Penalised", "fit_penalised", "penalised_result"]


@dataclass(frozen=True, eq=False)
class Penalised:
    """A penalised fit: ``loglik`` and ``null_loglik`` with the penalty, ``profiles`` of the kept coefficients."""

    fitted: Fitted
    loglik: float
    null_loglik: float
    profiles: tuple[Profile, ...]


def fit_penalised(problem: Problem) -> Penalised:
    """Maximise the penalised likelihood, and profile it for each coefficient.

    Raises
    ------
    NotEstimable
        When the data do not determine the model even so.
    ConvergenceError
        When a search ends without an answer.
    """
    at, kept = Penalty(problem, "glm.penalty"), problem.kept
    p = int(kept.sum())
    null = null_point(problem)
    first = problem.start if null is None or not problem.has_intercept else null
    start = at.seen(first.beta[kept], first.totals)
    peak = climb(at, start, np.zeros((p, p)), np.zeros((0, p)))
    fitted = unscaled(problem, at.fit(peak), null)
    back = problem.back[np.ix_(kept, kept)]
    slopes = back[1:] if problem.has_intercept else back
    bottom = start if problem.has_intercept else at(np.zeros(p))
    lowest = climb(at, bottom, np.zeros((p, p)), slopes).place.value
    profiles = profiles_of(at, peak, back, start, problem.model.level)
    # the information in the variables' units has another determinant
    unit = float(np.linalg.slogdet(back)[1])
    return Penalised(fitted, peak.place.value - unit, lowest - unit, profiles)


def penalised_result(result: GlmResult, found: Penalised) -> GlmResult:
    """The result with tests and intervals of the profile; Wald's, which it came with, beside them."""
    profiles = iter(found.profiles)
    terms = tuple(
        term if term.coef is None else profiled_term(term, next(profiles), ratio=result.ratio is not None)
        for term in result.terms
    )
    tested = max(2 * (found.loglik - found.null_loglik), 0.0)
    return replace(
        result,
        terms=terms,
        wald_terms=result.terms,
        statistic_kind="chi2",
        penalty="firth",
        loglik=found.loglik,
        null_loglik=found.null_loglik,
        aic=None,
        bic=None,
        pseudo_r2=None,
        deviance_r2=None,
        lr_statistic=tested,
        lr_p=chi_square("likelihood ratio", tested, result.lr_df).p,
    )
