"""From a formula and a node's rows to the arrays of a generalised linear model, and to what the gate looks at.

Three preparations stand on one design: ``glm.size`` (how large columns are), ``glm.columns`` (columns divided
by public powers of two, for means) and ``glm.design`` (centred at pooled means too, for the fit). The last two
expose the same and are counted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hansa.formula import (
    Design,
    Formula,
    KnotFact,
    design_matrix,
    facts_from_plain,
    names_in,
    offset,
    parse_expression,
    parse_formula,
    resolve_design,
    response,
)
from hansa.formula.tree import Comparison, Expr, Membership, Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Preparation
from hansa.stats.glm.families import FAMILIES, LINKS, fits

__all__ = [
    "COLUMNS",
    "DESIGN",
    "EXPOSED_BY",
    "SIZE",
    "dropped_in_words",
    "knots_in_words",
    "reads",
    "resolved",
    "set_exposure",
    "slopes",
]

EXPOSED_BY = ("formula", "facts", "weights", "family", "scale", "response_scale")
"""The arguments that determine the exposures of :data:`COLUMNS` and :data:`DESIGN`."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """A partition as written: matrix (n, width), response, prior weights (``None``: all one), offset.

    ``complete`` marks rows in which nothing is missing; the others hold zeros.
    """

    design: Design
    x: FloatArray
    y: FloatArray
    prior: FloatArray | None
    offset: FloatArray | None
    complete: BoolArray


def resolved(arguments: Arguments, variables: Mapping[str, Variable]) -> Design:
    """The design that the arguments ``formula`` and ``facts`` fix."""
    return resolve_design(parse_formula(arguments["formula"]), variables, facts_from_plain(arguments["facts"]))


def reads(arguments: Arguments) -> tuple[str, ...]:
    """Every expression that a design, its weights and offsets need."""
    formula = parse_formula(arguments["formula"])
    weights = [arguments["weights"]] if arguments.get("weights") else []
    return (*(str(expression) for expression in formula.expressions), *weights)


def slopes(design: Design, node: str) -> tuple[int, ...]:
    """The design's columns that have a coefficient: with intercepts of nodes, all but the common one."""
    names = design.names
    return tuple(place for place, name in enumerate(names) if node == "common" or name != "(Intercept)")


def knots_in_words(design: Design) -> tuple[str, ...]:
    """The knots of each spline; those given in the formula stand there already."""
    return tuple(f"{key}: {_said(fact)}" for key, fact in design.facts.items() if isinstance(fact, KnotFact))


def _said(fact: KnotFact) -> str:
    inside = ", ".join(f"{knot:g}" for knot in fact.knots)
    return f"{inside} within {fact.boundary[0]:g} to {fact.boundary[1]:g}"


def dropped_in_words(design: Design) -> tuple[str, ...]:
    """The declared levels that occur nowhere."""
    return tuple(f"{expression}: {', '.join(levels)}" for expression, levels in design.dropped_levels.items())


# --- preparations -------------------------------------------------------------------------------------------


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    design = resolved(arguments, variables)
    kept = slopes(design, arguments.get("node", "common"))
    return {"width": design.width, "all": design.width + 2, "slopes": len(kept)}


def _rows(frame: Frame, arguments: Arguments) -> _Rows:
    design = resolved(arguments, frame.variables)
    x = design_matrix(design, frame.columns, frame.variables, rows=frame.rows)
    y = response(design.formula, frame.columns, frame.variables)
    prior = frame.columns[arguments["weights"]] if arguments.get("weights") else None
    moved = None
    if design.formula.offsets:
        moved = offset(design.formula, frame.columns, frame.variables, rows=frame.rows)
    vectors = [vector for vector in (y, prior, moved) if vector is not None]
    # A sum of finite numbers is finite; with not-a-number among them it is not.
    complete = np.isfinite(x @ np.ones(x.shape[1])) & np.isfinite(np.sum(vectors, axis=0))
    return _Rows(design, x, y, prior, moved, complete)


def _build_size(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Columns, response and offset side by side; rows that are not complete hold zeros."""
    rows = _rows(frame, arguments)
    moved = np.zeros(frame.rows) if rows.offset is None else rows.offset
    everything = np.column_stack([rows.x, rows.y, moved])
    return {"values": _cleared(everything, rows.complete)}


def _build_columns(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """What :func:`_build_design` gives, not centred, and with the rows that cannot be used."""
    return _columns_of(_rows(frame, arguments), arguments)


def _columns_of(rows: _Rows, arguments: Arguments) -> dict[str, FloatArray]:
    """Takes the matrix of ``rows`` over."""
    arrays = _model_arrays(rows, arguments)
    arrays["x"] = _cleared(np.multiply(rows.x, np.asarray(arguments["scale"]), out=rows.x), rows.complete)
    arrays["unusable"] = (~_usable(rows, arguments)).astype(np.float64)
    return arrays


def _build_design(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    rows = _rows(frame, arguments)
    kept = list(slopes(rows.design, arguments["node"]))
    x = rows.x if len(kept) == rows.x.shape[1] else rows.x[:, kept]
    x -= np.asarray(arguments["centre"])[kept]
    x *= np.asarray(arguments["scale"])[kept]
    x = _cleared(x, rows.complete)
    if arguments["mix"]:
        x = x @ np.asarray(arguments["mix"])
    return {**_model_arrays(rows, arguments), "x": x}


def _centred_columns(
    arrays: Arrays, arguments: Arguments, variables: Mapping[str, Variable]
) -> dict[str, FloatArray] | None:
    """The arrays of :func:`_build_design` from those of :func:`_build_columns`, in their place.

    The scales are powers of two, so that (x - c) s and x s - c s are the same number.
    """
    if arguments["mix"] or arrays["unusable"].any():
        return None
    kept = list(slopes(resolved(arguments, variables), arguments["node"]))
    x = arrays["x"] if len(kept) == arrays["x"].shape[1] else arrays["x"][:, kept]
    x -= (np.asarray(arguments["centre"]) * np.asarray(arguments["scale"]))[kept]
    y = arrays["y"] - arguments["response_centre"] * arguments["response_scale"]
    others = {name: array for name, array in arrays.items() if name != "unusable"}
    return {**others, "x": x, "y": y}


def _cleared(x: FloatArray, complete: BoolArray) -> FloatArray:
    """The same array, with zeros in rows that are not complete."""
    if not complete.all():
        x[~complete] = 0.0
    return x


def _usable(rows: _Rows, arguments: Arguments) -> BoolArray:
    usable = rows.complete & fits(arguments["family"], rows.y)
    return usable if rows.prior is None else usable & (rows.prior >= 0)


def _model_arrays(rows: _Rows, arguments: Arguments) -> dict[str, FloatArray]:
    """The response about its centre and on its scale, and prior weights and offset where not one and zero.

    With response y s in place of y, the linear predictor is s times (identity) or 1 / s times (inverse) what
    it was, or log s more; the offset follows.
    """
    scale, centre = arguments["response_scale"], arguments.get("response_centre", 0.0)
    usable = _usable(rows, arguments)
    neutral = 0.5 if arguments["family"] != "binomial" else 0.0
    code = [FAMILIES.index(arguments["family"]), LINKS.index(arguments["link"])]
    arrays = {"y": (np.where(usable, rows.y, neutral) - centre) * scale, "model": np.array(code, dtype=np.float64)}
    if rows.prior is not None or not usable.all():
        arrays["prior"] = np.where(usable, 1.0 if rows.prior is None else rows.prior, 0.0)
    if rows.offset is not None or (arguments["link"] == "log" and scale != 1):
        moved = np.zeros(len(rows.y)) if rows.offset is None else np.where(usable, rows.offset, 0.0)
        factor = {"identity": scale, "inverse": 1 / scale}.get(arguments["link"], 1.0)
        arrays["offset"] = moved * factor + (np.log(scale) if arguments["link"] == "log" else 0.0)
    return arrays


# --- exposures ----------------------------------------------------------------------------------------------


def set_exposure(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The analysis set alone: what is summed over tells of no column's values but their rough size."""
    formula = parse_formula(arguments["formula"])
    return (
        Exposure(
            name="analysis set",
            rows=np.ones(frame.rows, dtype=np.bool_),
            columns=np.empty((frame.rows, 0)),
            variables=_variables(formula, arguments),
        ),
    )


def _design_exposure(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The design's columns, response, weights and offset, with all their products."""
    return _exposure_of(_rows(frame, arguments), frame, arguments)


def _columns_exposed(frame: Frame, arguments: Arguments) -> tuple[dict[str, FloatArray], tuple[Exposure, ...]]:
    rows = _rows(frame, arguments)
    exposed = _exposure_of(rows, frame, arguments)
    return _columns_of(rows, arguments), exposed


def _exposure_of(rows: _Rows, frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    kept = [place for place, name in enumerate(rows.design.names) if name != "(Intercept)"]
    described = [_describe_column(rows.design, place, frame.derived) for place in kept]
    others = [rows.y * arguments["response_scale"]]
    described.append(_describe_response(rows.design.formula, arguments, frame))
    if rows.prior is not None:
        others.append(rows.prior)
        described.append(("weights", arguments["weights"] in frame.derived, False, False))
    if rows.offset is not None:
        others.append(rows.offset)
        described.append(("offset", not _all_plain(rows.design.formula.offsets, frame), False, False))
    columns = np.empty((frame.rows, len(described)))
    np.multiply(_chosen(rows.x, kept), np.asarray(arguments["scale"])[kept], out=columns[:, : len(kept)])
    for place, other in enumerate(others, len(kept)):
        columns[:, place] = other
    names, derived, indicator, strata = zip(*described, strict=True)
    return (
        Exposure(
            name="design",
            rows=rows.complete,
            columns=columns,
            names=names,
            derived=derived,
            strata=strata,
            variables=_variables(rows.design.formula, arguments),
            products=True,
            indicator=indicator,
            scaled=True,
        ),
    )


def _chosen(x: FloatArray, places: list[int]) -> FloatArray:
    """The columns at these places; a view where they follow each other."""
    if places and places == list(range(places[0], places[-1] + 1)):
        return x[:, places[0] : places[-1] + 1]
    return x[:, places]


def _describe_column(design: Design, place: int, derivations: frozenset[str]) -> tuple[str, bool, bool, bool]:
    """Name, and whether derived, an indicator, and a level that each node must fill."""
    column = design.columns[place]
    derived = column.derived or bool(column.raw & derivations)
    level = column.two_valued and len(column.parts) == 1
    return column.name, derived, column.two_valued, level and not derived


def _describe_response(formula: Formula, arguments: Arguments, frame: Frame) -> tuple[str, bool, bool, bool]:
    assert formula.response is not None
    two_valued = arguments["family"] == "binomial" or _is_two_valued(formula.response, frame.variables)
    return str(formula.response), not _all_plain((formula.response,), frame), two_valued, False


def _is_two_valued(expression: Expr, variables: Mapping[str, Variable]) -> bool:
    if isinstance(expression, Name):
        return variables[expression.name].is_categorical
    return isinstance(expression, Comparison | Membership)


def _all_plain(expressions: tuple[Expr, ...], frame: Frame) -> bool:
    return all(isinstance(one, Name) and one.name not in frame.derived for one in expressions)


def _variables(formula: Formula, arguments: Arguments) -> frozenset[str]:
    weights = names_in(parse_expression(arguments["weights"])) if arguments.get("weights") else frozenset()
    return formula.names | weights


SIZE = Preparation("glm.size", 1, reads, _dimensions, _build_size, set_exposure)

COLUMNS = Preparation(
    "glm.columns",
    1,
    reads,
    _dimensions,
    _build_columns,
    _design_exposure,
    exposed_by=EXPOSED_BY,
    together=_columns_exposed,
)

DESIGN = Preparation(
    "glm.design",
    1,
    reads,
    _dimensions,
    _build_design,
    _design_exposure,
    exposed_by=EXPOSED_BY,
    refines="glm.columns",
    refine=_centred_columns,
)
