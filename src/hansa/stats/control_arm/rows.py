"""From a node's rows to the arrays of a control-arm analysis, and to what the gate looks at.

The gate sees the columns of a survival model with the treatment times every term, so that arms, events within arms
and levels within arms are cells. The arms may lie at different nodes: they are marked as such, and where few nodes
hold an arm, its sums are judged as these nodes' own releases (:func:`hansa.privacy.rules.is_own_release`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hansa.errors import MethodError
from hansa.formula import observed, parse_formula
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.contract import Arguments, Frame, Preparation, Step
from hansa.stats.control_arm.arguments import outcome_formula
from hansa.stats.cox import rows as cox_rows
from hansa.stats.effect.propensity import ESTIMANDS
from hansa.stats.glm.design import COLUMNS, DESIGN
from hansa.stats.survival.steps import MAX_TIMES, curve_rows

__all__ = ["ROWS", "armed"]


def _outcome(arguments: Arguments) -> dict[str, Any]:
    """The arguments of the survival model's columns; its formula follows from the propensity's."""
    formula = outcome_formula(arguments["survival"], arguments["propensity"]["formula"])
    return {**arguments["outcome"], "formula": formula, "weights": None}


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*DESIGN.reads(arguments["propensity"]), *cox_rows.COLUMNS.reads(_outcome(arguments)))))


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    times = int(arguments["times"])
    if not 0 < times <= MAX_TIMES:
        raise MethodError("the grid has too many times", why=f"at most {MAX_TIMES}", fix="take a coarser unit of time")
    return {"columns": DESIGN.dimensions(arguments["propensity"], variables)["slopes"], "times": times}


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Scaled columns ``x`` (n, p), ``treated``, ``stop`` on the grid, ``event`` and ``usable`` (n,); what is asked."""
    design = DESIGN.build(frame, arguments["propensity"])
    formula = parse_formula(f"{arguments['survival']} ~ 1")
    seen = curve_rows(frame, formula, arguments["grid"], observed(formula, frame.columns, frame.variables))
    times = int(arguments["times"])
    return {
        "x": design["x"],
        "treated": design["y"],
        "stop": np.minimum(seen["stop"], times - 1.0),
        "event": seen["event"],
        "usable": design.get("prior", np.ones(frame.rows)) * seen["usable"],
        "asked": np.array([ESTIMANDS.index(arguments["estimand"]), times], dtype=np.float64),
    }


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The survival model's columns and those of the propensity; nodes need not hold both arms to count."""
    design, events = cox_rows.exposures_of(frame, _outcome(arguments))
    (score,) = _armed_exposures(frame, {**arguments["propensity"], "mix": None})
    return (
        replace(design, strata=(False, *design.strata[1:])),
        replace(events, parameters=False),
        replace(score, name="propensity", remembered=False),
    )


def _armed_exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """Those of a generalised linear model whose response is the arm."""
    (found,) = COLUMNS.exposures(frame, arguments)
    response = str(parse_formula(arguments["formula"]).response)
    return (replace(found, arms=tuple(name == response for name in found.names)),)


ROWS = Preparation("control_arm.rows", 1, _reads, _dimensions, _build, _exposures)

_ARMED = {one.name: replace(one, exposures=_armed_exposures, together=None) for one in (COLUMNS, DESIGN)}


def armed(step: Step) -> Step:
    """A step of a generalised linear model as it is asked here: its response is the arm."""
    return replace(step, preparation=_ARMED.get(step.preparation.name, step.preparation))
