"""From a node's rows to the arrays of a causal contrast, and to what the gate looks at.

The gate sees the design of the outcome's model with the treatment times every term, so that arms, terms within
arms and outcomes within arms are cells, whichever estimator is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Preparation
from hansa.stats.effect.propensity import ESTIMANDS
from hansa.stats.glm.design import COLUMNS, DESIGN

__all__ = ["ESTIMATORS", "ROWS"]

ESTIMATORS: tuple[str, ...] = ("weighting", "standardisation", "aipw")


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*DESIGN.reads(arguments["propensity"]), *DESIGN.reads(arguments["outcome"]))))


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    p = DESIGN.dimensions(arguments["propensity"], variables)["slopes"]
    nuisance = p if arguments["estimator"] == "weighting" else 3 * p
    return {"columns": p, "all": nuisance + 2}


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Scaled columns ``x`` (n, p), ``treated`` and outcome ``y`` (n,), ``usable`` rows, and what is asked.

    ``within``: whether the propensity model has an intercept of the node's own.
    """
    chosen: dict[str, Any] = dict(arguments["propensity"])
    design = DESIGN.build(frame, chosen)
    outcome = COLUMNS.build(frame, arguments["outcome"])
    usable = design.get("prior", np.ones(frame.rows)) * (1 - outcome["unusable"])
    family = float(arguments["outcome"]["family"] == "binomial")
    code = [ESTIMANDS.index(arguments["estimand"]), ESTIMATORS.index(arguments["estimator"]), family]
    return {
        "x": design["x"],
        "treated": design["y"],
        "y": outcome["y"],
        "usable": usable,
        "asked": np.array(code, dtype=np.float64),
        "within": np.array([float(arguments["within"])]),
    }


_SINGLE = {"asked", "within"}
"""Arrays that are the same in each partition."""


def _joined(partitions: Sequence[Arrays]) -> dict[str, FloatArray]:
    """All rows of a node: its own intercept is one of all of them."""
    if len(partitions) == 1:
        return dict(partitions[0])
    rows = {name: np.concatenate([arrays[name] for arrays in partitions]) for name in partitions[0].keys() - _SINGLE}
    return {**rows, **{name: partitions[0][name] for name in _SINGLE}}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """Those of the outcome's model, with both arms as levels that a node must fill to count, and the propensity's.

    A hub could ask for a propensity model that is not the outcome's by arm: its columns are summed over, too.
    """
    (outcome,) = COLUMNS.exposures(frame, arguments["outcome"])
    (score,) = COLUMNS.exposures(frame, {**arguments["propensity"], "mix": None})
    return replace(outcome, strata=(True, *outcome.strata[1:])), replace(score, name="propensity", remembered=False)


ROWS = Preparation("effect.rows", 1, _reads, _dimensions, _build, _exposures, join=_joined)
