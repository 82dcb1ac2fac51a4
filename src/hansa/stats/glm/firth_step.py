"""What Firth's penalty adds to the score of a logistic model, summed over rows.

The penalty is half the logarithm of the information's determinant; its derivative is the sum of
h (1/2 - mu) x, where h is a row's leverage, its working weight times x' I^-1 x, and I is the pooled information
(Firth 1993, Biometrika 80:27; Heinze & Schemper 2002, Statistics in Medicine 21:2409). I^-1 is an input, since
no node knows the others' information.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.glm.design import DESIGN
from hansa.stats.glm.families import working
from hansa.stats.glm.steps import model_of, predictor, weighed

__all__ = ["PENALTY"]


def penalty(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """The penalty's score at ``beta``; a row of frequency f counts as f rows, each with its own leverage."""
    family, link = model_of(arrays)
    row = weighed(working(family, link, arrays["y"], predictor(arrays, inputs["beta"])), arrays.get("prior")).row
    x = arrays["x"]
    leverage = row.weight * np.einsum("ij,ij->i", x @ inputs["inverse"], x)
    pull = leverage * (0.5 - row.mu)
    return {"score": pull @ x, "weights": np.stack([row.mu, leverage, pull]).T}


PENALTY = Step(
    "glm.penalty",
    1,
    DESIGN,
    (Output("score", ("slopes",), "intermediate"),),
    penalty,
    weight_names=("fitted mean", "leverage", "pull of the penalty"),
    centred=1,
)
