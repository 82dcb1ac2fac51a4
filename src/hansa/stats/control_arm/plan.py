"""A single-arm trial at one node against external controls at the others: a synthetic control arm.

Thorlund K, Dron L, Park JJH, Mills EJ (2020). Synthetic and external controls in clinical trials: a primer for
researchers. Clin Epidemiol 12:457. Austin PC (2014). The use of propensity score methods with survival or
time-to-event outcomes. Stat Med 33:1242.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from hansa.errors import NotEstimable
from hansa.formula import parse_formula, resolve_design
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Cohorts, Method, Request, Totals
from hansa.stats.control_arm.arguments import ControlArm, read_control_arm
from hansa.stats.control_arm.influence import (
    ArmTable,
    Influence,
    WeightedCurve,
    WeightedHazard,
    hazard_ratio,
    weighted_curve,
)
from hansa.stats.control_arm.result import (
    COMMON,
    ArmCurve,
    ArmPoint,
    ControlArmResult,
    HazardRatio,
    MeanContrast,
    hazard_e_value,
    tipping_points,
)
from hansa.stats.control_arm.rows import armed
from hansa.stats.control_arm.steps import EQUATIONS, TABLE
from hansa.stats.cox.arguments import read_cox
from hansa.stats.cox.fit import scaled_arguments
from hansa.stats.cox.steps import SIZES as COX_SIZES
from hansa.stats.effect.propensity_fit import check_estimable, differences_of, on_columns
from hansa.stats.glm.arguments import read_model
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.design import reads
from hansa.stats.glm.facts import pooled_facts
from hansa.stats.glm.fit import Problem, fit_coefficients, null_point, pose
from hansa.stats.glm.steps import IRLS, MEANS, SIZES, START
from hansa.stats.survival.curves import bounds
from hansa.stats.survival.release import common_ends, ends_of
from hansa.stats.survival.result import RestrictedMean
from hansa.stats.survival.steps import EXTENT, times_of

__all__ = ["METHOD", "plan"]

_NAMES = ("controls", "treated")


def plan(cohorts: Cohorts, arguments: Arguments) -> ControlArmResult:
    """The survival of the treated against that of controls who are weighted to be like them.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``survival``: ``Surv(time, event)``. ``treatment``: yes or no; it may be constant within nodes. ``adjust``:
        the terms of the propensity model. ``estimand``: "ATT" (default), "ATO" or "ATE". ``ties``: "efron"
        (default) or "breslow". ``grid``: the unit in which times are counted; 1 for whole numbers. ``tau``: up to
        when restricted means are taken. ``level``: of the intervals, 0.95.

    Returns
    -------
    ControlArmResult
        The hazard ratio equals R's ``coxph`` with these weights, the curves ``survfit``. Errors of the hazard
        ratio and of restricted means are those of the stacked equations: that weights are estimated is accounted
        for.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine the propensity model, or an arm has no events.
    ConvergenceError
        When the iteration ends without an answer.
    """
    asked = read_control_arm(arguments, cohorts.variables)
    score = _propensity(cohorts, asked)
    alpha = on_columns(score, fit_coefficients(score, null_point(score)).point.beta)
    request, rounded = _request(cohorts, asked, score)
    totals = cohorts.sum("control_arm.table", request, alpha=alpha)
    table = ArmTable(np.rint(totals["people"]), totals["weight"], totals["square"])
    if not (table.people[:, 1].sum(axis=-1) > 0).all():
        raise NotEstimable("an arm has no events", fix="follow it for longer, or widen it", field="survival")
    hazard = hazard_ratio(table, efron=asked.ties == "efron")
    curves = [weighted_curve(table, arm, asked.grid) for arm in (0, 1)]
    found = _Found(asked, rounded, score.design.names, totals, table, hazard, curves)
    means = [curve.restricted_mean(found.tau or 0.0) for curve in curves]
    own, passed = _inputs(hazard, [influence for _, influence in means])
    stacked = cohorts.sum("control_arm.equations", request, alpha=alpha, own=own, passed=passed)
    return _result(found, [value for value, _ in means], stacked)


def _propensity(cohorts: Cohorts, asked: ControlArm) -> Problem:
    model = read_model({"formula": asked.propensity_formula, "family": "binomial"}, cohorts.variables)
    design = resolve_design(model.formula, cohorts.variables, pooled_facts(cohorts, model.formula))
    problem = pose(cohorts, model, design)
    check_estimable(problem)
    return problem


def _request(cohorts: Cohorts, asked: ControlArm, score: Problem) -> tuple[Request, bool]:
    """What the sums stand on, and whether some times are not on the grid."""
    curves = {"formula": str(parse_formula(asked.curve_formula)), "grid": asked.grid}
    extent = cohorts.sum("survival.extent", Request(curves))
    model = read_cox({"formula": asked.outcome_formula}, cohorts.variables)
    design = resolve_design(model.formula, cohorts.variables, pooled_facts(cohorts, model.formula))
    columns, scale = scaled_arguments(cohorts, model, design)
    request = Request(
        {
            "survival": asked.survival,
            "propensity": {**score.request.arguments, "mix": None},
            "outcome": {**columns, "scale": scale.tolist()},
            "estimand": asked.estimand,
            "grid": asked.grid,
            "times": times_of(extent["sizes"], float(extent["unusable"])),
        }
    )
    return request, bool(extent["rounded"] > 0.5)


@dataclass(frozen=True, eq=False)
class _Found:
    """What is known before the errors."""

    asked: ControlArm
    rounded: bool
    columns: Sequence[str]
    totals: Totals
    table: ArmTable
    hazard: WeightedHazard
    curves: Sequence[WeightedCurve]

    @property
    def tau(self) -> float | None:
        """The last time, not after the one asked for, that both arms reach."""
        ends = common_ends([self.table.counts(arm) for arm in (0, 1)])
        times = self.curves[0].time[ends]
        reached = times if self.asked.tau is None else times[times <= self.asked.tau]
        return float(reached[-1]) if len(reached) else None


def _inputs(hazard: WeightedHazard, means: Sequence[Influence]) -> tuple[FloatArray, FloatArray]:
    """The influences on all estimates by arm and time, each (3, 2, T); a mean is moved by its own arm only."""
    nothing = np.zeros_like(means[0].own)
    parts = [
        np.stack(
            [
                getattr(hazard.influence, name) / hazard.information,
                np.stack([getattr(means[0], name), nothing]),
                np.stack([nothing, getattr(means[1], name)]),
            ]
        )
        for name in ("own", "passed")
    ]
    return parts[0], parts[1]


def _covariance(stacked: Totals) -> FloatArray:
    """Of the three estimates: influences at known weights plus what the propensity's scores add to them."""
    pull = np.linalg.solve(stacked["information"].T, stacked["moved"].T).T
    crossed = pull @ stacked["crossed"].T
    return np.asarray(stacked["meat"] + crossed + crossed.T + pull @ stacked["scores"] @ pull.T)


def _result(found: _Found, means: Sequence[float], stacked: Totals) -> ControlArmResult:
    asked, covariance, tau = found.asked, _covariance(stacked), found.tau
    people = found.table.people
    ratio = _hazard_ratio(found, math.sqrt(covariance[0, 0]), math.sqrt(float(stacked["meat"][0, 0])))
    crosses = ratio.lower <= 1 <= ratio.upper
    nearest = None if crosses else math.log(ratio.lower if ratio.value > 1 else ratio.upper)
    within = [None if tau is None else _mean(means[arm], covariance[arm + 1, arm + 1], asked.level) for arm in (0, 1)]
    return ControlArmResult(
        survival=asked.survival,
        treatment=asked.treatment,
        adjust=asked.adjust,
        estimand=asked.estimand,
        ties=asked.ties,
        grid=asked.grid,
        rounded=found.rounded,
        level=asked.level,
        n=round(float(people.sum())),
        hazard_ratio=ratio,
        arms=tuple(_arm(found, arm, within[arm]) for arm in (0, 1)),
        tau=tau,
        means=() if tau is None else _contrasts(means, covariance[1:, 1:], asked.level),
        balance=differences_of(
            found.columns,
            people.sum(axis=(1, 2)),
            found.totals["plain"],
            found.table.weight.sum(axis=(1, 2)),
            found.totals["weighted"],
        ),
        tipping=tipping_points(ratio.coef, nearest),
    )


def _hazard_ratio(found: _Found, se: float, known: float) -> HazardRatio:
    coef, z = found.hazard.coef, float(ndtri(0.5 + found.asked.level / 2))
    lower, upper = math.exp(coef - z * se), math.exp(coef + z * se)
    people = found.table.people
    common = bool(people[:, 1].sum() > COMMON * people.sum())
    nearest = lower if coef > 0 else upper
    return HazardRatio(
        value=math.exp(coef),
        coef=coef,
        se=se,
        se_known=known,
        lower=lower,
        upper=upper,
        z=coef / se,
        p=2 * float(ndtr(-abs(coef) / se)),
        e_value=hazard_e_value(math.exp(coef), common=common),
        e_value_bound=1.0 if lower <= 1 <= upper else hazard_e_value(nearest, common=common),
        common=common,
    )


def _arm(found: _Found, arm: int, mean: RestrictedMean | None) -> ArmCurve:
    table = found.table
    return ArmCurve(
        arm=_NAMES[arm],
        people=round(float(table.people[arm].sum())),
        events=round(float(table.people[arm, 1].sum())),
        effective=float(table.weight[arm].sum() ** 2 / table.square[arm].sum()),
        points=_points(found, arm),
        restricted_mean=mean,
    )


def _points(found: _Found, arm: int) -> tuple[ArmPoint, ...]:
    counts, curve = found.table.counts(arm), found.curves[arm]
    lower, upper = bounds(curve.survival, curve.log_error, "log", found.asked.level)
    after, died = counts.at_risk - counts.left, np.cumsum(counts.events)
    return tuple(
        ArmPoint(
            time=float(curve.time[end]),
            at_risk=round(float(after[end])),
            events=round(float(died[end])),
            survival=float(curve.survival[end]),
            se=float(curve.survival[end] * curve.log_error[end]),
            lower=float(lower[end]),
            upper=float(upper[end]),
        )
        for end in ends_of(counts).tolist()
    )


def _mean(value: float, variance: float, level: float) -> RestrictedMean:
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(variance)
    return RestrictedMean(value, math.sqrt(variance), value - half, value + half)


def _contrasts(means: Sequence[float], covariance: FloatArray, level: float) -> tuple[MeanContrast, ...]:
    """The difference of the treated from the controls, and the ratio (delta method)."""
    control, treated = means
    difference = _contrast("difference", treated - control, np.array([-1.0, 1.0]), covariance, level)
    slopes = np.array([-1 / control, 1 / treated])
    ratio = _contrast("ratio", math.log(treated / control), slopes, covariance, level)
    value, lower, upper = (math.exp(end) for end in (ratio.value, ratio.lower, ratio.upper))
    return difference, replace(ratio, value=value, lower=lower, upper=upper)


def _contrast(name: str, value: float, slope: FloatArray, covariance: FloatArray, level: float) -> MeanContrast:
    se, z = math.sqrt(float(slope @ covariance @ slope)), float(ndtri(0.5 + level / 2))
    return MeanContrast(name, value, se, value - z * se, value + z * se, 2 * float(ndtr(-abs(value) / se)))


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return reads({"formula": read_control_arm(arguments, variables).outcome_formula})


METHOD = Method(
    name="control_arm",
    version=1,
    title="Synthetic control arm",
    steps=(
        *FACT_STEPS,
        *(armed(step) for step in (SIZES, MEANS, START, IRLS)),
        EXTENT,
        COX_SIZES,
        TABLE,
        EQUATIONS,
    ),
    plan=plan,
    complete=_complete,
    counts_rows=True,
    arms=True,
    citations=(
        "Austin PC (2014). Propensity score methods with survival or time-to-event outcomes. Stat Med 33:1242.",
        "Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting. JASA 113:390.",
        "Lin DY, Wei LJ (1989). The robust inference for the Cox proportional hazards model. JASA 84:1074.",
        "Lin DY, Psaty BM, Kronmal RA (1998). Sensitivity to unmeasured confounders. Biometrics 54:948.",
        "VanderWeele TJ, Ding P (2017). Sensitivity analysis in observational research. Ann Intern Med 167:268.",
    ),
)
