"""One step of Newton's method for a logistic regression: what a node computes, and what the server does with it."""

from __future__ import annotations

from typing import Any

import numpy as np


def of_node(context: Any) -> tuple[Any, Any]:
    """The rows of this node, with a column of ones before the covariates."""
    place = int(context.node_config["partition-id"]) + 1
    with np.load(f"{context.run_config['data']}/site-{place}.npz") as rows:
        x, y = rows["x"], rows["y"]
    return np.column_stack([np.ones(len(x)), x]), y


def means(x: Any, y: Any, beta: Any) -> Any:
    """Score and information of a node, each divided by its rows, one after the other."""
    p = 1 / (1 + np.exp(-(x @ beta)))
    score, information = x.T @ (y - p), (x * (p * (1 - p))[:, None]).T @ x
    return np.concatenate([score, information.ravel()]) / len(y)


def step(beta: Any, mean: Any) -> Any:
    """The next coefficients."""
    width = len(beta)
    return beta + np.linalg.solve(mean[width:].reshape(width, width), mean[:width])
