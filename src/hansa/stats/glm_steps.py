"""The sums of a generalised linear model: sizes and means of columns, and one Newton round.

``glm.irls`` fits one intercept for all (a column of the design, or none); ``glm.profile`` fits an intercept
in each node, whose value and whose information never leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.design import COLUMNS, DESIGN, SIZE
from hansa.stats.families import FAMILIES, LINKS, Working, linked, saturated, starting_mean, working

__all__ = ["BUCKETS", "MEANS", "SIZES", "START", "IRLS", "bucket_scale", "gram_of", "model_of", "size_counts"]

BUCKETS = 64
"""Sizes are told in 64 classes, each 2^8 wide, from 2^-256 to 2^256."""

_BUCKET_BITS = 8
_BLOCK = 2048  # rows whose scaled copy stays in a core's cache
_LEAST_WEIGHT = 2.0**-30


# --- sizes and means ----------------------------------------------------------------------------------------


def size_counts(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, FloatArray]:
    """In which class of sizes the root mean square of each column about a centre lies, one-hot per node.

    Told in classes alone, it gives the scale that later sums need and hardly anything else.
    """
    centre = inputs["centre"]
    values = [arrays["values"] - centre for arrays in partitions]
    largest = np.max([np.abs(part).max(axis=0, initial=0.0) for part in values], axis=0)
    safe = np.where(largest > 0, largest, 1.0)  # squares of what is divided by it cannot overflow
    squares = np.sum([((part / safe) ** 2).sum(axis=0) for part in values], axis=0)
    size = safe * np.sqrt(squares / sum(len(part) for part in values))
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(size) / _BUCKET_BITS) + BUCKETS // 2
    bucket = np.clip(exponent, 0, BUCKETS - 1).astype(np.int64)
    counts = np.zeros((len(centre), BUCKETS))
    counts[np.arange(len(centre)), bucket] = size > 0
    return {"counts": counts}


def bucket_scale(counts: FloatArray) -> FloatArray:
    """The power of two that brings the largest size counted near one; one where all is zero.

    Parameters
    ----------
    counts : array, shape (k, BUCKETS)

    Returns
    -------
    array, shape (k,)

    Examples
    --------
    >>> one_hot = np.zeros((1, BUCKETS)); one_hot[0, 34] = 3
    >>> bucket_scale(one_hot).tolist()  # sizes from 2^16 to 2^24
    [9.5367431640625e-07]
    """
    seen = counts > 0.5
    last = BUCKETS - 1 - np.argmax(seen[:, ::-1], axis=1)
    exponent = -(_BUCKET_BITS * (last - BUCKETS // 2) + _BUCKET_BITS // 2)
    return np.where(seen.any(axis=1), 2.0**exponent, 1.0)


def means(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray | float]:  # noqa: ARG001  # a step takes inputs
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
        "log_weight": 0.5 * float(np.log(np.where(prior > 0, prior, 1.0)).sum()),
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
class _Sums:
    """Rows with prior weights applied, rows outside the domain given no weight, and their scalar sums."""

    row: Working
    deviance: float
    pearson: float
    invalid: float


def _weighed(arrays: Arrays, row: Working) -> _Sums:
    pearson = row.residual**2 / np.maximum(row.weight, _LEAST_WEIGHT)
    factor = arrays.get("prior")
    invalid = 0.0
    if row.valid is not None:
        inside = row.valid.astype(np.float64)
        invalid = float(np.count_nonzero(~row.valid if factor is None else ~row.valid & (factor > 0)))
        factor = inside if factor is None else factor * inside
    if factor is None:
        return _Sums(row, float(row.deviance.sum()), float(pearson.sum()), invalid)
    weighed = replace(row, weight=row.weight * factor, residual=row.residual * factor)
    return _Sums(weighed, float(row.deviance @ factor), float(pearson @ factor), invalid)


def _predictor(arrays: Arrays, beta: FloatArray) -> FloatArray:
    eta = arrays["x"] @ beta
    if "offset" in arrays:
        eta += arrays["offset"]
    return eta


def irls(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray | float]:
    """The information X'WX, the score X'r, deviance and Pearson's chi-square at ``beta``."""
    x = arrays["x"]
    family, link = model_of(arrays)
    sums = _weighed(arrays, working(family, link, arrays["y"], _predictor(arrays, inputs["beta"])))
    return {
        "gram": gram_of(x, sums.row.weight),
        "score": sums.row.residual @ x,
        "deviance": sums.deviance,
        "pearson": sums.pearson,
        "invalid": sums.invalid,
        "weights": np.column_stack([sums.row.mu, sums.row.weight]),
    }


def start(arrays: Arrays, inputs: Inputs) -> dict[str, FloatArray]:  # noqa: ARG001  # a step takes inputs
    """The first weighted least squares of a model without intercept, from a mean for each row."""
    x, y = arrays["x"], arrays["y"]
    family, link = model_of(arrays)
    mu = starting_mean(family, link, y)
    eta = linked(link, mu)
    row = _weighed(arrays, working(family, link, y, eta)).row
    distance = eta - arrays["offset"] if "offset" in arrays else eta
    return {"gram": gram_of(x, row.weight), "score": (row.weight * distance + row.residual) @ x}


SIZES = Step(
    "glm.sizes", 1, SIZE, (Output("counts", ("all", BUCKETS), "protected", additive="node"),), size_counts
)

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
        Output("log_weight", (), "intermediate"),
    ),
    means,  # type: ignore[arg-type]  # numbers count as arrays of shape ()
)

_ROUND = (
    Output("gram", ("slopes", "slopes"), "intermediate"),
    Output("score", ("slopes",), "intermediate"),
    Output("deviance", (), "intermediate"),
    Output("pearson", (), "intermediate"),
    Output("invalid", (), "intermediate"),
)

IRLS = Step(
    "glm.irls",
    1,
    DESIGN,
    _ROUND,
    irls,  # type: ignore[arg-type]  # numbers count as arrays of shape ()
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
