"""The pooled fit of a Cox model: scales, means, Newton's method, and the way back to the variables' units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hansa.errors import MethodError, NotEstimable, StudyError
from hansa.formula import Design, facts_to_plain
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Cohorts, Request, Totals
from hansa.stats.cox.arguments import CoxModel
from hansa.stats.cox.ridge import Ridge, ridge_of
from hansa.stats.fitting.aliasing import estimable, factored, leftover
from hansa.stats.fitting.firth_fit import Profile
from hansa.stats.fitting.newton import Fit, Point, maximise
from hansa.stats.fitting.scaling import sharpened
from hansa.stats.fitting.separation import growing
from hansa.stats.fitting.sizes import bucket_scale
from hansa.stats.glm.design import slopes
from hansa.stats.glm.scaling import column_scales

__all__ = ["CoxFitted", "CoxProblem", "check_means", "fit_cox", "fitted_at", "posed_cox", "scaled_arguments"]

_SHARPENINGS = 3
_CONSTANT = 1e-22
"""Variance within risk sets, of columns scaled to about one, below which it is rounding."""
_CLOSE = 1e-3
_FEWEST_CLUSTERS = 20


@dataclass(frozen=True, eq=False)
class CoxProblem:
    """A model on its way: the request its rounds stand on, the columns' scales, totals of means, and the start.

    ``kept`` are the columns that are not aliased; ``mix``, where there is one, is the triangular matrix by which
    the columns are multiplied so that they are nearly uncorrelated. The totals of points have the ``ridge`` penalty in
    them, where there is one.
    """

    cohorts: Cohorts
    model: CoxModel
    design: Design
    scale: FloatArray
    request: Request
    means: Totals
    start: Point
    kept: BoolArray
    mix: FloatArray | None = None
    ridge: Ridge | None = None

    def ask(self, beta: FloatArray) -> Totals:
        """One round at ``beta``, with the ridge penalty where there is one."""
        return self.penalised(self.cohorts.sum(f"{self.model.steps}.round", self.request, beta=beta), beta)

    def penalised(self, totals: Totals, beta: FloatArray) -> Totals:
        """A round's totals with the ridge penalty where there is one."""
        return totals if self.ridge is None else self.ridge.added(totals, beta)

    def plain(self, point: Point) -> Totals:
        """The totals of a point without the ridge penalty."""
        return point.totals if self.ridge is None else self.ridge.removed(point.totals, point.beta)

    @property
    def node_request(self) -> Request:
        """Of steps that compare people of one node."""
        return self.request

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.design.names[place] for place in slopes(self.design, "intercepts"))

    @property
    def back(self) -> FloatArray:
        """The matrix from coefficients of the scaled problem to those in the variables' units, shape (p, p)."""
        return np.diag(self.scale) if self.mix is None else np.diag(self.scale) @ self.mix

    def grown(self, direction: FloatArray) -> tuple[str, ...]:
        """The columns that take part in a step, for errors."""
        unmixed = direction if self.mix is None else self.mix @ direction
        spread = np.sqrt(np.diag(self.start.totals["gram"])) if self.mix is None else np.ones(len(direction))
        return growing(unmixed * spread, self.names)


@dataclass(frozen=True, eq=False)
class CoxFitted:
    """A fit in the variables' units: ``coef`` (p,) with NaN where not ``kept``, and two covariances of the kept.

    ``model_covariance`` is the inverse information; ``covariance`` is robust where that was asked for. With a ridge
    penalty ``covariance`` is the inverse of the penalised information, and ``model_covariance`` that of an estimator
    which is drawn towards zero. ``score_test`` is the score test that all coefficients are zero. ``loglik`` and
    ``null_loglik`` have Firth's penalty in them, but no other; ``df`` are the effective degrees of freedom.
    ``profiles`` of the kept coefficients come with Firth's penalty.
    """

    problem: CoxProblem
    fit: Fit
    coef: FloatArray
    model_covariance: FloatArray
    covariance: FloatArray
    score_test: float | None
    clusters: int | None
    loglik: float
    null_loglik: float
    df: float
    profiles: tuple[Profile, ...]


def fit_cox(cohorts: Cohorts, model: CoxModel, design: Design) -> CoxFitted:
    """Fit the model over all nodes.

    Raises
    ------
    NotEstimable
        When the data do not determine the model.
    ConvergenceError
        When the iteration ends without an answer.
    """
    problem = posed_cox(cohorts, model, design)
    fit = maximise(problem.ask, problem.start, problem.kept, lambda _: 1.0, problem.grown)
    fitted = fitted_at(problem, fit)
    if not model.robust:
        return replace(fitted, score_test=_score_test(problem) if problem.ridge is None else None)
    middle, clusters = _robust(problem, fit)
    back = problem.back[np.ix_(problem.kept, problem.kept)]
    return replace(fitted, covariance=back @ middle @ back.T, clusters=clusters, score_test=_score_test(problem))


def fitted_at(problem: CoxProblem, fit: Fit) -> CoxFitted:
    """What a fit says in the variables' units, by the model's own errors."""
    kept = problem.kept
    block, back = np.ix_(kept, kept), problem.back[np.ix_(kept, kept)]
    coef = np.full(len(kept), np.nan)
    coef[kept] = back @ fit.point.beta[kept]
    inverse = fit.information.inverse
    covariance = drawn = back @ inverse @ back.T
    df: float = int(kept.sum())
    if problem.ridge is not None:
        unseen = problem.ridge.second[block] @ inverse
        df -= float(np.trace(unseen))
        drawn = covariance - back @ inverse @ unseen @ back.T
    loglik, null = (-float(problem.plain(point)["deviance"]) / 2 for point in (fit.point, problem.start))
    return CoxFitted(problem, fit, coef, drawn, covariance, None, None, loglik, null, df, ())


# --- posing -------------------------------------------------------------------------------------------------


def posed_cox(cohorts: Cohorts, model: CoxModel, design: Design) -> CoxProblem:
    """The problem under a scaling that suits it; the first look at the information says whether it does."""
    arguments, scale = scaled_arguments(cohorts, model, design)
    places = list(slopes(design, "intercepts"))
    indicators = np.array([design.columns[place].two_valued for place in places], dtype=np.bool_)
    for _ in range(_SHARPENINGS):
        problem, fixed = _with(cohorts, model, design, scale, arguments)
        spread = np.diag(problem.start.totals["gram"]) / max(float(problem.means["events"]), 1.0)
        better = np.where(fixed | indicators, scale, sharpened(scale, spread))
        if np.array_equal(better, scale):
            break
        scale = better
    return _mixed(problem)


def scaled_arguments(cohorts: Cohorts, model: CoxModel, design: Design) -> tuple[dict[str, Any], FloatArray]:
    """What every request of a model says, and a power of two for each column."""
    places = list(slopes(design, "intercepts"))
    arguments: dict[str, Any] = {
        "formula": str(design.formula),
        "facts": facts_to_plain(design.facts),
        "weights": model.weights,
        **({} if model.censored is None else {"censored": model.censored}),
    }
    scale = np.append(column_scales(design, cohorts.variables)[places], _time_scale(design, cohorts.variables))
    if not np.isfinite(scale).all():
        found = bucket_scale(cohorts.sum("cox.sizes", Request(arguments))["counts"])
        scale = np.where(np.isfinite(scale), scale, found)
    return {**arguments, "time_scale": float(scale[-1])}, scale[:-1]


def _time_scale(design: Design, variables: Mapping[str, Variable]) -> float:
    """A power of two for the times; NaN where the dictionary gives no range."""
    time = (design.formula.survival or ())[-2]
    range_ = variables[time.name].range if isinstance(time, Name) else None
    return math.nan if range_ is None else 2.0 ** -math.ceil(math.log2(max(abs(range_[0]), abs(range_[1]))))


def _with(
    cohorts: Cohorts, model: CoxModel, design: Design, scale: FloatArray, arguments: dict[str, Any]
) -> tuple[CoxProblem, BoolArray]:
    """The problem under this scaling, and which of its columns do not vary within risk sets."""
    base = {**arguments, "scale": scale.tolist()}
    means = cohorts.sum(f"{model.steps}.means", Request(base))
    check_means(means)
    request = Request({**base, "mix": None, "ties": model.ties, "by_node": model.by_node})
    ridge = None if model.theta is None else ridge_of(cohorts, Request(base), model.theta, float(means["weight"]))
    zero = np.zeros(len(scale))
    totals = cohorts.sum(f"{model.steps}.round", request, beta=zero)
    varying = np.diag(totals["gram"]) > _CONSTANT * means["events"]
    totals = totals if ridge is None else ridge.added(totals, zero)
    kept = varying & estimable(totals["gram"] * np.outer(varying, varying))
    if not kept.any():
        raise NotEstimable(
            "nothing varies within nodes",
            why="the model compares people of one node with each other, and in no node do the terms differ "
            "between people at risk together",
            fix='take other terms; a number that is constant within nodes is compared by baseline="pooled", a '
            "treatment by control_arm",
            field="formula",
        )
    start = Point(zero, totals)
    return CoxProblem(cohorts, model, design, scale, request, means, start, kept, ridge=ridge), ~varying


def check_means(means: Totals) -> None:
    """Refuse rows that cannot be used, and sets without people or events.

    Raises
    ------
    MethodError, NotEstimable
    """
    if means["unusable"] > 0.5:
        raise MethodError(
            "some rows cannot be used in this model",
            why="a value is missing or infinite, a stop is not after its start, a time is negative, an event is "
            "neither 0 nor 1, or a weight is negative",
            fix="restrict the population; times rounded so far that start and stop are the same need a finer unit",
            field="formula",
        )
    if not means["weight"] > 0:
        raise NotEstimable("nobody is in the analysis set", fix="widen the population", field="population")
    if not means["events"] > 0:
        raise NotEstimable("nobody has the event", fix="widen the population, or take another event", field="formula")


def _mixed(problem: CoxProblem) -> CoxProblem:
    """The problem with nearly uncorrelated columns, where theirs are so close that digits would be lost."""
    totals, kept = problem.start.totals, problem.kept
    gram = totals["gram"][np.ix_(kept, kept)]
    if leftover(gram) > _CLOSE:
        return problem
    mix = np.eye(len(kept))
    mix[np.ix_(kept, kept)] = factored(gram / float(problem.means["events"])).whitening
    request = Request({**problem.request.arguments, "mix": mix.tolist()})
    mixed = Totals({**totals, "gram": mix.T @ totals["gram"] @ mix, "score": mix.T @ totals["score"]})
    ridge = None if problem.ridge is None else problem.ridge.mixed(mix)
    return replace(problem, request=request, start=Point(problem.start.beta, mixed), mix=mix, ridge=ridge)


# --- errors and tests ---------------------------------------------------------------------------------------


def _robust(problem: CoxProblem, fit: Fit) -> tuple[FloatArray, int]:
    """The sandwich of Lin and Wei, and over how many clusters it was summed."""
    kept = problem.kept
    totals = problem.cohorts.sum(f"{problem.model.steps}.meat", problem.request, beta=fit.point.beta)
    clusters = round(float(totals["clusters"]))
    if problem.model.by_node and clusters < _FEWEST_CLUSTERS:
        raise StudyError(
            f"cluster(node) needs at least {_FEWEST_CLUSTERS} nodes",
            why="the sandwich over few clusters is too small: with four it rejects a true hypothesis in 15 % of "
            "studies at the 5 % level",
            fix="leave it out, since each node has a baseline hazard of its own; or pool the nodes' own estimates",
            field="formula",
        )
    inverse = fit.information.inverse
    return inverse @ totals["meat"][np.ix_(kept, kept)] @ inverse, clusters


def _score_test(problem: CoxProblem) -> float:
    kept, totals = problem.kept, problem.start.totals
    score = totals["score"][kept]
    return float(score @ factored(totals["gram"][np.ix_(kept, kept)]).solve(score))
