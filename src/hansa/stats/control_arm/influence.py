"""Weighted survival of two arms from sums by arm, event and time, and what a unit of weight adds to each estimate.

The hazard ratio is that of a Cox model of the arm alone (weights and Efron's ties as in R's ``coxph``), whose score
residuals (Lin DY, Wei LJ 1989, JASA 84:1074) are the derivatives by the weights. Curves are weighted Kaplan-Meier
curves, with the derivatives by the weights (the infinitesimal jackknife, as in R's ``survfit`` with ``robust``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hansa.errors import ConvergenceError, NotEstimable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.cox.grid_rounds import terms_by_time
from hansa.stats.cox.partial import Terms
from hansa.stats.cox.risk_sets import summed
from hansa.stats.survival.curves import Table

__all__ = ["ArmTable", "Influence", "WeightedCurve", "WeightedHazard", "hazard_ratio", "weighted_curve"]

_ITERATIONS = 50
_CONVERGED = 1e-22
_FARTHEST = 30.0


@dataclass(frozen=True, eq=False)
class ArmTable:
    """Sums by arm (controls, treated), event (no, yes) and time, each of shape (2, 2, T)."""

    people: FloatArray
    weight: FloatArray
    square: FloatArray

    def counts(self, arm: int) -> Table:
        """One arm's people."""
        left = self.people[arm].sum(axis=0)
        return Table(np.zeros_like(left), left, self.people[arm, 1])


@dataclass(frozen=True, eq=False)
class Influence:
    """What a unit of weight adds to an estimate, by time (..., T): with the event there, and at risk up to there."""

    own: FloatArray
    passed: FloatArray


@dataclass(frozen=True, eq=False)
class WeightedHazard:
    """The log hazard ratio of treated to controls, its information, and by arm the score's influence (2, T)."""

    coef: float
    information: float
    influence: Influence


def _from(values: FloatArray) -> FloatArray:
    """Sums from each time to the last."""
    return np.asarray(np.cumsum(values[..., ::-1], axis=-1)[..., ::-1])


def hazard_ratio(table: ArmTable, *, efron: bool) -> WeightedHazard:
    """The weighted Cox model of the arm, by Newton's method.

    Raises
    ------
    NotEstimable
        When an arm has no events while the other is at risk.
    ConvergenceError
        When the iteration ends without an answer.
    """
    died, at_risk = table.weight[:, 1], _from(table.weight.sum(axis=1))
    terms = terms_by_time(np.rint(table.people[:, 1].sum(axis=0)), died.sum(axis=0), efron=efron)
    exposed = at_risk[:, terms.at] - terms.part * died[:, terms.at]
    coef, events = 0.0, float(died[1].sum())
    for _ in range(_ITERATIONS):
        risk = exposed * np.array([[1.0], [np.exp(coef)]])
        share = risk[1] / risk.sum(axis=0)
        score = events - float(terms.weight @ share)
        information = float(terms.weight @ (share * (1 - share)))
        if information <= 0 or abs(coef) > _FARTHEST:
            raise NotEstimable(
                "the hazard ratio is not finite",
                why="while both arms are at risk, only one of them has events",
                fix="widen the population, or follow it for longer",
                field="survival",
            )
        if score**2 / information < _CONVERGED:
            break
        coef += float(np.clip(score / information, -2.0, 2.0))
    else:
        raise ConvergenceError("the hazard ratio did not settle", fix="widen the population", field="survival")
    return WeightedHazard(coef, information, _score_influence(table, terms, share, risk.sum(axis=0), coef))


def _score_influence(
    table: ArmTable, terms: Terms, share: FloatArray, denominator: FloatArray, coef: float
) -> Influence:
    """The derivative of the score by the weight of a person of each arm who leaves at each time."""
    times = table.people.shape[-1]
    each = summed(terms.at, np.ones(len(terms.at)), times)
    middle = summed(terms.at, share, times) / np.maximum(each, 1.0)
    own, passed = [], []
    for arm in (0, 1):
        pull = terms.weight / denominator * (arm - share) * np.exp(coef * arm)
        own.append(np.where(each > 0, arm - middle + summed(terms.at, terms.part * pull, times), 0.0))
        passed.append(-np.cumsum(summed(terms.at, pull, times)))
    return Influence(np.stack(own), np.stack(passed))


@dataclass(frozen=True, eq=False)
class WeightedCurve:
    """One arm's survival after each time (T,), and the standard error of its logarithm at known weights.

    ``spent``: the last person at risk has died; the error is not-a-number from there on. ``influence`` is that on
    the logarithm.
    """

    time: FloatArray
    survival: FloatArray
    log_error: FloatArray
    spent: BoolArray
    influence: Influence

    def restricted_mean(self, tau: float) -> tuple[float, Influence]:
        """The mean survival time up to ``tau``, and what a unit of weight adds to it."""
        inside = self.time < tau
        widths = np.diff(np.append(self.time[inside], tau))
        rest = np.zeros_like(self.time)
        rest[inside] = _from(self.survival[inside] * widths)
        steps = np.diff(self.influence.passed, prepend=0.0)
        value = float(rest[0] + (self.time[0] if inside.any() else 0.0))
        return value, Influence(self.influence.own * rest, np.cumsum(steps * rest))


def weighted_curve(table: ArmTable, arm: int, grid: float) -> WeightedCurve:
    """The weighted Kaplan-Meier curve of one arm, for times in units of ``grid``."""
    died, weight, counts = table.weight[arm, 1], table.weight[arm].sum(axis=0), table.counts(arm)
    people, events = np.rint(counts.at_risk), np.rint(counts.events)
    at_risk, happened = _from(weight), events > 0
    spent = np.logical_or.accumulate(happened & (people == events))
    staying = np.where(happened & ~spent, at_risk - died, 1.0)
    counted = happened & ~spent
    kept = np.where(counted, staying / np.where(counted, at_risk, 1.0), 1.0)
    survival: FloatArray = np.cumprod(np.where(spent, 0.0, kept), dtype=np.float64)
    own = np.where(counted, -1 / staying, 0.0)
    passed = np.cumsum(np.where(counted, died / np.where(counted, at_risk * staying, 1.0), 0.0))
    influence = Influence(own, passed)
    error = np.where(spent, np.nan, _log_error(table.square[arm], influence))
    return WeightedCurve(grid * np.arange(len(died), dtype=np.float64), survival, error, spent, influence)


def _log_error(square: FloatArray, influence: Influence) -> FloatArray:
    """Of those who left by each time what they add there, of those who stayed what they add by then."""
    gone = np.cumsum(square[1] * (influence.own + influence.passed) ** 2 + square[0] * influence.passed**2)
    stayed = _from(square.sum(axis=0)) - square.sum(axis=0)
    return np.asarray(np.sqrt(gone + stayed * influence.passed**2))
