"""Firth's penalty of a Cox model: what it adds to the score, and the fit with its tests and intervals.

The penalty is half the logarithm of the information's determinant (Firth 1993, Biometrika 80:27; Heinze & Schemper
2001, Biometrics 57:114). Its derivative contracts the third central moments of the covariates in each risk set with
V, the inverse of the pooled information, which is an input of the round. With q = x'Vx, the mean m of the risk set
and means E over it, a term of the likelihood adds half of E[q x] - E[q] m - 2 E[x x'] V m + 2 (m'Vm) m; the first and
third are summed over rows with the terms that each is at risk at, so that no product of covariates is kept by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hansa.formula import Design
from hansa.stats.contract import Arrays, Cohorts, Inputs, Output, Step
from hansa.stats.cox.arguments import CoxModel
from hansa.stats.cox.fit import CoxFitted, fitted_at, posed_cox
from hansa.stats.cox.partial import partial
from hansa.stats.cox.rows import ROWS
from hansa.stats.fitting.firth import climb
from hansa.stats.fitting.firth_fit import Penalty, profiles_of

__all__ = ["PENALTY", "fit_firth"]


def penalty(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The penalty's score at ``beta``, shape (p,), with ``inverse`` (p, p) of the pooled information."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    p = len(inputs["beta"])
    if at is None:
        return {"score": np.zeros(p), "weights": np.zeros((int(rows["rows"][0]), 3))}
    x, mean, inverse, weight = rows["x"], at.mean, inputs["inverse"], at.terms.weight
    turned = mean @ inverse
    leverage = np.einsum("ij,ij->i", x @ inverse, x)
    first = at.expected() * leverage
    third = np.einsum("ij,ij->i", x, at.over_time((weight / at.denominator)[:, None] * turned))
    by_term = weight * (2 * np.einsum("ij,ij->i", turned, mean) - at.mean_of(leverage))
    score = (first - 2 * third) @ x + by_term @ mean
    assert score.shape == (p,)
    return {"score": score / 2, "weights": at.weights(first, np.abs(first - 2 * third))}


PENALTY = Step(
    "cox.penalty",
    1,
    ROWS,
    (Output("score", ("columns",), "intermediate", additive="node"),),
    penalty,
    weight_names=("relative risk", "leverage", "pull of the penalty"),
    centred=1,
)


def fit_firth(cohorts: Cohorts, model: CoxModel, design: Design) -> CoxFitted:
    """Maximise the penalised partial likelihood, and profile it for each coefficient.

    Raises
    ------
    NotEstimable
        When the data do not determine the model even so.
    ConvergenceError
        When a search ends without an answer.
    """
    problem = posed_cox(cohorts, model, design)
    at, kept = Penalty(problem, "cox.penalty"), problem.kept
    p = int(kept.sum())
    start = at.seen(problem.start.beta[kept], problem.start.totals)
    peak = climb(at, start, np.zeros((p, p)), np.zeros((0, p)))
    back = problem.back[np.ix_(kept, kept)]
    # the information in the variables' units has another determinant
    unit = float(np.linalg.slogdet(back)[1])
    return replace(
        fitted_at(problem, at.fit(peak)),
        loglik=peak.place.value - unit,
        null_loglik=start.value - unit,
        profiles=profiles_of(at, peak, back, start, model.level),
    )
