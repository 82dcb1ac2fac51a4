"""Negative binomial regression: coefficients and theta together, by maximum likelihood over all nodes.

The search starts at the Poisson fit. Coefficients move by Fisher scoring, theta by Newton's method on its
logarithm; to first order the two are independent (Lawless 1987), so that moving both in one round loses little.
As in R's MASS::glm.nb, the errors of the coefficients are those at a known theta, and theta's are those at known
means (Venables & Ripley 2002, Modern Applied Statistics with S, section 7.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hansa.errors import ConvergenceError, NotEstimable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Totals
from hansa.stats.fitting.aliasing import factored
from hansa.stats.fitting.newton import Fit, Point
from hansa.stats.glm.fit import Fitted, Problem, fit_coefficients, null_point, unscaled
from hansa.stats.glm.negative_binomial_step import THETA_RANGE
from hansa.stats.glm.result import GlmResult, chi_square

__all__ = ["NegativeBinomial", "fit_negative_binomial", "negative_binomial_result"]

_MAX_STEPS = 200
_MAX_HALVINGS = 20
_CONVERGED = 1e-20
_NOISE = 1e-12
_SLACK = 1e-13
_LONGEST = 2.0
_NO_OVERDISPERSION = 1e6
"""Of a theta beyond, the sums hold too few digits to tell it from infinity."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A round at all coefficients (p,) and theta, and how many steps led there."""

    beta: FloatArray
    theta: float
    totals: Totals
    steps: int = 0

    @property
    def loglik(self) -> float:
        return float(self.totals["loglik"]) if self.totals["invalid"] < 0.5 else -math.inf


@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    """A fit: log-likelihoods of it, of its null model with a theta of its own, and of the Poisson model."""

    fitted: Fitted
    theta: float
    theta_se: float
    loglik: float
    null_loglik: float | None
    poisson_loglik: float


def fit_negative_binomial(problem: Problem) -> NegativeBinomial:
    """Fit the model whose Poisson counterpart ``problem`` poses.

    Raises
    ------
    NotEstimable
        When the counts vary no more than a Poisson model says, or the data do not determine the coefficients.
    ConvergenceError
        When the search ends without an answer.
    """
    if not float(problem.means["response"]) > 0:
        raise NotEstimable("nobody has a count above zero", fix="widen the population", field="formula")
    null = null_point(problem)
    poisson = fit_coefficients(problem, null)
    constant = float(problem.means["saturated"])
    theta = _first_theta(problem, poisson.point)
    peak = _maximise(problem, _at(problem, poisson.point.beta, theta), problem.kept, move_theta=True)
    lowest, lowest_same = (_null(problem, null, peak, move_theta=moves) for moves in (True, False))
    information = factored(peak.totals["gram"][np.ix_(problem.kept, problem.kept)])
    same = None if lowest_same is None else Point(lowest_same.beta, lowest_same.totals)
    return NegativeBinomial(
        fitted=unscaled(
            problem, Fit(Point(peak.beta, peak.totals), information, poisson.iterations + peak.steps), same
        ),
        theta=peak.theta,
        theta_se=1 / math.sqrt(float(peak.totals["theta_information"])),
        loglik=peak.loglik,
        null_loglik=None if lowest is None else lowest.loglik,
        poisson_loglik=constant - poisson.point.deviance / 2,
    )


def _first_theta(problem: Problem, poisson: Point) -> float:
    """From the moments: Pearson's chi-square over its degrees of freedom is near one plus the mean over theta."""
    df = problem.n - int(problem.kept.sum()) - problem.intercepts
    mean = float(problem.means["response"]) / float(problem.means["weight"])
    excess = float(poisson.totals["pearson"]) / df - 1
    return min(max(mean / excess if excess > 0 else 100 * mean, 1e-3), 1e4)


def _at(problem: Problem, beta: FloatArray, theta: float) -> _Place:
    name = "glm.negative_binomial" + ("" if problem.model.node == "common" else "_profile")
    return _Place(beta, theta, problem.cohorts.sum(name, problem.request, beta=beta, theta=theta))


def _null(problem: Problem, null: Point | None, peak: _Place, *, move_theta: bool) -> _Place | None:
    """The model of the intercepts alone, with a theta of its own or that of the fit."""
    if null is None:
        return None
    only = np.array([problem.has_intercept and name == "(Intercept)" for name in problem.names], dtype=np.bool_)
    return _maximise(problem, _at(problem, null.beta, peak.theta), only, move_theta=move_theta)


def _maximise(problem: Problem, place: _Place, free: BoolArray, *, move_theta: bool) -> _Place:
    before = math.inf
    for _ in range(_MAX_STEPS):
        step, log_step, gain = _step(place, free, move_theta=move_theta)
        if gain < _CONVERGED or (gain < _NOISE and gain >= before):  # rounding lets it go up again
            return place
        found = _higher(problem, place, step, log_step)
        if found is None and gain < _NOISE:
            return place
        if found is None:
            raise _unsettled()
        if found.theta > _NO_OVERDISPERSION:
            raise _no_overdispersion()
        place, before = replace(found, steps=place.steps + 1), gain
    raise _unsettled()


def _step(place: _Place, free: BoolArray, *, move_theta: bool) -> tuple[FloatArray, float, float]:
    """The step of the free coefficients and of log theta, and twice the gain in log-likelihood expected."""
    totals, theta = place.totals, place.theta
    step, gain = np.zeros(len(place.beta)), 0.0
    if free.any():
        score = totals["score"][free]
        step[free] = factored(totals["gram"][np.ix_(free, free)]).solve(score)
        gain = float(step[free] @ score)
    if not move_theta:
        return step, 0.0, gain
    slope = theta * float(totals["theta_score"])
    curvature = theta**2 * float(totals["theta_information"]) - slope
    log_step = slope / curvature if curvature > 0 else math.copysign(_LONGEST, slope)
    log_step = min(max(log_step, -_LONGEST), _LONGEST)
    return step, log_step, gain + abs(log_step * slope)


def _higher(problem: Problem, place: _Place, step: FloatArray, log_step: float) -> _Place | None:
    """The first place along ever smaller steps that is not lower."""
    slack = _SLACK * abs(place.loglik)
    for _ in range(_MAX_HALVINGS):
        theta = min(max(place.theta * math.exp(log_step), THETA_RANGE[0]), THETA_RANGE[1])
        found = _at(problem, place.beta + step, theta)
        if found.loglik >= place.loglik - slack:
            return found
        step, log_step = step / 2, log_step / 2
    return None


def negative_binomial_result(poisson: GlmResult, found: NegativeBinomial) -> GlmResult:
    """The result of the model, from one put together as if it were Poisson's."""
    parameters = poisson.n - poisson.df_residual + 1
    tested = None if found.null_loglik is None else max(2 * (found.loglik - found.null_loglik), 0.0)
    statistic = max(2 * (found.loglik - found.poisson_loglik), 0.0)
    return replace(
        poisson,
        family="negative binomial",
        loglik=found.loglik,
        null_loglik=found.null_loglik,
        aic=2 * parameters - 2 * found.loglik,
        bic=parameters * math.log(poisson.n) - 2 * found.loglik,
        pseudo_r2=1 - found.loglik / found.null_loglik if found.null_loglik else None,
        lr_statistic=tested,
        lr_p=None if tested is None else chi_square("likelihood ratio", tested, poisson.lr_df).p,
        theta=found.theta,
        theta_se=found.theta_se,
        overdispersion_statistic=statistic,
        # theta is infinite under the hypothesis: half chi-square with one degree of freedom, half zero
        overdispersion_p=chi_square("likelihood ratio", statistic, 1).p / 2 if statistic > 0 else 1.0,
    )


def _no_overdispersion() -> NotEstimable:
    return NotEstimable(
        "the counts vary no more than a Poisson model says",
        why="theta grows without end",
        fix="take family = poisson",
        field="family",
    )


def _unsettled() -> ConvergenceError:
    return ConvergenceError(
        "the negative binomial fit did not settle",
        why="the data hardly determine theta, or some coefficient",
        fix="leave out or merge sparse terms, or take family = poisson with covariance = HC0",
        field="family",
    )
