"""Facts of the pooled data that a design rests on: knots, recurrences of polynomials, and which levels occur.

A design names what it needs; somebody pools it under the disclosure rules; the facts come back and are the
same at every node.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from hansa.errors import FormulaError
from hansa.formula.tree import Expr

__all__ = [
    "Fact",
    "KnotFact",
    "LevelFact",
    "Need",
    "PolyFact",
    "check_fact",
    "facts_from_plain",
    "facts_to_plain",
    "knot_fact",
]


@dataclass(frozen=True)
class Need:
    """One thing to find out about an expression over the pooled analysis set.

    ``quantiles``: at ``probabilities``; ``knots`` and ``boundary`` are already known where given.
    ``poly``: the recurrence up to ``degree``. ``levels``: which of ``levels`` occur.
    """

    kind: Literal["quantiles", "poly", "levels"]
    expression: Expr
    probabilities: tuple[float, ...] = ()
    knots: tuple[float, ...] = ()
    boundary: tuple[float, float] | None = None
    degree: int = 0
    levels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The need in words that are the same wherever it arises."""
        match self.kind:
            case "poly":
                return f"poly({self.expression}, {self.degree})"
            case "levels":
                return f"levels({self.expression})"
        parts = {"p": self.probabilities, "knots": self.knots, "boundary": self.boundary}
        given = "".join(f", {name}={values}" for name, values in parts.items() if values)
        return f"quantiles({self.expression}{given})"

    @property
    def is_open(self) -> bool:
        """Whether anything must be pooled: splines whose knots are all given need nothing."""
        return self.kind != "quantiles" or bool(self.probabilities)


@dataclass(frozen=True)
class KnotFact:
    """Interior knots, rising, and the boundary knots around them."""

    knots: tuple[float, ...]
    boundary: tuple[float, float]


@dataclass(frozen=True)
class PolyFact:
    """R's ``attr(poly(x, degree), "coefs")``: ``alpha`` of length degree, ``norm2`` (1, n, ...) of degree + 2."""

    alpha: tuple[float, ...]
    norm2: tuple[float, ...]


@dataclass(frozen=True)
class LevelFact:
    """Which of the declared levels occur anywhere in the league."""

    present: tuple[bool, ...]


Fact = KnotFact | PolyFact | LevelFact


def knot_fact(need: Need, quantiles: Sequence[float]) -> KnotFact:
    """The knots of a spline from the pooled quantiles at the need's probabilities.

    Parameters
    ----------
    need : Need
        Of kind ``quantiles``.
    quantiles : Sequence[float]
        One for each of ``need.probabilities``.

    Raises
    ------
    FormulaError
        When the knots do not rise strictly within the boundary.

    Examples
    --------
    >>> from hansa.formula import parse_expression
    >>> need = Need("quantiles", parse_expression("age"), probabilities=(0.05, 0.5, 0.95))
    >>> knot_fact(need, (25.0, 50.0, 75.0))
    KnotFact(knots=(50.0,), boundary=(25.0, 75.0))
    """
    values = tuple(float(value) for value in quantiles)
    if need.boundary is not None:
        fact = KnotFact(need.knots or values, need.boundary)
    else:
        fact = KnotFact(need.knots or values[1:-1], (values[0], values[-1]))
    check_fact(need, fact)
    return fact


def check_fact(need: Need, fact: Fact) -> None:
    """Refuse a fact that does not answer the need; facts come from outside and are not trusted.

    Raises
    ------
    FormulaError
        When kind, length or order do not fit.
    """
    match fact:
        case KnotFact() if need.kind == "quantiles":
            _check_knots(need, fact)
        case PolyFact() if need.kind == "poly":
            lengths_fit = (len(fact.alpha), len(fact.norm2)) == (need.degree, need.degree + 2)
            if not lengths_fit or not all(map(math.isfinite, fact.alpha)):
                raise _unfit(need, "the recurrence has another degree")
            if not all(0 < norm < math.inf for norm in fact.norm2):
                raise _unfit(need, "there are too few distinct values", fix="ask for a lower degree")
        case LevelFact() if need.kind == "levels":
            if len(fact.present) != len(need.levels):
                raise _unfit(need, "the number of levels is not that of the dictionary")
            if sum(fact.present) < 2:
                raise _unfit(need, "fewer than two levels occur", fix="take the variable out of the formula")
        case _:
            raise _unfit(need, "it is of another kind")


def _check_knots(need: Need, fact: KnotFact) -> None:
    expected = need.knots or need.probabilities[slice(None) if need.boundary else slice(1, -1)]
    points = (fact.boundary[0], *fact.knots, fact.boundary[1])
    if len(fact.knots) != len(expected) or (need.knots and fact.knots != need.knots):
        raise _unfit(need, "the knots are not those of the formula")
    if need.boundary is not None and fact.boundary != need.boundary:
        raise _unfit(need, "the boundary is not that of the formula or dictionary")
    rising = all(lower < upper for lower, upper in pairwise(points))
    if not rising or not all(map(math.isfinite, points)):
        raise _unfit(
            need, "knots do not rise within the boundary", fix="ask for fewer df, or give knots= and boundary="
        )


def _unfit(need: Need, why: str, fix: str = "") -> FormulaError:
    return FormulaError("the pooled facts do not fit the formula", why=why, fix=fix, field=f"facts.{need.key}")


def facts_to_plain(facts: Mapping[str, Fact]) -> dict[str, dict[str, Any]]:
    """Facts as dictionaries, lists, numbers and booleans, for the wire.

    Examples
    --------
    >>> facts_to_plain({"levels(sex)": LevelFact((True, False))})
    {'levels(sex)': {'present': [True, False]}}
    """
    return {key: {name: list(values) for name, values in vars(fact).items()} for key, fact in sorted(facts.items())}


def facts_from_plain(plain: Any) -> dict[str, Fact]:
    """Facts read from plain data of unknown origin; whether they fit a design is :func:`check_fact`'s matter.

    Raises
    ------
    FormulaError
        When the data are not those of facts.
    """
    if not isinstance(plain, Mapping) or not all(isinstance(key, str) for key in plain):
        raise _unreadable("")
    return {key: _read(key, value) for key, value in plain.items()}


def _read(key: str, plain: Any) -> Fact:
    match plain:
        case {"knots": knots, "boundary": [lower, upper], **rest} if not rest:
            return KnotFact(_numbers(key, knots), (_number(key, lower), _number(key, upper)))
        case {"alpha": alpha, "norm2": norm2, **rest} if not rest:
            return PolyFact(_numbers(key, alpha), _numbers(key, norm2))
        case {"present": [*present], **rest} if not rest and all(isinstance(one, bool) for one in present):
            return LevelFact(tuple(present))
    raise _unreadable(key)


def _numbers(key: str, plain: Any) -> tuple[float, ...]:
    if not isinstance(plain, list | tuple):
        raise _unreadable(key)
    return tuple(_number(key, value) for value in plain)


def _number(key: str, plain: Any) -> float:
    if not isinstance(plain, int | float) or isinstance(plain, bool) or not abs(plain) <= sys.float_info.max:
        raise _unreadable(key)
    return float(plain)


def _unreadable(key: str) -> FormulaError:
    return FormulaError("pooled facts cannot be read", why="they are not of the expected form", field=f"facts.{key}")
