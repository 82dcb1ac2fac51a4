"""The factors of a formula: which are numbers, levels, splines or polynomials, and what each needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hansa.formula.facts import Need
from hansa.formula.faults import fault
from hansa.formula.functions import argument, number_of, numbers_of
from hansa.formula.kinds import check_level
from hansa.formula.tree import Call, Expr, Name, Text
from hansa.formula.types import Variables, check_expression, check_numeric

__all__ = ["Factor", "FactorKind", "read_factor"]

FactorKind = Literal["number", "levels", "ns", "bs", "poly"]

_MAX_DEGREE = 10
_MAX_DF = 30
_EDGES = (0.05, 0.95)


@dataclass(frozen=True)
class Factor:
    """A factor read against the dictionary.

    ``label`` is its text in the formula, ``expression`` what is evaluated, ``need`` what must be known of the
    pooled data. ``reference`` is the position of the reference level, ``degree`` that of a ``bs``.
    """

    label: str
    expression: Expr
    kind: FactorKind
    need: Need | None = None
    reference: int = 0
    degree: int = 3


def read_factor(factor: Expr, variables: Variables) -> Factor:
    """Read a factor of a formula's right-hand side.

    Raises
    ------
    FormulaError
        When it is neither number nor condition nor category, or a spline's arguments do not fit together.

    Examples
    --------
    >>> from hansa.formula import parse_formula
    >>> from hansa.model import Variable
    >>> age = Variable(name="age", type="number", range=(18, 100))
    >>> term = parse_formula("y ~ ns(age, df=3)").terms[0]
    >>> read_factor(term[0], {"age": age}).need.key
    'quantiles(age, p=(0.3333333333333333, 0.6666666666666666), boundary=(18.0, 100.0))'
    """
    if isinstance(factor, Call) and factor.function in _READERS:
        return _READERS[factor.function](factor, variables)
    return _plain(factor, factor, variables)


def _plain(factor: Expr, inner: Expr, variables: Variables) -> Factor:
    found = check_expression(inner, variables)
    if found.type == "date":
        raise fault("a date is not a term", at=factor, fix="use days(from, to) or year(date)")
    if not found.is_categorical:
        return Factor(str(factor), inner, "number")
    need = Need("levels", inner, levels=found.coded_levels)
    return Factor(str(factor), inner, "levels", need)


def _inhibited(call: Call, variables: Variables) -> Factor:
    return _plain(call, call.arguments[0], variables)


def _contrasts(call: Call, variables: Variables) -> Factor:
    inner = call.arguments[0]
    found = check_expression(inner, variables)
    if not found.is_categorical:
        raise fault("C() takes a category or condition", at=call, fix="derive a category with cut or recode")
    reference = argument(call, "ref")
    if not isinstance(reference, Text):
        return _plain(call, inner, variables)
    check_level(found, reference)
    need = Need("levels", inner, levels=found.coded_levels)
    return Factor(str(call), inner, "levels", need, reference=found.coded_levels.index(reference.value))


def _polynomial(call: Call, variables: Variables) -> Factor:
    inner = call.arguments[0]
    check_numeric(inner, variables)
    degree = _whole(call, "degree", 1, range(1, _MAX_DEGREE + 1), default=1)
    return Factor(str(call), inner, "poly", Need("poly", inner, degree=degree))


def _natural(call: Call, variables: Variables) -> Factor:
    df = _whole(call, "df", 1, range(1, _MAX_DF + 1), default=1)
    return Factor(str(call), call.arguments[0], "ns", _spline_need(call, df - 1, variables))


def _b_spline(call: Call, variables: Variables) -> Factor:
    degree = _whole(call, "degree", None, range(1, _MAX_DEGREE + 1), default=3)
    df = _whole(call, "df", 1, range(degree, _MAX_DF + 1), default=degree)
    return Factor(str(call), call.arguments[0], "bs", _spline_need(call, df - degree, variables), degree=degree)


def _spline_need(call: Call, interior: int, variables: Variables) -> Need:
    """Where knots are not given: R's rule, interior knots at equally spaced quantiles within the boundary.

    Where no boundary is known it is pooled quantiles near the edges: a smallest or largest value is a person's.
    """
    inner = call.arguments[0]
    check_numeric(inner, variables)
    given = argument(call, "knots")
    if given is not None and argument(call, "df", 1) is not None:
        raise fault("knots and df are both given", at=call, fix="give one of them")
    knots = () if given is None else numbers_of(given)
    boundary = _boundary(call, inner, variables)
    _check_rising(call, knots, boundary)
    lower, upper = (0.0, 1.0) if boundary else _EDGES
    inside = [lower + (upper - lower) * (j + 1) / (interior + 1) for j in range(interior)]
    probabilities = tuple(inside) if boundary else (lower, *inside, upper)
    return Need("quantiles", inner, probabilities=probabilities, knots=knots, boundary=boundary)


def _boundary(call: Call, inner: Expr, variables: Variables) -> tuple[float, float] | None:
    given = argument(call, "boundary")
    if given is not None:
        lower, upper = numbers_of(given)
        return lower, upper
    return variables[inner.name].range if isinstance(inner, Name) else None


def _check_rising(call: Call, knots: tuple[float, ...], boundary: tuple[float, float] | None) -> None:
    points = (boundary[0], *knots, boundary[1]) if boundary else knots
    if any(not lower < upper for lower, upper in pairwise(points)):
        raise fault(
            "knots do not rise within the boundary",
            at=call,
            why="the boundary is boundary=, else the variable's range in the dictionary",
            fix="order them, or give a wider boundary=",
        )


def _whole(call: Call, name: str, position: int | None, allowed: range, *, default: int) -> int:
    given = argument(call, name, position)
    if given is None:
        return default
    value = number_of(given)
    if value not in allowed:
        raise fault(f"{name} is a whole number from {allowed[0]} to {allowed[-1]}", at=given)
    return int(value)


_READERS: dict[str, Callable[[Call, Variables], Factor]] = {
    "C": _contrasts,
    "I": _inhibited,
    "bs": _b_spline,
    "ns": _natural,
    "poly": _polynomial,
}
