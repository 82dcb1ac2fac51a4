"""The sums of survival curves: per group and time on a public grid, the people who enter, leave, and have the event.

They are counts of few people, which the hub and the nodes see, and nobody else: what is shown of them are
the curves at the ends of intervals in which enough people leave (:mod:`hansa.stats.survival.release`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hansa.errors import MethodError, NotEstimable
from hansa.formula import Expr, Formula, Observed, evaluate, observed
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.cox.rows import stratum_levels
from hansa.stats.glm.design import reads
from hansa.stats.survival.arguments import curve_formula, groups_of

__all__ = ["EXTENT", "MAX_TIMES", "TABLE", "cells_of", "curve_rows", "dimensions_of", "set_of", "times_of"]

MAX_TIMES = 40_000
"""How many times a grid may have."""

_SIZES = 32


def cells_of(formula: Formula, variables: Mapping[str, Variable]) -> tuple[int, int]:
    """How many strata there are, and how many groups in each."""
    strata = np.prod([len(stratum_levels(one, variables)) for one in formula.strata], dtype=int)
    return int(strata), len(groups_of(formula, variables)[1])


def times_of(sizes: FloatArray, unusable: float) -> int:
    """How many times the grid needs, from the powers of two below which people's times lie.

    Raises
    ------
    MethodError
        When rows cannot be used, or the grid is too fine.
    NotEstimable
        When nobody is in the analysis set.
    """
    if unusable > 0.5:
        raise MethodError(
            "some rows cannot be used",
            why="a time is missing or negative, a start is not before its stop on the grid, or an event is none of "
            "those that the formula means",
            fix="take a finer grid where start and stop are rounded to the same time, or restrict the population",
            field="grid",
        )
    seen = np.flatnonzero(sizes > 0.5)
    if not len(seen):
        raise NotEstimable("nobody is in the analysis set", fix="widen the population", field="population")
    times = 1 << (int(seen[-1]) + 1)
    if times > MAX_TIMES:
        raise MethodError(
            "the grid is too fine for these times", why=f"it has more than {MAX_TIMES} times", field="grid"
        )
    return times


def _codes(expressions: Sequence[Expr], frame: Frame) -> FloatArray:
    code = np.zeros(frame.rows)
    for one in expressions:
        code = code * len(stratum_levels(one, frame.variables)) + evaluate(one, frame.columns, frame.variables)
    return code


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    formula = curve_formula(arguments["formula"], frame.variables)
    rows = curve_rows(frame, formula, arguments["grid"], observed(formula, frame.columns, frame.variables))
    return {**rows, "shape": np.array(list(_dimensions(arguments, frame.variables).values()), dtype=np.float64)}


def curve_rows(frame: Frame, formula: Formula, grid: float, seen: Observed) -> dict[str, FloatArray]:
    """Per row its place in the table, entry, end and event; rows that cannot be used have no weight.

    Raises
    ------
    MethodError
        When the times are derived.
    """
    _check_plain(formula, frame)
    late = len(formula.survival or ()) == 3
    cell = _codes((*formula.strata, *groups_of(formula, frame.variables)[0]), frame)
    start, stop = np.rint(seen.start / grid), np.rint(seen.stop / grid)
    usable = seen.usable & np.isfinite(cell) & ((start < stop) if late else (stop >= 0))
    return {
        "cell": np.where(usable, cell, 0.0),
        "start": np.where(usable, start if late else -1.0, -1.0),
        "stop": np.where(usable, stop, 0.0),
        "event": np.where(usable, seen.event, 0.0),
        "usable": usable.astype(np.float64),
        "rounded": (usable & (np.abs(stop * grid - seen.stop) > 1e-6 * grid)).astype(np.float64),
    }


def _check_plain(formula: Formula, frame: Frame) -> None:
    """Which variables are derived is known here only."""
    times = (formula.survival or ())[:-1]
    names = {one.name for time in times for one in (time, *time.children) if isinstance(one, Name)}
    if names & frame.derived:
        raise MethodError("the times of curves are variables of the dictionary, not derived ones")


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The groups, the event and the times, with their products: the events of each group."""
    formula = curve_formula(arguments["formula"], frame.variables)
    arrays = _build(frame, arguments)
    return (set_of(frame, formula, arrays, [(arrays["event"], "event")]),)


def set_of(frame: Frame, formula: Formula, arrays: Arrays, events: Sequence[tuple[FloatArray, str]]) -> Exposure:
    """The analysis set of curves: groups, strata, columns of events with their names, and times."""
    described: list[tuple[FloatArray, str, bool, bool, bool]] = []
    for one in (*groups_of(formula, frame.variables)[0], *formula.strata):
        code = evaluate(one, frame.columns, frame.variables)
        plain = _is_plain(one, frame)
        arm = plain and one not in formula.strata
        for number, level in enumerate(stratum_levels(one, frame.variables)):
            described.append(((code == number).astype(np.float64), f"{one}={level}", not plain, True, arm))
    assert formula.survival is not None
    cut = not _is_plain(formula.survival[-1], frame)
    described.extend((values, name, cut, True, False) for values, name in events)
    described.append((arrays["stop"], str(formula.survival[-2]), False, False, False))
    if len(formula.survival) == 3:
        described.append((np.maximum(arrays["start"], 0.0), str(formula.survival[0]), False, False, False))
    values, names, derived, indicator, strata = zip(*described, strict=True)
    return Exposure(
        name="curves",
        rows=arrays["usable"] > 0,
        columns=np.column_stack(values),
        names=names,
        derived=derived,
        strata=strata,
        variables=formula.names,
        products=True,
        indicator=indicator,
        scaled=True,
    )


def _is_plain(expression: Expr, frame: Frame) -> bool:
    """Whether it is a variable of the dictionary, not one that the study derived."""
    return isinstance(expression, Name) and expression.name not in frame.derived


def _extent(arrays: Arrays, _inputs: Inputs) -> dict[str, Any]:
    """People by the power of two below their time; people who cannot be used; times that are not on the grid."""
    usable = arrays["usable"] > 0
    size = np.minimum(np.floor(np.log2(arrays["stop"][usable] + 1)), _SIZES - 1).astype(np.intp)
    return {
        "sizes": np.bincount(size, minlength=_SIZES).astype(np.float64),
        "unusable": float(np.count_nonzero(~usable)),
        "rounded": arrays["rounded"].sum(),
    }


def _table(arrays: Arrays, _inputs: Inputs) -> dict[str, Any]:
    """Counts by cell and time, each of shape (cells, times)."""
    usable = arrays["usable"] > 0
    cell, stop = arrays["cell"][usable].astype(np.intp), arrays["stop"][usable].astype(np.intp)
    start, event = arrays["start"][usable].astype(np.intp), arrays["event"][usable]
    shape = int(arrays["shape"][0]), int(arrays["shape"][1])
    place = cell * shape[1] + np.minimum(stop, shape[1] - 1)
    entering = cell * shape[1] + np.clip(start, 0, shape[1] - 1)
    size = shape[0] * shape[1]
    return {
        "left": np.bincount(place, minlength=size).reshape(shape).astype(np.float64),
        "events": np.bincount(place, event, size).reshape(shape),
        "entered": np.bincount(entering, start >= 0, size).reshape(shape).astype(np.float64),
    }


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    strata, groups = cells_of(curve_formula(arguments["formula"], variables), variables)
    return dimensions_of(strata * groups, arguments)


def dimensions_of(cells: int, arguments: Arguments) -> dict[str, int]:
    """How many cells and times a table has.

    Raises
    ------
    MethodError
        When the times asked for are too many.
    """
    times = int(arguments.get("times", 1))
    if not 0 < times <= MAX_TIMES:
        raise MethodError("the grid has too many times", why=f"at most {MAX_TIMES}", fix="take a coarser grid")
    return {"cells": cells, "times": times}


_EXPOSED_BY = ("formula", "grid")

_ROWS = Preparation("survival.rows", 1, reads, _dimensions, _build, _exposures, exposed_by=_EXPOSED_BY)

EXTENT = Step(
    "survival.extent",
    1,
    _ROWS,
    (
        Output("sizes", (_SIZES,), "protected"),
        Output("unusable", (), "protected"),
        Output("rounded", (), "protected"),
    ),
    _extent,
)

TABLE = Step(
    "survival.table",
    1,
    _ROWS,
    (
        Output("left", ("cells", "times"), "protected"),
        Output("events", ("cells", "times"), "protected"),
        Output("entered", ("cells", "times"), "protected"),
    ),
    _table,
)
