"""Derived variables: a study's ``derive`` section, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from hansa.errors import DictionaryError, FormulaError
from hansa.formula.evaluation import FloatArray, evaluate, recode_levels
from hansa.formula.faults import fault
from hansa.formula.kinds import ExprType
from hansa.formula.parser import parse_expression
from hansa.formula.tokens import RESERVED
from hansa.formula.tree import Call, Expr, names_in
from hansa.formula.types import Variables, check_expression
from hansa.model import Derivation, Variable, read_value

__all__ = ["derive_columns", "derived_variables", "parse_derivations", "raw_variables"]

_ACCEPTS = {
    "number": ("number", "integer", "boolean"),
    "integer": ("integer", "boolean"),
    "boolean": ("boolean",),
    "category": ("category", "boolean"),
    "date": ("date",),
}
"""Which found types a declared type holds."""


def parse_derivations(derive: Mapping[str, Derivation]) -> dict[str, Expr]:
    """The expressions of a study's derivations, each after those it needs.

    Raises
    ------
    FormulaError
        When one cannot be read, or some need each other in a circle.

    Examples
    --------
    >>> derive = {
    ...     "old": Derivation(expression="decades >= 6", type="boolean"),
    ...     "decades": Derivation(expression="age / 10", type="number"),
    ... }
    >>> list(parse_derivations(derive))
    ['decades', 'old']
    """
    parsed = {name: parse_expression(one.expression, field=f"derive.{name}.expression") for name, one in derive.items()}
    return {name: parsed[name] for name in _in_order(parsed)}


def raw_variables(expr: Expr, derive: Mapping[str, Expr]) -> frozenset[str]:
    """The variables an expression rests on, seen through derivations: none of them is derived itself.

    Raises
    ------
    FormulaError
        When derivations need each other in a circle.
    """
    _in_order(derive)
    raw, seen, open_names = set(), set(), set(names_in(expr))
    while open_names:
        name = open_names.pop()
        seen.add(name)
        if name in derive:
            open_names |= names_in(derive[name]) - seen
        else:
            raw.add(name)
    return frozenset(raw)


def derived_variables(derive: Mapping[str, Derivation], variables: Variables) -> dict[str, Variable]:
    """The dictionary's variables and, after them, the derived ones as declared.

    Raises
    ------
    FormulaError
        When a derivation has the name of a variable, or its expression does not yield the declared type.
    """
    for name in derive:
        _check_name(name, variables)
    known = dict(variables)
    for name, expr in parse_derivations(derive).items():
        found = check_expression(expr, known)
        known[name] = _declared(name, derive[name], expr, found)
    return known


def derive_columns(
    derive: Mapping[str, Derivation], columns: Mapping[str, FloatArray], variables: Variables
) -> tuple[dict[str, FloatArray], dict[str, Variable]]:
    """Columns and variables with the derived ones added.

    Parameters
    ----------
    derive : Mapping[str, Derivation]
        The study's derivations by name.
    columns : Mapping[str, FloatArray]
        Columns by name, each of shape (n,).
    variables : Mapping[str, Variable]
        The dictionary's variables by name.

    Returns
    -------
    tuple of dict
        The columns, those of derived categories as positions in the declared levels, and the variables.

    Raises
    ------
    FormulaError
        As :func:`derived_variables`.
    """
    known = derived_variables(derive, variables)
    filled = dict(columns)
    for name, expr in parse_derivations(derive).items():
        value = evaluate(expr, filled, known)
        found = check_expression(expr, known).coded_levels
        levels = known[name].levels
        by_position = isinstance(expr, Call) and expr.function == "cut"
        filled[name] = recode_levels(value, found, levels) if levels and not by_position else value
    return filled, known


def _in_order(parsed: Mapping[str, Expr]) -> tuple[str, ...]:
    needs = {name: names_in(expr) & parsed.keys() for name, expr in parsed.items()}
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as circle:
        raise FormulaError(
            "derived variables need each other in a circle",
            why=" -> ".join(circle.args[1]),
            fix="derive one of them from the dictionary's variables alone",
            field=f"derive.{circle.args[1][0]}",
        ) from None


def _check_name(name: str, variables: Variables) -> None:
    if name in variables or name in RESERVED:
        what = "has the name of a variable of the dictionary" if name in variables else "is a word of the grammar"
        raise FormulaError(f"the derived variable {what}", fix="choose another name", field=f"derive.{name}")


def _declared(name: str, derivation: Derivation, expr: Expr, found: ExprType) -> Variable:
    if found.type not in _ACCEPTS[derivation.type]:
        raise fault(
            f"{name} is declared as {derivation.type}, but its expression is of type {found.type}",
            at=expr,
            fix=f"declare type: {found.type}",
        )
    if derivation.type == "category":
        _check_levels(derivation, expr, found)
    plain = {**derivation.model_dump(exclude={"expression"}), "name": name}
    return read_value(Variable, {**plain, "unit": derivation.unit or found.unit}, error=DictionaryError)


def _check_levels(derivation: Derivation, expr: Expr, found: ExprType) -> None:
    if isinstance(expr, Call) and expr.function == "cut":
        if len(derivation.levels) != len(found.levels):
            raise fault("cut makes another number of intervals", at=expr, fix=f"declare {len(found.levels)} levels")
        return
    undeclared = [level for level in found.coded_levels if level not in derivation.levels]
    if undeclared:
        listed = ", ".join(found.coded_levels)
        raise fault(f"'{undeclared[0]}' is not a declared level", at=expr, fix=f"declare levels: [{listed}]")
