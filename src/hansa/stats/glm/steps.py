"""The sums of a generalised linear model: sizes and means of columns, and one Newton round.

``glm.irls`` fits one intercept for all (a column of the design, or none); ``glm.profile`` fits an intercept
in each node, whose value and whose information never leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.fitting.sizes import BUCKETS, size_counts
from hansa.stats.glm.design import COLUMNS, DESIGN, SIZE
from hansa.stats.glm.families import FAMILIES, LINKS, Working, linked, saturated, starting_mean, working

__all__ = [
    "IRLS",
    "MEANS",
    "ROUND",
    "SIZES",
    "START",
    "Sums",
    "gram_of",
    "model_of",
    "predictor",
    "weighed",
]

_BLOCK = 2048  # rows whose scaled copy stays in a core's cache
_LEAST_WEIGHT = 2.0**-30


# --- means --------------------------------------------------------------------------------------------------


def means(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """Sums by prior weight of columns, response and offset; rows; and what no coefficient changes."""
    x, y = arrays["x"], arrays["y"]
    prior = arrays.get("prior", np.ones(len(y)))
    family, _ = model_of(arrays)
    return {
        "columns": prior @ x,
        "response": prior @ y,
        "offset": prior @ arrays["offset"] if "offset" in arrays else 0.0,
        "weight": prior.sum(),
        "rows": float(np.count_nonzero(prior)),
        "unusable": arrays["unusable"].sum(),
        "saturated": saturated(family, y, prior),
    }


# --- one Newton round ---------------------------------------------------------------------------------------


def model_of(arrays: Arrays) -> tuple[str, str]:
    """Family and link of a preparation's arrays."""
    family, link = arrays["model"].astype(np.int64)
    return FAMILIES[family], LINKS[link]


def gram_of(x: FloatArray, weight: FloatArray) -> FloatArray:
    """X' W X, shape (p, p), in blocks whose weighted copy stays in the cache."""
    n, p = x.shape
    root = np.sqrt(weight)
    total = np.zeros((p, p))
    buffer = np.empty((min(n, _BLOCK), p))
    for first in range(0, n, _BLOCK):
        block = x[first : first + _BLOCK]
        scaled = np.multiply(block, root[first : first + _BLOCK, None], out=buffer[: len(block)])
        total += scaled.T @ scaled
    return total


@dataclass(frozen=True, eq=False)
class Sums:
    """Rows with prior weights applied, rows outside the domain given no weight, and their scalar sums."""

    row: Working
    deviance: float
    pearson: float
    invalid: float


def weighed(row: Working, prior: FloatArray | None) -> Sums:
    """Apply prior weights, and no weight at all outside the model's domain."""
    pearson = row.residual**2 / np.maximum(row.weight, _LEAST_WEIGHT)
    factor = prior
    invalid = 0.0
    if row.valid is not None:
        inside = row.valid.astype(np.float64)
        invalid = float(np.count_nonzero(~row.valid if factor is None else ~row.valid & (factor > 0)))
        factor = inside if factor is None else factor * inside
    if factor is None:
        return Sums(row, float(row.deviance.sum()), float(pearson.sum()), invalid)
    weighed = replace(row, weight=row.weight * factor, residual=row.residual * factor)
    return Sums(weighed, float(row.deviance @ factor), float(pearson @ factor), invalid)


def predictor(arrays: Arrays, beta: FloatArray) -> FloatArray:
    """The linear predictor, shape (n,)."""
    eta = arrays["x"] @ beta
    if "offset" in arrays:
        eta += arrays["offset"]
    return eta


def irls(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """The information X'WX, the score X'r, deviance and Pearson's chi-square at ``beta``."""
    x = arrays["x"]
    family, link = model_of(arrays)
    row = working(family, link, arrays["y"], predictor(arrays, inputs["beta"]))
    sums = weighed(row, arrays.get("prior"))
    return {
        "gram": gram_of(x, sums.row.weight),
        "score": sums.row.residual @ x,
        "deviance": sums.deviance,
        "pearson": sums.pearson,
        "invalid": sums.invalid,
        "information": float(sums.row.weight.sum()),
        "weights": np.stack([sums.row.mu, sums.row.weight]).T,
    }


def start(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """The first weighted least squares of a model without intercept, from a mean for each row."""
    x, y = arrays["x"], arrays["y"]
    family, link = model_of(arrays)
    mu = starting_mean(family, link, y)
    eta = linked(link, mu)
    row = weighed(working(family, link, y, eta), arrays.get("prior")).row
    distance = eta - arrays["offset"] if "offset" in arrays else eta
    return {"gram": gram_of(x, row.weight), "score": (row.weight * distance + row.residual) @ x}


SIZES = Step("glm.sizes", 1, SIZE, (Output("counts", ("all", BUCKETS), "protected", additive="node"),), size_counts)

MEANS = Step(
    "glm.means",
    1,
    COLUMNS,
    (
        Output("columns", ("width",), "intermediate"),
        Output("response", (), "intermediate"),
        Output("offset", (), "intermediate"),
        Output("weight", (), "intermediate"),
        Output("rows", (), "protected"),
        Output("unusable", (), "protected"),
        Output("saturated", (), "intermediate"),
    ),
    means,
)

ROUND = (
    Output("gram", ("slopes", "slopes"), "intermediate"),
    Output("score", ("slopes",), "intermediate"),
    Output("deviance", (), "intermediate"),
    Output("pearson", (), "intermediate"),
    Output("invalid", (), "intermediate"),
    Output("information", (), "intermediate"),
)

IRLS = Step(
    "glm.irls",
    1,
    DESIGN,
    ROUND,
    irls,
    weight_names=("fitted mean", "working weight"),
    centred=1,
)

START = Step(
    "glm.start",
    1,
    DESIGN,
    (Output("gram", ("slopes", "slopes"), "intermediate"), Output("score", ("slopes",), "intermediate")),
    start,
)
