"""The sums of a negative binomial model (NB2, log link; Lawless 1987, Canadian Journal of Statistics 15:209).

The variance is mu + mu^2 / theta. Each round is at coefficients ``beta`` and at ``theta``; information and score of
beta are those of a generalised linear model, those of theta are sums of digamma and trigamma functions of the counts.
With an intercept in each node, the node maximises over its own at these inputs, as in :mod:`glm_profile`; the
profile likelihood's derivative by theta is the likelihood's at that intercept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import gammaln, polygamma, psi, xlogy

from hansa.errors import MethodError
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.glm.design import DESIGN
from hansa.stats.glm.families import Working
from hansa.stats.glm.profile import best_intercept, centred, joined_prior
from hansa.stats.glm.steps import ROUND, Sums, gram_of, predictor, weighed

__all__ = ["NEGATIVE_BINOMIAL", "NEGATIVE_BINOMIAL_PROFILE", "THETA_RANGE"]

THETA_RANGE = (2.0**-20, 2.0**24)
_ETA_LIMITS = (-700.0, 20.0)
_ROWS = ("loglik", "theta_score", "theta_information")


def negative_binomial(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """One round with one intercept for all, or none."""
    theta, prior = _theta(inputs), arrays.get("prior")
    eta = predictor(arrays, inputs["beta"])
    sums = weighed(_working(arrays["y"], eta, theta), prior)
    rows = _theta_rows(arrays["y"], sums.row.mu, theta, prior)
    return {
        "gram": gram_of(arrays["x"], sums.row.weight),
        "score": sums.row.residual @ arrays["x"],
        **_sums(sums, rows),
        "weights": np.stack([sums.row.mu, sums.row.weight, rows["theta_score"], rows["theta_information"]]).T,
    }


def profile(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """One round with the node's own intercept; a node whose counts are all zero fits perfectly and says nothing."""
    theta, prior = _theta(inputs), joined_prior(partitions)
    p = len(inputs["beta"])
    eta = np.concatenate([predictor(arrays, inputs["beta"]) for arrays in partitions])
    y = np.concatenate([arrays["y"] for arrays in partitions])
    counted = y if prior is None else y[prior > 0]
    if not counted.any():
        nothing = dict.fromkeys([output.name for output in _OUTPUTS if output.shape == ()], 0.0)
        flat = {"gram": np.zeros((p, p)), "score": np.zeros(p), "nodes": float(len(counted) > 0)}
        return {**nothing, **flat, "weights": np.zeros((len(y), 4))}
    first = float(np.log(np.average(y, weights=prior))) - float(np.average(eta, weights=prior))
    sums = best_intercept(lambda intercept: weighed(_working(y, eta + intercept, theta), prior), first)
    rows = _theta_rows(y, sums.row.mu, theta, prior)
    gram, score = np.zeros((p, p)), np.zeros(p)
    for x, (weight, residual) in centred(partitions, sums.row.weight, sums.row.residual):
        gram += gram_of(x, weight)
        score += residual @ x
    return {
        "gram": gram,
        "score": score,
        **_sums(sums, rows),
        "nodes": 1.0,
        "weights": np.stack([sums.row.mu, sums.row.weight, rows["theta_score"], rows["theta_information"]]).T,
    }


def _theta(inputs: Inputs) -> float:
    theta = float(inputs["theta"])
    if not THETA_RANGE[0] <= theta <= THETA_RANGE[1]:
        raise MethodError("theta is out of range", why="it is the shape of a distribution of counts", field="theta")
    return theta


def _working(y: FloatArray, eta: FloatArray, theta: float) -> Working:
    low, high = _ETA_LIMITS
    mu = np.exp(np.clip(eta, low, high))
    spread = 1 + mu / theta
    deviance = 2 * (xlogy(y, y / mu) - (y + theta) * np.log((y + theta) / (mu + theta)))
    inside = eta <= high
    return Working(mu, mu / spread, (y - mu) / spread, deviance, None if inside.all() else inside)


def _theta_rows(y: FloatArray, mu: FloatArray, theta: float, prior: FloatArray | None) -> dict[str, FloatArray]:
    """Log-likelihood, its first and its negative second derivative by theta, of each row, weighted."""
    both = mu + theta
    found = {
        "loglik": gammaln(theta + y)
        - gammaln(theta)
        - gammaln(y + 1)
        + xlogy(y, mu / both)
        - theta * np.log1p(mu / theta),
        "theta_score": psi(y + theta) - psi(theta) - np.log1p(mu / theta) + (mu - y) / both,
        "theta_information": polygamma(1, theta) - polygamma(1, y + theta) - mu / (theta * both) + (mu - y) / both**2,
    }
    return {name: np.asarray(row if prior is None else row * prior, dtype=np.float64) for name, row in found.items()}


def _sums(sums: Sums, rows: dict[str, FloatArray]) -> dict[str, float]:
    return {
        "deviance": sums.deviance,
        "pearson": sums.pearson,
        "invalid": sums.invalid,
        "information": float(sums.row.weight.sum()),
        **{name: float(rows[name].sum()) for name in _ROWS},
    }


_OUTPUTS = (*ROUND, *(Output(name, (), "intermediate") for name in _ROWS))

_WEIGHTS = ("fitted mean", "working weight", "score of theta", "information about theta")

NEGATIVE_BINOMIAL = Step(
    "glm.negative_binomial", 1, DESIGN, _OUTPUTS, negative_binomial, weight_names=_WEIGHTS, centred=1
)

NEGATIVE_BINOMIAL_PROFILE = Step(
    "glm.negative_binomial_profile",
    1,
    DESIGN,
    tuple(replace(output, additive="node") for output in (*_OUTPUTS, Output("nodes", (), "protected"))),
    profile,
    weight_names=_WEIGHTS,
    centred=1,
)
