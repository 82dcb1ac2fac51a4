"""The arguments of survival curves, read and checked before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from hansa.errors import StudyError
from hansa.formula import Expr, Formula, check_survival, parse_formula
from hansa.formula.tree import Call, Name
from hansa.model import Variable
from hansa.stats.arguments import level, no_others, one_of
from hansa.stats.contract import Arguments
from hansa.stats.cox.rows import stratum_levels

__all__ = [
    "INTERVALS",
    "MAX_GROUPS",
    "WEIGHTINGS",
    "CurveModel",
    "curve_formula",
    "grid_of",
    "groups_of",
    "power",
    "read_curves",
]

INTERVALS: tuple[str, ...] = ("log", "log-log", "plain")
WEIGHTINGS: tuple[str, ...] = ("logrank", "gehan", "tarone-ware", "fleming-harrington")
MAX_GROUPS = 64

_ARGUMENTS = ("formula", "grid", "interval", "weighting", "rho", "gamma", "tau", "level")
_POWERS = (0.0, 0.5, 1.0)
"""Few, since many powers together tell the counts behind them, and a large one tells of the first event alone."""

_GRIDS = tuple(10.0**power for power in range(-6, 1))


@dataclass(frozen=True)
class CurveModel:
    """What is estimated: groups and strata of the formula, and how times, intervals and tests are taken."""

    formula: Formula
    grid: float
    interval: str
    weighting: str
    rho: float
    gamma: float
    tau: float | None
    level: float


def read_curves(arguments: Arguments, variables: Mapping[str, Variable]) -> CurveModel:
    """Read the arguments of ``survival``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in the formula.
    """
    no_others(arguments, *_ARGUMENTS)
    formula = curve_formula(arguments.get("formula"), variables)
    weighting = one_of(arguments, "weighting", WEIGHTINGS, "logrank")
    if weighting != "fleming-harrington" and (arguments.get("rho") or arguments.get("gamma")):
        raise StudyError(f"{weighting} weights have no rho and gamma", fix="take fleming-harrington", field="weighting")
    return CurveModel(
        formula,
        grid_of(arguments, formula, variables),
        one_of(arguments, "interval", INTERVALS, "log"),
        weighting,
        power(arguments, "rho"),
        power(arguments, "gamma"),
        None if arguments.get("tau") is None else _number(arguments, "tau", 0.0),
        level(arguments),
    )


def power(arguments: Arguments, field: str) -> float:
    """The power of a test's weights: any other number would let a few tests together tell the counts of single times.

    Raises
    ------
    StudyError
        When it is none of 0, 0.5 and 1.
    """
    value = arguments.get(field, 0.0)
    if isinstance(value, bool) or value not in _POWERS:
        raise StudyError("there is no such test", fix=f"{field} is 0, 0.5 or 1", field=field)
    return float(value)


def curve_formula(text: Any, variables: Mapping[str, Variable], *, causes: bool = False) -> Formula:
    """The formula of survival curves: times that stand in the dictionary, groups that are categories.

    With ``causes`` the event is a category.

    Raises
    ------
    StudyError, FormulaError
        When it is another.
    """
    if not isinstance(text, str):
        raise StudyError("curves need a formula", fix="write Surv(time, event) ~ sex, say, or ~ 1", field="formula")
    formula = parse_formula(text)
    check_survival(formula, variables, causes=causes)
    for time in (formula.survival or ())[:-1]:
        _check_time(time)
    if formula.offsets or formula.cluster is not None or not formula.intercept:
        raise StudyError("curves have no offset, cluster or missing intercept", fix="leave it out", field="formula")
    for term in formula.terms:
        if len(term) > 1:
            raise StudyError("groups are crossed anyhow", fix=f"write {' + '.join(map(str, term))}", field="formula")
    for expression in (*_grouping(formula), *formula.strata):
        if isinstance(expression, Call) and expression.function == "C":
            raise StudyError("groups of curves have no reference", fix="name the variable", field="formula")
        if not stratum_levels(expression, variables):
            raise StudyError(
                f"curves are drawn for categories and conditions, and {expression} is neither",
                fix=f"cut it, as in cut({expression}, 50, 60)",
                field="formula",
            )
    if math.prod(map(len, _levels(formula, variables))) > MAX_GROUPS:
        raise StudyError("too many groups", fix=f"stay within {MAX_GROUPS}, strata included", field="formula")
    return formula


def groups_of(formula: Formula, variables: Mapping[str, Variable]) -> tuple[tuple[Expr, ...], tuple[str, ...]]:
    """The grouping expressions, and the names of their crossed levels, the first varying slowest ("all" for none)."""
    expressions = _grouping(formula)
    named = [[f"{one}={level}" for level in stratum_levels(one, variables)] for one in expressions]
    return expressions, tuple(", ".join(parts) or "all" for parts in product(*named))


def _levels(formula: Formula, variables: Mapping[str, Variable]) -> list[tuple[str, ...]]:
    return [stratum_levels(one, variables) for one in (*_grouping(formula), *formula.strata)]


def _grouping(formula: Formula) -> tuple[Expr, ...]:
    """What stands as groups; the condition inside ``I()``."""
    first = [term[0] for term in formula.terms]
    return tuple(one.arguments[0] if isinstance(one, Call) and one.function == "I" else one for one in first)


def _check_time(time: Expr) -> None:
    """Times as they are recorded: from times that an asker may shift, moments between releases could be told."""
    days = isinstance(time, Call) and time.function == "days"
    if not isinstance(time, Name) and not (days and all(isinstance(one, Name) for one in time.children)):
        raise StudyError(
            f"the times of curves are variables of the dictionary, and {time} is more",
            why="curves of shifted times would tell single event times between them",
            fix="take the variable, or days(from, to) of two dates",
            field="formula",
        )


def grid_of(arguments: Arguments, formula: Formula, variables: Mapping[str, Variable]) -> float:
    """The unit in which times are counted: 1 for whole numbers, else a power of ten that the study names.

    Raises
    ------
    StudyError
        When it is needed and absent, or another number.
    """
    times = (formula.survival or ())[:-1]
    whole = all(not isinstance(time, Name) or variables[time.name].type == "integer" for time in times)
    value = arguments.get("grid")
    if value is None and whole:
        return 1.0
    if value is None:
        raise StudyError(
            "the times are no whole numbers, so a grid is needed",
            why="curves are sums over people at public times",
            fix="name the unit that they are rounded to: 1, 0.1, 0.01, ...",
            field="grid",
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or float(value) not in _GRIDS:
        raise StudyError("the grid is a power of ten up to 1", fix="1, 0.1, 0.01, ...", field="grid")
    return float(value)


def _number(arguments: Arguments, field: str, default: float) -> float:
    value = arguments.get(field, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise StudyError("a number from 0 on is needed", fix="0, 1, ...", field=field)
    return float(value)
