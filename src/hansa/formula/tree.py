"""The allow-listed syntax tree of expressions. What it cannot say, no study can ask.

Trees are equal when they say the same; where they stood in a text does not count. ``str(tree)`` is the
canonical text, which parses to an equal tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

__all__ = [
    "NOWHERE",
    "Boolean",
    "Call",
    "Chain",
    "Comparison",
    "Expr",
    "Items",
    "Membership",
    "Name",
    "Named",
    "Negate",
    "Not",
    "Number",
    "Pair",
    "Place",
    "Power",
    "Text",
    "names_in",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: characters ``start`` to ``end`` of ``text``, given in the input ``field``."""

    text: str
    start: int
    end: int
    field: str = ""


NOWHERE = Place("", 0, 0)

OR, AND, NOT, COMPARE, SUM, PRODUCT, NEGATE, POWER, ATOM = range(10, 100, 10)

PRECEDENCE = {
    "or": OR,
    "and": AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not"), COMPARE),
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "^": POWER,
}
"""How tightly an operator between two operands binds."""


@dataclass(frozen=True, kw_only=True)
class Expr:
    """An expression; each kind is a subclass."""

    precedence: ClassVar[int] = ATOM
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def children(self) -> tuple[Expr, ...]:
        """The expressions directly below."""
        return ()


def _within(child: Expr, precedence: int) -> str:
    """A child's text, in parentheses unless it binds more tightly than its parent."""
    return str(child) if child.precedence > precedence else f"({child})"


@dataclass(frozen=True)
class Number(Expr):
    """A number, not negative: ``-2`` is a :class:`Negate`."""

    value: float

    def __str__(self) -> str:
        return repr(self.value).removesuffix(".0")


@dataclass(frozen=True)
class Text(Expr):
    """A quoted text: a level, or a date as ``'2020-01-31'``."""

    value: str

    def __str__(self) -> str:
        return f'"{self.value}"' if "'" in self.value else f"'{self.value}'"


@dataclass(frozen=True)
class Boolean(Expr):
    """``true`` or ``false``."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True)
class Name(Expr):
    """A variable."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Negate(Expr):
    """``-operand``."""

    precedence: ClassVar[int] = NEGATE
    operand: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        """The operand."""
        return (self.operand,)

    def __str__(self) -> str:
        return f"-{_within(self.operand, NEGATE)}"


@dataclass(frozen=True)
class Not(Expr):
    """``not operand``."""

    precedence: ClassVar[int] = NOT
    operand: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        """The operand."""
        return (self.operand,)

    def __str__(self) -> str:
        return f"not {_within(self.operand, NOT)}"


@dataclass(frozen=True)
class Power(Expr):
    """``base ^ exponent``, grouped from the right."""

    precedence: ClassVar[int] = POWER
    base: Expr
    exponent: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        """Base and exponent."""
        return (self.base, self.exponent)

    def __str__(self) -> str:
        return f"{_within(self.base, POWER)} ^ {_within(self.exponent, POWER - 1)}"


@dataclass(frozen=True)
class _Run(Expr):
    """Operands with an operator between each two."""

    operands: tuple[Expr, ...]
    operators: tuple[str, ...]

    @property
    def children(self) -> tuple[Expr, ...]:
        """The operands."""
        return self.operands

    def pairs(self) -> Iterator[tuple[str, Expr]]:
        """Each operator with the operand to its right."""
        return zip(self.operators, self.operands[1:], strict=True)

    def _joined(self, precedence: int) -> str:
        rest = "".join(f" {operator} {_within(operand, precedence)}" for operator, operand in self.pairs())
        return _within(self.operands[0], precedence) + rest


@dataclass(frozen=True)
class Chain(_Run):
    """Operands joined from the left by operators of one strength: ``a + b - c``, ``a * b``, ``a or b``.

    One node however long the run, so that a score of many items is not a deep tree.
    """

    @property
    def precedence(self) -> int:  # type: ignore[override]  # a class constant elsewhere, here by operator
        """The strength of the operators."""
        return PRECEDENCE[self.operators[0]]

    def __str__(self) -> str:
        return self._joined(self.precedence)


@dataclass(frozen=True)
class Comparison(_Run):
    """``a < b``, or a chain ``a <= b < c`` in which every neighbouring pair must hold."""

    precedence: ClassVar[int] = COMPARE

    def __str__(self) -> str:
        return self._joined(COMPARE)


@dataclass(frozen=True)
class Membership(Expr):
    """``operand in (items)`` or ``operand not in (items)``."""

    precedence: ClassVar[int] = COMPARE
    operand: Expr
    items: tuple[Expr, ...]
    negated: bool = False

    @property
    def children(self) -> tuple[Expr, ...]:
        """The operand and the items."""
        return (self.operand, *self.items)

    def __str__(self) -> str:
        verb = "not in" if self.negated else "in"
        return f"{_within(self.operand, COMPARE)} {verb} ({', '.join(map(str, self.items))})"


@dataclass(frozen=True)
class Call(Expr):
    """``function(arguments)``."""

    function: str
    arguments: tuple[Expr, ...]

    @property
    def children(self) -> tuple[Expr, ...]:
        """The arguments."""
        return self.arguments

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Named(Expr):
    """An argument by name: ``df=4``."""

    name: str
    value: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        """The value."""
        return (self.value,)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True)
class Pair(Expr):
    """A replacement in ``recode``: ``'old'='new'``."""

    old: Expr
    new: Expr

    @property
    def children(self) -> tuple[Expr, ...]:
        """Old and new."""
        return (self.old, self.new)

    def __str__(self) -> str:
        return f"{self.old}={self.new}"


@dataclass(frozen=True)
class Items(Expr):
    """At least two numbers as one argument: ``(40, 60)``."""

    items: tuple[Expr, ...]

    @property
    def children(self) -> tuple[Expr, ...]:
        """The items."""
        return self.items

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


def names_in(expr: Expr) -> frozenset[str]:
    """The variables an expression names.

    Examples
    --------
    >>> sorted(names_in(Comparison((Name("age"), Name("limit")), ("<",))))
    ['age', 'limit']
    """
    if isinstance(expr, Name):
        return frozenset((expr.name,))
    return frozenset[str]().union(*map(names_in, expr.children))
