"""The functions an expression or a formula may call, and what arguments they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hansa.errors import FormulaError
from hansa.formula.faults import fault, nearest
from hansa.formula.tree import Boolean, Call, Expr, Items, Named, Negate, Number, Pair, Text

__all__ = [
    "EXPRESSION_FUNCTIONS",
    "TERM_FUNCTIONS",
    "argument",
    "check_call",
    "is_number",
    "number_of",
    "numbers_of",
]


@dataclass(frozen=True)
class Signature:
    """How many positional arguments a function takes and which names; ``shape`` says it to people."""

    shape: str
    least: int
    most: int | None
    names: tuple[str, ...] = ()


EXPRESSION_FUNCTIONS = {
    "abs": Signature("abs(x)", 1, 1),
    "case": Signature("case(condition, value, ..., otherwise)", 2, None),
    "coalesce": Signature("coalesce(a, b, ...)", 2, None),
    "cut": Signature("cut(x, break, ...)", 2, None),
    "days": Signature("days(from, to)", 2, 2),
    "exp": Signature("exp(x)", 1, 1),
    "is_missing": Signature("is_missing(x)", 1, 1),
    "log": Signature("log(x)", 1, 1),
    "max": Signature("max(a, b, ...)", 2, None),
    "min": Signature("min(a, b, ...)", 2, None),
    "recode": Signature("recode(x, 'old'='new', ..., else='other')", 2, None, ("else",)),
    "round": Signature("round(x) or round(x, digits)", 1, 2),
    "sqrt": Signature("sqrt(x)", 1, 1),
    "year": Signature("year(date)", 1, 1),
}
"""Functions of expressions."""

TERM_FUNCTIONS = {
    "C": Signature("C(x, ref='level')", 1, 1, ("ref",)),
    "I": Signature("I(expression)", 1, 1),
    "bs": Signature(
        "bs(x, df=5, degree=3) or bs(x, knots=(40, 60), boundary=(20, 80))",
        1,
        2,
        ("df", "degree", "knots", "boundary"),
    ),
    "ns": Signature("ns(x, df=4) or ns(x, knots=(40, 60), boundary=(20, 80))", 1, 2, ("df", "knots", "boundary")),
    "offset": Signature("offset(expression)", 1, 1),
    "poly": Signature("poly(x, 2)", 1, 2, ("degree",)),
}
"""Functions that stand for terms on the right-hand side of a formula only."""


def check_call(call: Call, *, term: bool) -> None:
    """Refuse an unknown function, or one with arguments it does not take.

    Parameters
    ----------
    call : Call
        The call as written.
    term : bool
        Whether it stands as a factor of a formula's right-hand side.

    Raises
    ------
    FormulaError
        With the function's shape, or the nearest known function.
    """
    known = EXPRESSION_FUNCTIONS | TERM_FUNCTIONS if term else EXPRESSION_FUNCTIONS
    signature = known.get(call.function)
    if signature is None:
        raise _unknown(call, known)
    named = [argument for argument in call.arguments if isinstance(argument, Named)]
    positional = [argument for argument in call.arguments if not isinstance(argument, Named)]
    names = [argument.name for argument in named]
    fits = (
        signature.least <= len(positional) <= (signature.most or len(positional))
        and set(names) <= set(signature.names)
        and len(set(names)) == len(names)
        and call.arguments == (*positional, *named)
    )
    if not fits:
        raise fault(f"{call.function} does not take these arguments", at=call, fix=f"write {signature.shape}")
    _check_shapes(call, positional, named)


def _unknown(call: Call, known: dict[str, Signature]) -> FormulaError:
    if call.function in TERM_FUNCTIONS:
        return fault(
            f"{call.function}() is a term, not part of an expression",
            at=call,
            fix="use it by itself on the right-hand side of a formula",
        )
    near = nearest(call.function, known)
    return fault(
        f"there is no function {call.function}",
        at=call,
        fix=f"write {near}" if near else f"use one of {', '.join(sorted(known))}",
    )


def _check_shapes(call: Call, positional: list[Expr], named: list[Named]) -> None:
    """Pairs stand in recode only, lists of numbers in named arguments only, and options are literal."""
    for place, child in enumerate(positional):
        wants_pair = call.function == "recode" and place > 0
        if isinstance(child, Items) or isinstance(child, Pair) != wants_pair:
            shape = (EXPRESSION_FUNCTIONS | TERM_FUNCTIONS)[call.function].shape
            raise fault("this argument does not fit here", at=child, fix=f"write {shape}")
    for option in named:
        if not _OPTIONS[option.name](option.value):
            raise fault(f"{option.name} takes {_WANTED[option.name]}", at=option)


def is_number(expr: Expr) -> bool:
    """Whether it is a number written out, with or without a minus."""
    return isinstance(expr, Number) or (isinstance(expr, Negate) and isinstance(expr.operand, Number))


def _is_literal(expr: Expr) -> bool:
    return isinstance(expr, Text | Boolean) or is_number(expr)


def _is_numbers(expr: Expr) -> bool:
    return all(map(is_number, expr.items)) if isinstance(expr, Items) else is_number(expr)


_OPTIONS: dict[str, Callable[[Expr], bool]] = {
    "boundary": lambda value: isinstance(value, Items) and len(value.items) == 2 and _is_numbers(value),
    "degree": is_number,
    "df": is_number,
    "else": _is_literal,
    "knots": _is_numbers,
    "ref": lambda value: isinstance(value, Text),
}

_WANTED = {
    "boundary": "two numbers, as (20, 80)",
    "degree": "a number",
    "df": "a number",
    "else": "a quoted level, a number, true or false",
    "knots": "numbers, as (40, 60)",
    "ref": "a quoted level",
}


def argument(call: Call, name: str, position: int | None = None) -> Expr | None:
    """A call's argument by name, or by position among those without one; None where it is not given."""
    for child in call.arguments:
        if isinstance(child, Named) and child.name == name:
            return child.value
    positional = [child for child in call.arguments if not isinstance(child, Named)]
    return positional[position] if position is not None and position < len(positional) else None


def number_of(expr: Expr) -> float:
    """The value of a number written out, with or without a minus.

    Raises
    ------
    FormulaError
        When the expression is not a number written out.
    """
    match expr:
        case Number(value):
            return value
        case Negate(Number(value)):
            return -value
    raise fault("a number written out is expected here", at=expr)


def numbers_of(expr: Expr) -> tuple[float, ...]:
    """The values of a list of numbers, or of one."""
    return tuple(map(number_of, expr.items)) if isinstance(expr, Items) else (number_of(expr),)
