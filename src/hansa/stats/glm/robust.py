"""Sandwich covariances: the middle of the sandwich, summed over rows at the final coefficients.

HC0 to HC3 as in R's ``sandwich::vcovHC`` (Zeileis 2004, J Stat Softw 11(10); for GLM its estimating functions
and hat values). They are heteroscedasticity-consistent over rows: rows of one person count as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.glm.design import DESIGN
from hansa.stats.glm.families import working
from hansa.stats.glm.profile import centred, fit_node
from hansa.stats.glm.steps import gram_of, model_of, predictor, weighed

__all__ = ["MEAT", "POWERS", "PROFILE_MEAT", "sandwich"]

POWERS = {"HC0": 0.0, "HC1": 0.0, "HC2": 1.0, "HC3": 2.0}
"""The power of (1 - leverage) that divides a row's squared score."""

_FULL = 1 - 1e-10


def meat(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """X' diag(score residual^2 / (1 - h)^power) X with one intercept for all."""
    family, link = model_of(arrays)
    row = weighed(working(family, link, arrays["y"], predictor(arrays, inputs["beta"])), arrays.get("prior")).row
    x, prior = arrays["x"], arrays.get("prior", np.ones(len(arrays["y"])))
    factor = _row_factors(x, (row.weight, row.residual), prior, 0.0, inputs)
    return {"meat": gram_of(x, factor), "weights": factor[:, None]}


def profile_meat(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """The same with an intercept in each node: of the columns about the node's weighted means."""
    node = fit_node(partitions, inputs["beta"])
    p, n = len(inputs["beta"]), sum(len(arrays["y"]) for arrays in partitions)
    if node.sums is None:
        return {"meat": np.zeros((p, p)), "weights": np.zeros((n, 1))}
    row = node.sums.row
    inverse_information = 1 / float(row.weight.sum())
    total, factors = np.zeros((p, p)), []
    parts = centred(partitions, row.weight, row.residual)
    for arrays, (x, vectors) in zip(partitions, parts, strict=True):
        prior = arrays.get("prior", np.ones(len(arrays["y"])))
        factors.append(_row_factors(x, vectors, prior, inverse_information, inputs))
        total += gram_of(x, factors[-1])
    return {"meat": total, "weights": np.concatenate(factors)[:, None]}


def _row_factors(
    x: FloatArray, row: tuple[FloatArray, FloatArray], prior: FloatArray, intercept: float, inputs: Inputs
) -> FloatArray:
    """Squared score residuals over powers of one less leverage; of a row of frequency f, f times one row's."""
    weight, residual = row
    copies = prior if inputs["frequency"] > 0 else np.ones_like(prior)
    copies = np.where(copies > 0, copies, 1.0)
    squared = residual**2 / copies
    if inputs["power"] == 0:
        return squared
    quadratic = np.einsum("ij,ij->i", x @ inputs["inverse"], x) + intercept
    leverage = weight / copies * quadratic
    open_rows = leverage < _FULL  # a row that determines its own fit has no residual
    rest = np.where(open_rows, 1 - leverage, 1.0) ** inputs["power"]
    return np.where(open_rows, squared / rest, 0.0)


def sandwich(inverse: FloatArray, middle: FloatArray, kind: str, n: float, parameters: int) -> FloatArray:
    """The covariance from the inverse information and the middle, both of the estimated coefficients."""
    factor = n / (n - parameters) if kind == "HC1" else 1.0
    return factor * inverse @ middle @ inverse


MEAT = Step(
    "glm.meat",
    1,
    DESIGN,
    (Output("meat", ("slopes", "slopes"), "intermediate"),),
    meat,
    weight_names=("squared score",),
)

PROFILE_MEAT = Step(
    "glm.profile_meat",
    1,
    DESIGN,
    (Output("meat", ("slopes", "slopes"), "intermediate", additive="node"),),
    profile_meat,
    weight_names=("squared score",),
)
