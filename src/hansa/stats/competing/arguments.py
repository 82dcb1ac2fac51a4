"""The arguments of competing risks, read and checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hansa.errors import StudyError
from hansa.formula import Formula, check_expression
from hansa.model import Variable
from hansa.stats.arguments import level, no_others, one_of
from hansa.stats.contract import Arguments
from hansa.stats.survival.arguments import INTERVALS, curve_formula, grid_of, power

__all__ = ["MAX_CAUSES", "CompetingModel", "competing_formula", "read_competing", "states_of"]

MAX_CAUSES = 8

_ARGUMENTS = ("formula", "censored", "grid", "interval", "rho", "level")


@dataclass(frozen=True)
class CompetingModel:
    """What is estimated: groups and strata of the formula, which level is censored, the test's ``rho``."""

    formula: Formula
    censored: str
    causes: tuple[str, ...]
    grid: float
    interval: str
    rho: float
    level: float


def read_competing(arguments: Arguments, variables: Mapping[str, Variable]) -> CompetingModel:
    """Read the arguments of ``competing_risks``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in the formula.
    """
    no_others(arguments, *_ARGUMENTS)
    formula = competing_formula(arguments.get("formula"), variables)
    states = states_of(formula, variables)
    censored = one_of(arguments, "censored", states, states[0])
    return CompetingModel(
        formula,
        censored,
        tuple(state for state in states if state != censored),
        grid_of(arguments, formula, variables),
        one_of(arguments, "interval", INTERVALS, "log"),
        power(arguments, "rho"),
        level(arguments),
    )


def competing_formula(text: object, variables: Mapping[str, Variable]) -> Formula:
    """The formula: as that of survival curves, with a category as event and no late entry.

    Raises
    ------
    StudyError, FormulaError
        When it is another.
    """
    formula = curve_formula(text, variables, causes=True)
    if len(formula.survival or ()) == 3:
        raise StudyError(
            "cumulative incidence has no late entry here",
            why="Gray's test is not defined for it",
            fix="write Surv(time, status)",
            field="formula",
        )
    if not 1 < len(states_of(formula, variables)) <= MAX_CAUSES + 1:
        raise StudyError(
            f"the event has from 1 to {MAX_CAUSES} causes, besides the level of those censored",
            fix="merge causes in the dictionary, or with recode()",
            field="formula",
        )
    return formula


def states_of(formula: Formula, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    """The levels of the event, in the dictionary's order."""
    assert formula.survival is not None
    return check_expression(formula.survival[-1], variables).levels
