"""Survival curves over all cohorts: Kaplan-Meier, Nelson-Aalen, log-rank tests, restricted means.

The hub adds up how many people leave at each time of a public grid; researchers see the curves at the ends of
intervals in which enough people leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Cohorts, Method, Request
from hansa.stats.glm.result import log_p_value
from hansa.stats.survival.arguments import CurveModel, groups_of, read_curves
from hansa.stats.survival.curves import Curve, Table, curve_of, interval, restricted_mean
from hansa.stats.survival.rank_tests import compare
from hansa.stats.survival.release import CELL, common_ends, ends_of
from hansa.stats.survival.result import CurvePoint, Difference, GroupCurve, RestrictedMean, SurvivalResult
from hansa.stats.survival.steps import EXTENT, TABLE, cells_of, times_of

__all__ = ["METHOD", "SurvivalResult", "plan"]


def plan(cohorts: Cohorts, arguments: Arguments) -> SurvivalResult:
    """Estimate the survival curve of each group over all cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: ``Surv(time, event) ~ sex + arm`` (a curve for each combination), ``~ 1`` for one curve;
        ``strata()`` stratifies the test. ``grid``: the unit in which times are counted; 1 for whole numbers.
        ``interval``: "log" (default), "log-log" or "plain". ``weighting``: of the test; "logrank" (default),
        "gehan", "tarone-ware", "fleming-harrington" with ``rho`` and ``gamma``. ``tau``: up to when restricted
        means are taken. ``level``: 0.95.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When nobody is in the analysis set.
    """
    model = read_curves(arguments, cohorts.variables)
    base = {"formula": str(model.formula), "grid": model.grid}
    extent = cohorts.sum("survival.extent", Request(base))
    times = times_of(extent["sizes"], float(extent["unusable"]))
    totals = cohorts.sum("survival.table", Request({**base, "times": times}))
    strata, groups = cells_of(model.formula, cohorts.variables)
    counts = [np.rint(totals[name]).reshape(strata, groups, times) for name in ("entered", "left", "events")]
    tables = [Table(*(count[number] for count in counts)) for number in range(strata)]
    names = groups_of(model.formula, cohorts.variables)[1]
    return _result(model, tables, names, rounded=bool(extent["rounded"] > 0.5))


def _result(model: CurveModel, strata: Sequence[Table], names: Sequence[str], *, rounded: bool) -> SurvivalResult:
    whole = Table(*(np.sum([getattr(one, name) for one in strata], axis=0) for name in ("entered", "left", "events")))
    tables = [Table(whole.entered[place], whole.left[place], whole.events[place]) for place in range(len(names))]
    time: FloatArray = np.arange(whole.left.shape[-1], dtype=np.float64) * model.grid
    filled = [table for table in tables if table.left.sum() >= CELL]
    tau = _tau(common_ends(filled), time, model.tau) if filled else None
    groups = tuple(_group(model, name, table, time, tau) for name, table in zip(names, tables, strict=True))
    return SurvivalResult(
        formula=str(model.formula),
        grid=model.grid,
        rounded=rounded,
        late_entry=len(model.formula.survival or ()) == 3,
        interval=model.interval,
        level=model.level,
        groups=groups,
        tau=tau,
        differences=_differences(model, groups),
        compared=compare(strata, model) if len(names) > 1 else None,
        strata=tuple(map(str, model.formula.strata)),
    )


def _tau(ends: NDArray[np.intp], time: FloatArray, wanted: float | None) -> float | None:
    reached = [float(time[end]) for end in ends if wanted is None or time[end] <= wanted]
    return reached[-1] if reached else None


def _group(model: CurveModel, name: str, table: Table, time: FloatArray, tau: float | None) -> GroupCurve:
    ends, curve = ends_of(table), curve_of(table, time)
    people, events = round(float(table.left.sum())), round(float(table.events.sum()))
    points = _points(model, table, curve, ends)
    shown = tau is not None and people >= CELL
    return GroupCurve(
        group=name,
        people=_whole(people),
        events=_whole(events),
        points=points,
        median=_crossing([point.survival for point in points], points),
        median_lower=_crossing([point.lower for point in points], points),
        median_upper=_crossing([point.upper for point in points], points),
        restricted_mean=_mean(model, table, time, tau) if shown and tau is not None else None,
    )


def _whole(count: int) -> int | None:
    """A count that may be shown."""
    return count if count == 0 or count >= CELL else None


def _points(model: CurveModel, table: Table, curve: Curve, ends: NDArray[np.intp]) -> tuple[CurvePoint, ...]:
    lower, upper = interval(curve, model.interval, model.level)
    after = curve.at_risk - table.left + table.entered
    died, left = np.cumsum(table.events), np.cumsum(table.left)
    return tuple(
        CurvePoint(
            time=float(curve.time[end]),
            at_risk=round(float(after[end])),
            events=round(float(died[end])),
            left=round(float(left[end])),
            survival=float(curve.survival[end]),
            se=float(curve.error[end]),
            lower=float(lower[end]),
            upper=float(upper[end]),
            cumulative_hazard=float(curve.hazard[end]),
            cumulative_hazard_se=float(curve.hazard_error[end]),
        )
        for end in ends.tolist()
    )


def _crossing(values: Sequence[float], points: Sequence[CurvePoint]) -> tuple[float, float] | None:
    """The interval between shown times in which a falling curve reaches one half."""
    for place, value in enumerate(values):
        if value <= 0.5:
            return (points[place - 1].time if place else 0.0), points[place].time
    return None


def _mean(model: CurveModel, table: Table, time: FloatArray, tau: float) -> RestrictedMean:
    value, error = restricted_mean(table, time, tau)
    half = float(ndtri(0.5 + model.level / 2)) * error
    return RestrictedMean(value, error, value - half, value + half)


def _differences(model: CurveModel, groups: Sequence[GroupCurve]) -> tuple[Difference, ...]:
    first = groups[0].restricted_mean
    half = float(ndtri(0.5 + model.level / 2))
    found = []
    for group in groups[1:]:
        mean = group.restricted_mean
        if first is None or mean is None:
            continue
        value, error = mean.value - first.value, math.hypot(mean.se, first.se)
        p = math.exp(log_p_value(value / error, None)) if error > 0 else math.nan
        found.append(Difference(group.group, value, error, value - half * error, value + half * error, p))
    return tuple(found)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return tuple(str(expression) for expression in read_curves(arguments, variables).formula.expressions)


METHOD = Method(
    name="survival",
    version=1,
    title="Survival curves",
    steps=(EXTENT, TABLE),
    plan=plan,
    complete=_complete,
    citations=(
        "Kaplan EL, Meier P (1958). Nonparametric estimation from incomplete observations. JASA 53:457.",
        "Mantel N (1966). Evaluation of survival data and two new rank order statistics. Cancer Chemother Rep 50:163.",
        "Royston P, Parmar MK (2013). Restricted mean survival time. BMC Med Res Methodol 13:152.",
    ),
)
