"""The arguments of a Cox model, read and checked before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hansa.errors import StudyError
from hansa.formula import Formula, check_expression, check_survival, parse_formula
from hansa.model import Variable
from hansa.stats.arguments import flag, level, no_others, one_of, prior_weights
from hansa.stats.contract import Arguments
from hansa.stats.cox.rows import stratum_levels

__all__ = ["BASELINES", "PENALTIES", "TIES", "WEIGHTS", "CoxModel", "read_cox"]

BASELINES: tuple[str, ...] = ("node", "pooled")
TIES: tuple[str, ...] = ("efron", "breslow")
WEIGHTS: tuple[str, ...] = ("frequency", "sampling")
PENALTIES: tuple[str, ...] = ("firth", "ridge")

_ARGUMENTS = (
    *("formula", "ties", "baseline", "grid", "weights", "weights_type", "robust", "level", "penalty", "theta"),
)


@dataclass(frozen=True)
class CoxModel:
    """What is fitted: formula, handling of ties, whose baseline hazard, weights, errors, and penalty.

    ``theta`` is the strength of the ridge penalty. ``grid`` is the unit in which times are counted for a pooled
    baseline hazard. ``steps`` is the first part of the names of the steps that are asked; ``censored``
    the level of the status that means it, where causes compete.

    ``by_node``: robust errors over nodes as clusters.
    """

    formula: Formula
    ties: str
    baseline: str
    grid: float | None
    weights: str | None
    weights_type: str | None
    robust: bool
    by_node: bool
    level: float
    penalty: str | None = None
    theta: float | None = None
    steps: str = "cox"
    censored: str | None = None


def read_cox(arguments: Arguments, variables: Mapping[str, Variable]) -> CoxModel:
    """Read the arguments of ``cox``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in the formula.
    """
    no_others(arguments, *_ARGUMENTS)
    formula, by_node = _formula(arguments.get("formula"), variables)
    weights, kind = prior_weights(arguments, variables, WEIGHTS)
    needed = kind == "sampling" or formula.cluster is not None or by_node
    robust = flag(arguments, "robust") if "robust" in arguments else needed
    if needed and not robust:
        raise StudyError(
            "sampling weights and clusters need robust errors",
            why="the model's own take each row for a person of its own",
            fix="leave robust out",
            field="robust",
        )
    ties = one_of(arguments, "ties", TIES, "efron")
    baseline = one_of(arguments, "baseline", BASELINES, "node")
    grid = _grid(arguments, formula, variables, baseline)
    if baseline == "pooled" and robust:
        _check_pooled_robust(formula, clusters=formula.cluster is not None or by_node)
    penalty, theta = _penalty(arguments)
    model = CoxModel(formula, ties, baseline, grid, weights, kind, robust, by_node, level(arguments), penalty, theta)
    _check_penalty(model)
    return model


def _penalty(arguments: Arguments) -> tuple[str | None, float | None]:
    penalty, theta = arguments.get("penalty"), arguments.get("theta")
    if penalty is not None:
        penalty = one_of(arguments, "penalty", PENALTIES, "ridge")
    if penalty != "ridge":
        if theta is not None:
            raise StudyError("theta is the strength of the ridge penalty", fix='add penalty="ridge"', field="theta")
        return penalty, None
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not 0 < theta < math.inf:
        raise StudyError(
            "the ridge penalty needs its strength",
            why="theta / 2 times the sum of squared coefficients of standardised columns is taken off the likelihood",
            fix="name theta, a number above 0; 0 would be no penalty",
            field="theta",
        )
    return penalty, float(theta)


def _check_penalty(model: CoxModel) -> None:
    if model.penalty is not None and model.robust:
        raise StudyError(
            "a penalised model has no robust errors",
            why="its errors are those of the penalised likelihood",
            fix="leave out robust, cluster() and sampling weights, or the penalty",
            field="penalty",
        )
    if model.penalty == "firth" and model.baseline == "pooled":
        raise StudyError(
            "Firth's penalty is to be had with the nodes' own baseline hazards only",
            why="it would take the mean covariates of the league's risk sets to the nodes",
            fix="leave baseline out",
            field="baseline",
        )


def _check_pooled_robust(formula: Formula, *, clusters: bool) -> None:
    """With a pooled baseline, residuals are squared row by row, and at the times at which rows end."""
    late = len(formula.survival or ()) == 3
    if clusters or late:
        raise StudyError(
            f"robust errors with {'clusters' if clusters else 'late entry'} are to be had with the nodes' own "
            "baseline hazards only",
            why="they would take the mean covariates of the league's risk sets to the nodes",
            fix="leave baseline out",
            field="baseline",
        )


def _formula(text: Any, variables: Mapping[str, Variable]) -> tuple[Formula, bool]:
    if not isinstance(text, str):
        raise StudyError("the model needs a formula", fix="write Surv(time, event) ~ age + sex, say", field="formula")
    formula, by_node = _apart_from_node(parse_formula(text), variables)
    check_survival(formula, variables)
    if not formula.intercept:
        raise StudyError(
            "a Cox model has no intercept to leave out", why="the baseline hazard is in its place", field="formula"
        )
    if not formula.terms:
        raise StudyError("the formula has no coefficients", fix="add a term", field="formula")
    for expression in formula.strata:
        if not stratum_levels(expression, variables):
            raise StudyError(
                f"strata() takes categories and conditions, and {expression} is neither",
                fix=f"cut it, as in strata(cut({expression}, 50, 60))",
                field="formula",
            )
    return formula, by_node


def _apart_from_node(formula: Formula, variables: Mapping[str, Variable]) -> tuple[Formula, bool]:
    """The formula without ``cluster(node)``, and whether it had that; ``node`` is no variable of the rows."""
    by_node = formula.cluster is not None and str(formula.cluster) == "node" and "node" not in variables
    if "node" in map(str, formula.strata) and "node" not in variables:
        raise StudyError("strata(node) is the default", fix="leave it out", field="formula")
    return (replace(formula, cluster=None) if by_node else formula), by_node


def _grid(arguments: Arguments, formula: Formula, variables: Mapping[str, Variable], baseline: str) -> float | None:
    """The unit of a pooled baseline's times: 1 where they are whole numbers, else what the study names."""
    value = arguments.get("grid")
    if baseline == "node":
        if value is not None:
            raise StudyError("a baseline hazard of each node needs no grid", fix="leave it out", field="grid")
        return None
    whole = all(check_expression(time, variables).type == "integer" for time in (formula.survival or ())[:-1])
    if value is None and whole:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise StudyError(
            "a pooled baseline hazard needs a grid of times",
            why="its risk sets are summed over nodes at public times",
            fix="name the unit that they are counted in, such as 1 (days), 7 (weeks) or 30.4375 (months)",
            field="grid",
        )
    return float(value)
