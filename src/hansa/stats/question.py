"""What an analysis of a study asks: a method, its arguments, and the analysis set, all parsed and checked.

Hub and nodes each read a study's analysis into the same question; nothing but text and plain values crosses
between them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from hansa.errors import StudyError
from hansa.formula import (
    Expr,
    check_condition,
    check_expression,
    derived_variables,
    parse_derivations,
    parse_expression,
    raw_variables,
)
from hansa.model import Analysis, Dictionary, Study, Variable
from hansa.stats.contract import Arguments, Method, Step

__all__ = ["Question", "read_question"]


@dataclass(frozen=True, eq=False)
class Question:
    """An analysis, ready to be asked.

    ``complete`` are the expressions on which a person must be complete; ``raw`` the dictionary variables that
    the analysis set rests on; ``variables`` the dictionary's and the derived ones.
    """

    method: Method
    arguments: Arguments
    population: Expr | None
    complete: tuple[Expr, ...]
    derive: Mapping[str, Expr]
    study: Study
    dictionary: Dictionary
    variables: Mapping[str, Variable]
    raw: frozenset[str]
    sites: bool

    @cached_property
    def dictionary_digest(self) -> bytes:
        """SHA-256 of the dictionary that the question was read against."""
        return hashlib.sha256(self.dictionary.model_dump_json().encode()).digest()

    @cached_property
    def set_digest(self) -> str:
        """SHA-256 over all that defines the analysis set, the same wherever it is read."""
        spec = {
            "population": "" if self.population is None else str(self.population),
            "complete": sorted(str(expression) for expression in self.complete),
            "derive": {name: str(expression) for name, expression in sorted(self.derive.items())},
            "dictionary": self.dictionary.model_dump_json(),
        }
        return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()

    @cached_property
    def touched(self) -> frozenset[str]:
        """The dictionary variables that the method's arguments name, wherever they stand in them."""
        words = set(re.findall(r"[A-Za-z][A-Za-z0-9_]*", json.dumps(_plain(self.arguments))))
        named = [parse_expression(word) for word in sorted(words & self.variables.keys())]
        return self.raw_of(named) | self.raw_of(self.complete)

    @cached_property
    def by_person(self) -> bool:
        """Whether the steps need to know which rows are one person's."""
        asked = self.method.by_person
        return asked is not None and asked(self.arguments)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the whole question: method, version, arguments, analysis set."""
        spec = [self.method.name, self.method.version, _plain(self.arguments), self.set_digest, self.sites]
        return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).digest()

    def shapes(self, step: Step, arguments: Arguments) -> dict[str, tuple[int, ...]]:
        """The shape of each of a step's outputs; formulas are resolved once, not in every round."""
        key = f"{step.preparation.name} {json.dumps(_plain(arguments), sort_keys=True)}"
        if key not in self._dimensions:
            self._dimensions[key] = step.preparation.dimensions(arguments, self.variables)
        return step.shapes(self._dimensions[key])

    @cached_property
    def _dimensions(self) -> dict[str, Mapping[str, int]]:
        return {}

    def raw_of(self, expressions: Iterable[Expr]) -> frozenset[str]:
        """The dictionary variables behind expressions, through derivations."""
        return frozenset().union(*(raw_variables(expression, self.derive) for expression in expressions))


def read_question(study: Study, analysis: str, dictionary: Dictionary, methods: Mapping[str, Method]) -> Question:
    """Parse and check one analysis of a study against a dictionary and the installed methods.

    Raises
    ------
    StudyError
        Naming the field that is wrong.
    FormulaError
        With the place marked, for a formula, derivation or population.
    """
    asked = _analysis(study, analysis)
    method = _method(asked, methods, field=f"analyses.{analysis}.method")
    if method.counts_rows and not dictionary.one_row_per_person:
        raise StudyError(
            f"{method.name} counts rows, and here one person may have many",
            why="cells and bins are counts of people",
            fix="give the node a table with one row per person for this question",
            field=f"analyses.{analysis}.method",
        )
    derive = parse_derivations(study.derive)
    variables = derived_variables(study.derive, dictionary.by_name)
    field = f"analyses.{analysis}"
    population = _population(study, asked, variables, field=f"{field}.population")
    complete = _complete(method, asked, variables, field=field)
    for expression in complete:
        check_expression(expression, variables)
    parts = [*complete, *([population] if population is not None else [])]
    raw = frozenset().union(*(raw_variables(part, derive) for part in parts))
    return Question(
        method, asked.arguments, population, complete, derive, study, dictionary, variables, raw, asked.sites
    )


def _analysis(study: Study, name: str) -> Analysis:
    if name not in study.analyses:
        raise StudyError(
            f"the study declares no analysis {name}",
            why="a study's questions are fixed when it is signed",
            fix=f"one of {sorted(study.analyses)}, or submit another study",
            field="analyses",
        )
    return study.analyses[name]


def _method(asked: Analysis, methods: Mapping[str, Method], *, field: str) -> Method:
    if asked.method not in methods:
        raise StudyError(
            f"there is no method {asked.method} in the catalogue",
            fix=f"one of {sorted(methods)}",
            field=field,
        )
    method = methods[asked.method]
    if asked.sites and not method.site_release:
        raise StudyError(f"{method.name} gives no estimate of one site", fix="leave sites out", field=field)
    return method


def _complete(method: Method, asked: Analysis, variables: Mapping[str, Variable], *, field: str) -> tuple[Expr, ...]:
    """The expressions on which people are complete; a method that stumbles over its arguments was given wrong ones."""
    try:
        needed = dict.fromkeys((*method.complete(asked.arguments, variables), *asked.complete))
        return tuple(parse_expression(text, field=field) for text in needed)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise StudyError(
            f"these are no arguments of {method.name}",
            why="one is missing, or of another kind",
            fix="see the method's arguments in the reference",
            field=f"{field}.arguments",
        ) from None


def _population(study: Study, asked: Analysis, variables: Mapping[str, Variable], *, field: str) -> Expr | None:
    text = study.populations.get(asked.population, asked.population)
    if not text:
        return None
    expression = parse_expression(text, field=field)
    check_condition(expression, variables)
    return expression


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
