"""The sums of a Cox model stratified by node: means of columns, Newton rounds, and the middle of robust errors.

Each node's rows have a baseline hazard of their own, so the partial likelihood is a sum over nodes and no
event time leaves a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.cox.partial import Partial, partial
from hansa.stats.cox.rows import COLUMNS, ROWS, SIZE
from hansa.stats.fitting.sizes import BUCKETS, size_counts
from hansa.stats.glm.steps import gram_of

__all__ = ["MEANS", "MEAT", "ROUND", "SIZES"]


def means(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """Rows, events, and rows that cannot be used; the sum of prior weights; moments of event times.

    These are the times and their logarithms, with their squares; a time of 0 has no logarithm and counts as 0.
    """
    event = arrays["event"]
    prior = arrays.get("prior", np.ones(len(event)))
    counted = prior > 0
    died = arrays["stop"][counted & (event > 0)] * arrays["time_scale"][0]
    logarithm = np.log(died, out=np.zeros_like(died), where=died > 0)
    return {
        "weight": prior.sum(),
        "rows": float(np.count_nonzero(counted)),
        "events": float(len(died)),
        "times": np.array([died.sum(), died @ died, logarithm.sum(), logarithm @ logarithm]),
        "unusable": arrays["unusable"].sum(),
    }


def newton(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The information, the score and -2 log partial likelihood at ``beta``."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    if at is None:
        return _outside(rows, len(inputs["beta"]))
    expected = at.expected()
    return {
        "gram": at.information(expected),
        "score": at.score(expected),
        "deviance": -2 * at.loglik,
        "invalid": 0.0,
        "weights": at.weights(expected),
    }


def _outside(rows: Arrays, p: int) -> dict[str, Any]:
    weights = np.zeros((int(rows["rows"][0]), 2))
    return {"gram": np.zeros((p, p)), "score": np.zeros(p), "deviance": 0.0, "invalid": 1.0, "weights": weights}


def meat(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The sum over clusters of squared sums of score residuals, and how many clusters there are."""
    (rows,) = partitions
    at = partial(rows, inputs["beta"])
    p = len(inputs["beta"])
    if at is None:
        return {"meat": np.zeros((p, p)), "clusters": 0.0, "weights": np.zeros((int(rows["rows"][0]), 2))}
    residuals = score_residuals(at)
    totals, clusters = _by_cluster(rows, residuals)
    size = np.abs(residuals).sum(axis=1)
    return {"meat": gram_of(totals, np.ones(len(totals))), "clusters": clusters, "weights": at.weights(size)}


def score_residuals(at: Partial) -> FloatArray:
    """Each row's part of the score, shape (m, p): Lin DY, Wei LJ (1989), JASA 84:1074."""
    terms, hazard = at.terms, at.terms.weight / at.denominator
    own = np.zeros((len(at.risk), at.mean.shape[1]))
    events = len(at.rows["time"])
    place = at.rows["after"].astype(np.intp)[at.died] - 1
    counts = np.bincount(terms.at, minlength=events)[:, None]
    mean = np.zeros((events, at.mean.shape[1]))
    np.add.at(mean, terms.at, at.mean)
    own[at.died] = at.rows["x"][at.died] - (mean / np.maximum(counts, 1))[place]
    weighed = own * at.observed()[:, None]
    x = at.rows["x"]
    return weighed - (at.over_time(hazard)[:, None] * x - at.over_time(hazard[:, None] * at.mean))


def _by_cluster(rows: Arrays, residuals: FloatArray) -> tuple[FloatArray, float]:
    """The residuals summed within clusters; each row is one where there are none."""
    if "cluster" not in rows:
        return residuals, float(rows["rows"][0])
    names, place = np.unique(rows["cluster"], return_inverse=True)
    totals = np.zeros((len(names), residuals.shape[1]))
    np.add.at(totals, place, residuals)
    return totals, float(len(names))


SIZES = Step("cox.sizes", 1, SIZE, (Output("counts", ("all", BUCKETS), "protected", additive="node"),), size_counts)

MEANS = Step(
    "cox.means",
    1,
    COLUMNS,
    (
        Output("weight", (), "intermediate"),
        Output("rows", (), "protected"),
        Output("events", (), "protected"),
        Output("times", (4,), "intermediate"),
        Output("unusable", (), "protected"),
    ),
    means,
)

ROUND = Step(
    "cox.round",
    1,
    ROWS,
    (
        Output("gram", ("columns", "columns"), "intermediate", additive="node"),
        Output("score", ("columns",), "intermediate", additive="node"),
        Output("deviance", (), "intermediate", additive="node"),
        Output("invalid", (), "intermediate", additive="node"),
    ),
    newton,
    weight_names=("relative risk", "expected events"),
    centred=1,
)

MEAT = Step(
    "cox.meat",
    1,
    ROWS,
    (
        Output("meat", ("columns", "columns"), "intermediate", additive="node"),
        Output("clusters", (), "protected", additive="node"),
    ),
    meat,
    weight_names=("relative risk", "score residual"),
    centred=1,
)
