"""The baseline hazard of a fitted Cox model, where it may be shown, and survival predicted from it.

Breslow N (1972), JRSS B 34:216, with Efron's weights where the model has them; variance after Link CL (1984),
Biometrics 40:601, and Tsiatis AA (1981), Annals of Statistics 9:93, as in R's ``survfit.coxph``. It is shown at the
ends of intervals in which enough people leave, as survival curves are (:mod:`hansa.stats.survival.release`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hansa.model.exposure import FloatArray
from hansa.stats.cox.pooled import GridFitted
from hansa.stats.cox.risk_sets import summed
from hansa.stats.cox.rows import stratum_levels
from hansa.stats.survival.curves import Table
from hansa.stats.survival.release import CELL, ends_of

__all__ = ["BaselineHazard", "BaselinePoint", "baseline_hazards", "predicted"]


@dataclass(frozen=True)
class BaselinePoint:
    """At a shown time: cumulative hazard at the reference, its variance for known coefficients, and ``mean``.

    ``mean`` is the hazard's integral of the risk sets' mean columns about the reference, one number per column.
    """

    time: float
    at_risk: int
    events: int
    hazard: float
    variance: float
    mean: tuple[float, ...]


@dataclass(frozen=True)
class BaselineHazard:
    """One stratum's baseline hazard, at the means of the columns over all people, which are the ``reference``."""

    stratum: str
    reference: tuple[float, ...]
    points: tuple[BaselinePoint, ...]


def baseline_hazards(fitted: GridFitted) -> tuple[BaselineHazard, ...]:
    """Each stratum's baseline hazard. None with weights, whose counts are not of people, or with derived times."""
    problem = fitted.problem
    if problem.model.weights is not None or not problem.recorded:
        return ()
    reference = np.asarray(problem.request.arguments["centre"]) / problem.scale
    return tuple(
        BaselineHazard(name, tuple(reference[problem.kept].tolist()), _points(fitted, number))
        for number, name in enumerate(_names(fitted))
    )


def _names(fitted: GridFitted) -> tuple[str, ...]:
    formula, variables = fitted.problem.model.formula, fitted.problem.cohorts.variables
    named = [[f"{one}={level}" for level in stratum_levels(one, variables)] for one in formula.strata]
    return tuple(", ".join(parts) or "all" for parts in product(*named))


def _points(fitted: GridFitted, stratum: int) -> tuple[BaselinePoint, ...]:
    problem = fitted.problem
    rows = slice(stratum * problem.times, (stratum + 1) * problem.times)
    counts = {name: np.rint(problem.counts[name][rows]) for name in ("entered", "left", "deaths")}
    table = Table(counts["entered"], counts["left"], counts["deaths"])
    hazard, variance, mean = (np.cumsum(one[rows], axis=0) for one in _by_time(fitted))
    after = table.at_risk - table.left + table.entered
    died = np.cumsum(table.events)
    return tuple(
        BaselinePoint(
            time=float(end * (problem.model.grid or 1.0)),
            at_risk=round(float(after[end])),
            events=round(float(died[end])),
            hazard=float(hazard[end]),
            variance=float(variance[end]),
            mean=tuple(mean[end].tolist()),
        )
        for end in _shown(table).tolist()
    )


def _shown(table: Table) -> NDArray[np.intp]:
    return ends_of(table) if table.left.sum() >= CELL else np.zeros(0, dtype=np.intp)


def _by_time(fitted: GridFitted) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By time: hazard (T,), the square of its error (T,), hazard times mean columns (T, p) in the variables' units."""
    problem, sets = fitted.problem, fitted.sets
    size = problem.strata * problem.times
    step = sets.terms.weight / sets.denominator
    mean = fitted.mean if problem.mix is None else fitted.mean @ np.linalg.inv(problem.mix)
    columns = (mean / problem.scale)[:, problem.kept]
    return sets.hazard, summed(sets.terms.at, step / sets.denominator, size), summed(sets.terms.at, step, size, columns)


def predicted(
    hazard: BaselineHazard, coef: FloatArray, covariance: FloatArray, columns: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The cumulative hazard of people with these columns (k, p) at each shown time, and its error, each (k, times)."""
    apart = columns - np.array(hazard.reference)
    risk = np.exp(apart @ coef)[:, None]
    base, variance = (np.array([getattr(one, name) for one in hazard.points]) for name in ("hazard", "variance"))
    mean = np.array([point.mean for point in hazard.points]).reshape(len(base), len(coef))
    moved = apart[:, None, :] * base[None, :, None] - mean[None, :, :]
    spread = variance + np.einsum("ktp,pq,ktq->kt", moved, covariance, moved)
    return risk * base, risk * np.sqrt(spread)
