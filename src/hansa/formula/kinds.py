"""The types that values have, and which of them meet: in a comparison, or as the values of one variable.

A quoted text is a category of one level. Where it meets a category, its level must be one of those declared;
where it meets a date, it must be one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hansa.formula.faults import fault, nearest
from hansa.formula.tree import Expr, Text
from hansa.model import VariableType

__all__ = ["NUMERIC", "ExprType", "check_level", "check_pair", "day_of", "named", "unify", "whole"]

NUMERIC: tuple[VariableType, ...] = ("number", "integer", "boolean")
"""What can be reckoned with; a boolean is 0 or 1."""

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class ExprType:
    """The type of an expression; ``levels`` of a category in order, ``unit`` as far as it is known."""

    type: VariableType
    levels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def is_categorical(self) -> bool:
        """Whether it is coded by levels."""
        return self.type in ("category", "boolean")

    @property
    def coded_levels(self) -> tuple[str, ...]:
        """Its levels; ``false`` and ``true`` for a boolean."""
        return ("false", "true") if self.type == "boolean" else self.levels


def named(kind: VariableType) -> str:
    """A type with its article, for a sentence."""
    return f"an {kind}" if kind == "integer" else f"a {kind}"


def whole(kinds: Iterable[ExprType]) -> VariableType:
    """The type of what is reckoned from these: whole numbers stay whole."""
    return "number" if any(kind.type == "number" for kind in kinds) else "integer"


def day_of(text: Text) -> float:
    """A date written out, as days since 1970-01-01.

    Raises
    ------
    FormulaError
        When it is no date of the form ``'2020-01-31'``.

    Examples
    --------
    >>> day_of(Text("1970-02-01"))
    31.0
    """
    try:
        return float((dt.datetime.strptime(text.value, "%Y-%m-%d").date() - _EPOCH).days)
    except ValueError:
        raise fault("this is not a date", at=text, fix="write year, month and day: '2020-01-31'") from None


def check_pair(left: tuple[Expr, ExprType], operator: str, right: tuple[Expr, ExprType], expr: Expr) -> None:
    """Refuse operands, each with its type, that cannot be compared so."""
    a, b = left[1], right[1]
    for kind, other, text in ((a, b, right[0]), (b, a, left[0])):
        if kind.type == "date" and isinstance(text, Text):
            day_of(text)
            return
        if kind.is_categorical and other.type == "category" and isinstance(text, Text):
            check_level(kind, text)
    if a.type in NUMERIC and b.type in NUMERIC:
        return
    if "category" in (a.type, b.type) and a.is_categorical and b.is_categorical:
        _check_categories(a, operator, b, expr)
    elif a.type != b.type:
        raise fault(f"{named(a.type)} is compared with {named(b.type)}", at=expr, fix=_advice(a, b, right[0]))


def _check_categories(a: ExprType, operator: str, b: ExprType, expr: Expr) -> None:
    if operator not in ("==", "!="):
        raise fault("categories have no order", at=expr, fix="list the levels: x in ('a', 'b')")
    if not set(a.coded_levels) & set(b.coded_levels):
        raise fault("these categories share no level", at=expr)


def check_level(kind: ExprType, text: Text) -> None:
    """Refuse a text that is none of the levels.

    Raises
    ------
    FormulaError
        With the nearest level.
    """
    levels = kind.coded_levels
    if text.value not in levels:
        near = nearest(text.value, levels)
        listed = ", ".join(f"'{level}'" for level in levels[:12])
        raise fault(
            f"'{text.value}' is not a declared level",
            at=text,
            fix=f"write '{near}'" if near else f"use one of {listed}",
        )


def _advice(a: ExprType, b: ExprType, right: Expr) -> str:
    levels = a.levels or b.levels
    if "category" in (a.type, b.type) and str(right) in levels:
        return f"levels are quoted: '{right}'"
    if "date" in (a.type, b.type):
        return "write a date as '2020-01-31', or use year(date)"
    return "levels are quoted and numbers are not"


def unify(kinds: Sequence[ExprType], expr: Expr) -> ExprType:
    """The type that holds all of these values; categories join their levels in order of appearance."""
    types = {kind.type for kind in kinds}
    units = {kind.unit for kind in kinds}
    unit = units.pop() if len(units) == 1 else ""
    if types == {"category"}:
        return ExprType("category", tuple(dict.fromkeys(level for kind in kinds for level in kind.levels)))
    if len(types) == 1:
        return ExprType(kinds[0].type, unit=unit)
    if types <= set(NUMERIC):
        return ExprType(whole(kinds), unit=unit)
    raise fault("the values are of different types", at=expr, why=" and ".join(sorted(types)))
