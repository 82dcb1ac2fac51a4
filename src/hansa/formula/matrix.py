"""The numbers of a design at one node: matrix, response and offset of a chunk of rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from hansa.errors import FormulaError
from hansa.formula.bases import b_spline, natural_spline, orthogonal_polynomial
from hansa.formula.design import Design, ResolvedFactor, check_response
from hansa.formula.evaluation import FloatArray, evaluate
from hansa.formula.facts import KnotFact, PolyFact
from hansa.formula.terms import Formula
from hansa.formula.types import Variables
from hansa.model.exposure import side_by_side

__all__ = ["design_matrix", "offset", "response"]


def design_matrix(
    design: Design, columns: Mapping[str, FloatArray], variables: Variables, *, rows: int | None = None
) -> FloatArray:
    """The design's columns for these rows.

    A cell is NaN where a variable it rests on is missing or a product overflows. It is NaN too at a level that
    the pooled facts name as absent: such a row is not in the analysis set that the facts describe.

    Parameters
    ----------
    design : Design
        The design.
    columns : Mapping[str, FloatArray]
        Columns by name, each of shape (n,), derived ones included.
    variables : Mapping[str, Variable]
        The variables by name, derived ones included.
    rows : int, optional
        The number of rows n; without it, the length of the columns.

    Returns
    -------
    FloatArray
        Shape (n, design.width), C-contiguous.

    Examples
    --------
    >>> from hansa.formula import parse_formula, resolve_design
    >>> from hansa.model import Variable
    >>> age = {"age": Variable(name="age", type="number")}
    >>> design = resolve_design(parse_formula("~ age + I(age^2)"), age, {})
    >>> design_matrix(design, {"age": np.array([2.0, np.nan])}, age)
    array([[ 1.,  2.,  4.],
           [ 1., nan, nan]])
    """
    blocks = [_block(one, columns, variables) for one in design.factors]
    parts = ([_part(design.factors[at], blocks[at], k) for at, k in column.parts] for column in design.columns)
    count = _rows(columns) if rows is None else rows
    if not design.columns:
        return np.empty((count, 0))
    return side_by_side([_product(part, count) for part in parts], count)


def response(formula: Formula, columns: Mapping[str, FloatArray], variables: Variables) -> FloatArray:
    """The formula's response: a number, or 0 and 1 for a condition or a category of two levels (second: 1).

    Returns
    -------
    FloatArray
        Shape (n,); NaN is missing.

    Raises
    ------
    FormulaError
        When the response is of another type, or the formula has none.
    """
    check_response(formula, variables)
    if formula.response is None:
        raise FormulaError("the formula has no response", fix="write it to the left of ~", field="formula")
    return evaluate(formula.response, columns, variables)


def offset(
    formula: Formula, columns: Mapping[str, FloatArray], variables: Variables, *, rows: int | None = None
) -> FloatArray:
    """The sum of the formula's offsets, zero where it has none; ``rows`` as in :func:`design_matrix`.

    Returns
    -------
    FloatArray
        Shape (n,); NaN is missing.
    """
    total = np.zeros(_rows(columns) if rows is None else rows)
    for one in formula.offsets:
        total += evaluate(one, columns, variables)
    return total


def _rows(columns: Mapping[str, FloatArray]) -> int:
    return next((len(column) for column in columns.values()), 1)


def _block(one: ResolvedFactor, columns: Mapping[str, FloatArray], variables: Variables) -> FloatArray:
    """A factor's values: (n,) for numbers and positions of levels, (n, k) for a basis."""
    value = evaluate(one.factor.expression, columns, variables)
    if one.factor.kind == "number":
        return value
    if one.factor.kind == "levels":
        return np.where(np.isin(value, one.present), value, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        basis = _basis(one, value)
    return np.where(np.isfinite(basis), basis, np.nan)


def _basis(one: ResolvedFactor, value: FloatArray) -> FloatArray:
    match one.fact:
        case KnotFact(knots, boundary) if one.factor.kind == "ns":
            return natural_spline(value, knots, boundary)
        case KnotFact(knots, boundary):
            return b_spline(value, knots, boundary, one.factor.degree)
        case PolyFact(alpha, norm2):
            return orthogonal_polynomial(value, alpha, norm2)
    raise AssertionError(f"{one.factor.label} is no basis")


def _part(one: ResolvedFactor, block: FloatArray, position: int) -> FloatArray:
    """What a factor gives to a column, shape (n,)."""
    if one.factor.kind == "levels":
        # zero times the position is zero, and NaN where the position is missing
        return np.equal(block, position) + 0.0 * block
    return block if block.ndim == 1 else block[:, position]


def _product(parts: list[FloatArray], rows: int) -> FloatArray:
    if not parts:
        return np.ones(rows)
    if len(parts) == 1:
        return parts[0]
    with np.errstate(over="ignore"):
        value = reduce(np.multiply, parts)
    return np.where(np.isfinite(value), value, np.nan)
