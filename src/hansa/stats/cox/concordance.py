"""How a Cox model with one baseline hazard for all nodes ranks the league's people, from classes of its predictor.

Harrell's C (Harrell FE, Lee KL, Mark DB 1996, Statistics in Medicine 15:361) over all pairs of the league, and Uno's
(Uno H, Cai T, Pencina MJ, D'Agostino RB, Wei LJ 2011, Statistics in Medicine 30:1105), from people by class of linear
predictor and time. Pairs within a class count for one half; that they might all be in order, or none, bounds what
classes leave open. Errors are infinitesimal jackknives, as of R's ``concordance``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Request, Step, Totals
from hansa.stats.cox.diagnostics import Concordance
from hansa.stats.cox.grid import GRID, MAX_CLASSES, at_beta
from hansa.stats.cox.grid_rounds import GridProblem
from hansa.stats.cox.pooled import GridFitted
from hansa.stats.cox.risk_sets import summed

__all__ = ["PREDICTORS", "RANKED", "league_concordance"]

_FINE = 8192
_NEAR, _FAR = 1e-3, 12.7
"""Fine classes have equal widths of log(1 + |eta| / ``_NEAR``), up to ``_FAR``: |eta| of 300 and more."""

_FEWEST, _CELLS = 8, 1 << 17
"""Classes there are, as many as keep their table by time within ``_CELLS``."""


def predictors(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """People by fine class of the linear predictor."""
    found = at_beta(arrays, inputs["beta"])
    if found is None:
        return {"people": np.zeros(_FINE), "weights": np.zeros((len(arrays["end"]), 1))}
    eta, risk = found
    place = np.floor((np.sign(eta) * np.log1p(np.abs(eta) / _NEAR) / _FAR + 1) * _FINE / 2)
    weight = (arrays["prior"] > 0).astype(np.float64)
    return {
        "people": summed(np.clip(place, 0, _FINE - 1).astype(np.intp), weight, _FINE),
        "weights": risk[:, None],
    }


def ranked(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Weights by class of the linear predictor and last event time at risk: all who leave, who die, who entered late.

    ``edges`` part the classes; ``rank`` (times,) is the number of the last event time of a stratum up to a time, -1
    where there is none.
    """
    shape = tuple(arrays["table"].astype(np.intp).tolist())
    found = at_beta(arrays, inputs["beta"])
    if found is None:
        nothing = dict.fromkeys(("left", "died", "entered"), np.zeros(shape))
        return {**nothing, "weights": np.zeros((len(arrays["end"]), 1))}
    eta, risk = found
    kind = np.searchsorted(inputs["edges"], eta, side="right")
    rank = inputs["rank"].astype(np.intp)
    left, late = rank[arrays["end"].astype(np.intp)], arrays["begin"] >= arrays["first"]
    entered = np.where(late, rank[np.where(late, arrays["begin"], 0).astype(np.intp)], -1)

    def by_class(at: Any, weight: FloatArray) -> FloatArray:
        inside = at >= 0
        return summed((kind * shape[1] + at)[inside], weight[inside], shape[0] * shape[1]).reshape(shape)

    return {
        "left": by_class(left, arrays["prior"]),
        "died": by_class(left, arrays["prior"] * arrays["event"]),
        "entered": by_class(entered, arrays["prior"]),
        "weights": risk[:, None],
    }


PREDICTORS = Step(
    "cox.predictors",
    1,
    GRID,
    (Output("people", (_FINE,), "protected"),),
    predictors,
    weight_names=("relative risk",),
    centred=1,
)

RANKED = Step(
    "cox.ranked",
    1,
    GRID,
    tuple(Output(name, ("classes", "ranks"), "protected") for name in ("left", "died", "entered")),
    ranked,
    weight_names=("relative risk",),
    centred=1,
)


# --- at the hub -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Of one stratum, deaths and who outlived them, by class and event time (K, R); ``weight`` of each time (R,)."""

    left: FloatArray
    died: FloatArray
    entered: FloatArray
    weight: FloatArray

    @property
    def outliving(self) -> FloatArray:
        """At each event time, who is at risk and does not die then."""
        leaving = np.cumsum(self.left[:, ::-1], axis=1)[:, ::-1]
        # who entered at this event time, or later, was not at risk at it
        return np.asarray(leaving - np.cumsum(self.entered[:, ::-1], axis=1)[:, ::-1] - self.died)

    def counted(self) -> FloatArray:
        """Pairs in order, the other way round, and within a class."""
        below = _below(self.outliving)
        died = self.died * self.weight
        whole, same = self.outliving.sum(axis=0), float((died * self.outliving).sum())
        ordered = float((died * below).sum())
        return np.array([ordered, float((died * whole).sum()) - ordered - same, same])

    def squares(self, value: float) -> float:
        """The sum of squared influences on C, times the squared number of pairs, where each row is one person."""
        above = np.cumsum(_above(self.died) * self.weight, axis=1)
        same = np.cumsum(self.died * self.weight, axis=1)
        whole = same.sum(axis=0)
        outlived = above + same / 2 - value * whole
        before = outlived - np.diff(outlived, axis=1, prepend=0.0)
        out = self.outliving
        own = self.weight * (_below(out) + out / 2 - value * out.sum(axis=0))
        return float((self.died * (own + before) ** 2 + (self.left - self.died) * outlived**2).sum())


def _below(values: FloatArray) -> FloatArray:
    """Sums over the classes before each."""
    return np.asarray(np.cumsum(values, axis=0) - values)


def _above(values: FloatArray) -> FloatArray:
    """Sums over the classes after each."""
    return np.asarray(values.sum(axis=0) - np.cumsum(values, axis=0))


def league_concordance(fitted: GridFitted) -> Concordance | None:
    """Harrell's C over the pairs of the league, and Uno's where nobody enters late and rows have no weights or strata.

    ``None`` where there is no pair.
    """
    problem, beta = fitted.problem, fitted.fit.point.beta
    happened = problem.counts["deaths"] > 0.5
    classes = int(np.clip(_CELLS // max(1, int(happened.sum())), _FEWEST, MAX_CLASSES))
    people = problem.cohorts.sum("cox.predictors", problem.request, beta=beta)["people"]
    table = {"classes": classes, "ranks": int(happened.sum())}
    request = Request({**problem.request.arguments, **table})
    edges, rank = _edges(people, classes), _ranks(happened.reshape(problem.strata, problem.times))
    totals = problem.cohorts.sum("cox.ranked", request, beta=beta, edges=edges, rank=rank)
    formula, plain = problem.model.formula, problem.model.weights is None
    late = len(formula.survival or ()) == 3
    harrell = _of_strata(totals, happened, np.ones(len(happened)), problem, errors=plain and not late)
    if harrell is None:
        return None
    value, se, lower, upper, counts = harrell
    uno = None
    if plain and not late and not formula.strata:
        uno = _of_strata(totals, happened, _censoring_weights(problem), problem, errors=True)
    further = (None, None, None, None) if uno is None else uno[:4]
    return Concordance(value, *counts, "league", se, lower, upper, *further)


_Found = tuple[float, float | None, float, float, tuple[float, float, float]]


def _of_strata(
    totals: Totals, happened: BoolArray, weight: FloatArray, problem: GridProblem, *, errors: bool
) -> _Found | None:
    """C with its error and what classes leave open, summed over strata; pairs in order, not in order, in one class."""
    ends = np.cumsum(happened.reshape(problem.strata, problem.times).sum(axis=1))
    parts = [
        _Pairs(
            totals["left"][:, begin:end],
            totals["died"][:, begin:end],
            totals["entered"][:, begin:end],
            weight[happened][begin:end],
        )
        for begin, end in zip([0, *ends[:-1]], ends, strict=True)
        if end > begin
    ]
    ordered, other, same = (float(count) for count in sum((part.counted() for part in parts), np.zeros(3)))
    pairs = ordered + other + same
    if pairs <= 0:
        return None
    value = (ordered + same / 2) / pairs
    se = float(np.sqrt(sum(part.squares(value) for part in parts))) / pairs if errors else None
    return value, se, ordered / pairs, (ordered + same) / pairs, (ordered, other, same)


def _edges(people: FloatArray, classes: int) -> FloatArray:
    """The ends of fine classes that part people into nearly equal classes, as linear predictors.

    Where fewer fine classes have people in them, each is a class of its own.
    """
    reached = np.cumsum(np.rint(people))
    wanted = reached[-1] * np.arange(1, classes) / classes
    filled = np.flatnonzero(people > 0.5)
    place = (filled if len(filled) <= classes else np.unique(np.searchsorted(reached, wanted)))[: classes - 1] + 1
    scaled = (2 * place / _FINE - 1) * _FAR
    return np.asarray(np.sign(scaled) * _NEAR * np.expm1(np.abs(scaled)))


def _ranks(happened: BoolArray) -> FloatArray:
    """Of each time of each stratum (strata, times), the number of its last event time so far, or -1: flat."""
    number = np.cumsum(happened.ravel()).reshape(happened.shape) - 1.0
    return np.where(np.cumsum(happened, axis=1) > 0, number, -1.0).ravel()


def _censoring_weights(problem: GridProblem) -> FloatArray:
    """1 / G(t-)^2, G being the Kaplan-Meier curve of censoring, with those who die at a time gone before (times,)."""
    left, died = problem.counts["left"], problem.counts["deaths"]
    at_risk = np.cumsum(left[::-1])[::-1]
    staying = at_risk - died
    gone = np.rint(left - died)
    kept = np.where(gone > 0, 1 - gone / np.where(staying > 0.5, staying, 1.0), 1.0)
    before = np.append(1.0, np.cumprod(kept)[:-1])
    return np.asarray(1 / np.where(died > 0.5, before, 1.0) ** 2)
