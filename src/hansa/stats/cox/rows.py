"""From a formula with ``Surv()`` and a node's rows to the arrays of a Cox model, and to what the gate looks at.

``cox.size`` tells how large columns are, ``cox.columns`` holds columns divided by public powers of two, and
``cox.rows`` the same for all of a node's rows together, in the order of their risk sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hansa.formula import (
    Design,
    ExprType,
    Observed,
    check_expression,
    design_matrix,
    evaluate,
    facts_from_plain,
    observed,
    offset,
    parse_formula,
    resolve_design,
)
from hansa.formula.tree import Call, Expr, Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Preparation
from hansa.stats.cox.risk_sets import risk_sets
from hansa.stats.glm.design import reads, set_exposure, slopes

__all__ = [
    "COLUMNS",
    "EXPOSED_BY",
    "ROWS",
    "SIZE",
    "column_arrays",
    "columns_exposed",
    "dimensions_of",
    "exposures_of",
    "refined",
    "resolved",
    "stacked",
    "stratum_levels",
]

EXPOSED_BY: tuple[str, ...] = ("formula", "facts", "weights", "scale", "time_scale")


@dataclass(frozen=True, eq=False)
class _Rows:
    """A partition as written: matrix (n, p), times and events, and where given weights, offset, strata, cluster.

    Rows that are not ``usable`` hold zeros in the matrix, and no weight. ``recorded``: the times are as they stand in
    the dictionary.
    """

    design: Design
    x: FloatArray
    seen: Observed
    prior: FloatArray | None
    offset: FloatArray | None
    strata: FloatArray | None
    cluster: FloatArray | None
    usable: BoolArray
    recorded: bool


def resolved(arguments: Arguments, variables: Mapping[str, Variable]) -> Design:
    """The design that the arguments ``formula`` and ``facts`` fix; its intercept gets no coefficient."""
    return resolve_design(parse_formula(arguments["formula"]), variables, facts_from_plain(arguments["facts"]))


def stratum_levels(expression: Expr, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """The levels of what stands inside ``strata()``; none where it is not a category or condition."""
    found: ExprType = check_expression(expression, variables)
    return found.coded_levels if found.is_categorical else ()


# --- rows ---------------------------------------------------------------------------------------------------


def _rows(frame: Frame, arguments: Arguments) -> _Rows:
    design = resolved(arguments, frame.variables)
    formula = design.formula
    places = list(slopes(design, "intercepts"))
    x = design_matrix(design, frame.columns, frame.variables, rows=frame.rows)[:, places]
    seen = observed(formula, frame.columns, frame.variables)
    prior = frame.columns[arguments["weights"]] if arguments.get("weights") else None
    moved = offset(formula, frame.columns, frame.variables, rows=frame.rows) if formula.offsets else None
    strata = _stratum(formula.strata, frame) if formula.strata else None
    cluster = None if formula.cluster is None else evaluate(formula.cluster, frame.columns, frame.variables)
    vectors = [vector for vector in (prior, moved, strata, cluster) if vector is not None]
    # A sum of finite numbers is finite; with not-a-number among them it is not.
    known = np.isfinite(x @ np.ones(x.shape[1])) & np.isfinite(np.sum([np.zeros(frame.rows), *vectors], axis=0))
    usable = known & seen.usable & (True if prior is None else prior >= 0)
    x[~usable] = 0.0
    return _Rows(design, x, seen, prior, moved, strata, cluster, usable, _times_as_recorded(design, frame))


def _stratum(strata: Sequence[Expr], frame: Frame) -> FloatArray:
    """One number for each combination of levels, shape (n,)."""
    code = np.zeros(frame.rows)
    for expression in strata:
        levels = stratum_levels(expression, frame.variables)
        code = code * len(levels) + evaluate(expression, frame.columns, frame.variables)
    return code


def _build_size(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """The columns and, last, the times."""
    rows = _rows(frame, arguments)
    return {"values": np.column_stack([rows.x, np.where(rows.usable, rows.seen.stop, 0.0)])}


def column_arrays(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Scaled columns, times and events, and where given weights, offset, stratum and cluster, each (n,)."""
    return _columns_of(_rows(frame, arguments), arguments)


def _columns_of(rows: _Rows, arguments: Arguments) -> dict[str, FloatArray]:
    usable = rows.usable
    seen = rows.seen
    arrays = {
        "x": rows.x * np.asarray(arguments["scale"]),
        "start": np.where(usable, seen.start, 0.0),
        "stop": np.where(usable, seen.stop, 0.0),
        "event": np.where(usable, seen.event, 0.0),
        "time_scale": np.array([arguments["time_scale"]]),
        "derived": np.array([float(not rows.recorded)]),
        "late": np.array([float(len(rows.design.formula.survival or ()) == 3)]),
        "unusable": (~usable).astype(np.float64),
    }
    if rows.prior is not None or not usable.all():
        arrays["prior"] = np.where(usable, 1.0 if rows.prior is None else rows.prior, 0.0)
    for name, vector in (("offset", rows.offset), ("stratum", rows.strata), ("cluster", rows.cluster)):
        if vector is not None:
            arrays[name] = np.where(usable, vector, 0.0)
    return arrays


def _times_as_recorded(design: Design, frame: Frame) -> bool:
    """Whether the times are variables of the dictionary, or days between two: moments may be shown of no others."""
    times = (design.formula.survival or ())[:-1]
    days = [one for time in times for one in (time.children if _is_days(time) else (time,))]
    return all(_plain(one, frame) for one in days)


def _is_days(time: Expr) -> bool:
    return isinstance(time, Call) and time.function == "days"


def _build_rows(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    return refined(column_arrays(frame, arguments), arguments, frame.variables)


def refined(arrays: Arrays, arguments: Arguments, _variables: Mapping[str, Variable]) -> dict[str, FloatArray]:
    """The arrays of ``cox.rows`` from those of ``cox.columns``."""
    found = {**arrays, "x": arrays["x"] @ np.asarray(arguments["mix"]) if arguments["mix"] else arrays["x"]}
    if arguments["by_node"]:
        found["cluster"] = np.zeros(len(arrays["stop"]))
    found["efron"] = np.array([float(arguments["ties"] == "efron")])
    return found


_SINGLE = {"late", "efron", "time_scale", "derived"}
"""Arrays of one number, the same in each partition."""


def _joined(partitions: Sequence[Arrays]) -> dict[str, FloatArray]:
    """All rows of a node, sorted by stratum and time, with the risk sets that they are in."""
    names = {name for arrays in partitions for name in arrays} - _SINGLE - {"unusable"}
    whole = {name: stacked(partitions, name) for name in sorted(names)}
    first = partitions[0]
    sets = risk_sets(whole, late=bool(first["late"][0]))
    return {**sets, "time": sets["time"] * first["time_scale"], "efron": first["efron"]}


def stacked(partitions: Sequence[Arrays], name: str) -> FloatArray:
    """One array over all partitions; where some have no weights, theirs are one."""
    if len(partitions) == 1:
        return partitions[0][name]
    return np.concatenate([arrays.get(name, np.ones(len(arrays["stop"]))) for arrays in partitions])


# --- exposures ----------------------------------------------------------------------------------------------


def exposures_of(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """What is summed over, for the gate."""
    return _exposures_of(_rows(frame, arguments), frame, arguments)


def columns_exposed(frame: Frame, arguments: Arguments) -> tuple[dict[str, FloatArray], tuple[Exposure, ...]]:
    """The arrays of ``cox.columns`` and what the gate looks at."""
    rows = _rows(frame, arguments)
    return _columns_of(rows, arguments), _exposures_of(rows, frame, arguments)


def _exposures_of(rows: _Rows, frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The analysis set with all that is summed over it, and those with an event, on whom the estimates rest."""
    scaled = rows.x * np.asarray(arguments["scale"])
    described = [_describe(rows.design, place, frame.derived) for place in slopes(rows.design, "intercepts")]
    others = _others(rows, frame, arguments)
    columns = np.column_stack([scaled, *(values for values, _ in others)])
    names, derived, indicator, strata = zip(*described, *(about for _, about in others), strict=True)
    p = len(described)
    variables = _variables(rows.design, arguments)
    return (
        Exposure(
            name="design",
            rows=rows.usable,
            columns=columns,
            names=names,
            derived=derived,
            strata=strata,
            variables=variables,
            products=True,
            indicator=indicator,
            scaled=True,
        ),
        Exposure(
            name="events",
            rows=rows.usable & (rows.seen.event == 1),
            columns=scaled,
            names=names[:p],
            derived=derived[:p],
            strata=(False,) * p,
            variables=variables,
            indicator=indicator[:p],
            stratum=True,
            scaled=True,
            remembered=False,
            parameters=True,
        ),
    )


_About = tuple[str, bool, bool, bool]
"""Of an exposed column: its name; whether it is derived, two-valued, and a level that each node must fill."""


def _describe(design: Design, place: int, derivations: frozenset[str]) -> _About:
    column = design.columns[place]
    derived = column.derived or bool(column.raw & derivations)
    level = column.two_valued and len(column.parts) == 1
    return column.name, derived, column.two_valued, level and not derived


def _others(rows: _Rows, frame: Frame, arguments: Arguments) -> list[tuple[FloatArray, _About]]:
    """The event, the times, the strata's levels, weights and offset."""
    formula = rows.design.formula
    assert formula.survival is not None
    *times, event = formula.survival
    clean = np.where(rows.usable, rows.seen.event, 0.0)
    found: list[tuple[FloatArray, _About]] = [(clean, ("event", not _plain(event, frame), True, False))]
    values = (rows.seen.start, rows.seen.stop)[-len(times) :]
    for time, value in zip(times, values, strict=True):
        scaled = np.where(rows.usable, value, 0.0) * arguments["time_scale"]
        found.append((scaled, (str(time), not _plain(time, frame), False, False)))
    found.extend(_stratum_columns(formula.strata, frame))
    if rows.prior is not None:
        found.append((rows.prior, ("weights", arguments["weights"] in frame.derived, False, False)))
    if rows.offset is not None:
        derived = not all(_plain(one, frame) for one in formula.offsets)
        found.append((rows.offset, ("offset", derived, False, False)))
    return found


def _stratum_columns(strata: Sequence[Expr], frame: Frame) -> list[tuple[FloatArray, _About]]:
    """A column for each level of each stratifying variable: in each there are none or enough people."""
    found: list[tuple[FloatArray, _About]] = []
    for expression in strata:
        code = evaluate(expression, frame.columns, frame.variables)
        derived = not _plain(expression, frame)
        for number, level in enumerate(stratum_levels(expression, frame.variables)):
            found.append(((code == number).astype(np.float64), (f"{expression}[{level}]", derived, True, False)))
    return found


def _plain(expression: Expr, frame: Frame) -> bool:
    return isinstance(expression, Name) and expression.name not in frame.derived


def _variables(design: Design, arguments: Arguments) -> frozenset[str]:
    return design.formula.names | (frozenset([arguments["weights"]]) if arguments.get("weights") else frozenset())


def dimensions_of(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    """How many coefficients there are, and how many columns with the times."""
    columns = len(slopes(resolved(arguments, variables), "intercepts"))
    return {"columns": columns, "all": columns + 1}


SIZE = Preparation("cox.size", 1, reads, dimensions_of, _build_size, set_exposure)

COLUMNS = Preparation(
    "cox.columns",
    1,
    reads,
    dimensions_of,
    column_arrays,
    exposures_of,
    exposed_by=EXPOSED_BY,
    together=columns_exposed,
)

ROWS = Preparation(
    "cox.rows",
    1,
    reads,
    dimensions_of,
    _build_rows,
    exposures_of,
    exposed_by=EXPOSED_BY,
    refines="cox.columns",
    refine=refined,
    join=_joined,
)
