"""Logistic regression with Firth's penalty: estimates, penalised likelihood-ratio tests, profile intervals.

The estimates are finite whatever the data, under separation too. As in R's logistf, a test leaves the penalty as it
is: that of all columns, also of the one whose coefficient is held at zero (Heinze & Schemper 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy

from hansa.errors import ConvergenceError
from hansa.model.exposure import FloatArray
from hansa.stats.aliasing import factored
from hansa.stats.contract import Totals
from hansa.stats.firth import Peak, Place, climb, inverse_and_log_determinant, nearest, profile_bound
from hansa.stats.glm_fit import Fitted, Problem, null_point, unscaled
from hansa.stats.glm_result import GlmResult, Term, chi_square, exponential
from hansa.stats.newton import Fit, Point

__all__ = ["Penalised", "fit_penalised", "penalised_result"]


@dataclass(frozen=True)
class Profile:
    """Of one coefficient: twice the fall of the penalised log-likelihood at zero, and the profile interval."""

    statistic: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Penalised:
    """A penalised fit: ``loglik`` and ``null_loglik`` with the penalty, ``profiles`` of the kept coefficients."""

    fitted: Fitted
    loglik: float
    null_loglik: float
    profiles: tuple[Profile, ...]


@dataclass(frozen=True, eq=False)
class _Asked:
    """The penalised likelihood of a problem as a function of its kept coefficients."""

    problem: Problem

    def __call__(self, beta: FloatArray) -> Place:
        """The place ``beta`` (p,), in two rounds."""
        return self.seen(beta, self.problem.ask(self._full(beta)))

    def seen(self, beta: FloatArray, totals: Totals) -> Place:
        """The place where these totals are from, in one round."""
        kept = self.problem.kept
        information = totals["gram"][np.ix_(kept, kept)]
        found = inverse_and_log_determinant(information)
        if found is None:
            nothing = np.zeros(len(beta))
            return Place(beta, -math.inf, nothing, nothing, information)
        inverse, log_determinant = found
        full = np.zeros((len(kept), len(kept)))
        full[np.ix_(kept, kept)] = inverse
        asked = {"beta": self._full(beta), "inverse": full}
        pull = self.problem.cohorts.sum("glm.penalty", self.problem.request, **asked)["score"][kept]
        value = (log_determinant - float(totals["deviance"])) / 2
        return Place(beta, value, totals["score"][kept] + pull, pull, information)

    def fit(self, peak: Peak) -> Fit:
        """The peak with its round's totals, as the plain fit has them."""
        beta = self._full(peak.place.beta)
        return Fit(Point(beta, self.problem.ask(beta)), factored(peak.place.information), peak.steps)

    def _full(self, beta: FloatArray) -> FloatArray:
        full = self.problem.start.beta.copy()
        full[self.problem.kept] = beta
        return full


def fit_penalised(problem: Problem) -> Penalised:
    """Maximise the penalised likelihood, and profile it for each coefficient.

    Raises
    ------
    NotEstimable
        When the data do not determine the model even so.
    ConvergenceError
        When a search ends without an answer.
    """
    at, kept = _Asked(problem), problem.kept
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
    drop = float(scipy.stats.chi2.ppf(problem.model.level, 1)) / 2
    profiles = tuple(_profiled(at, peak, row, start, drop) for row in back)
    # the information in the variables' units has another determinant
    unit = float(np.linalg.slogdet(back)[1])
    return Penalised(fitted, peak.place.value - unit, lowest - unit, profiles)


def _profiled(at: _Asked, peak: Peak, row: FloatArray, start: Place, drop: float) -> Profile:
    zero = _held(at, peak, row[None, :], start)
    lower, upper = (profile_bound(at, peak, row, drop, side) for side in (-1.0, 1.0))
    return Profile(max(2 * (peak.place.value - zero.value), 0.0), lower, upper)


def _held(at: _Asked, peak: Peak, constraints: FloatArray, start: Place) -> Place:
    """The highest place where the constraints times beta are zero.

    The search begins at the nearest such place, or at ``start`` where that is one, and higher.
    """
    begin = at(nearest(peak, constraints, np.zeros(len(constraints))))
    if not (constraints @ start.beta).any() and start.value > begin.value:
        begin = start
    found = climb(at, begin, peak.curvature, constraints).place
    if not math.isfinite(found.value):
        raise ConvergenceError(
            "a test of the penalised fit did not settle",
            why="with a coefficient at zero the data determine no others",
            fix="leave out or merge sparse terms",
            field="formula",
        )
    return found


def penalised_result(result: GlmResult, found: Penalised) -> GlmResult:
    """The result with tests and intervals of the profile; Wald's, which it came with, beside them."""
    profiles = iter(found.profiles)
    terms = tuple(term if term.coef is None else _term(term, next(profiles), result) for term in result.terms)
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


def _term(wald: Term, profile: Profile, result: GlmResult) -> Term:
    test = chi_square("likelihood ratio", profile.statistic, 1)
    ends = (profile.lower, profile.upper)
    ratios = tuple(None if result.ratio is None else exponential(end) for end in ends)
    return replace(
        wald,
        statistic=profile.statistic,
        p=test.p,
        p_log=test.p_log,
        lower=profile.lower,
        upper=profile.upper,
        exponentiated_lower=ratios[0],
        exponentiated_upper=ratios[1],
    )
