"""Pearson's correlation of the pooled data, with Fisher's confidence intervals.

Rank correlation is not offered: ranks of the pooled data are no sum over people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy

from hansa.errors import StudyError
from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.arguments import names, no_others
from hansa.stats.contract import (
    Arguments,
    Arrays,
    Cohorts,
    Frame,
    Inputs,
    Method,
    Output,
    Preparation,
    Request,
    Step,
)
from hansa.stats.fitting.scaling import power_of_two, scale_about_mean, sharpened
from hansa.stats.plain import Result

__all__ = ["METHOD", "Correlation", "fisher_interval"]

_LEVEL = 0.95
_SHARPENINGS = 3
_ROUNDING = 2.0**-49

Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Correlation(Result):
    """The correlation matrix over ``n`` complete cases; ``None`` where a variable does not vary.

    ``lower`` and ``upper`` bound Fisher's interval at ``level``; they are ``None`` below four people.
    """

    schema: ClassVar[str] = "correlation/1.0"
    variables: tuple[str, ...]
    n: int
    level: float
    r: Matrix
    lower: Matrix
    upper: Matrix


def _names(arguments: Arguments, variables: Mapping[str, Variable] | None = None) -> tuple[str, ...]:  # noqa: ARG001  # contract
    return tuple(arguments["variables"])


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:  # noqa: ARG001  # contract
    return {"variables": len(_names(arguments))}


def _values(frame: Frame, arguments: Arguments) -> tuple[FloatArray, BoolArray]:
    values = np.column_stack([frame.columns[name] for name in _names(arguments)])
    complete: BoolArray = ~np.any(np.isnan(values), axis=1)
    return values, complete


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    values, complete = _values(frame, arguments)
    return {"values": values[complete]}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    listed = _names(arguments)
    values, complete = _values(frame, arguments)
    two_valued = tuple(frame.variables[name].is_categorical for name in listed)
    return (
        Exposure(
            name="correlation",
            rows=complete,
            columns=values,
            names=listed,
            derived=tuple(name in frame.derived for name in listed),
            strata=two_valued,
            variables=frozenset(listed),
            products=True,
            indicator=two_valued,
        ),
    )


def _sums(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """People and sums about a public centre."""
    scaled = (arrays["values"] - inputs["centre"]) * inputs["scale"]
    return {"n": np.array(float(scaled.shape[0])), "first": scaled.sum(axis=0)}


def _products(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """Sums and products about the pooled mean."""
    scaled = (arrays["values"] - inputs["centre"]) * inputs["scale"]
    return {"first": scaled.sum(axis=0), "products": scaled.T @ scaled}


_VALUES = Preparation("correlation.values", 1, _names, _dimensions, _build, _exposures)
_SUMS = Step(
    "correlation.sums",
    1,
    _VALUES,
    (Output("n", (), "protected"), Output("first", ("variables",), "intermediate")),
    _sums,
)
_PRODUCTS = Step(
    "correlation.products",
    1,
    _VALUES,
    (
        Output("first", ("variables",), "intermediate"),
        Output("products", ("variables", "variables"), "intermediate"),
    ),
    _products,
)


def plan(cohorts: Cohorts, arguments: Arguments) -> Correlation:
    """Correlate variables over all cohorts, on people who have all of them.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``variables``: two or more numeric or boolean variables; ``level`` (0.95) of the intervals.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    """
    no_others(arguments, "variables", "level")
    variables = _numeric(arguments, cohorts.variables)
    level = _confidence(arguments)
    n, r = _matrix(cohorts, variables)
    bounds = [[fisher_interval(value, n, level) for value in row] for row in r]
    return Correlation(
        variables=tuple(variable.name for variable in variables),
        n=n,
        level=level,
        r=tuple(tuple(None if math.isnan(value) else value for value in row) for row in r),
        lower=tuple(tuple(low for low, _ in row) for row in bounds),
        upper=tuple(tuple(high for _, high in row) for row in bounds),
    )


def fisher_interval(r: float, n: int, level: float) -> tuple[float | None, float | None]:
    """The confidence interval of a correlation by Fisher's z (1921, Metron 1:3).

    Examples
    --------
    >>> [round(bound, 4) for bound in fisher_interval(0.5, 50, 0.95)]
    [0.2575, 0.6833]
    """
    if math.isnan(r) or n <= 3:
        return None, None
    if abs(r) >= 1:
        return r, r
    z, half = math.atanh(r), float(scipy.stats.norm.ppf((1 + level) / 2)) / math.sqrt(n - 3)
    return math.tanh(z - half), math.tanh(z + half)


def _matrix(cohorts: Cohorts, variables: tuple[Variable, ...]) -> tuple[int, list[list[float]]]:
    """First the mean about a public centre, then products about the mean, sharpened where they are tiny."""
    request = Request({"variables": [variable.name for variable in variables]})
    centre, scale = np.array([power_of_two(_range(variable)) for variable in variables]).T
    sums = cohorts.sum("correlation.sums", request, centre=centre, scale=scale)
    n = max(float(sums["n"]), 1.0)
    mean = centre + sums["first"] / (n * scale)
    scale = scale_about_mean(scale, mean - centre)
    products, used = np.zeros((len(variables), len(variables))), scale
    for _ in range(_SHARPENINGS):
        totals = cohorts.sum("correlation.products", request, centre=mean, scale=scale)
        shift = totals["first"] / n
        products = totals["products"] / n - np.outer(shift, shift)
        mean, used = mean + shift / scale, scale
        scale = sharpened(scale, np.diag(products))
        if np.array_equal(scale, used):
            break
    spread = np.sqrt(np.maximum(np.diag(products), 0.0))
    spread = np.where(spread / used <= _ROUNDING * np.abs(mean), np.nan, spread)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.clip(products / np.outer(spread, spread), -1.0, 1.0)
    return round(float(sums["n"])), r.tolist()


def _range(variable: Variable) -> tuple[float, float] | None:
    return (0.0, 1.0) if variable.type == "boolean" else variable.range


def _numeric(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[Variable, ...]:
    found = names(arguments, "variables", variables)
    for variable in found:
        if variable.type == "category":
            raise StudyError(f"{variable.name} is no number", fix="ask for a crosstab", field="variables")
    if len(found) < 2:
        raise StudyError("one variable has no correlation", fix="list two or more", field="variables")
    return found


def _confidence(arguments: Arguments) -> float:
    level = arguments.get("level", _LEVEL)
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise StudyError("a confidence level is needed", fix="between 0 and 1, such as 0.95", field="level")
    return float(level)


METHOD = Method(
    name="correlation",
    version=1,
    title="Pearson correlation",
    steps=(_SUMS, _PRODUCTS),
    plan=plan,
    complete=_names,
    site_release=True,
    citations=("Fisher RA (1921). On the probable error of a coefficient of correlation. Metron 1:3-32.",),
)
