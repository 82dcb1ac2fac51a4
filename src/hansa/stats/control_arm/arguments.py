"""The arguments of a control-arm analysis, read and checked before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hansa.errors import StudyError
from hansa.formula import parse_formula
from hansa.model import Variable
from hansa.stats.arguments import level, no_others, one_of
from hansa.stats.contract import Arguments
from hansa.stats.cox.arguments import TIES
from hansa.stats.effect.arguments import read_adjustment, read_treatment
from hansa.stats.effect.propensity import ESTIMANDS
from hansa.stats.survival.arguments import curve_formula, grid_of

__all__ = ["ControlArm", "outcome_formula", "read_control_arm"]


@dataclass(frozen=True)
class ControlArm:
    """What is asked: time and event, the treatment, the terms adjusted for, and whom the contrast is about."""

    survival: str
    treatment: str
    adjust: str
    estimand: str
    ties: str
    grid: float
    tau: float | None
    level: float

    @property
    def curve_formula(self) -> str:
        """Time and event alone."""
        return f"{self.survival} ~ 1"

    @property
    def propensity_formula(self) -> str:
        """Treatment by the terms."""
        return f"{self.treatment} ~ {self.adjust}"

    @property
    def outcome_formula(self) -> str:
        """The event by the terms in each arm: not fitted, it names what the sums are over."""
        return outcome_formula(self.survival, self.propensity_formula)


def outcome_formula(survival: str, propensity: str) -> str:
    """Time and event by arm and terms, from a propensity formula.

    Examples
    --------
    >>> outcome_formula("Surv(time, event)", "given ~ age + sex")
    'Surv(time, event) ~ given * (age + sex)'
    """
    treatment, terms = (side.strip() for side in propensity.split("~"))
    return f"{survival} ~ {treatment} * ({terms})"


def read_control_arm(arguments: Arguments, variables: Mapping[str, Variable]) -> ControlArm:
    """Read the arguments of ``control_arm``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in ``survival`` or ``adjust``.
    """
    no_others(arguments, "survival", "treatment", "adjust", "estimand", "ties", "grid", "tau", "level")
    survival = _survival(arguments)
    formula = curve_formula(f"{survival} ~ 1", variables)
    if len(formula.survival or ()) == 3:
        raise StudyError(
            "late entry is not to be had here",
            why="errors that allow for estimated weights need each person's whole time",
            fix="write Surv(time, event), with time from the moment of eligibility",
            field="survival",
        )
    treatment = read_treatment(arguments, variables)
    return ControlArm(
        survival=survival,
        treatment=treatment.name,
        adjust=read_adjustment(arguments, formula.names | {treatment.name}),
        estimand=one_of(arguments, "estimand", ESTIMANDS, "ATT"),
        ties=one_of(arguments, "ties", TIES, "efron"),
        grid=grid_of(arguments, formula, variables),
        tau=_tau(arguments),
        level=level(arguments),
    )


def _survival(arguments: Arguments) -> str:
    text = arguments.get("survival")
    if not isinstance(text, str) or "~" in text or parse_formula(f"{text} ~ 1").survival is None:
        raise StudyError("time and event are needed", fix="write Surv(time, event), without ~", field="survival")
    return text


def _tau(arguments: Arguments) -> float | None:
    value = arguments.get("tau")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise StudyError("restricted means end at a time above 0", fix="name tau in units of the time", field="tau")
    return float(value)
