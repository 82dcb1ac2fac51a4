"""Expressions over columns: float64 arrays in which NaN is missing.

Missing propagates. ``and``, ``or`` and ``not`` are three-valued as in SQL. What has no finite value (a
logarithm or root outside its domain, a division by zero, an overflow) is missing; no infinity ever arises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce, singledispatch
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hansa.formula.faults import fault
from hansa.formula.functions import number_of
from hansa.formula.kinds import ExprType, day_of
from hansa.formula.tree import (
    Boolean,
    Call,
    Chain,
    Comparison,
    Expr,
    Membership,
    Name,
    Negate,
    Not,
    Number,
    Power,
    Text,
)
from hansa.formula.types import Variables, check_condition, check_expression, replacements

__all__ = ["BoolArray", "FloatArray", "evaluate", "population", "recode_levels"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LAST_DAY = 1e8  # beyond it, numpy's calendar overflows


@dataclass(frozen=True)
class _Scope:
    columns: Mapping[str, FloatArray]
    variables: Variables

    def type_of(self, expr: Expr) -> ExprType:
        return check_expression(expr, self.variables)


def evaluate(expr: Expr, columns: Mapping[str, FloatArray], variables: Variables) -> FloatArray:
    """The value of an expression for each row.

    Parameters
    ----------
    expr : Expr
        The expression; its type is checked first.
    columns : Mapping[str, FloatArray]
        Columns by name, each of shape (n,).
    variables : Mapping[str, Variable]
        The dictionary's variables by name.

    Returns
    -------
    FloatArray
        Shape (n,); a variable's own column itself. A category's values are positions in
        ``check_expression(expr, variables).levels``.

    Raises
    ------
    FormulaError
        When the expression does not fit the dictionary.

    Examples
    --------
    >>> from hansa.formula import parse_expression
    >>> from hansa.model import Variable
    >>> age = {"age": Variable(name="age", type="number")}
    >>> evaluate(parse_expression("40 <= age < 60"), {"age": np.array([39.0, 40.0, np.nan])}, age)
    array([ 0.,  1., nan])
    """
    check_expression(expr, variables)
    if isinstance(expr, Name):
        return _value(expr, _Scope(columns, variables))
    rows = next((len(column) for column in columns.values()), 1)
    with np.errstate(all="ignore"):
        value = _value(expr, _Scope(columns, variables))
    return np.array(np.broadcast_to(value, (rows,)), dtype=np.float64)


def population(expr: Expr, columns: Mapping[str, FloatArray], variables: Variables) -> BoolArray:
    """The rows for which a condition is true; where it is false or missing, the row stays out.

    Returns
    -------
    BoolArray
        Shape (n,).

    Raises
    ------
    FormulaError
        When the expression is not a condition.
    """
    check_condition(expr, variables)
    return np.equal(evaluate(expr, columns, variables), 1.0)


def recode_levels(codes: FloatArray, old: tuple[str, ...], new: tuple[str, ...]) -> FloatArray:
    """Positions in one list of levels as positions in another; -1 where the other lacks the level.

    Examples
    --------
    >>> recode_levels(np.array([0.0, 1.0, np.nan]), ("a", "b"), ("b", "a"))
    array([ 1.,  0., nan])
    """
    if old == new:
        return codes
    table = np.array([new.index(level) if level in new else -1.0 for level in old] + [np.nan])
    known = np.where(np.isnan(codes), len(old), codes)
    return np.asarray(table[known.astype(np.intp)], dtype=np.float64)


def _finite(value: FloatArray) -> FloatArray:
    return np.where(np.isfinite(value), value, np.nan)


@singledispatch
def _value(expr: Expr, _scope: _Scope) -> FloatArray:
    """The value, of shape (n,) or () for a constant."""
    raise fault("this cannot stand by itself", at=expr)


@_value.register
def _(expr: Number, _scope: _Scope) -> FloatArray:
    return np.asarray(expr.value, dtype=np.float64)


@_value.register
def _(_expr: Text, _scope: _Scope) -> FloatArray:
    return np.asarray(0.0)


@_value.register
def _(expr: Boolean, _scope: _Scope) -> FloatArray:
    return np.asarray(float(expr.value))


@_value.register
def _(expr: Name, scope: _Scope) -> FloatArray:
    if expr.name not in scope.columns:
        raise fault(f"the column {expr.name} was not supplied", at=expr)
    return scope.columns[expr.name]


@_value.register
def _(expr: Negate, scope: _Scope) -> FloatArray:
    return np.negative(_value(expr.operand, scope))


@_value.register
def _(expr: Not, scope: _Scope) -> FloatArray:
    return np.subtract(1.0, _value(expr.operand, scope))


@_value.register
def _(expr: Power, scope: _Scope) -> FloatArray:
    base, exponent = _value(expr.base, scope), _value(expr.exponent, scope)
    # IEEE gives nan ** 0 = 1 and 1 ** nan = 1, but what is not known stays so.
    known = ~(np.isnan(base) | np.isnan(exponent))
    return _finite(np.where(known, np.power(base, exponent), np.nan))


_ARITHMETIC: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}

_COMPARISONS: dict[str, Callable[[FloatArray, FloatArray], BoolArray]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _and(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.where((left == 0) | (right == 0), 0.0, left * right)


def _or(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.where((left == 1) | (right == 1), 1.0, left + right)


@_value.register
def _(expr: Chain, scope: _Scope) -> FloatArray:
    values = (_value(operand, scope) for operand in expr.operands)
    if expr.operators[0] == "and":
        return reduce(_and, values)
    if expr.operators[0] == "or":
        return reduce(_or, values)
    result = next(values)
    for operator, value in zip(expr.operators, values, strict=True):
        result = _ARITHMETIC[operator](result, value)
    return _finite(result)


@_value.register
def _(expr: Comparison, scope: _Scope) -> FloatArray:
    operands = pairwise(_operand(operand, scope) for operand in expr.operands)
    pairs = zip(operands, expr.operators, strict=True)
    return reduce(_and, (_compared(left, operator, right) for (left, right), operator in pairs))


@_value.register
def _(expr: Membership, scope: _Scope) -> FloatArray:
    operand = _operand(expr.operand, scope)
    found = reduce(_or, (_compared(operand, "==", _operand(item, scope)) for item in expr.items))
    return 1.0 - found if expr.negated else found


@_value.register
def _(expr: Call, scope: _Scope) -> FloatArray:
    return _finite(_CALLS[expr.function](expr, scope))


@dataclass(frozen=True)
class _Operand:
    """One side of a comparison, evaluated once."""

    expr: Expr
    kind: ExprType
    value: FloatArray

    def beside(self, other: _Operand) -> FloatArray:
        """The value; a text beside a date is that day."""
        if isinstance(self.expr, Text) and other.kind.type == "date":
            return np.asarray(day_of(self.expr))
        return self.value


def _operand(expr: Expr, scope: _Scope) -> _Operand:
    return _Operand(expr, scope.type_of(expr), _value(expr, scope))


def _compared(left: _Operand, operator: str, right: _Operand) -> FloatArray:
    a, b = left.beside(right), right.beside(left)
    types = {left.kind.type, right.kind.type}
    if "category" in types and "date" not in types:
        b = recode_levels(b, right.kind.coded_levels, left.kind.coded_levels)
    return np.where(np.isnan(a) | np.isnan(b), np.nan, _COMPARISONS[operator](a, b))


def _date(expr: Expr, scope: _Scope) -> FloatArray:
    return np.asarray(day_of(expr)) if isinstance(expr, Text) else _value(expr, scope)


def _in_type(expr: Expr, whole: ExprType, scope: _Scope) -> FloatArray:
    """A value, a category's as position among the levels of the whole."""
    value = _value(expr, scope)
    return recode_levels(value, scope.type_of(expr).levels, whole.levels) if whole.levels else value


def _mapped(function: Callable[[FloatArray], FloatArray]) -> Callable[[Call, _Scope], FloatArray]:
    return lambda call, scope: function(_value(call.arguments[0], scope))


def _reduced(
    function: Callable[[FloatArray, FloatArray], FloatArray],
) -> Callable[[Call, _Scope], FloatArray]:
    return lambda call, scope: reduce(function, (_value(child, scope) for child in call.arguments))


def _round(call: Call, scope: _Scope) -> FloatArray:
    digits = int(number_of(call.arguments[1])) if len(call.arguments) > 1 else 0
    return np.round(_value(call.arguments[0], scope), digits)


def _is_missing(call: Call, scope: _Scope) -> FloatArray:
    return np.isnan(_value(call.arguments[0], scope)).astype(np.float64)


def _coalesce(call: Call, scope: _Scope) -> FloatArray:
    whole = scope.type_of(call)
    values = (_in_type(child, whole, scope) for child in call.arguments)
    return reduce(lambda first, second: np.where(np.isnan(first), second, first), values)


def _case(call: Call, scope: _Scope) -> FloatArray:
    """The value of the first true condition. A missing condition before it leaves the case missing."""
    whole = scope.type_of(call)
    result: FloatArray = np.asarray(np.nan)
    undecided: BoolArray = np.asarray(True)
    *branches, last = (call.arguments[at : at + 2] for at in range(0, len(call.arguments), 2))
    otherwise = last[0] if len(last) == 1 else None
    for condition, value in branches if otherwise is not None else (*branches, last):
        holds = _value(condition, scope)
        result = np.where(undecided & (holds == 1), _in_type(value, whole, scope), result)
        undecided = undecided & (holds == 0)
    if otherwise is None:
        return result
    return np.where(undecided, _in_type(otherwise, whole, scope), result)


def _cut(call: Call, scope: _Scope) -> FloatArray:
    breaks = [number_of(child) for child in call.arguments[1:]]
    value = _value(call.arguments[0], scope)
    return np.where(np.isnan(value), np.nan, np.searchsorted(breaks, value, side="right"))


def _recode(call: Call, scope: _Scope) -> FloatArray:
    whole = scope.type_of(call)
    source = _operand(call.arguments[0], scope)
    pairs, otherwise = replacements(call)
    rest = np.asarray(np.nan) if otherwise is None else _in_type(otherwise, whole, scope)
    result = np.where(np.isnan(source.value), np.nan, rest)
    for old, new in pairs:
        hit = _compared(source, "==", _operand(old, scope)) == 1
        result = np.where(hit, _in_type(new, whole, scope), result)
    return result


def _days(call: Call, scope: _Scope) -> FloatArray:
    start, end = call.arguments
    return _date(end, scope) - _date(start, scope)


def _year(call: Call, scope: _Scope) -> FloatArray:
    days = _date(call.arguments[0], scope)
    known = np.abs(days) < _LAST_DAY
    dates = np.where(known, np.floor(days), 0.0).astype("int64").astype("datetime64[D]")
    return np.where(known, dates.astype("datetime64[Y]").astype("int64") + 1970.0, np.nan)


_CALLS: dict[str, Callable[[Call, _Scope], FloatArray]] = {
    "abs": _mapped(np.abs),
    "case": _case,
    "coalesce": _coalesce,
    "cut": _cut,
    "days": _days,
    "exp": _mapped(np.exp),
    "is_missing": _is_missing,
    "log": _mapped(np.log),
    "max": _reduced(np.maximum),
    "min": _reduced(np.minimum),
    "recode": _recode,
    "round": _round,
    "sqrt": _mapped(np.sqrt),
    "year": _year,
}
