"""The arguments of a causal contrast, read and checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hansa.errors import StudyError
from hansa.formula import parse_formula
from hansa.model import Variable
from hansa.stats.arguments import level, no_others, one_name, one_of
from hansa.stats.contract import Arguments
from hansa.stats.effect.propensity import ESTIMANDS
from hansa.stats.effect.rows import ESTIMATORS
from hansa.stats.glm.arguments import NODES

__all__ = ["Contrast", "read_adjustment", "read_contrast", "read_treatment"]


@dataclass(frozen=True)
class Contrast:
    """What is asked: two variables, the terms adjusted for, whom the contrast is about, and how it is had.

    ``node``: whose intercepts the propensity model has.
    """

    outcome: str
    treatment: str
    adjust: str
    family: str
    estimand: str
    estimator: str
    node: str
    level: float

    @property
    def propensity_formula(self) -> str:
        """Treatment by the terms."""
        return f"{self.treatment} ~ {self.adjust}"

    @property
    def outcome_formula(self) -> str:
        """The outcome by the terms in each arm."""
        return f"{self.outcome} ~ {self.treatment} * ({self.adjust})"


def read_contrast(arguments: Arguments, variables: Mapping[str, Variable]) -> Contrast:
    """Read the arguments of ``effect``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in ``adjust``.
    """
    no_others(arguments, "outcome", "treatment", "adjust", "estimand", "estimator", "node", "level")
    outcome, treatment = one_name(arguments, "outcome", variables), read_treatment(arguments, variables)
    if outcome.type not in ("boolean", "number", "integer") or outcome.name == treatment.name:
        raise StudyError("the outcome is a number, or yes and no", fix="name another variable", field="outcome")
    adjust = read_adjustment(arguments, frozenset({outcome.name, treatment.name}))
    estimator = one_of(arguments, "estimator", ESTIMATORS, "aipw")
    node = one_of(arguments, "node", NODES, "common")
    if node == "intercepts" and estimator == "standardisation":
        raise StudyError(
            "standardisation has no propensity model to give the nodes intercepts",
            why="it rests on the outcome models alone",
            fix="take aipw or weighting",
            field="node",
        )
    return Contrast(
        outcome=outcome.name,
        treatment=treatment.name,
        adjust=adjust,
        family="binomial" if outcome.type == "boolean" else "gaussian",
        estimand=one_of(arguments, "estimand", ESTIMANDS, "ATE"),
        estimator=estimator,
        node=node,
        level=level(arguments),
    )


def read_treatment(arguments: Arguments, variables: Mapping[str, Variable]) -> Variable:
    """The variable whose yes is treated.

    Raises
    ------
    StudyError
        When it is none of yes and no.
    """
    treatment = one_name(arguments, "treatment", variables)
    if treatment.type != "boolean":
        raise StudyError(
            f"{treatment.name} is no treatment of two arms",
            why=f"it is a {treatment.type}; yes is treated, no is untreated",
            fix="derive a boolean, such as arm == 'active'",
            field="treatment",
        )
    return treatment


def read_adjustment(arguments: Arguments, taken: frozenset[str]) -> str:
    """The terms to adjust for, of which none is ``taken``.

    Raises
    ------
    StudyError, FormulaError
        When they are missing, or are more than terms.
    """
    text = arguments.get("adjust")
    if not isinstance(text, str) or "~" in text:
        raise StudyError("the terms to adjust for are needed", fix="write age + sex, say", field="adjust")
    formula = parse_formula(f"~ {text}")
    if formula.names & taken:
        raise StudyError("outcome and treatment are not adjusted for", fix="leave them out", field="adjust")
    special = formula.offsets or formula.strata or formula.cluster is not None
    if special or not formula.terms or not formula.intercept:
        raise StudyError(
            "only terms are adjusted for, with an intercept",
            fix="leave out offset(), strata(), cluster() and - 1, and name a term",
            field="adjust",
        )
    return text
