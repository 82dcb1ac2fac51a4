"""External validation of a logistic model: a frozen coefficient vector, judged on other people.

Calibration in the large, slope and curve, the Brier score and the area under the ROC curve (Steyerberg 2019,
Clinical Prediction Models, 2nd edition, chapter 15), from sums over people at one node or several. Nothing
is fitted anew but the two lines of the calibration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from hansa.errors import NotEstimable, StudyError
from hansa.formula import Design, facts_from_plain, parse_formula, resolve_design
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.arguments import no_others
from hansa.stats.contract import Arguments, Cohorts, Method, Request, Totals
from hansa.stats.fitting.newton import Point, maximise
from hansa.stats.plain import Result, to_plain
from hansa.stats.validation.roc import Roc, groups_of, roc
from hansa.stats.validation.steps import BINS, GROUPS, STEPS, reads

__all__ = ["METHOD", "CalibrationGroup", "Estimate", "Validation", "frozen", "plan"]

_CELL = 5
_GROUP = 10


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and interval."""

    value: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class CalibrationGroup:
    """People of similar predicted risk: how many, how many events, mean predicted and observed risk.

    ``lower`` and ``upper`` are Wilson's interval of the observed risk.
    """

    n: int
    events: int
    predicted: float
    observed: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Validation(Result):
    """How a frozen model does.

    ``intercept`` is the calibration in the large (0 is ideal), ``slope`` the calibration slope (1 is ideal),
    ``observed_expected`` the ratio of observed to expected events. The true area under the curve, ties
    counting half, is within ``auroc_bound`` of ``auroc``, since scores are known by bin alone. ``scaled_brier`` is
    the Brier score's improvement over the mean risk. ``not_covered`` counts rows at levels that the model does
    not know, which are left out (``None`` where they are few).
    """

    schema: ClassVar[str] = "validation/1.0"
    formula: str
    level: float
    n: int
    events: int
    mean_predicted: float
    mean_observed: float
    observed_expected: Estimate
    intercept: Estimate
    slope: Estimate
    brier: float
    scaled_brier: float
    auroc: Estimate
    auroc_bound: float
    curve: tuple[CalibrationGroup, ...]
    not_covered: int | None


def frozen(result: Any) -> dict[str, Any]:
    """The argument ``model`` of a validation, from a result of ``glm`` or its plain form.

    Raises
    ------
    StudyError
        When the result has no intercept to predict with (``node`` = "intercepts").
    """
    plain = result if isinstance(result, Mapping) else to_plain(result)
    if plain["node"] != "common":
        raise StudyError(
            "a model with intercepts of nodes predicts nobody's risk elsewhere",
            why="its intercepts stayed at the nodes",
            fix="fit it with node = common",
            field="model",
        )
    coefficients = {term["name"]: term["coef"] or 0.0 for term in plain["terms"]}
    kept = {name: plain[name] for name in ("formula", "family", "link", "facts")}
    return {**kept, "coefficients": coefficients}


def plan(cohorts: Cohorts, arguments: Arguments) -> Validation:
    """Judge a frozen logistic model on the people of these cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``model``: as :func:`frozen` makes it: formula, family, link, facts, coefficients by column name.
        ``level``: of the intervals, 0.95.

    Raises
    ------
    StudyError
        When the model is not logistic, or its coefficients are not those of its formula.
    NotEstimable
        When events or non-events are too few, or the model gives everybody the same risk.
    """
    level = _level(arguments)
    design = _checked(arguments, cohorts.variables)
    request = Request({"model": dict(arguments["model"])})
    sums = cohorts.sum("validate.sums", request)
    events, n = float(sums["events"]), float(sums["n"])
    _check_counts(events, n)
    calibration = _calibration(cohorts, request, sums)
    ranked = roc(_histogram(cohorts, request, sums))
    quantile = float(ndtri(0.5 + level / 2))
    mean, not_covered = events / n, round(float(sums["not_covered"]))
    brier = float(sums["brier"]) / n
    return Validation(
        formula=str(design.formula),
        level=level,
        n=round(n),
        events=round(events),
        mean_predicted=float(sums["expected"]) / n,
        mean_observed=mean,
        observed_expected=_ratio(events, float(sums["expected"]), n, quantile),
        intercept=_estimate(*calibration[0], quantile),
        slope=_estimate(*calibration[1], quantile),
        brier=brier,
        scaled_brier=1 - brier / (mean * (1 - mean)),
        auroc=_estimate(ranked.area, ranked.se, quantile),
        auroc_bound=ranked.bound,
        curve=_curve(cohorts, request, ranked, quantile),
        not_covered=None if 0 < not_covered < _CELL else not_covered,
    )


# --- reading ------------------------------------------------------------------------------------------------


def _level(arguments: Arguments) -> float:
    no_others(arguments, "model", "level")
    level = arguments.get("level", 0.95)
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise StudyError("a level of confidence lies between 0 and 1", fix="0.95, say", field="level")
    return float(level)


def _checked(arguments: Arguments, variables: Mapping[str, Variable]) -> Design:
    model = arguments.get("model")
    if not isinstance(model, Mapping) or not {"formula", "family", "link", "facts", "coefficients"} <= set(model):
        raise StudyError("a frozen model is needed", fix="make it of a fit, by frozen(fit)", field="model")
    if (model["family"], model["link"]) != ("binomial", "logit"):
        raise StudyError("only logistic models are validated", why="others predict no risk", field="model.family")
    formula = parse_formula(model["formula"], field="model.formula")
    design = resolve_design(formula, variables, facts_from_plain(model["facts"]))
    coefficients = model["coefficients"]
    if not isinstance(coefficients, Mapping) or set(coefficients) != set(design.names):
        raise StudyError(
            "the coefficients are not those of the formula",
            why=f"its columns are {', '.join(design.names)}",
            fix="make the model of a fit, by frozen(fit)",
            field="model.coefficients",
        )
    if not all(_is_number(value) for value in coefficients.values()):
        raise StudyError("a coefficient is a finite number", field="model.coefficients")
    return design


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_counts(events: float, n: float) -> None:
    if min(events, n - events) < _CELL - 0.5:
        raise NotEstimable(
            "too few people have the outcome, or too few have it not",
            why=f"a validation needs {_CELL} of each, and many more to say something",
            fix="widen the population",
            field="population",
        )


# --- calibration and discrimination -------------------------------------------------------------------------


def _calibration(cohorts: Cohorts, request: Request, sums: Totals) -> tuple[tuple[float, float], ...]:
    """Calibration in the large (slope held at 1), then the slope: each with its standard error."""
    if not _variance(sums) > 0:
        raise NotEstimable("the model gives everybody the same risk", fix="take a model with terms", field="model")

    def ask(beta: FloatArray) -> Totals:
        return cohorts.sum("validate.recalibration", request, beta=beta)

    def grown(_direction: FloatArray) -> tuple[str, ...]:
        return ("the calibration slope",)

    start = Point(np.array([0.0, 1.0]), ask(np.array([0.0, 1.0])))
    large = maximise(ask, start, np.array([True, False]), lambda _: 1.0, grown)
    line = maximise(ask, large.point, np.array([True, True]), lambda _: 1.0, grown)
    errors = np.sqrt(large.information.inverse[0, 0]), np.sqrt(line.information.inverse[1, 1])
    return (float(large.point.beta[0]), float(errors[0])), (float(line.point.beta[1]), float(errors[1]))


def _variance(sums: Totals) -> float:
    n = float(sums["n"])
    return float(sums["square"]) / n - (float(sums["score"]) / n) ** 2


def _histogram(cohorts: Cohorts, request: Request, sums: Totals) -> tuple[FloatArray, FloatArray]:
    """Edges between scores, and people without and with the event between them (2, BINS).

    The edges are those of equal probability for a normal score of the pooled mean and variance.
    """
    middle, spread = float(sums["score"]) / float(sums["n"]), math.sqrt(_variance(sums))
    edges = middle + spread * np.asarray(ndtri(np.arange(1, BINS) / BINS), dtype=np.float64)
    return edges, np.rint(cohorts.sum("validate.histogram", request, edges=edges)["counts"])


def _curve(cohorts: Cohorts, request: Request, ranked: Roc, quantile: float) -> tuple[CalibrationGroup, ...]:
    groups = groups_of(ranked, GROUPS, fewest=_GROUP, cell=_CELL)
    if not groups:
        return ()
    lowers = [group.lower for group in groups[1:]] or [float(ranked.edges[0])]
    edges = np.array(lowers + lowers[-1:] * (GROUPS - 1 - len(lowers)))
    expected = cohorts.sum("validate.groups", request, edges=edges)["expected"]
    found = []
    for place, group in enumerate(groups):
        inside = float(expected[place] if place < len(groups) - 1 else expected[place:].sum())
        lower, upper = _wilson(group.events, group.n, quantile)
        found.append(CalibrationGroup(group.n, group.events, inside / group.n, group.events / group.n, lower, upper))
    return tuple(found)


# --- intervals ----------------------------------------------------------------------------------------------


def _estimate(value: float, se: float, quantile: float) -> Estimate:
    return Estimate(value, se, value - quantile * se, value + quantile * se)


def _ratio(events: float, expected: float, n: float, quantile: float) -> Estimate:
    """Observed over expected, its interval on the log scale (Debray et al. 2017, BMJ 356:i6460)."""
    ratio, relative = events / expected, math.sqrt((1 - events / n) / events)
    spread = math.exp(quantile * relative)
    return Estimate(ratio, ratio * relative, ratio / spread, ratio * spread)


def _wilson(events: int, n: int, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927, JASA 22:209)."""
    share, weight = events / n, quantile**2 / n
    middle = (share + weight / 2) / (1 + weight)
    half = quantile / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    _checked(arguments, variables)
    return reads(arguments)


METHOD = Method(
    name="validate",
    version=1,
    title="External validation of a logistic model",
    steps=STEPS,
    plan=plan,
    complete=_complete,
    site_release=True,
    counts_rows=True,
    citations=("Steyerberg EW (2019). Clinical Prediction Models, 2nd edition. Springer.",),
)
