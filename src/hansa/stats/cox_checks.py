"""What a fitted Cox model is checked by: proportional hazards, and how well it ranks people.

The test of proportional hazards is the score test that a coefficient changes with a function g of time:
Grambsch PM, Therneau TM (1994), Biometrika 81:515, in the exact form of ``cox.zph`` in R's survival since
version 3.0, which does not take the information for constant over time. Concordance is Harrell's (1996,
Statistics in Medicine 15:361), over pairs of people who were at risk together at one node, in one stratum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.cox_partial import Partial, partial
from hansa.stats.cox_rows import ROWS
from hansa.stats.pairs import smaller_before

__all__ = ["PAIRS", "PROPORTIONAL", "TIMES", "time_function"]

TIMES: tuple[str, ...] = ("identity", "log")
"""The functions of time that are tested, by their code."""


_DIGITS = 11


def time_function(time: FloatArray, inputs: Inputs) -> FloatArray:
    """g(t), centred and scaled, shape (T,); a time of 0 has no logarithm and is taken for the centre's."""
    centre, scale = inputs["centre"], inputs["scale"]
    if inputs["time"] == 0:
        return np.asarray((time - centre) * scale)
    logarithm = np.log(time, out=np.full_like(time, float(centre)), where=time > 0)
    return np.asarray((logarithm - centre) * scale)


def proportional(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The score of coefficients that change with g(t), and the two blocks of information that go with it."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    p = len(inputs["beta"])
    if at is None:
        nothing = np.zeros((p, p))
        return {"score": np.zeros(p), "cross": nothing, "square": nothing, "weights": np.zeros((_rows(rows), 2))}
    time = time_function(rows["time"], inputs)
    by_term = time[at.terms.at]
    by_row = np.zeros(len(at.risk))
    by_row[at.died] = time[rows["after"].astype(np.intp)[at.died] - 1]
    expected, square = at.expected(by_term), at.expected(by_term**2)
    return {
        "score": at.score(expected, by_row),
        "cross": at.information(expected, by_term),
        "square": at.information(square, by_term**2),
        "weights": at.weights(np.maximum(square, 0.0)),
    }


def pairs(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """Pairs in which who died earlier had the higher, the lower, or the same linear predictor."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    if at is None:
        return {"pairs": np.zeros(3), "weights": np.zeros((_rows(rows), 2))}
    found = sum((_of_stratum(at, *ends) for ends in _strata(rows)), np.zeros(3))
    return {"pairs": found, "weights": at.weights(at.expected())}


def _strata(rows: Arrays) -> list[tuple[int, int]]:
    """The first event time of each stratum, and that after its last."""
    ends = (np.flatnonzero(rows["ends"]) + 1).tolist()
    return list(zip([0, *ends], ends, strict=False))


def _of_stratum(at: Partial, begin: int, end: int) -> FloatArray:
    """Higher, lower and same, by weight.

    Rows are sorted by the last event time at which they are at risk: those who survive a death are behind it.
    """
    rows = at.rows
    first, last = (rows[name].astype(np.intp) for name in ("first", "after"))
    inside = np.flatnonzero((last > begin) & (last <= end))
    own = rows["prior"][inside] if "prior" in rows else np.ones(len(inside))
    # equal rows have equal predictors but for the rounding of a matrix product, which depends on their place
    eta, dead = np.round(at.eta[inside], _DIGITS), rows["event"][inside] > 0
    died_at = last[inside] - 1
    # of those whose last event time is that of the death, the ones without an event outlive it
    survivors = np.where(dead, last[inside] - 1, last[inside])
    order = np.argsort(-survivors, kind="stable")
    reach = np.searchsorted(-survivors[order], -died_at[dead], side="left")
    lower, same = smaller_before(eta[order], own[order], reach, eta[dead])
    total = np.append(0.0, np.cumsum(own[order]))[reach]
    if rows["late"][0]:
        entered = np.argsort(-first[inside], kind="stable")
        later = np.searchsorted(-first[inside][entered], -died_at[dead], side="left")
        late_lower, late_same = smaller_before(eta[entered], own[entered], later, eta[dead])
        lower, same = lower - late_lower, same - late_same
        total = total - np.append(0.0, np.cumsum(own[entered]))[later]
    return np.array([own[dead] @ lower, own[dead] @ (total - lower - same), own[dead] @ same])


def _rows(rows: Arrays) -> int:
    return int(rows["rows"][0])


PROPORTIONAL = Step(
    "cox.proportional",
    1,
    ROWS,
    (
        Output("score", ("columns",), "intermediate", additive="node"),
        Output("cross", ("columns", "columns"), "intermediate", additive="node"),
        Output("square", ("columns", "columns"), "intermediate", additive="node"),
    ),
    proportional,
    weight_names=("relative risk", "expected events by time"),
    centred=1,
)

PAIRS = Step(
    "cox.pairs",
    1,
    ROWS,
    (Output("pairs", (3,), "intermediate", additive="node"),),
    pairs,
    weight_names=("relative risk", "expected events"),
    centred=1,
)
