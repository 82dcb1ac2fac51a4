"""R-style formulas: the algebra of terms (Wilkinson & Rogers, Applied Statistics 22, 1973; R's ``?formula``).

Terms are ordered by degree and, within a degree, as they appear, as in R. Inside an interaction, factors stay
in the order in which they are first written; R sorts them by first appearance in the whole formula, so that
its own labels may read back as others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from hansa.formula.faults import fault
from hansa.formula.functions import RESPONSE_FUNCTIONS, TERM_FUNCTIONS
from hansa.formula.parser import MAX_DEPTH, ExpressionParser, check_size
from hansa.formula.tokens import RESERVED, Tokens
from hansa.formula.tree import Call, Expr, Name, names_in

__all__ = ["MAX_TERMS", "Formula", "MixedFormula", "RandomPart", "Term", "parse_formula", "parse_mixed_formula"]

MAX_TERMS = 500
"""How many terms a formula may expand to."""

Term = tuple[Expr, ...]
"""The factors of one term; the interaction of several."""

_Products = tuple[Term, ...]
"""Terms, no two of the same factors."""


@dataclass(frozen=True)
class Formula:
    """A model's formula; ``response`` is None where the formula begins with ``~``.

    ``strata`` are the expressions inside ``strata()``, all of them together one stratification; ``cluster`` is
    what stands inside ``cluster()``.
    """

    response: Expr | None
    terms: tuple[Term, ...]
    intercept: bool = True
    offsets: tuple[Expr, ...] = ()
    strata: tuple[Expr, ...] = ()
    cluster: Expr | None = None

    def __str__(self) -> str:
        parts = [":".join(map(str, term)) for term in self.terms]
        parts += [f"offset({offset})" for offset in self.offsets]
        parts += [f"strata({', '.join(map(str, self.strata))})"] if self.strata else []
        parts += [f"cluster({self.cluster})"] if self.cluster is not None else []
        if not self.terms:
            parts.insert(0, "1" if self.intercept else "0")
        elif not self.intercept:
            parts.append("0")
        left = "" if self.response is None else f"{self.response} "
        return f"{left}~ {' + '.join(parts)}"

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """What must be evaluated and known: the response, what stands inside each factor, offsets and groups.

        Examples
        --------
        >>> [str(one) for one in parse_formula("y ~ ns(age, df=3)*sex + I(bmi > 30) + offset(log(t))").expressions]
        ['y', 'age', 'sex', 'bmi > 30', 'log(t)']
        >>> [str(one) for one in parse_formula("Surv(days, dead) ~ age + strata(sex)").expressions]
        ['days', 'dead', 'age', 'sex']
        """
        inner = [
            factor.arguments[0] if isinstance(factor, Call) and factor.function in TERM_FUNCTIONS else factor
            for term in self.terms
            for factor in term
        ]
        cluster = () if self.cluster is None else (self.cluster,)
        return tuple(dict.fromkeys((*self._responses, *inner, *self.offsets, *self.strata, *cluster)))

    @property
    def survival(self) -> tuple[Expr, ...] | None:
        """Time and event, or start, stop and event, where the response is ``Surv()``."""
        if isinstance(self.response, Call) and self.response.function in RESPONSE_FUNCTIONS:
            return self.response.arguments
        return None

    @property
    def _responses(self) -> tuple[Expr, ...]:
        if self.survival is not None:
            return self.survival
        return () if self.response is None else (self.response,)

    @property
    def names(self) -> frozenset[str]:
        """Every variable the formula names."""
        return frozenset[str]().union(*map(names_in, self.expressions))


@dataclass(frozen=True)
class RandomPart:
    """Random effects ``(terms | group)``: what varies between the groups of rows that ``group`` names."""

    terms: tuple[Term, ...]
    intercept: bool
    group: Name

    def __str__(self) -> str:
        parts = ["1" if self.intercept else "0", *(":".join(map(str, term)) for term in self.terms)]
        return f"({' + '.join(parts)} | {self.group})"


@dataclass(frozen=True)
class MixedFormula:
    """The formula of a mixed model: its fixed part and its random parts."""

    fixed: Formula
    random: tuple[RandomPart, ...]

    def __str__(self) -> str:
        return " + ".join([str(self.fixed), *map(str, self.random)])


@lru_cache(maxsize=256)
def parse_formula(text: str, *, field: str = "formula") -> Formula:
    """Read a formula in R's notation.

    Operators are ``+``, ``-``, ``:``, ``*`` and ``^n`` (all interactions up to degree n) with parentheses;
    ``- 1`` or ``+ 0`` leaves the intercept out. A term may be a variable, ``I(expression)``, a function of the
    expression grammar, ``C(x, ref='level')``, ``poly``, ``ns``, ``bs``, ``offset(expression)``, ``strata(x)`` or
    ``cluster(x)``. The response may be ``Surv(time, event)`` or ``Surv(start, stop, event)``.

    Parameters
    ----------
    text : str
        The formula.
    field : str
        The input it stands in, for error messages.

    Raises
    ------
    FormulaError
        With the place, when the text is no formula of this grammar.

    Examples
    --------
    >>> str(parse_formula("disease ~ age*sex + C(pain, ref='none') - age:sex - 1"))
    "disease ~ age + sex + C(pain, ref='none') + 0"
    >>> str(parse_formula("log(crp) ~ (a + b + c)^2"))
    'log(crp) ~ a + b + c + a:b + a:c + b:c'
    """
    found = parse_mixed_formula(text, field=field)
    if found.random:
        raise fault(
            "random effects are of mixed models only",
            at=found.random[0].group,
            fix="take lmm, or write the group as a term",
        )
    return found.fixed


@lru_cache(maxsize=256)
def parse_mixed_formula(text: str, *, field: str = "formula") -> MixedFormula:
    """Read a formula that may have random effects, in lme4's notation: ``(1 + x | group)``.

    The intercept stands there unless ``0 +`` takes it away. Several random effects of a group are correlated.

    Parameters
    ----------
    text : str
        The formula; its fixed part as in :func:`parse_formula`.
    field : str
        The input it stands in, for error messages.

    Raises
    ------
    FormulaError
        With the place, when the text is no formula of this grammar.

    Examples
    --------
    >>> found = parse_mixed_formula("y ~ age + (age | clinic)")
    >>> str(found.fixed), str(found.random[0])
    ('y ~ age', '(1 + age | clinic)')
    """
    tokens = Tokens(text, field)
    response = _response(tokens)
    tokens.expect("~")
    reader = _TermReader(tokens)
    products = reader.read()
    if tokens.peek().kind != "end":
        raise _unexpected(tokens)
    if response is not None:
        check_size(response)
    terms = tuple(sorted(products, key=len))
    inside = [factor for part in reader.random for term in part.terms for factor in term]
    asides = (*reader.offsets, *reader.strata, *reader.clusters)
    for factor in dict.fromkeys((*chain.from_iterable(terms), *inside, *asides)):
        check_size(factor)
        if factor == response:
            raise fault("the response stands on both sides", at=factor, fix="take it from the right-hand side")
    cluster = reader.clusters[0] if reader.clusters else None
    fixed = Formula(response, terms, reader.intercept, tuple(reader.offsets), tuple(reader.strata), cluster)
    return MixedFormula(fixed, tuple(reader.random))


def _response(tokens: Tokens) -> Expr | None:
    if tokens.at("~"):
        return None
    reader = ExpressionParser(tokens)
    if tokens.peek().text in RESPONSE_FUNCTIONS and tokens.peek(1).text == "(":
        return reader.call("response")
    return reader.expression()


def _unexpected(tokens: Tokens) -> Exception:
    if tokens.at("/"):
        return tokens.unexpected("nesting a/b is not supported", "write a + a:b")
    if tokens.at("==", "!=", "<", "<=", ">", ">=", "in", "and", "or", "not"):
        return tokens.unexpected("a condition is not a term", "write I(x > 0)")
    if tokens.at("~"):
        return tokens.unexpected("a formula has one ~")
    return tokens.unexpected("one of + - : * ^ is expected here")


_ASIDE = {"offset": "an offset", "strata": "strata", "cluster": "a cluster"}
_INSTEAD = {"strata": "for an effect that differs between strata write x:group beside strata(group)"}


class _TermReader:
    """Reads a right-hand side, from loosest to tightest: ``+ -``, ``*``, ``:``, ``^``."""

    def __init__(self, tokens: Tokens, depth: int = 0) -> None:
        self._tokens = tokens
        self._depth = depth
        self.intercept = True
        self.offsets: list[Expr] = []
        self.strata: list[Expr] = []
        self.clusters: list[Expr] = []
        self.random: list[RandomPart] = []

    def read(self) -> _Products:
        """The terms of the whole right-hand side; sets the intercept, offsets and groups."""
        return self._sum(top=True)

    def _sum(self, *, top: bool) -> _Products:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._tokens.unexpected("the formula is nested too deep", f"stay within {MAX_DEPTH} levels")
        found: _Products = ()
        sign = self._tokens.accept("+", "-")
        while True:
            removes = sign is not None and sign.text == "-"
            if not (top and self._reads_beside(removes=removes)):
                found = self._joined(found, self._product(), removes=removes)
            sign = self._tokens.accept("+", "-")
            if sign is None:
                self._depth -= 1
                return found

    def _joined(self, found: _Products, more: _Products, *, removes: bool) -> _Products:
        if not removes:
            return self._unique((*found, *more))
        gone = set(map(frozenset, more))
        return tuple(term for term in found if frozenset(term) not in gone)

    def _reads_beside(self, *, removes: bool) -> bool:
        """What stands on the top level only."""
        return (
            self._reads_intercept(removes=removes)
            or self._reads_aside(removes=removes)
            or self._reads_random(removes=removes)
        )

    def _reads_random(self, *, removes: bool) -> bool:
        """Random effects, ``(terms | group)``."""
        if not self._bar_comes():
            return False
        start = self._tokens.expect("(").place
        inner = _TermReader(self._tokens, self._depth)
        products = inner.read()
        bar = self._tokens.expect("|").place
        group = self._tokens.take()
        if group.kind != "name" or group.text in RESERVED or not self._tokens.at(")"):
            raise fault("one variable names the groups", at=group.place, fix="as in (1 | clinic)")
        self._tokens.expect(")")
        if removes or inner.offsets or inner.strata or inner.clusters or inner.random:
            raise fault("random effects are added, and hold terms alone", at=self._tokens.since(start))
        if not products and not inner.intercept:
            raise fault("nothing stands before the bar", at=bar, fix="as in (1 | clinic)")
        terms = tuple(sorted(products, key=len))
        self.random.append(RandomPart(terms, inner.intercept, Name(group.text, place=group.place)))
        return True

    def _bar_comes(self) -> bool:
        """Whether a parenthesis comes in which a bar stands."""
        if not self._tokens.at("("):
            return False
        depth = ahead = 0
        while (token := self._tokens.peek(ahead)).kind != "end":
            depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "operator" else 0
            if depth == 0 or (depth == 1 and token.text == "|"):
                return depth == 1
            ahead += 1
        return False

    def _reads_intercept(self, *, removes: bool) -> bool:
        if self._tokens.peek().text not in ("0", "1") or self._tokens.peek(1).text in (":", "*", "^"):
            return False
        self.intercept = (self._tokens.take().text == "1") != removes
        return True

    def _reads_aside(self, *, removes: bool) -> bool:
        """What stands beside the terms: an offset, strata or a cluster."""
        function = self._tokens.peek().text
        if function not in _ASIDE or self._tokens.peek(1).text != "(":
            return False
        call = ExpressionParser(self._tokens, self._depth).call("term")
        if removes or self._tokens.at(":", "*", "^"):
            raise fault(f"{_ASIDE[function]} can only be added", at=call, fix=_INSTEAD.get(function, ""))
        found = {"offset": self.offsets, "strata": self.strata, "cluster": self.clusters}[function]
        found.extend(one for one in call.arguments if one not in found)
        if len(self.clusters) > 1:
            raise fault("a formula has one cluster()", at=call)
        return True

    def _product(self) -> _Products:
        found = self._interaction()
        while self._tokens.accept("*"):
            right = self._interaction()
            found = self._unique((*found, *right, *self._crossed(found, right)))
        return found

    def _interaction(self) -> _Products:
        found = self._power()
        while self._tokens.accept(":"):
            found = self._crossed(found, self._power())
        return found

    def _power(self) -> _Products:
        base = self._base()
        while (sign := self._tokens.accept("^")) is not None:
            degree = self._tokens.take()
            if degree.text not in map(str, range(1, 11)):
                raise fault("the degree of interaction is a whole number from 1 to 10", at=degree.place)
            if len(base) == 1:
                inner = ":".join(map(str, base[0]))
                why = "it stands for interactions, and there is nothing to interact with"
                raise fault(
                    "this power changes nothing", at=sign.place, why=why, fix=f"write I({inner} ^ {degree.text})"
                )
            found = base
            for _ in range(int(degree.text) - 1):
                found = self._crossed(found, base)
            base = found
        return base

    def _base(self) -> _Products:
        if self._tokens.accept("("):
            inner = self._sum(top=False)
            self._tokens.expect(")")
            return inner
        return ((self._factor(),),)

    def _factor(self) -> Expr:
        token = self._tokens.peek()
        if token.kind == "number":
            raise self._tokens.unexpected(
                "a number is not a term", "the intercept stands alone, as + 0 or - 1; arithmetic goes into I()"
            )
        if token.kind != "name" or token.text in RESERVED:
            raise self._tokens.unexpected("a variable or function is expected here")
        if self._tokens.peek(1).text == "(":
            call = ExpressionParser(self._tokens, self._depth).call("term")
            if call.function in _ASIDE:
                raise fault(f"{_ASIDE[call.function]} can only be added at the top level", at=call)
            return call
        self._tokens.take()
        return Name(token.text, place=token.place)

    def _crossed(self, left: _Products, right: _Products) -> _Products:
        if len(left) * len(right) > MAX_TERMS**2:
            raise self._too_many()
        return self._unique((*a, *(one for one in b if one not in a)) for a in left for b in right)

    def _unique(self, terms: Iterable[Term]) -> _Products:
        by_factors: dict[frozenset[Expr], Term] = {}
        for term in terms:
            by_factors.setdefault(frozenset(term), term)
        found = tuple(by_factors.values())
        if len(found) > MAX_TERMS:
            raise self._too_many()
        return found

    def _too_many(self) -> Exception:
        return self._tokens.unexpected("the formula has too many terms", f"stay within {MAX_TERMS}")
