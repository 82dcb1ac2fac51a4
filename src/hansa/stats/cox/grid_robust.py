"""Robust errors of a Cox model with a pooled baseline hazard, without the risk sets' covariates going to the nodes.

A row's score residual (Lin DY, Wei LJ 1989, JASA 84:1074) is what its node knows, its own columns times observed less
expected events, less what only the hub knows: three vectors of its time, from the mean covariates of the league's risk
sets, each times a number of the row. So the sum of squared residuals follows from sums by time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step, Totals
from hansa.stats.cox.grid import GRID, WEIGHTS, at_beta, expected_events, grid_size
from hansa.stats.cox.grid_rounds import GridProblem, RiskSets
from hansa.stats.cox.risk_sets import summed

__all__ = ["RESIDUALS", "residual_sums", "squared_residuals"]

_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Of a row's three numbers: weight where it has the event, risk, and risk where it has the event."""


def residual_sums(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Squares of the rows' own parts of their residuals; by time, these parts and one by the rows' three numbers."""
    x, size = arrays["x"], grid_size(arrays)
    found = at_beta(arrays, inputs["beta"])
    p = x.shape[1]
    if found is None:
        nothing = {"square": np.zeros((p, p)), "crossed": np.zeros((3, size, p)), "paired": np.zeros((6, size))}
        return {**nothing, "weights": np.zeros((len(x), 3))}
    _, risk = found
    died = arrays["event"]
    expected = expected_events(arrays, risk, inputs["hazard"], inputs["tied"], size)
    own, end = (arrays["prior"] * died - expected)[:, None] * x, arrays["end"].astype(np.intp)
    numbers = (arrays["prior"] * died, risk, risk * died)
    return {
        "square": own.T @ own,
        "crossed": np.stack([summed(end, number, size, own) for number in numbers]),
        "paired": np.stack([summed(end, numbers[one] * numbers[other], size) for one, other in _PAIRS]),
        "weights": np.stack([risk, np.abs(expected), np.abs(own).sum(axis=1)], axis=1),
    }


RESIDUALS = Step(
    "cox.residuals",
    1,
    GRID,
    (
        Output("square", ("columns", "columns"), "intermediate"),
        Output("crossed", (3, "times", "columns"), "protected"),
        Output("paired", (6, "times"), "protected"),
    ),
    residual_sums,
    weight_names=(*WEIGHTS, "score residual"),
    centred=1,
)


def squared_residuals(problem: GridProblem, beta: FloatArray, sets: RiskSets, mean: FloatArray) -> FloatArray:
    """The sum of the score residuals' squares, shape (p, p); ``mean`` (d, p) is of the risk sets' terms."""
    totals: Totals = problem.cohorts.sum(
        "cox.residuals", problem.request, beta=beta, hazard=sets.hazard, tied=sets.tied
    )
    known = _known(problem, sets, mean)
    crossed = np.einsum("ktp,ktq->pq", totals["crossed"], known)
    squares = totals["square"] - crossed - crossed.T
    for (one, other), by_time in zip(_PAIRS, totals["paired"], strict=True):
        product = (known[one] * by_time[:, None]).T @ known[other]
        squares = squares + (product if one == other else product + product.T)
    return np.asarray(squares)


def _known(problem: GridProblem, sets: RiskSets, mean: FloatArray) -> FloatArray:
    """What the hub knows of each time, shape (3, times, p): what a row's three numbers are multiplied by.

    Mean covariates over the terms of the time; less the hazard's integral of mean covariates up to it; and the part
    of that from which those who die there are spared.
    """
    terms, size = sets.terms, problem.strata * problem.times
    share = terms.weight / sets.denominator
    each = summed(terms.at, np.ones(len(terms.at)), size)
    middle = summed(terms.at, np.ones(len(terms.at)), size, mean) / np.maximum(each, 1.0)[:, None]
    moved = summed(terms.at, share, size, mean).reshape(problem.strata, problem.times, -1)
    reached = np.cumsum(moved, axis=1).reshape(size, -1)
    return np.stack([middle, -reached, summed(terms.at, terms.part * share, size, mean)])
