"""The fit of a Cox model with one baseline hazard for all nodes, from sums on a public grid of times.

At the maximum the exact information is reckoned from the mean covariates of the risk sets at each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hansa.errors import MethodError, NotEstimable
from hansa.formula import Design
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Cohorts, Request, Totals
from hansa.stats.cox.arguments import CoxModel
from hansa.stats.cox.fit import CoxFitted, check_means, fitted_at, scaled_arguments
from hansa.stats.cox.grid import MAX_TIMES, strata_of
from hansa.stats.cox.grid_robust import squared_residuals
from hansa.stats.cox.grid_rounds import GridProblem, RiskSets, risk_sets_of
from hansa.stats.cox.ridge import ridge_of
from hansa.stats.fitting.aliasing import estimable, factored, leftover
from hansa.stats.fitting.newton import Point, maximise

__all__ = ["GridFitted", "fit_grid"]

_CONSTANT = 1e-22
_CLOSE = 1e-3


@dataclass(frozen=True, eq=False)
class GridFitted(CoxFitted):
    """A fit with the risk sets at its maximum: their terms, the mean covariates of each (d, p), events by time."""

    problem: GridProblem
    sets: RiskSets
    mean: FloatArray
    weight: FloatArray


def fit_grid(cohorts: Cohorts, model: CoxModel, design: Design) -> GridFitted:
    """Fit the model over all nodes, with one baseline hazard in each stratum.

    Raises
    ------
    NotEstimable
        When the data do not determine the model.
    MethodError
        When the grid does not suit the times.
    ConvergenceError
        When the iteration ends without an answer.
    """
    problem = _mixed(_posed(cohorts, model, design))
    fit = maximise(problem.ask, problem.start, problem.kept, lambda _: 1.0, problem.grown)
    beta = fit.point.beta
    risks = problem.risks(beta)
    sets = risk_sets_of(risks, problem)
    mean = _means(problem.cohorts.sum("cox.moments", problem.request, beta=beta), sets, problem)
    within = problem.hazards(beta, sets, np.ones(len(sets.hazard)))["within"]
    exact = within - (mean * sets.terms.weight[:, None]).T @ mean
    exact = exact if problem.ridge is None else exact + problem.ridge.second
    fit = replace(fit, information=factored(exact[np.ix_(problem.kept, problem.kept)]))
    fitted = GridFitted(
        **vars(fitted_at(problem, fit)) | {"problem": problem}, sets=sets, mean=mean, weight=risks["weight"]
    )
    return _robust(fitted) if model.robust else fitted


def _robust(fitted: GridFitted) -> GridFitted:
    """With the errors of Lin and Wei's sandwich over rows."""
    problem, inverse = fitted.problem, fitted.fit.information.inverse
    block = np.ix_(problem.kept, problem.kept)
    squares = squared_residuals(problem, fitted.fit.point.beta, fitted.sets, fitted.mean)[block]
    back = problem.back[block]
    covariance = back @ inverse @ squares @ inverse @ back.T
    return replace(fitted, covariance=covariance, clusters=round(float(problem.means["rows"])))


def _means(totals: Totals, sets: RiskSets, problem: GridProblem) -> FloatArray:
    """Mean covariates of the risk set of each term, shape (d, p)."""
    p = totals["left"].shape[1]
    leaving = (totals["left"] - totals["entered"]).reshape(problem.strata, problem.times, p)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1].reshape(-1, p)
    terms = sets.terms
    moved = at_risk[terms.at] - terms.part[:, None] * totals["died"][terms.at]
    return np.asarray(moved / sets.denominator[:, None])


def _posed(cohorts: Cohorts, model: CoxModel, design: Design) -> GridProblem:
    arguments, scale = scaled_arguments(cohorts, model, design)
    base = Request({**arguments, "scale": scale.tolist()})
    means = cohorts.sum("cox.means", base)
    check_means(means)
    centre = cohorts.sum("cox.centre", base)
    times, rounded, recorded = _times(cohorts, base, model.grid or 1.0)
    request = Request(
        {
            **base.arguments,
            "mix": None,
            "grid": model.grid,
            "times": times,
            "centre": (centre["columns"] / means["weight"]).tolist(),
            "offset_centre": float(centre["offset"] / means["weight"]),
        }
    )
    strata = strata_of(request.arguments, cohorts.variables)
    nowhere = Point(np.zeros(len(scale)), Totals())
    kept = np.ones(len(scale), dtype=np.bool_)
    blank = GridProblem(
        *(cohorts, model, design, scale, request, means, nowhere, kept),
        strata=strata,
        times=times,
        rounded=rounded,
        recorded=recorded,
    )
    blank = replace(blank, counts=_counts(blank))
    totals = blank.ask(nowhere.beta)
    varying = np.diag(totals["gram"]) > _CONSTANT * means["events"]
    if model.theta is not None:
        blank = replace(blank, ridge=ridge_of(cohorts, base, model.theta, float(means["weight"])))
        totals = blank.penalised(totals, nowhere.beta)
    kept = varying & estimable(totals["gram"] * np.outer(varying, varying))
    if not kept.any():
        raise NotEstimable("nothing varies between people", fix="take other terms", field="formula")
    return replace(blank, start=Point(nowhere.beta, totals), kept=kept)


def _times(cohorts: Cohorts, base: Request, grid: float) -> tuple[int, bool, bool]:
    """How many times the grid needs, whether some times are not on it, and whether all are as they were recorded."""
    found = cohorts.sum("cox.extent", base, grid=grid)
    seen = np.flatnonzero(found["sizes"] > 0.5)
    times = 1 << (int(seen[-1]) + 1)
    if times > MAX_TIMES:
        raise MethodError(
            "the grid is too fine for these times",
            why=f"it has more than {MAX_TIMES} times",
            fix="name a coarser one",
            field="grid",
        )
    return times, bool(found["rounded"] > 0.5), bool(found["derived"] < 0.5)


def _counts(problem: GridProblem) -> Totals:
    """The risk sets where each person counts as one."""
    found = problem.risks(problem.start.beta)
    if found["merged"] > 0.5:
        raise MethodError(
            "on this grid some rows end where they start",
            why="times are rounded to it",
            fix="name a finer grid",
            field="grid",
        )
    return found


def _mixed(problem: GridProblem) -> GridProblem:
    """The problem with nearly uncorrelated columns, where theirs are so close that digits would be lost."""
    kept, block = problem.kept, np.ix_(problem.kept, problem.kept)
    gram = problem.start.totals["gram"][block]
    if leftover(gram) > _CLOSE:
        return problem
    mix = np.eye(len(kept))
    mix[block] = factored(gram / float(problem.means["events"])).whitening
    request = Request({**problem.request.arguments, "mix": mix.tolist()})
    ridge = None if problem.ridge is None else problem.ridge.mixed(mix)
    mixed = replace(problem, request=request, mix=mix, ridge=ridge)
    return replace(mixed, start=Point(problem.start.beta, mixed.ask(problem.start.beta)))
