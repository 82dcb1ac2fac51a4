"""A Cox model with one baseline hazard for all nodes on its way: its rounds, and the hazards of its risk sets.

The score is exact in every round. While the model is fitted, the information takes the mean covariates of risk
sets as constant within periods; that changes the path to the maximum and not the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Request, Totals
from hansa.stats.cox.fit import CoxProblem
from hansa.stats.cox.grid import BLOCKS
from hansa.stats.cox.partial import Terms
from hansa.stats.cox.risk_sets import summed

__all__ = ["GridProblem", "RiskSets", "risk_sets_of", "terms_by_time"]


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
        totals = Totals(
            gram=found["within"] - between,
            score=found["score"],
            deviance=np.asarray(-2 * (float(risks["predictor"]) - sets.log_denominators)),
            invalid=risks["invalid"],
        )
        return self.penalised(totals, beta)

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


def risk_sets_of(risks: Totals, problem: GridProblem) -> RiskSets:
    """Efron's or Breslow's hazards from the league's totals by time."""
    shape = problem.strata, problem.times
    at_risk = _backwards(risks["left"].reshape(shape) - risks["entered"].reshape(shape)).ravel()
    terms = terms_by_time(np.rint(risks["deaths"]), risks["weight"], efron=problem.model.ties == "efron")
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


def terms_by_time(deaths: FloatArray, weight: FloatArray, *, efron: bool) -> Terms:
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
