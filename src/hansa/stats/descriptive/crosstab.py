"""Two categorical variables against each other: counts, percentages, Pearson's chi-square, Cramer's V."""

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
from hansa.stats.arguments import flag, no_others, one_name, whole_number
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
from hansa.stats.descriptive.suppression import IntArray, suppress, with_margins
from hansa.stats.plain import Result

__all__ = ["METHOD", "Crosstab"]

_CELL = 5

Counts = tuple[int | None, ...]
Percents = tuple[float | None, ...]


@dataclass(frozen=True)
class Crosstab(Result):
    """People by row and column level; ``None`` is a blank (primary or complementary suppression).

    Percentages are of the row's and of the column's total. The test is ``None``, and ``withheld`` says why,
    where any cell is blank: its exact value leaves one table, among those that fit the margins. It is
    ``None`` too where a variable has a single level in the data.
    """

    schema: ClassVar[str] = "crosstab/1.0"
    row: str
    column: str
    row_levels: tuple[str, ...]
    column_levels: tuple[str, ...]
    counts: tuple[Counts, ...]
    row_totals: Counts
    column_totals: Counts
    total: int | None
    row_percents: tuple[Percents, ...]
    column_percents: tuple[Percents, ...]
    chi_square: float | None
    df: int | None
    p: float | None
    cramers_v: float | None
    withheld: str


@dataclass(frozen=True)
class _Test:
    chi_square: float | None = None
    df: int | None = None
    p: float | None = None
    cramers_v: float | None = None


def _names(arguments: Arguments, variables: Mapping[str, Variable] | None = None) -> tuple[str, str]:  # noqa: ARG001  # contract
    return arguments["row"], arguments["column"]


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    row, column = _names(arguments)
    return {"rows": len(variables[row].coded_levels), "columns": len(variables[column].coded_levels)}


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    rows, columns = (
        (frame.columns[name][:, None] == np.arange(len(frame.variables[name].coded_levels))) * 1.0
        for name in _names(arguments)
    )
    return {"rows": rows, "columns": columns}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    row, column = _names(arguments)
    complete = ~np.isnan(frame.columns[row]) & ~np.isnan(frame.columns[column])
    return (Exposure(f"{row} x {column}", complete, np.empty((frame.rows, 0)), variables=frozenset({row, column})),)


def _counts(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:  # noqa: ARG001  # a step takes inputs
    """People by row and column; who lacks either is in no cell."""
    return {"counts": arrays["rows"].T @ arrays["columns"]}


_LEVELS = Preparation("crosstab.levels", 1, _names, _dimensions, _build, _exposures)
_COUNTS = Step("crosstab.counts", 1, _LEVELS, (Output("counts", ("rows", "columns"), "protected"),), _counts)


def plan(cohorts: Cohorts, arguments: Arguments) -> Crosstab:
    """Cross-tabulate two variables over all cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``row`` and ``column``: names of a category or boolean; ``cell`` (5, can only be raised): fewest people
        in a shown cell; ``hide_zeros`` (false): whether an empty cell is blank too.

    Returns
    -------
    Crosstab
        Complete cases. The chi-square is Pearson's, without continuity correction, over the levels that
        occur.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    """
    no_others(arguments, "row", "column", "cell", "hide_zeros")
    row, column = (_categorical(arguments, field, cohorts.variables) for field in ("row", "column"))
    if row == column:
        raise StudyError("a variable is crossed with itself", fix="name another column", field="column")
    cell = whole_number(arguments, "cell", default=_CELL, least=_CELL)
    totals = cohorts.sum("crosstab.counts", Request({"row": row.name, "column": column.name}))
    table = np.rint(totals["counts"]).astype(np.int64)
    blank = suppress(table, cell, hide_zeros=flag(arguments, "hide_zeros"))
    return _result(row, column, table, blank)


def _categorical(arguments: Arguments, field: str, variables: Mapping[str, Variable]) -> Variable:
    variable = one_name(arguments, field, variables)
    if not variable.is_categorical:
        raise StudyError(f"{variable.name} has no levels", fix="name a category or a boolean", field=field)
    return variable


def _result(row: Variable, column: Variable, table: IntArray, blank: BoolArray) -> Crosstab:
    full = with_margins(table)
    shown = [
        tuple(None if b else int(n) for n, b in zip(counts, hidden, strict=True))
        for counts, hidden in zip(full, blank, strict=True)
    ]
    cells = tuple(counts[:-1] for counts in shown[:-1])
    row_totals, column_totals = tuple(counts[-1] for counts in shown[:-1]), shown[-1][:-1]
    test = _Test() if blank.any() else _test(table)
    return Crosstab(
        row=row.name,
        column=column.name,
        row_levels=row.coded_levels,
        column_levels=column.coded_levels,
        counts=cells,
        row_totals=row_totals,
        column_totals=column_totals,
        total=shown[-1][-1],
        row_percents=tuple(
            tuple(_percent(n, total) for n in counts) for counts, total in zip(cells, row_totals, strict=True)
        ),
        column_percents=tuple(
            tuple(_percent(n, total) for n, total in zip(counts, column_totals, strict=True)) for counts in cells
        ),
        chi_square=test.chi_square,
        df=test.df,
        p=test.p,
        cramers_v=test.cramers_v,
        withheld="a cell is blank and the test would restore it; merge levels" if blank.any() else "",
    )


def _percent(count: int | None, total: int | None) -> float | None:
    return None if count is None or not total else 100 * count / total


def _test(table: IntArray) -> _Test:
    """Pearson's chi-square over the levels that occur."""
    filled = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    df = (filled.shape[0] - 1) * (filled.shape[1] - 1)
    if df <= 0:
        return _Test()
    n = filled.sum()
    expected = np.outer(filled.sum(axis=1), filled.sum(axis=0)) / n
    chi_square = float(((filled - expected) ** 2 / expected).sum())
    v = math.sqrt(chi_square / (n * (min(filled.shape) - 1)))
    return _Test(chi_square, df, float(scipy.stats.chi2.sf(chi_square, df)), v)


METHOD = Method(
    name="crosstab",
    version=1,
    title="Cross-tabulation",
    steps=(_COUNTS,),
    plan=plan,
    complete=_names,
    counts_rows=True,
    site_release=True,
    citations=(
        (
            "Fischetti M, Salazar JJ (2001). Solving the cell suppression problem on tabular data with linear "
            "constraints. Management Science 47:1008-1027."
        ),
    ),
)
