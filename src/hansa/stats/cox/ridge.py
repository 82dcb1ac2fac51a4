"""The ridge penalty of a Cox model, as R's ``ridge(..., theta =, scale = TRUE)`` has it.

theta / 2 times the sum of squared coefficients, each in standard deviations of its column, is taken off the log
partial likelihood (Verweij & Van Houwelingen 1994, Statistics in Medicine 13:2427). With information I and the
penalty's second derivative P, errors are those of (I + P)^-1, or, as for an estimator that is known to be drawn
towards zero, of (I + P)^-1 I (I + P)^-1; the effective degrees of freedom are the trace of I (I + P)^-1 (Gray 1992,
JASA 87:942).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Cohorts, Inputs, Output, Request, Step, Totals
from hansa.stats.cox.rows import COLUMNS

__all__ = ["SPREAD", "Ridge", "ridge_of"]


def spread(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Sums of squares of the columns about ``centre`` (p,), by prior weight."""
    prior = arrays.get("prior", np.ones(len(arrays["stop"])))
    return {"squares": prior @ (arrays["x"] - inputs["centre"]) ** 2}


SPREAD = Step("cox.spread", 1, COLUMNS, (Output("squares", ("columns",), "intermediate"),), spread)


@dataclass(frozen=True, eq=False)
class Ridge:
    """The penalty's second derivative, shape (p, p), for the coefficients of the scaled problem."""

    second: FloatArray

    def added(self, totals: Totals, beta: FloatArray) -> Totals:
        """A round's totals with the penalty."""
        return Totals(
            {
                **totals,
                "gram": totals["gram"] + self.second,
                "score": totals["score"] - self.second @ beta,
                "deviance": np.asarray(totals["deviance"] + beta @ self.second @ beta),
            }
        )

    def mixed(self, mix: FloatArray) -> Ridge:
        """The same penalty for columns that are multiplied by ``mix`` (p, p)."""
        return Ridge(mix.T @ self.second @ mix)

    def removed(self, totals: Totals, beta: FloatArray) -> Totals:
        """The totals without it."""
        return Ridge(-self.second).added(totals, beta)


def ridge_of(cohorts: Cohorts, base: Request, theta: float, weight: float) -> Ridge:
    """The penalty of strength ``theta`` for the columns that ``base`` asks for, over rows of this total weight."""
    centre = cohorts.sum("cox.centre", base)["columns"] / weight
    squares = cohorts.sum("cox.spread", base, centre=centre)["squares"]
    return Ridge(np.diag(theta * squares / (weight - 1)))
