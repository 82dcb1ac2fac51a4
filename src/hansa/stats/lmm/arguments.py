"""The arguments of a linear mixed model, read and checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hansa.errors import StudyError
from hansa.formula import Formula, MixedFormula, RandomPart, check_expression, parse_mixed_formula
from hansa.model import Variable
from hansa.stats.arguments import known, level, no_others, no_survival, one_of
from hansa.stats.contract import Arguments

__all__ = ["MOST_EFFECTS", "NODE", "PERSON", "MixedModel", "complete_on", "group_variables", "read_mixed_model"]

NODE = "node"
"""The group that is the custodian's node itself; no variable of the rows."""

PERSON = "person"
"""The group that is the person whose rows they are; the dictionary names the identifier."""

MOST_EFFECTS = 3
"""Most random effects of a cluster; their covariances grow with the square."""

_METHODS = ("REML", "ML")


@dataclass(frozen=True)
class MixedModel:
    """What is fitted: fixed part, random effects of the clusters, by which likelihood, and the intervals' level."""

    fixed: Formula
    random: RandomPart
    method: str
    level: float

    @property
    def by_node(self) -> bool:
        """Whether each node is one cluster."""
        return self.random.group.name == NODE

    def __str__(self) -> str:
        return str(MixedFormula(self.fixed, (self.random,)))


def read_mixed_model(arguments: Arguments, variables: Mapping[str, Variable]) -> MixedModel:
    """Read the arguments of ``lmm``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in the formula.
    """
    no_others(arguments, "formula", "method", "level")
    formula = _formula(arguments.get("formula"))
    no_survival(formula.fixed, "lmm")
    if formula.fixed.response is None:
        raise StudyError("the formula has no response", fix="write it to the left of ~", field="formula")
    if not formula.fixed.terms and not formula.fixed.intercept:
        raise StudyError("the formula has no coefficients", fix="add a term", field="formula")
    check_expression(formula.fixed.response, variables)
    random = _one_random_part(formula)
    _check_group(random, variables)
    return MixedModel(formula.fixed, random, one_of(arguments, "method", _METHODS, "REML"), level(arguments))


def complete_on(model: MixedModel) -> tuple[str, ...]:
    """The expressions on which rows must be complete: the fixed part's, and the group."""
    return (*map(str, model.fixed.expressions), *group_variables(model.random))


def group_variables(random: RandomPart) -> tuple[str, ...]:
    """The variable that names the groups; none for nodes and people."""
    return () if random.group.name in (NODE, PERSON) else (random.group.name,)


def _formula(text: Any) -> MixedFormula:
    if not isinstance(text, str):
        raise StudyError("the model needs a formula", fix="write y ~ age + (1 | clinic), say", field="formula")
    return parse_mixed_formula(text)


def _one_random_part(formula: MixedFormula) -> RandomPart:
    if not formula.random:
        raise StudyError("the formula has no random effects", fix="add (1 | clinic), say, or take glm", field="formula")
    if len(formula.random) > 1:
        raise StudyError(
            "a mixed model has one group of random effects",
            why="clusters lie within nodes, and crossed or further ones would tie the nodes' rows to each other",
            fix="take one, such as (1 + age | clinic); clinics of two nodes are different clinics anyhow",
            field="formula",
        )
    return formula.random[0]


def _check_group(random: RandomPart, variables: Mapping[str, Variable]) -> None:
    group = random.group.name
    if group in (NODE, PERSON) and group in variables:
        raise StudyError(
            f"{group} could be the variable or the {group} itself", fix="rename the variable", field="formula"
        )
    if group_variables(random) and known(group, variables, "formula").type not in ("category", "integer", "number"):
        raise StudyError(
            f"{group} names no groups of rows",
            why=f"it is a {variables[group].type}",
            fix="take a category or a number that identifies the cluster",
            field="formula",
        )
