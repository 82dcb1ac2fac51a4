"""Columns and groups at a node, and the sums that descriptive tables are made of.

Shared by :mod:`hansa.stats.descriptive.describe` and :mod:`hansa.stats.descriptive.table1`. Group 0 is everybody
(whose group is known), the others are the levels of the grouping variable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.descriptive.quantiles import BINS, bin_counts

__all__ = ["STEPS"]


def _numeric(arguments: Arguments, variables: Mapping[str, Variable]) -> list[str]:
    return [name for name in arguments["variables"] if not variables[name].is_categorical]


def _categorical(arguments: Arguments, variables: Mapping[str, Variable]) -> list[str]:
    return [name for name in arguments["variables"] if variables[name].is_categorical]


def _group_levels(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return variables[arguments["by"]].coded_levels if arguments["by"] else ()


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return (*arguments["variables"], *([arguments["by"]] if arguments["by"] else []))


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    categorical = _categorical(arguments, variables)
    return {
        "groups": 1 + len(_group_levels(arguments, variables)),
        "numeric": len(_numeric(arguments, variables)),
        "categorical": len(categorical),
        "levels": sum(len(variables[name].coded_levels) for name in categorical),
        "ranks": arguments["ranks"],
    }


def _members(frame: Frame, arguments: Arguments) -> BoolArray:
    """Who is in which group, shape (n, groups): everybody whose group is known, then each level."""
    if not arguments["by"]:
        return np.ones((frame.rows, 1), dtype=np.bool_)
    codes = frame.columns[arguments["by"]]
    levels = _indicators(codes, len(_group_levels(arguments, frame.variables)))
    return np.column_stack([~np.isnan(codes), levels])


def _indicators(codes: FloatArray, levels: int) -> BoolArray:
    found: BoolArray = codes[:, None] == np.arange(levels)
    return found


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    variables, n = frame.variables, frame.rows
    numeric, categorical = _numeric(arguments, variables), _categorical(arguments, variables)
    levels = [_indicators(frame.columns[name], len(variables[name].coded_levels)) for name in categorical]
    absent = [np.isnan(frame.columns[name])[:, None] for name in categorical]
    none = np.empty((n, 0))
    return {
        "values": np.column_stack([none, *(frame.columns[name] for name in numeric)]),
        "levels": np.hstack([none, *levels]),
        "absent": np.hstack([none, *absent]),
        "members": _members(frame, arguments).astype(np.float64),
        "ungrouped": np.isnan(frame.columns[arguments["by"]]) * 1.0 if arguments["by"] else np.zeros(n),
    }


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    found = []
    members, by = _members(frame, arguments), arguments["by"]
    group_levels = _group_levels(arguments, frame.variables)
    if by:
        found.append(_group_exposure(frame, by, group_levels, members))
    for group, inside in zip(("", *group_levels), members.T, strict=True):
        label = f", {by} = {group}" if group else ""
        found += [
            _variable_exposure(frame, name, inside, label, stratum=bool(group)) for name in arguments["variables"]
        ]
    return tuple(found)


def _group_exposure(frame: Frame, by: str, levels: tuple[str, ...], members: BoolArray) -> Exposure:
    return Exposure(
        name=by,
        rows=members[:, 0],
        columns=members[:, 1:].astype(np.float64),
        names=tuple(f"{by}[{level}]" for level in levels),
        derived=(by in frame.derived,) * len(levels),
        strata=(True,) * len(levels),
        variables=frozenset({by}),
        indicator=(True,) * len(levels),
    )


def _variable_exposure(frame: Frame, name: str, inside: BoolArray, label: str, *, stratum: bool) -> Exposure:
    values = frame.columns[name]
    counted = frame.variables[name].is_categorical
    width = 0 if counted else 1
    return Exposure(
        name=name + label,
        rows=inside & ~np.isnan(values),
        columns=values[:, None][:, :width],
        names=(name,) * width,
        derived=(name in frame.derived,) * width,
        strata=(False,) * width,
        variables=frozenset({name}),
        indicator=(False,) * width,
        stratum=stratum,
    )


def _sums(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """People and sums about a public centre, (groups, numeric)."""
    values, members = arrays["values"], arrays["members"].T
    absent = np.isnan(values)
    scaled = np.where(absent, 0.0, (values - inputs["centre"]) * inputs["scale"])
    present = (~absent).astype(np.float64)
    return {"n": members @ present, "missing": members @ absent.astype(np.float64), "first": members @ scaled}


def _moments(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """Sums and squares about each group's own centre, (groups, numeric)."""
    values = arrays["values"]
    first, second = np.empty_like(inputs["centre"]), np.empty_like(inputs["centre"])
    for group, member in enumerate(arrays["members"].T):
        distance = (values - inputs["centre"][group]) * inputs["scale"][group]
        scaled = np.where((member[:, None] != 0) & ~np.isnan(values), distance, 0.0)
        first[group] = scaled.sum(axis=0)
        second[group] = np.einsum("ij,ij->j", scaled, scaled)
    return {"first": first, "second": second}


def _bins(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """People between edges, (groups, numeric, ranks, BINS + 2)."""
    values, members, edges = arrays["values"], arrays["members"] != 0, inputs["edges"]
    counts = np.empty((*edges.shape[:-1], BINS + 2))
    for group, variable in np.ndindex(edges.shape[:2]):
        inside = values[members[:, group], variable]
        counts[group, variable] = bin_counts(inside[~np.isnan(inside)], edges[group, variable])
    return {"counts": counts}


def _levels(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:  # noqa: ARG001  # a step takes inputs
    """People per level, and those whose level is not known."""
    members = arrays["members"].T
    return {"counts": members @ arrays["levels"], "missing": members @ arrays["absent"]}


def _sizes(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:  # noqa: ARG001  # a step takes inputs
    """People per group, and those whose group is not known."""
    return {"people": arrays["members"].sum(axis=0), "ungrouped": arrays["ungrouped"].sum()}


_COLUMNS = Preparation("describe.columns", 1, _reads, _dimensions, _build, _exposures, exposed_by=("variables", "by"))

STEPS = (
    Step(
        "describe.sizes",
        1,
        _COLUMNS,
        (Output("people", ("groups",), "protected"), Output("ungrouped", (), "protected")),
        _sizes,
    ),
    Step(
        "describe.sums",
        1,
        _COLUMNS,
        (
            Output("n", ("groups", "numeric"), "protected"),
            Output("missing", ("groups", "numeric"), "protected"),
            Output("first", ("groups", "numeric"), "intermediate"),
        ),
        _sums,
    ),
    Step(
        "describe.moments",
        1,
        _COLUMNS,
        (
            Output("first", ("groups", "numeric"), "intermediate"),
            Output("second", ("groups", "numeric"), "intermediate"),
        ),
        _moments,
    ),
    Step(
        "describe.bins",
        1,
        _COLUMNS,
        (Output("counts", ("groups", "numeric", "ranks", BINS + 2), "protected"),),
        _bins,
    ),
    Step(
        "describe.levels",
        1,
        _COLUMNS,
        (
            Output("counts", ("groups", "levels"), "protected"),
            Output("missing", ("groups", "categorical"), "protected"),
        ),
        _levels,
    ),
)
