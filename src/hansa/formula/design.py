"""From a formula and pooled facts to the columns of the design, the same at every node.

Treatment coding as in R: within a term, a factor is coded by contrasts with its reference level where the rest
of the term is part of an earlier term (of the intercept, if nothing is left), else by all its indicators;
without an intercept the first factor has all its indicators (R's ``model.matrix`` and ``terms``, version 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from hansa.errors import FormulaError
from hansa.formula.derivations import raw_variables
from hansa.formula.factors import Factor, read_factor
from hansa.formula.facts import Fact, KnotFact, LevelFact, Need, PolyFact, check_fact, knot_fact
from hansa.formula.faults import fault
from hansa.formula.survival import check_survival
from hansa.formula.terms import Formula, Term
from hansa.formula.tree import Chain, Comparison, Expr, Name, Text
from hansa.formula.types import Variables, check_expression, check_numeric

__all__ = ["MAX_COLUMNS", "Design", "DesignColumn", "ResolvedFactor", "design_needs", "resolve_design"]

MAX_COLUMNS = 2_000
"""How many columns a design may have."""


@dataclass(frozen=True)
class ResolvedFactor:
    """A factor with everything known: ``present`` are positions of levels that occur, the reference first."""

    factor: Factor
    fact: Fact | None
    present: tuple[int, ...]
    raw: frozenset[str]
    derived: bool

    @property
    def width(self) -> int:
        """How many columns it has by itself, without contrasts."""
        match self.fact:
            case KnotFact(knots, _):
                return len(knots) + (self.factor.degree if self.factor.kind == "bs" else 1)
            case PolyFact(alpha, _):
                return len(alpha)
        return max(1, len(self.present))


@dataclass(frozen=True)
class DesignColumn:
    """One column.

    ``term`` is the position of its term in ``Design.terms``; ``expression`` says what it holds, in the grammar
    of expressions except for bases (``ns(age, df=4)[2]``). ``derived``: it is not a plain variable, a level of one,
    or a product of these. ``two_valued``: it can only be 0 or 1. ``raw`` are the variables it rests on.
    ``parts`` are positions of its factors in ``Design.factors``, each with a level's or basis column's position.
    """

    name: str
    term: int
    expression: str
    derived: bool
    two_valued: bool
    raw: frozenset[str]
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Design:
    """The columns of a formula.

    ``terms`` are their names, ``(Intercept)`` first where there is one. ``facts`` are all pooled or given facts
    by key. ``dropped_levels`` maps expressions to declared levels that occur nowhere.
    """

    formula: Formula
    terms: tuple[str, ...]
    columns: tuple[DesignColumn, ...]
    factors: tuple[ResolvedFactor, ...]
    facts: Mapping[str, Fact] = field(hash=False)
    dropped_levels: Mapping[str, tuple[str, ...]] = field(hash=False)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)


def design_needs(formula: Formula, variables: Variables) -> tuple[Need, ...]:
    """What must be known of the pooled data before the design is fixed; checks the whole formula on the way.

    Parameters
    ----------
    formula : Formula
        The formula.
    variables : Mapping[str, Variable]
        The dictionary's variables, derived ones included.

    Raises
    ------
    FormulaError
        When the formula does not fit the dictionary.

    Examples
    --------
    >>> from hansa.formula import parse_formula
    >>> from hansa.model import Variable
    >>> sex = Variable(name="sex", type="category", levels=("male", "female"))
    >>> y = Variable(name="y", type="number")
    >>> [need.key for need in design_needs(parse_formula("y ~ sex"), {"sex": sex, "y": y})]
    ['levels(sex)']
    """
    check_response(formula, variables)
    for offset in formula.offsets:
        check_numeric(offset, variables)
    for group in (*formula.strata, *([] if formula.cluster is None else [formula.cluster])):
        check_expression(group, variables)
    needs = {
        factor.need.key: factor.need
        for factor in _factors(formula, variables).values()
        if factor.need is not None and factor.need.is_open
    }
    return tuple(needs.values())


def check_response(formula: Formula, variables: Variables) -> None:
    """Refuse a response that is not a number, a condition, a category of two levels, or ``Surv()`` of such.

    Raises
    ------
    FormulaError
        When it is none of these.
    """
    if formula.survival is not None:
        check_survival(formula, variables)
    if formula.response is None or formula.survival is not None:
        return
    found = check_expression(formula.response, variables)
    if found.type == "date" or (found.type == "category" and len(found.levels) != 2):
        raise fault(
            "the response is a number, a condition or a category of two levels",
            at=formula.response,
            fix=f"compare it: {formula.response} == '{(found.levels or ('2020-01-31',))[0]}'",
        )


def resolve_design(
    formula: Formula, variables: Variables, facts: Mapping[str, Fact], derive: Mapping[str, Expr] | None = None
) -> Design:
    """Fix the columns of a formula.

    Levels that occur nowhere are dropped, as in R; if the reference is one of them, the first level that
    occurs becomes the reference.

    Parameters
    ----------
    formula : Formula
        The formula.
    variables : Mapping[str, Variable]
        The dictionary's variables, derived ones included.
    facts : Mapping[str, Fact]
        The pooled facts by the keys of :func:`design_needs`.
    derive : Mapping[str, Expr], optional
        The study's derivations, through which ``raw`` and ``derived`` see.

    Raises
    ------
    FormulaError
        When the formula does not fit the dictionary, or a fact is missing or does not fit.

    Examples
    --------
    >>> from hansa.formula import parse_formula
    >>> from hansa.model import Variable
    >>> sex = Variable(name="sex", type="category", levels=("male", "female"))
    >>> both = {"levels(sex)": LevelFact((True, True))}
    >>> resolve_design(parse_formula("~ sex"), {"sex": sex}, both).names
    ('(Intercept)', 'sex[female]')
    """
    check_response(formula, variables)
    by_expr = _factors(formula, variables)
    resolved = {expr: _resolve(factor, facts, derive or {}) for expr, factor in by_expr.items()}
    positions = {expr: place for place, expr in enumerate(resolved)}
    columns = [_INTERCEPT] if formula.intercept else []
    first = len(columns)
    for number, (term, full) in enumerate(
        zip(formula.terms, _full_coding(formula.terms, formula.intercept, resolved), strict=True)
    ):
        columns += _term_columns(number + first, [(positions[one], resolved[one], one in full) for one in term])
        if len(columns) > MAX_COLUMNS:
            raise FormulaError("the design has too many columns", fix=f"stay within {MAX_COLUMNS}", field="formula")
    labels = tuple(":".join(map(str, term)) for term in formula.terms)
    return Design(
        formula=formula,
        terms=("(Intercept)", *labels) if formula.intercept else labels,
        columns=tuple(columns),
        factors=tuple(resolved.values()),
        facts={one.factor.need.key: one.fact for one in resolved.values() if one.factor.need and one.fact},
        dropped_levels=_dropped(resolved),
    )


_INTERCEPT = DesignColumn("(Intercept)", 0, "1", derived=False, two_valued=False, raw=frozenset())


def _factors(formula: Formula, variables: Variables) -> dict[Expr, Factor]:
    return {factor: read_factor(factor, variables) for term in formula.terms for factor in term}


def _resolve(factor: Factor, facts: Mapping[str, Fact], derive: Mapping[str, Expr]) -> ResolvedFactor:
    fact = None if factor.need is None else _fact_for(factor.need, facts)
    plain = isinstance(factor.expression, Name) and factor.expression.name not in derive
    return ResolvedFactor(
        factor=factor,
        fact=fact,
        present=_present(factor, fact),
        raw=raw_variables(factor.expression, derive),
        derived=not plain or factor.kind not in ("number", "levels"),
    )


def _fact_for(need: Need, facts: Mapping[str, Fact]) -> Fact:
    if not need.is_open:
        return knot_fact(need, ())
    if need.key not in facts:
        raise FormulaError("a pooled fact is missing", why="the design needs it", field=f"facts.{need.key}")
    check_fact(need, facts[need.key])
    return facts[need.key]


def _present(factor: Factor, fact: Fact | None) -> tuple[int, ...]:
    if not isinstance(fact, LevelFact):
        return ()
    occurring = [level for level, occurs in enumerate(fact.present) if occurs]
    return tuple(sorted(occurring, key=lambda level: level != factor.reference))


def _dropped(resolved: Mapping[Expr, ResolvedFactor]) -> dict[str, tuple[str, ...]]:
    dropped = {}
    for one in resolved.values():
        if isinstance(one.fact, LevelFact) and one.factor.need and not all(one.fact.present):
            absent = zip(one.factor.need.levels, one.fact.present, strict=True)
            dropped[str(one.factor.expression)] = tuple(level for level, occurs in absent if not occurs)
    return dropped


def _full_coding(terms: tuple[Term, ...], intercept: bool, resolved: Mapping[Expr, ResolvedFactor]) -> list[set[Expr]]:
    """For each term, the factors that are coded by all their indicators (R's ``TermCode``)."""
    full: list[set[Expr]] = []
    for number, term in enumerate(terms):
        earlier = [set(one) for one in terms[:number]]
        categorical = [one for one in term if resolved[one].factor.kind == "levels"]
        rests = {one: set(term) - {one} for one in categorical}
        full.append({one for one, rest in rests.items() if rest and not any(rest <= other for other in earlier)})
        if not intercept and categorical:
            full[-1].add(categorical[0])
            intercept = True
    return full


def _term_columns(term: int, coded: list[tuple[int, ResolvedFactor, bool]]) -> list[DesignColumn]:
    """The columns of one term, the first factor's levels running fastest."""
    choices = [[(place, one, position) for position in _positions(one, full)] for place, one, full in coded]
    if math.prod(map(len, choices)) > MAX_COLUMNS:
        raise FormulaError("the design has too many columns", fix=f"stay within {MAX_COLUMNS}", field="formula")
    return [_column(term, reversed_parts[::-1]) for reversed_parts in product(*reversed(choices))]


def _positions(one: ResolvedFactor, full: bool) -> tuple[int, ...]:
    if one.factor.kind == "levels":
        return one.present if full else one.present[1:]
    return tuple(range(one.width))


def _column(term: int, parts: tuple[tuple[int, ResolvedFactor, int], ...]) -> DesignColumn:
    return DesignColumn(
        name=":".join(_name(one, position) for _place, one, position in parts),
        term=term,
        expression=_product_text([_meaning(one, position) for _place, one, position in parts]),
        derived=any(one.derived for _place, one, _position in parts),
        two_valued=all(one.factor.kind == "levels" for _place, one, _position in parts),
        raw=frozenset[str]().union(*(one.raw for _place, one, _position in parts)),
        parts=tuple((place, position) for place, _one, position in parts),
    )


def _name(one: ResolvedFactor, position: int) -> str:
    factor = one.factor
    if factor.kind == "levels" and factor.need:
        return f"{factor.label}[{factor.need.levels[position]}]"
    return factor.label if factor.kind == "number" else f"{factor.label}{position + 1}"


def _meaning(one: ResolvedFactor, position: int) -> Expr:
    """What a part holds, as an expression; a basis column is a name that no text can parse to."""
    factor = one.factor
    if factor.kind == "number":
        return factor.expression
    if factor.kind == "levels" and factor.need:
        return Comparison((factor.expression, Text(factor.need.levels[position])), ("==",))
    return Name(f"{factor.label}[{position + 1}]")


def _product_text(parts: list[Expr]) -> str:
    return str(parts[0] if len(parts) == 1 else Chain(tuple(parts), ("*",) * (len(parts) - 1)))
