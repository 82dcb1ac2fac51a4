"""A Newton round with an intercept in each node, fitted inside the node: it never leaves.

At each beta the node maximises over its own intercept; what leaves is the profile likelihood's deviance,
score and information about beta (Murphy & van der Vaart 2000, JASA 95:449). Columns are centred at the node's
weighted means, which is the Schur complement X'WX - X'W1 (1'W1)^-1 1'WX without its loss of digits. Beta and
its covariance equal those of one model with an indicator for each node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.glm.design import DESIGN
from hansa.stats.glm.families import linked, working
from hansa.stats.glm.steps import ROUND, Sums, gram_of, model_of, predictor, weighed

__all__ = ["PROFILE", "Node", "best_intercept", "centred", "fit_node", "joined_prior"]

_MAX_ITERATIONS = 60
_MAX_HALVINGS = 30
_TOLERANCE = 1e-14


@dataclass(frozen=True, eq=False)
class Node:
    """A node's rows at its own intercept: ``sums`` over all its partitions, ``None`` where it is flat.

    A node is flat where its outcome does not vary so that its intercept is infinite (binomial: all 0 or all
    1; Poisson: all 0). In the limit it fits perfectly and says nothing about beta.
    """

    sums: Sums | None
    rows: int


def profile(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The profile likelihood at ``beta``: information, score, deviance, Pearson's chi-square."""
    node = fit_node(partitions, inputs["beta"])
    p = len(inputs["beta"])
    if node.sums is None:
        zero = {"gram": np.zeros((p, p)), "score": np.zeros(p)}
        none = dict.fromkeys(("deviance", "pearson", "invalid", "information"), 0.0)
        occupied = float(node.rows > 0)
        return {**zero, **none, "nodes": occupied, "weights": np.zeros((_length(partitions), 2))}
    row = node.sums.row
    gram, score = np.zeros((p, p)), np.zeros(p)
    for x, (weight, residual) in centred(partitions, row.weight, row.residual):
        gram += gram_of(x, weight)
        score += residual @ x
    return {
        "gram": gram,
        "score": score,
        "deviance": node.sums.deviance,
        "pearson": node.sums.pearson,
        "invalid": node.sums.invalid,
        "information": float(row.weight.sum()),
        "nodes": 1.0,
        "weights": np.stack([row.mu, row.weight]).T,
    }


def centred(
    partitions: Sequence[Arrays], weight: FloatArray, residual: FloatArray
) -> Iterator[tuple[FloatArray, tuple[FloatArray, FloatArray]]]:
    """Each partition's columns about the node's weighted means, with its part of the row vectors."""
    ends = np.cumsum([len(arrays["y"]) for arrays in partitions])
    weights, residuals = np.split(weight, ends[:-1]), np.split(residual, ends[:-1])
    total = float(weight.sum())
    sums = np.sum([w @ arrays["x"] for arrays, w in zip(partitions, weights, strict=True)], axis=0)
    middle = sums / total if total > 0 else 0.0 * sums
    for arrays, w, r in zip(partitions, weights, residuals, strict=True):
        yield arrays["x"] - middle, (w, r)


def fit_node(partitions: Sequence[Arrays], beta: FloatArray) -> Node:
    """The node's rows at the intercept that maximises their likelihood at ``beta``."""
    family, link = model_of(partitions[0])
    eta = np.concatenate([predictor(arrays, beta) for arrays in partitions])
    y = np.concatenate([arrays["y"] for arrays in partitions])
    prior = joined_prior(partitions)
    outcome = y if prior is None else y[prior > 0]
    if len(outcome) == 0 or _is_flat(family, outcome):
        return Node(None, len(outcome))
    mean = np.average(y, weights=prior)
    first = float(linked(link, np.array([mean]))[0]) - float(np.average(eta, weights=prior))

    def at(intercept: float) -> Sums:
        return weighed(working(family, link, y, eta + intercept), prior)

    return Node(best_intercept(at, first), len(outcome))


def joined_prior(partitions: Sequence[Arrays]) -> FloatArray | None:
    """The prior weights of all rows; ``None`` where all are one."""
    if not any("prior" in arrays for arrays in partitions):
        return None
    return np.concatenate([arrays.get("prior", np.ones(len(arrays["y"]))) for arrays in partitions])


def _is_flat(family: str, y: FloatArray) -> bool:
    if family == "binomial":
        return bool((y == y[0]).all())
    return family == "poisson" and not y.any()


def best_intercept(at: Callable[[float], Sums], intercept: float) -> Sums:
    """Newton's method with halved steps, in one dimension; deterministic."""
    current = at(intercept)
    for _ in range(_MAX_ITERATIONS):
        information = float(current.row.weight.sum())
        step = float(current.row.residual.sum()) / information if information > 0 else 0.0
        if abs(step) <= _TOLERANCE * (1 + abs(intercept)):
            break
        for _ in range(_MAX_HALVINGS):
            found = at(intercept + step)
            if _no_worse(found, current):
                break
            step /= 2
        else:
            break
        current, intercept = found, intercept + step
    return current


def _no_worse(found: Sums, current: Sums) -> bool:
    slack = 1e-12 * (abs(current.deviance) + 1e-300)
    return (found.invalid, found.deviance) <= (current.invalid, current.deviance + slack)


def _length(partitions: Sequence[Arrays]) -> int:
    return sum(len(arrays["y"]) for arrays in partitions)


PROFILE = Step(
    "glm.profile",
    1,
    DESIGN,
    tuple(
        Output(output.name, output.shape, output.disclosure, additive="node")
        for output in (
            *ROUND,
            Output("nodes", (), "protected"),
        )
    ),
    profile,
    weight_names=("fitted mean", "working weight"),
    centred=1,
)
