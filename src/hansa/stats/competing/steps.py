"""The sums of competing risks: per group and time on a public grid, the people who leave, by the way they leave.

As in :mod:`hansa.stats.survival.steps` they are counts of few people, seen by hub and nodes and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hansa.formula import observed
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.competing.arguments import competing_formula, states_of
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.glm.design import reads
from hansa.stats.survival.steps import EXTENT as SURVIVAL_EXTENT
from hansa.stats.survival.steps import cells_of, curve_rows, dimensions_of, set_of

__all__ = ["EXTENT", "TABLE"]


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Per row its place in the table and its end; ``event`` is the place of its level."""
    formula = competing_formula(arguments["formula"], frame.variables)
    seen = observed(formula, frame.columns, frame.variables, causes=True)
    shape = np.array(list(_dimensions(arguments, frame.variables).values()), dtype=np.float64)
    return {**curve_rows(frame, formula, arguments["grid"], seen), "shape": shape}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The groups, each level of the event (those censored too: totals less causes tell of them), and the times."""
    formula = competing_formula(arguments["formula"], frame.variables)
    arrays = _build(frame, arguments)
    assert formula.survival is not None
    name, states = formula.survival[-1], states_of(formula, frame.variables)
    events = [((arrays["event"] == place).astype(np.float64), f"{name}={state}") for place, state in enumerate(states)]
    return (set_of(frame, formula, arrays, events),)


def _table(arrays: Arrays, _inputs: Inputs) -> dict[str, Any]:
    """People by cell, level of the event and time, shape (cells, states, times)."""
    usable = arrays["usable"] > 0
    cell, state, stop = (arrays[name][usable].astype(np.intp) for name in ("cell", "event", "stop"))
    cells, times, states = arrays["shape"].astype(np.intp).tolist()
    place = (cell * states + state) * times + np.minimum(stop, times - 1)
    left = np.bincount(place, minlength=cells * states * times).astype(np.float64)
    return {"left": left.reshape(cells, states, times)}


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    formula = competing_formula(arguments["formula"], variables)
    strata, groups = cells_of(formula, variables)
    return {**dimensions_of(strata * groups, arguments), "states": len(states_of(formula, variables))}


_ROWS = Preparation("competing_risks.rows", 1, reads, _dimensions, _build, _exposures, exposed_by=("formula", "grid"))

EXTENT = Step("competing_risks.extent", 1, _ROWS, SURVIVAL_EXTENT.outputs, SURVIVAL_EXTENT.compute)

TABLE = Step("competing_risks.table", 1, _ROWS, (Output("left", ("cells", "states", "times"), "protected"),), _table)
