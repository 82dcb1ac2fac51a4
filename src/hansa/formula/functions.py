"""The functions an expression or a formula may call, and what arguments they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from hansa.errors import FormulaError
from hansa.formula.faults import fault, nearest
from hansa.formula.tree import Boolean, Call, Expr, Items, Named, Negate, Number, Pair, Text

__all__ = [
    "EXPRESSION_FUNCTIONS",
    "GROUPING_FUNCTIONS",
    "RESPONSE_FUNCTIONS",
    "TERM_FUNCTIONS",
    "Standing",
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

GROUPING_FUNCTIONS = {
    "cluster": Signature("cluster(x)", 1, 1),
    "strata": Signature("strata(x) or strata(x, y)", 1, None),
}
"""Functions that stand on the right-hand side of a formula and give no columns."""

RESPONSE_FUNCTIONS = {"Surv": Signature("Surv(time, event) or Surv(start, stop, event)", 2, 3)}
"""Functions that stand on the left-hand side of a formula only."""

Standing = Literal["expression", "term", "response"]
"""Where a call stands: in an expression, or as a whole term or response of a formula."""

_ELSEWHERE = {
    **dict.fromkeys(TERM_FUNCTIONS, "is a term, not part of an expression"),
    **dict.fromkeys(GROUPING_FUNCTIONS, "is a term, not part of an expression"),
    **dict.fromkeys(RESPONSE_FUNCTIONS, "is a response, not part of an expression"),
}
_KNOWN: Mapping[Standing, Mapping[str, Signature]] = {
    "expression": EXPRESSION_FUNCTIONS,
    "term": EXPRESSION_FUNCTIONS | TERM_FUNCTIONS | GROUPING_FUNCTIONS,
    "response": RESPONSE_FUNCTIONS,
}


def check_call(call: Call, *, standing: Standing) -> None:
    """Refuse an unknown function, or one with arguments it does not take.

    Parameters
    ----------
    call : Call
        The call as written.
    standing : {"expression", "term", "response"}

    Raises
    ------
    FormulaError
        With the function's shape, or the nearest known function.
    """
    known = _KNOWN[standing]
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
    _check_shapes(call, positional, named, signature.shape)


def _unknown(call: Call, known: Mapping[str, Signature]) -> FormulaError:
    if call.function in _ELSEWHERE:
        side = "left" if call.function in RESPONSE_FUNCTIONS else "right"
        return fault(
            f"{call.function}() {_ELSEWHERE[call.function]}",
            at=call,
            fix=f"use it by itself on the {side}-hand side of a formula",
        )
    near = nearest(call.function, known)
    return fault(
        f"there is no function {call.function}",
        at=call,
        fix=f"write {near}" if near else f"use one of {', '.join(sorted(known))}",
    )


def _check_shapes(call: Call, positional: list[Expr], named: list[Named], shape: str) -> None:
    """Pairs stand in recode only, lists of numbers in named arguments only, and options are literal."""
    for place, child in enumerate(positional):
        wants_pair = call.function == "recode" and place > 0
        if isinstance(child, Items) or isinstance(child, Pair) != wants_pair:
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
