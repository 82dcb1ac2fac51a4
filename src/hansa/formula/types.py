"""What an expression yields, found from the dictionary alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from itertools import pairwise

from hansa.formula.faults import fault, nearest
from hansa.formula.functions import argument, is_number, number_of
from hansa.formula.kinds import NUMERIC, ExprType, check_pair, day_of, named, unify, whole
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
    Pair,
    Power,
    Text,
)
from hansa.model import Variable, VariableType

__all__ = ["Variables", "check_condition", "check_expression", "check_numeric", "replacements"]

Variables = Mapping[str, Variable]

_BOOLEAN = ExprType("boolean")


def check_expression(expr: Expr, variables: Variables) -> ExprType:
    """The type of an expression, or the error it would be.

    Parameters
    ----------
    expr : Expr
        The expression.
    variables : Mapping[str, Variable]
        The dictionary's variables by name.

    Raises
    ------
    FormulaError
        For an unknown variable or level (with the nearest known one), and where types do not fit.

    Examples
    --------
    >>> from hansa.formula import parse_expression
    >>> sex = Variable(name="sex", type="category", levels=("male", "female"))
    >>> check_expression(parse_expression("sex == 'female'"), {"sex": sex}).type
    'boolean'
    """
    return _type(expr, variables)


def check_condition(expr: Expr, variables: Variables) -> None:
    """Refuse an expression that is not true or false, such as a population that is a number.

    Raises
    ------
    FormulaError
        When it is of another type.
    """
    found = check_expression(expr, variables)
    if found.type != "boolean":
        raise fault(f"a condition is expected here, this is {named(found.type)}", at=expr, fix="compare it: x > 0")


def check_numeric(expr: Expr, variables: Variables) -> ExprType:
    """The type of an expression that must be a number (a boolean counts as 0 and 1).

    Raises
    ------
    FormulaError
        When it is of another type.
    """
    found = check_expression(expr, variables)
    if found.type not in NUMERIC:
        advice = {"date": "use days(from, to) or year(date)", "category": "compare it, or use recode"}
        raise fault(f"a number is expected here, this is {named(found.type)}", at=expr, fix=advice.get(found.type, ""))
    return found


@singledispatch
def _type(expr: Expr, _variables: Variables) -> ExprType:
    raise fault("this cannot stand by itself", at=expr)


@_type.register
def _(expr: Number, _variables: Variables) -> ExprType:
    return ExprType("integer" if expr.value.is_integer() else "number")


@_type.register
def _(expr: Text, _variables: Variables) -> ExprType:
    return ExprType("category", (expr.value,))


@_type.register
def _(_expr: Boolean, _variables: Variables) -> ExprType:
    return _BOOLEAN


@_type.register
def _(expr: Name, variables: Variables) -> ExprType:
    if expr.name not in variables:
        near = nearest(expr.name, variables)
        raise fault(
            f"there is no variable {expr.name}",
            at=expr,
            fix=f"write {near}" if near else "see the dictionary's names; derived variables stand under derive",
        )
    variable = variables[expr.name]
    return ExprType(variable.type, variable.levels, variable.unit)


@_type.register
def _(expr: Negate, variables: Variables) -> ExprType:
    return ExprType(whole([check_numeric(expr.operand, variables)]))


@_type.register
def _(expr: Not, variables: Variables) -> ExprType:
    check_condition(expr.operand, variables)
    return _BOOLEAN


@_type.register
def _(expr: Power, variables: Variables) -> ExprType:
    check_numeric(expr.base, variables)
    check_numeric(expr.exponent, variables)
    return ExprType("number")


@_type.register
def _(expr: Chain, variables: Variables) -> ExprType:
    if expr.operators[0] in ("and", "or"):
        for operand in expr.operands:
            check_condition(operand, variables)
        return _BOOLEAN
    found = [check_numeric(operand, variables) for operand in expr.operands]
    units = {kind.unit for operand, kind in zip(expr.operands, found, strict=True) if not is_number(operand)}
    keeps = expr.operators[0] in ("+", "-") and len(units) == 1
    kind: VariableType = "number" if "/" in expr.operators else whole(found)
    return ExprType(kind, unit=units.pop() if keeps else "")


@_type.register
def _(expr: Comparison, variables: Variables) -> ExprType:
    found = [check_expression(operand, variables) for operand in expr.operands]
    typed = zip(expr.operands, found, strict=True)
    for (left, right), operator in zip(pairwise(typed), expr.operators, strict=True):
        check_pair(left, operator, right, expr)
    return _BOOLEAN


@_type.register
def _(expr: Membership, variables: Variables) -> ExprType:
    operand = (expr.operand, check_expression(expr.operand, variables))
    for item in expr.items:
        check_pair(operand, "==", (item, check_expression(item, variables)), expr)
    return _BOOLEAN


@_type.register
def _(expr: Call, variables: Variables) -> ExprType:
    check = _CALLS.get(expr.function)
    if check is None:
        raise fault(f"{expr.function}() is a term, not part of an expression", at=expr)
    return check(expr, variables)


def _one_number(call: Call, variables: Variables) -> ExprType:
    check_numeric(call.arguments[0], variables)
    return ExprType("number")


def _abs(call: Call, variables: Variables) -> ExprType:
    found = check_numeric(call.arguments[0], variables)
    return ExprType(whole([found]), unit=found.unit)


def _round(call: Call, variables: Variables) -> ExprType:
    found = check_numeric(call.arguments[0], variables)
    if len(call.arguments) == 1:
        return ExprType("integer", unit=found.unit)
    if number_of(call.arguments[1]) not in range(-12, 13):
        raise fault("digits is a whole number from -12 to 12", at=call.arguments[1])
    return ExprType("number", unit=found.unit)


def _extreme(call: Call, variables: Variables) -> ExprType:
    found = unify([check_expression(child, variables) for child in call.arguments], call)
    if found.is_categorical:
        raise fault(f"{named(found.type)} has no {call.function}", at=call, fix="use numbers or dates")
    return found


def _coalesce(call: Call, variables: Variables) -> ExprType:
    return unify([check_expression(child, variables) for child in call.arguments], call)


def _is_missing(call: Call, variables: Variables) -> ExprType:
    check_expression(call.arguments[0], variables)
    return _BOOLEAN


def _case(call: Call, variables: Variables) -> ExprType:
    for condition in call.arguments[:-1:2]:
        check_condition(condition, variables)
    values = [*call.arguments[1::2], *call.arguments[len(call.arguments) // 2 * 2 :]]
    return unify([check_expression(value, variables) for value in values], call)


def _cut(call: Call, variables: Variables) -> ExprType:
    check_numeric(call.arguments[0], variables)
    breaks = [number_of(child) for child in call.arguments[1:]]
    for child, lower, upper in zip(call.arguments[2:], breaks, breaks[1:], strict=False):
        if not lower < upper:
            raise fault("breaks rise from left to right", at=child)
    texts = [str(child) for child in call.arguments[1:]]
    inner = [f"{lower} to <{upper}" for lower, upper in pairwise(texts)]
    return ExprType("category", (f"<{texts[0]}", *inner, f">={texts[-1]}"))


def replacements(call: Call) -> tuple[tuple[tuple[Expr, Expr], ...], Expr | None]:
    """What a ``recode`` puts for what, and what it puts for the rest (None: missing)."""
    pairs = tuple((child.old, child.new) for child in call.arguments if isinstance(child, Pair))
    return pairs, argument(call, "else")


def _recode(call: Call, variables: Variables) -> ExprType:
    pairs, otherwise = replacements(call)
    source = (call.arguments[0], check_expression(call.arguments[0], variables))
    seen: set[Expr] = set()
    for old, _new in pairs:
        check_pair(source, "==", (old, check_expression(old, variables)), old)
        if old in seen:
            raise fault("this value is replaced twice", at=old)
        seen.add(old)
    values = [new for _old, new in pairs] + ([otherwise] if otherwise else [])
    return unify([check_expression(value, variables) for value in values], call)


def _check_date(expr: Expr, variables: Variables) -> None:
    if isinstance(expr, Text):
        day_of(expr)
    elif (found := check_expression(expr, variables)).type != "date":
        raise fault(f"a date is expected here, this is {named(found.type)}", at=expr)


def _days(call: Call, variables: Variables) -> ExprType:
    for child in call.arguments:
        _check_date(child, variables)
    return ExprType("integer", unit="days")


def _year(call: Call, variables: Variables) -> ExprType:
    _check_date(call.arguments[0], variables)
    return ExprType("integer", unit="year")


_CALLS: dict[str, Callable[[Call, Variables], ExprType]] = {
    "abs": _abs,
    "case": _case,
    "coalesce": _coalesce,
    "cut": _cut,
    "days": _days,
    "exp": _one_number,
    "is_missing": _is_missing,
    "log": _one_number,
    "max": _extreme,
    "min": _extreme,
    "recode": _recode,
    "round": _round,
    "sqrt": _one_number,
    "year": _year,
}
