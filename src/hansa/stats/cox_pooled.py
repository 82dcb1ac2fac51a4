"""The fit of a Cox model with one baseline hazard for all nodes, from sums on a public grid of times.

The score is exact in every round. While the model is fitted, the information takes the mean covariates of risk
sets as constant within periods; that changes the path to the maximum and not the maximum. At the maximum the
exact information is reckoned from the mean covariates at each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hansa.errors import MethodError, NotEstimable
from hansa.formula import Design
from hansa.model.exposure import FloatArray
from hansa.stats.aliasing import estimable, factored, leftover
from hansa.stats.contract import Cohorts, Request, Totals
from hansa.stats.cox_arguments import CoxModel
from hansa.stats.cox_fit import CoxFitted, CoxProblem, check_means, scaled_arguments
from hansa.stats.cox_grid import BLOCKS, MAX_TIMES, strata_of
from hansa.stats.cox_partial import Terms
from hansa.stats.newton import Point, maximise
from hansa.stats.risk_sets import summed

__all__ = ["GridFitted", "GridProblem", "RiskSets", "fit_grid"]

_CONSTANT = 1e-22
_CLOSE = 1e-3


@dataclass(frozen=True, eq=False)
class GridProblem(CoxProblem):
    """A model with a pooled baseline hazard on its way.

    ``strata`` and ``times`` are the grid's; ``rounded`` says whether some times were not on it, ``recorded`` whether
    they are as they were recorded. ``counts`` are the risk sets at the start, where each person counts as one.
    """

    strata: int = 1
    times: int = 1
    rounded: bool = False
    recorded: bool = False
    counts: Totals = field(default_factory=Totals)

    def ask(self, beta: FloatArray) -> Totals:
        """Two rounds at ``beta``: the risk sets, then the score at the hazards that follow from them."""
        risks = self.risks(beta)
        if risks["invalid"] > 0.5:
            p = len(beta)
            return Totals(gram=np.zeros((p, p)), score=np.zeros(p), deviance=np.zeros(()), invalid=risks["invalid"])
        sets = risk_sets_of(risks, self)
        found = self.hazards(beta, sets, np.ones(len(sets.hazard)))
        periods, weight = found["periods"], np.bincount(sets.block, risks["weight"], BLOCKS * self.strata)
        between = (periods / np.where(weight > 0, weight, 1.0)[:, None]).T @ periods
        return Totals(
            gram=found["within"] - between,
            score=found["score"],
            deviance=np.asarray(-2 * (float(risks["predictor"]) - sets.log_denominators)),
            invalid=risks["invalid"],
        )

    def risks(self, beta: FloatArray) -> Totals:
        """The risk sets at ``beta``."""
        return self.cohorts.sum("cox.risks", self.request, beta=beta)

    def hazards(self, beta: FloatArray, sets: RiskSets, factor: FloatArray) -> Totals:
        """The score and what goes with it, each event time counted ``factor`` (times,) times."""
        return self.cohorts.sum(
            "cox.hazards",
            self.request,
            beta=beta,
            hazard=sets.hazard * factor,
            tied=sets.tied * factor,
            counted=factor,
            block=sets.block.astype(np.float64),
        )

    @property
    def node_request(self) -> Request:
        """Of steps that compare people of one node."""
        own = {"grid", "times", "centre", "offset_centre"}
        arguments = {name: value for name, value in self.request.arguments.items() if name not in own}
        return Request({**arguments, "ties": self.model.ties, "by_node": False})


@dataclass(frozen=True, eq=False)
class RiskSets:
    """What follows from the league's risk sets: per time (times,) hazard, its tied part and period; the terms.

    ``denominator`` is of the terms, shape (d,).
    """

    terms: Terms
    denominator: FloatArray
    hazard: FloatArray
    tied: FloatArray
    block: Any

    @property
    def log_denominators(self) -> float:
        """What the log-likelihood loses to the risk sets."""
        return float(self.terms.weight @ np.log(self.denominator))


@dataclass(frozen=True, eq=False)
class GridFitted(CoxFitted):
    """A fit with the risk sets at its maximum: their terms, the mean covariates of each (d, p), events by time."""

    problem: GridProblem
    sets: RiskSets
    mean: FloatArray
    weight: FloatArray


def risk_sets_of(risks: Totals, problem: GridProblem) -> RiskSets:
    """Efron's or Breslow's hazards from the league's totals by time."""
    shape = problem.strata, problem.times
    at_risk = _backwards(risks["left"].reshape(shape) - risks["entered"].reshape(shape)).ravel()
    terms = _terms(np.rint(risks["deaths"]), risks["weight"], efron=problem.model.ties == "efron")
    denominator = at_risk[terms.at] - terms.part * risks["died"][terms.at]
    size = problem.strata * problem.times
    share = terms.weight / denominator
    return RiskSets(
        terms=terms,
        denominator=denominator,
        hazard=summed(terms.at, share, size),
        tied=summed(terms.at, terms.part * share, size),
        block=_periods(risks["weight"].reshape(shape)),
    )


def _backwards(values: FloatArray) -> FloatArray:
    """Sums from each time to the last, within strata."""
    return np.asarray(np.cumsum(values[:, ::-1], axis=1)[:, ::-1])


def _terms(deaths: FloatArray, weight: FloatArray, *, efron: bool) -> Terms:
    """The likelihood's terms: one for each death of a tie (Efron), or one for each event time (Breslow)."""
    happened = np.flatnonzero(deaths > 0.5)
    if not efron:
        return Terms(happened, np.zeros(len(happened)), weight[happened])
    count = deaths[happened].astype(np.intp)
    at = np.repeat(happened, count)
    place = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    return Terms(at, place / deaths[at], weight[at] / deaths[at])


def _periods(weight: FloatArray) -> Any:
    """The period of each time, with near equal numbers of events in each, shape (strata * times,)."""
    reached = np.cumsum(weight, axis=1)
    total = np.maximum(reached[:, -1:], 1e-300)
    number = np.minimum((reached - weight / 2) / total * BLOCKS, BLOCKS - 1).astype(np.intp)
    return (number + BLOCKS * np.arange(len(weight))[:, None]).ravel()


# --- the fit ------------------------------------------------------------------------------------------------


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
    fit = replace(fit, information=factored(exact[np.ix_(problem.kept, problem.kept)]))
    kept, back = problem.kept, problem.back[:, problem.kept]
    coef = np.full(len(kept), np.nan)
    coef[kept] = (back @ fit.point.beta[kept])[kept]
    covariance = back[kept] @ fit.information.inverse @ back[kept].T
    return GridFitted(problem, fit, coef, covariance, covariance, None, None, sets, mean, risks["weight"])


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
        *(cohorts, model, design, scale, request, means, nowhere, kept, None, strata, times, rounded, recorded)
    )
    blank = replace(blank, counts=_counts(blank))
    totals = blank.ask(nowhere.beta)
    gram = totals["gram"]
    varying = np.diag(gram) > _CONSTANT * means["events"]
    kept = varying & estimable(gram * np.outer(varying, varying))
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
    mixed = replace(problem, request=request, mix=mix)
    return replace(mixed, start=Point(problem.start.beta, mixed.ask(problem.start.beta)))
