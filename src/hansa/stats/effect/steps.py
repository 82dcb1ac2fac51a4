"""The sums of a causal contrast: balance of the arms, potential outcomes, and stacked estimating equations.

Where the propensity model has an intercept in each node, the node fits its own, which never leaves, and its equation
is solved out of the others there (their Schur complement): columns are taken about the node's mean, weighted by
e (1 - e), and the means' equations take up how the intercept moves them. A node in which all or none are treated has
no such intercept; nobody of it takes part.

Stefanski LA, Boos DD (2002). The calculus of M-estimation. Am Stat 56:29. Lunceford JK, Davidian M (2004).
Stratification and weighting via the propensity score. Stat Med 23:2937.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.effect.propensity import ESTIMANDS, Balancing, balancing, propensity
from hansa.stats.effect.rows import ESTIMATORS, ROWS
from hansa.stats.glm.families import working
from hansa.stats.glm.profile import best_intercept
from hansa.stats.glm.steps import Sums, weighed

__all__ = ["BALANCE", "EQUATIONS", "OUTCOMES"]

_ARMS = ("the untreated", "the treated")
_WEIGHTS = tuple(f"weight of {arm}" for arm in _ARMS)
_MEANS = tuple(f"mean of {arm}" for arm in _ARMS)
_SCORES = ("propensity", *(f"outcome of {arm}" for arm in _ARMS), *_MEANS)
"""What a node judges in the stacked equations: a person who dominates any of them would be told of."""
_CURVATURES = ("propensity", *(f"outcome of {arm}" for arm in _ARMS), *_WEIGHTS)


@dataclass(frozen=True, eq=False)
class _Scored:
    """Rows at given coefficients: scores, weights, and the models' means by arm with their slopes, (2, n).

    ``taking`` is 1 for rows that take part in the contrast.
    """

    taking: FloatArray
    score: FloatArray
    weights: Balancing
    mean: FloatArray
    mean_slope: FloatArray
    weighted: bool
    modelled: bool

    @property
    def base(self) -> FloatArray:
        """What residuals in the weighted part are taken from, if the outcome is modelled."""
        return self.mean if self.modelled else np.zeros_like(self.mean)


def _scored(arrays: Arrays, inputs: Inputs) -> _Scored:
    estimand, estimator, binomial = arrays["asked"].astype(np.int64)
    x = arrays["x"]
    score, taking = _propensity(arrays, x @ inputs["alpha"])
    found = balancing(ESTIMANDS[estimand], arrays["treated"], score)
    eta = inputs["beta"] @ x.T
    mean = propensity(eta) if binomial else eta
    slope = mean * (1 - mean) if binomial else np.ones_like(eta)
    name = ESTIMATORS[estimator]
    kept = Balancing(*(taking * part for part in (found.weight, found.slope, found.tilt, found.tilt_slope)))
    return _Scored(taking, score, kept, mean, slope, name != "standardisation", name != "weighting")


def _propensity(arrays: Arrays, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each row's propensity score, and 1 for rows that take part, shape (n,)."""
    usable, treated = arrays["usable"], arrays["treated"]
    if not arrays["within"][0]:
        return propensity(eta), usable
    share = float(usable @ treated) / max(float(usable.sum()), 1.0)
    if not 0 < share < 1:
        return np.full_like(eta, 0.5), np.zeros_like(usable)

    def at(intercept: float) -> Sums:
        return weighed(working("binomial", "logit", treated, eta + intercept), usable)

    first = np.log(share / (1 - share)) - float(usable @ eta) / float(usable.sum())
    return best_intercept(at, first).row.mu, usable


def balance(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """By arm, people and sums of weights, and of columns and their squares with and without weights."""
    (arrays,) = partitions
    row = _scored(arrays, inputs)
    arms = arrays["usable"] * np.stack([1 - arrays["treated"], arrays["treated"]])
    x, weight = arrays["x"], row.weights.weight
    return {
        "people": arms.sum(axis=1),
        "weight": weight.sum(axis=1),
        "weight_square": (weight**2).sum(axis=1),
        "plain": np.stack([arms @ x, arms @ x**2]),
        "weighted": np.stack([weight @ x, weight @ x**2]),
        "weights": weight.T,
    }


def outcomes(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """Numerators and denominators of the two mean potential outcomes."""
    (arrays,) = partitions
    row = _scored(arrays, inputs)
    weight, tilt = row.weights.weight, row.weights.tilt
    residual = (weight * (arrays["y"] - row.base)).sum(axis=1) if row.weighted else np.zeros(2)
    modelled = (tilt * row.mean).sum(axis=1) if row.modelled else np.zeros(2)
    size = np.full(2, tilt.sum()) if row.modelled else weight.sum(axis=1)
    means = np.abs(tilt * row.mean) if row.modelled else np.zeros_like(row.mean)
    return {"numerator": residual + modelled, "denominator": size, "weights": np.vstack([weight, means]).T}


def equations(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """Sums of psi psi' and of the derivatives of psi: propensity, outcomes by arm, and the two means."""
    (arrays,) = partitions
    row, x = _scored(arrays, inputs), arrays["x"]
    arms = arrays["usable"] * np.stack([1 - arrays["treated"], arrays["treated"]])
    mu = inputs["mu"][:, None]
    factors = [row.taking * (arrays["treated"] - row.score)]
    if row.modelled:
        factors += list(arms * (arrays["y"] - row.mean))
    curvature = [row.taking * row.score * (1 - row.score), *(arms * row.mean_slope)]
    pull = _by_propensity(row, arrays["y"], mu)
    means = _mean_equations(row, arrays["y"], mu)
    columns = [x] * len(factors)
    if arrays["within"][0]:
        middle, moved = _solved_out(curvature[0], x, pull)
        columns[0], means = x - middle, means + moved[:, None] * factors[0]
    psi = np.hstack([*(factor[:, None] * z for factor, z in zip(factors, columns, strict=True)), means.T])
    slope = np.zeros((psi.shape[1], psi.shape[1]))
    p, last = x.shape[1], psi.shape[1] - 2
    for place, (weight, z) in enumerate(zip(curvature, columns, strict=False)):
        block = slice(place * p, (place + 1) * p)
        slope[block, block] = -(z * weight[:, None]).T @ z
    slope[last:, :p] = pull @ columns[0]
    if row.modelled:
        tilted = row.mean_slope * (row.weights.tilt - (row.weights.weight if row.weighted else 0.0))
        slope[last, p : 2 * p], slope[last + 1, 2 * p : 3 * p] = tilted @ x
    size = np.full(2, row.weights.tilt.sum()) if row.modelled else row.weights.weight.sum(axis=1)
    slope[[last, last + 1], [last, last + 1]] = -size
    blank = [np.zeros(len(x))] * (3 - len(factors))
    told = [*row.weights.weight, *factors, *blank, *means, *curvature, *row.weights.slope]
    return {"meat": psi.T @ psi, "slope": slope, "weights": np.abs(np.stack(told, axis=1))}


def _solved_out(curvature: FloatArray, x: FloatArray, pull: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The columns' means by curvature (p,), and by how much the means' equations follow the intercept's, (2,)."""
    total = float(curvature.sum())
    if total == 0:
        return np.zeros(x.shape[1]), np.zeros(2)
    return curvature @ x / total, pull.sum(axis=1) / total


def _mean_equations(row: _Scored, y: FloatArray, mu: FloatArray) -> FloatArray:
    if not row.modelled:
        return row.weights.weight * (y - mu)
    augmented = row.weights.weight * (y - row.mean) if row.weighted else 0.0
    return np.asarray(augmented + row.weights.tilt * (row.mean - mu))


def _by_propensity(row: _Scored, y: FloatArray, mu: FloatArray) -> FloatArray:
    """Derivatives of the means' equations by the propensity's linear predictor, (2, n)."""
    if not row.modelled:
        return row.weights.slope * (y - mu)
    augmented = row.weights.slope * (y - row.mean) if row.weighted else 0.0
    return np.asarray(augmented + row.weights.tilt_slope * (row.mean - mu))


BALANCE = Step(
    "effect.balance",
    1,
    ROWS,
    (
        Output("people", (2,), "protected", additive="node"),
        Output("weight", (2,), "intermediate", additive="node"),
        Output("weight_square", (2,), "intermediate", additive="node"),
        Output("plain", (2, 2, "columns"), "intermediate", additive="node"),
        Output("weighted", (2, 2, "columns"), "intermediate", additive="node"),
    ),
    balance,
    weight_names=_WEIGHTS,
    centred=1,
)

OUTCOMES = Step(
    "effect.outcomes",
    1,
    ROWS,
    (
        Output("numerator", (2,), "intermediate", additive="node"),
        Output("denominator", (2,), "intermediate", additive="node"),
    ),
    outcomes,
    weight_names=(*_WEIGHTS, *_MEANS),
    centred=1,
)

EQUATIONS = Step(
    "effect.equations",
    1,
    ROWS,
    (
        Output("meat", ("all", "all"), "intermediate", additive="node"),
        Output("slope", ("all", "all"), "intermediate", additive="node"),
    ),
    equations,
    weight_names=(
        *_WEIGHTS,
        *(f"score of the {name}" for name in _SCORES),
        *(f"slope of the {name}" for name in _CURVATURES),
    ),
    centred=1,
)
