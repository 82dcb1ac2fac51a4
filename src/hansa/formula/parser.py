"""Expressions: populations, derivations, and what formulas are made of.

A Pratt parser (V. R. Pratt, "Top down operator precedence", POPL 1973) over the tokens of
:mod:`hansa.formula.tokens`. From loosest to tightest: ``or``, ``and``, ``not``, comparisons, ``+ -``,
``* /``, unary minus, ``^``. Nothing of a text is ever executed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from hansa.formula.faults import fault
from hansa.formula.functions import Standing, check_call
from hansa.formula.tokens import RESERVED, Tokens
from hansa.formula.tree import (
    COMPARE,
    NEGATE,
    NOT,
    POWER,
    PRECEDENCE,
    Boolean,
    Call,
    Chain,
    Comparison,
    Expr,
    Items,
    Membership,
    Name,
    Named,
    Negate,
    Not,
    Number,
    Pair,
    Power,
    Text,
)

__all__ = ["MAX_DEPTH", "MAX_NODES", "ExpressionParser", "check_size", "parse_expression"]

MAX_DEPTH = 64
"""How deep an expression may be nested."""

MAX_NODES = 2_000
"""How many names, numbers and operations an expression may have."""


@lru_cache(maxsize=1024)
def parse_expression(text: str, *, field: str = "") -> Expr:
    """Read a population or derivation into its syntax tree.

    Parameters
    ----------
    text : str
        The expression.
    field : str
        The input it stands in, for error messages (``"population.adults"``).

    Raises
    ------
    FormulaError
        With the place, when the text is not an expression of the grammar or is too long or too deep.

    Examples
    --------
    >>> str(parse_expression("40<=age<60 and sex=='female'"))
    "40 <= age < 60 and sex == 'female'"
    >>> parse_expression("open('x')")
    Traceback (most recent call last):
    hansa.formula.faults.FormulaFault: there is no function open. To go on: ...
    """
    tokens = Tokens(text, field)
    expr = ExpressionParser(tokens).expression()
    if tokens.peek().kind != "end":
        raise tokens.unexpected("an operator is expected here")
    check_size(expr)
    return expr


def check_size(expr: Expr) -> None:
    """Refuse a tree that is too deep or too large to walk safely.

    Raises
    ------
    FormulaError
        When it is.
    """
    nodes = 0
    level: tuple[Expr, ...] = (expr,)
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        level = tuple(child for parent in level for child in parent.children)
        if not level:
            break
    if level:
        raise fault("the expression is nested too deep", at=level[0], fix=f"stay within {MAX_DEPTH} levels")
    if nodes > MAX_NODES:
        raise fault("the expression is too large", at=expr, fix="split it into derived variables")


class ExpressionParser:
    """Reads expressions from a cursor; leaves it at the first token that cannot go on."""

    def __init__(self, tokens: Tokens, depth: int = 0) -> None:
        self._tokens = tokens
        self._depth = depth

    def expression(self, above: int = 0) -> Expr:
        """The longest expression whose operators bind more tightly than ``above``."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._tokens.unexpected("the expression is nested too deep", f"stay within {MAX_DEPTH} levels")
        left = self._prefix()
        while (precedence := self._coming_precedence()) > above:
            left = self._infix(left, precedence)
        self._depth -= 1
        return left

    def call(self, standing: Standing = "expression") -> Call:
        """A function call; a term or response admits those that only formulas know."""
        name = self._tokens.take()
        self._tokens.expect("(")
        arguments = [] if self._tokens.at(")") else self._separated(self._argument)
        self._tokens.expect(")")
        call = Call(name.text, tuple(arguments), place=self._tokens.since(name.place))
        check_call(call, standing=standing)
        return call

    def _coming_precedence(self) -> int:
        token = self._tokens.peek()
        if token.kind not in ("operator", "name"):
            return 0
        if token.text == "not" and self._tokens.peek(1).text != "in":
            return 0
        return PRECEDENCE.get(token.text, 0)

    def _prefix(self) -> Expr:
        token = self._tokens.peek()
        if token.kind == "number":
            return self._number()
        if token.kind == "text":
            self._tokens.take()
            return Text(token.text[1:-1], place=token.place)
        if token.kind == "name":
            return self._word()
        return self._sign()

    def _number(self) -> Number:
        token = self._tokens.take()
        value = float(token.text)
        if not math.isfinite(value):
            raise fault("this number is too large", at=token.place)
        return Number(value, place=token.place)

    def _word(self) -> Expr:
        token = self._tokens.peek()
        if self._tokens.accept("not"):
            operand = self.expression(NOT - 1)
            return Not(operand, place=self._tokens.since(token.place))
        if self._tokens.accept("true", "false"):
            return Boolean(token.text == "true", place=token.place)
        if token.text in RESERVED:
            raise self._tokens.unexpected(f"{token.text} cannot stand here")
        if self._tokens.peek(1).text == "(" and self._tokens.peek(1).kind == "operator":
            return self.call()
        self._tokens.take()
        return Name(token.text, place=token.place)

    def _sign(self) -> Expr:
        start = self._tokens.peek().place
        if self._tokens.accept("-"):
            operand = self.expression(NEGATE - 1)
            return Negate(operand, place=self._tokens.since(start))
        if self._tokens.accept("("):
            inner = self.expression()
            self._tokens.expect(")")
            return inner
        raise self._tokens.unexpected("a variable, number, quoted text or function is expected here")

    def _infix(self, left: Expr, precedence: int) -> Expr:
        if self._tokens.at("in", "not"):
            return self._membership(left)
        if precedence == POWER:
            self._tokens.take()
            exponent = self.expression(POWER - 1)
            return Power(left, exponent, place=self._tokens.since(left.place))
        operators, operands = [], [left]
        while self._coming_precedence() == precedence and not self._tokens.at("in", "not"):
            operators.append(self._tokens.take().text)
            operands.append(self.expression(precedence))
        kind = Comparison if precedence == COMPARE else Chain
        return kind(tuple(operands), tuple(operators), place=self._tokens.since(left.place))

    def _membership(self, left: Expr) -> Membership:
        negated = self._tokens.accept("not") is not None
        self._tokens.expect("in")
        self._tokens.expect("(")
        items = self._separated(self._literal)
        self._tokens.expect(")")
        return Membership(left, tuple(items), negated, place=self._tokens.since(left.place))

    def _literal(self) -> Expr:
        token = self._tokens.peek()
        if token.kind in ("number", "text") or token.text in ("true", "false"):
            return self._prefix()
        if self._tokens.at("-") and self._tokens.peek(1).kind == "number":
            self._tokens.take()
            number = self._number()
            return Negate(number, place=self._tokens.since(token.place))
        raise self._tokens.unexpected("a quoted text or a number is expected here")

    def _argument(self) -> Expr:
        start, following = self._tokens.peek(), self._tokens.peek(1)
        if start.kind == "name" and following.text == "=" and following.kind == "operator":
            self._tokens.take()
            self._tokens.take()
            value = self._items() or self._literal()
            return Named(start.text, value, place=self._tokens.since(start.place))
        first = self.expression()
        if not self._tokens.accept("="):
            return first
        if not isinstance(first, Text | Number | Negate | Boolean):
            raise fault("only a quoted text or a number can be replaced", at=first, fix="for a comparison write ==")
        return Pair(first, self._literal(), place=self._tokens.since(start.place))

    def _items(self) -> Expr | None:
        """Numbers in parentheses; one alone is that number."""
        start = self._tokens.accept("(")
        if start is None:
            return None
        items = tuple(self._separated(self._literal))
        self._tokens.expect(")")
        return items[0] if len(items) == 1 else Items(items, place=self._tokens.since(start.place))

    def _separated(self, read: Callable[[], Expr]) -> list[Expr]:
        found = [read()]
        while self._tokens.accept(","):
            found.append(read())
        return found
