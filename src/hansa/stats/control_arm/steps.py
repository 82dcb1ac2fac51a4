"""The sums of a control-arm analysis: people and weights by arm, event and time; balance; stacked equations.

A person's influence on the hazard ratio and on a restricted mean is the person's weight times a function of arm,
event and time that the hub knows (:mod:`hansa.stats.control_arm.influence`). That weights are estimated adds the
derivative of these influences times the propensity model's own (Stefanski LA, Boos DD 2002, Am Stat 56:29).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.control_arm.rows import ROWS
from hansa.stats.cox.risk_sets import summed
from hansa.stats.effect.propensity import ESTIMANDS, balancing, propensity

__all__ = ["EQUATIONS", "ESTIMATES", "TABLE"]

ESTIMATES: tuple[str, ...] = ("log hazard ratio", "restricted mean of controls", "restricted mean of the treated")
"""What the equations are of, in order."""

_WEIGHTS = ("weight of controls", "weight of the treated")


def _scored(arrays: Arrays, inputs: Inputs) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The propensity score (n,), each row's weight (n,), and its derivative by the linear predictor (n,)."""
    score = propensity(arrays["x"] @ inputs["alpha"])
    found = balancing(ESTIMANDS[int(arrays["asked"][0])], arrays["treated"], score)
    return score, arrays["usable"] * found.weight.sum(axis=0), arrays["usable"] * found.slope.sum(axis=0)


def _arms(arrays: Arrays) -> FloatArray:
    """Whether a row is a control's, and whether a treated person's, (2, n)."""
    return np.asarray(arrays["usable"] * np.stack([1 - arrays["treated"], arrays["treated"]]))


def table(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """People, weights and their squares by arm, event and time; and by arm, sums of columns and their squares."""
    _, weight, _ = _scored(arrays, inputs)
    arms, times, x = _arms(arrays), int(arrays["asked"][1]), arrays["x"]
    weighted = arms * weight
    place = ((2 * arrays["treated"] + arrays["event"]) * times + arrays["stop"]).astype(np.intp)
    by_time = {"people": arrays["usable"], "weight": weight, "square": weight**2}
    return {
        **{name: summed(place, values, 4 * times).reshape(2, 2, times) for name, values in by_time.items()},
        "plain": np.stack([arms @ x, arms @ x**2]),
        "weighted": np.stack([weighted @ x, weighted @ x**2]),
        "weights": weighted.T,
    }


def equations(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Products of influences at known weights and of the propensity's scores; what ties the two together.

    ``own`` and ``passed``, each (3, 2, times), say by arm and time what a person's unit of weight adds to each of
    :data:`ESTIMATES`: by having the event at its time, and by having been at risk up to it.
    """
    score, weight, slope = _scored(arrays, inputs)
    x, arm, stop = arrays["x"], arrays["treated"].astype(np.intp), arrays["stop"].astype(np.intp)
    each = arrays["event"] * inputs["own"][:, arm, stop] + inputs["passed"][:, arm, stop]
    influence, moved = weight * each, slope * each
    residual, curvature = arrays["usable"] * (arrays["treated"] - score), arrays["usable"] * score * (1 - score)
    scores = residual[:, None] * x
    told = np.vstack([_arms(arrays) * weight, influence, moved, residual, curvature])
    return {
        "meat": influence @ influence.T,
        "crossed": influence @ scores,
        "moved": moved @ x,
        "scores": scores.T @ scores,
        "information": (x * curvature[:, None]).T @ x,
        "weights": np.abs(told).T,
    }


TABLE = Step(
    "control_arm.table",
    1,
    ROWS,
    (
        Output("people", (2, 2, "times"), "protected"),
        Output("weight", (2, 2, "times"), "protected"),
        Output("square", (2, 2, "times"), "protected"),
        Output("plain", (2, 2, "columns"), "intermediate"),
        Output("weighted", (2, 2, "columns"), "intermediate"),
    ),
    table,
    weight_names=_WEIGHTS,
    centred=1,
)

EQUATIONS = Step(
    "control_arm.equations",
    1,
    ROWS,
    (
        Output("meat", (len(ESTIMATES), len(ESTIMATES)), "intermediate"),
        Output("crossed", (len(ESTIMATES), "columns"), "intermediate"),
        Output("moved", (len(ESTIMATES), "columns"), "intermediate"),
        Output("scores", ("columns", "columns"), "intermediate"),
        Output("information", ("columns", "columns"), "intermediate"),
    ),
    equations,
    weight_names=(
        *_WEIGHTS,
        *(f"influence on the {name}" for name in ESTIMATES),
        *(f"change of the influence on the {name}" for name in ESTIMATES),
        "score of the propensity",
        "slope of the propensity",
    ),
    centred=1,
)
