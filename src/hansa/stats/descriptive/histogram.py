"""A histogram of one numeric variable, on a grid that no data value decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hansa.errors import Refused, StudyError
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.arguments import no_others, one_name, whole_number
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
from hansa.stats.descriptive.quantiles import bin_counts
from hansa.stats.plain import Result

__all__ = ["METHOD", "Histogram"]

_CELL = 5
_MOST_BINS = 1000


@dataclass(frozen=True)
class Histogram(Result):
    """People per bin [edge, next edge), in the variable's unit.

    The first and the last bin hold all values beyond them, too. ``merged`` says how many bins of the grid
    were joined to a neighbour because they held some but too few people.
    """

    schema: ClassVar[str] = "histogram/1.0"
    variable: str
    label: str
    unit: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n: int
    merged: int


def _complete(arguments: Arguments, variables: Mapping[str, Variable] | None = None) -> tuple[str, ...]:  # noqa: ARG001  # contract
    return (arguments["variable"],)


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:  # noqa: ARG001  # contract
    return {"bins": arguments["bins"]}


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    values = frame.columns[arguments["variable"]]
    return {"values": values[~np.isnan(values)]}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    name = arguments["variable"]
    rows = ~np.isnan(frame.columns[name])
    return (Exposure(f"histogram of {name}", rows, np.empty((frame.rows, 0)), variables=frozenset({name})),)


def _counts(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:
    """People per bin, the first and last open outwards."""
    return {"counts": bin_counts(arrays["values"], inputs["edges"][1:-1])}


_VALUES = Preparation("histogram.values", 1, _complete, _dimensions, _build, _exposures, exposed_by=("variable",))
_COUNTS = Step("histogram.counts", 1, _VALUES, (Output("counts", ("bins",), "protected"),), _counts)


def plan(cohorts: Cohorts, arguments: Arguments) -> Histogram:
    """A histogram over all cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``variable``: a numeric variable; ``bins``: how many equal bins over the dictionary's range (20), or a
        rising list of edges; ``cell`` (5, can only be raised): fewest people in a bin.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    Refused
        When some but too few people have a value.
    """
    no_others(arguments, "variable", "bins", "cell")
    variable = one_name(arguments, "variable", cohorts.variables)
    if variable.is_categorical:
        raise StudyError(f"{variable.name} has levels", fix="ask for a crosstab or describe", field="variable")
    cell = whole_number(arguments, "cell", default=_CELL, least=_CELL)
    edges = _edges(arguments, variable)
    request = Request({"variable": variable.name, "bins": len(edges) - 1})
    totals = cohorts.sum("histogram.counts", request, edges=np.array(edges))
    counts = np.rint(totals["counts"]).astype(int).tolist()
    if 0 < sum(counts) < cell:
        raise Refused(
            "too few people have a value",
            why="the counts would tell of them",
            fix="widen the population",
            field="variable",
            reason="disclosure",
        )
    wide, merged = _merge(edges, counts, cell)
    return Histogram(
        variable=variable.name,
        label=variable.label,
        unit=variable.unit,
        edges=tuple(wide),
        counts=tuple(merged),
        n=sum(counts),
        merged=len(counts) - len(merged),
    )


def _edges(arguments: Arguments, variable: Variable) -> list[float]:
    bins = arguments.get("bins", 20)
    if isinstance(bins, list | tuple):
        return _listed_edges(bins)
    whole_number(arguments, "bins", default=20, least=1)
    if bins > _MOST_BINS:
        raise StudyError("there are too many bins", fix=f"at most {_MOST_BINS}", field="bins")
    if variable.range is None:
        raise StudyError(
            f"{variable.name} has no range in the dictionary",
            why="a grid from the data would show the extremes",
            fix="list the edges",
            field="bins",
        )
    return [float(edge) for edge in np.linspace(*variable.range, bins + 1)]


def _listed_edges(listed: list[Any] | tuple[Any, ...]) -> list[float]:
    numbers = all(isinstance(edge, int | float) and math.isfinite(edge) for edge in listed)
    if not numbers or not 2 <= len(listed) <= _MOST_BINS + 1 or sorted(set(listed)) != list(listed):
        raise StudyError("the edges do not rise", fix="list two or more rising numbers", field="bins")
    return [float(edge) for edge in listed]


def _merge(edges: list[float], counts: list[int], cell: int) -> tuple[list[float], list[int]]:
    """Join each bin with some but too few people to those after it (the last: before it) until it has enough.

    Examples
    --------
    >>> _merge([0, 1, 2, 3, 4, 5], [0, 3, 4, 9, 2], 5)
    ([0, 1, 3, 5], [0, 7, 11])
    """
    wide, merged = [edges[0]], list[int]()
    held = 0
    for upper, count in zip(edges[1:], counts, strict=True):
        held += count
        if not 0 < held < cell:
            wide.append(upper)
            merged.append(held)
            held = 0
    while held:
        held = held + merged.pop() if merged else held
        wide.pop()
        if held >= cell:
            wide.append(edges[-1])
            merged.append(held)
            held = 0
    return wide, merged


METHOD = Method(
    name="histogram",
    version=1,
    title="Histogram",
    steps=(_COUNTS,),
    plan=plan,
    complete=_complete,
    counts_rows=True,
    site_release=True,
)
