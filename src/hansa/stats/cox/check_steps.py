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
from numpy.typing import NDArray

from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.cox.pairs import smaller_before
from hansa.stats.cox.partial import Partial, partial
from hansa.stats.cox.risk_sets import sorted_order
from hansa.stats.cox.rows import ROWS

__all__ = ["PAIRS", "PROPORTIONAL", "TIMES", "times_of"]

TIMES: tuple[str, ...] = ("identity", "log")
"""The functions of time that are tested, in order."""


_DIGITS = 11


def times_of(time: FloatArray, inputs: Inputs) -> FloatArray:
    """Each g(t), centred and scaled, shape (2, T); a time of 0 has no logarithm and is taken for the centre's."""
    centre, scale = inputs["centre"], inputs["scale"]
    logarithm = np.log(time, out=np.full_like(time, float(centre[1])), where=time > 0)
    return np.asarray((np.stack([time, logarithm]) - centre[:, None]) * scale[:, None])


def proportional(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The scores of coefficients that change with g(t), and the two blocks of information that go with each."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    p = len(inputs["beta"])
    if at is None:
        nothing = np.zeros((len(TIMES), p, p))
        weights = np.zeros((_rows(rows), 1 + len(TIMES)))
        return {"score": np.zeros((len(TIMES), p)), "cross": nothing, "square": nothing, "weights": weights}
    found = [_changing(at, time) for time in times_of(rows["time"], inputs)]
    score, cross, square, expected = (list(part) for part in zip(*found, strict=True))
    return {
        "score": np.stack(score),
        "cross": np.stack(cross),
        "square": np.stack(square),
        "weights": at.weights(*expected),
    }


def _changing(at: Partial, time: FloatArray) -> tuple[FloatArray, ...]:
    """Score and information of coefficients times g (T,), and the events expected by its square."""
    by_term, by_row = time[at.terms.at], np.zeros(len(at.risk))
    by_row[at.died] = time[at.rows["after"].astype(np.intp)[at.died] - 1]
    expected, square = at.expected(by_term), at.expected(by_term**2)
    return (
        at.score(expected, by_row),
        at.information(expected, by_term),
        at.information(square, by_term**2),
        np.maximum(square, 0.0),
    )


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
    prior = rows["prior"][inside] if "prior" in rows else None
    own = np.ones(len(inside)) if prior is None else prior
    # equal rows have equal predictors but for the rounding of a matrix product, which depends on their place
    eta, dead = np.round(at.eta[inside], _DIGITS), rows["event"][inside] > 0
    died_at = last[inside] - 1
    # of those whose last event time is that of the death, the ones without an event outlive it
    survivors = np.where(dead, last[inside] - 1, last[inside])
    total, lower, same = _outliving(eta, prior, -survivors, -died_at[dead], dead)
    if rows["late"][0]:
        late = _outliving(eta, prior, -first[inside], -died_at[dead], dead)
        total, lower, same = total - late[0], lower - late[1], same - late[2]
    return np.array([own[dead] @ lower, own[dead] @ (total - lower - same), own[dead] @ same])


def _outliving(
    eta: FloatArray, prior: FloatArray | None, last: NDArray[np.intp], died: NDArray[np.intp], dead: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per death, the weight of rows with ``last`` before it, of those with a lower ``eta``, and with the same."""
    order = sorted_order(last - last.min(initial=0))
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    reach = np.searchsorted(last[order], died)
    weights = None if prior is None else prior[order]
    total = reach.astype(np.float64) if weights is None else np.append(0.0, np.cumsum(weights))[reach]
    return total, *smaller_before(eta[order], weights, reach, place[dead])


def _rows(rows: Arrays) -> int:
    return int(rows["rows"][0])


PROPORTIONAL = Step(
    "cox.proportional",
    1,
    ROWS,
    (
        Output("score", (len(TIMES), "columns"), "intermediate", additive="node"),
        Output("cross", (len(TIMES), "columns", "columns"), "intermediate", additive="node"),
        Output("square", (len(TIMES), "columns", "columns"), "intermediate", additive="node"),
    ),
    proportional,
    weight_names=("relative risk", "expected events by time", "expected events by log time"),
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
