"""Logistic regression on 1,000,000 rows x 20 covariates: federated over 3 nodes, and three pooled peers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import measured, report

ROWS, COVARIATES, NODES = 1_000_000, 20, 3
NAMES = [f"x{i + 1}" for i in range(COVARIATES)]
CHUNK = 16_384


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((ROWS, COVARIATES))
    eta = -0.5 + x @ np.linspace(-0.3, 0.3, COVARIATES)
    frame = pd.DataFrame(x, columns=NAMES)
    frame["y"] = (rng.random(ROWS) < 1 / (1 + np.exp(-eta))).astype(np.int64)
    return frame


def hansa_task() -> Callable[[], Any]:
    import hansa

    frame = rows()
    parts = np.array_split(np.arange(ROWS), NODES)
    league = hansa.local({f"node{i}": frame.iloc[part[0] : part[-1] + 1] for i, part in enumerate(parts)})
    del frame

    def task() -> Any:
        fit = league.glm(f"y ~ {' + '.join(NAMES)}", family="binomial")
        return [term["coef"] for term in fit.plain["terms"]]

    return task


def statsmodels_task() -> Callable[[], Any]:
    import statsmodels.api as sm

    frame = rows()
    y, x = frame["y"].to_numpy(dtype=float), sm.add_constant(frame[NAMES].to_numpy())
    del frame

    def task() -> Any:
        return sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-12).params.tolist()

    return task


def sklearn_task() -> Callable[[], Any]:
    from sklearn.linear_model import LogisticRegression

    frame = rows()
    y, x = frame["y"].to_numpy(), frame[NAMES].to_numpy()
    del frame

    def task() -> Any:
        fit = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(x, y)
        return [float(fit.intercept_[0]), *fit.coef_[0].tolist()]

    return task


def numpy_task() -> Callable[[], Any]:
    """The least that IRLS on pooled rows can cost: chunks in the cache, nothing checked."""
    frame = rows()
    x = np.column_stack([np.ones(ROWS), frame[NAMES].to_numpy()])
    y = frame["y"].to_numpy(dtype=float)
    del frame

    def task() -> Any:
        beta = np.zeros(COVARIATES + 1)
        for _ in range(25):
            gram, score = np.zeros((COVARIATES + 1,) * 2), np.zeros(COVARIATES + 1)
            for first in range(0, ROWS, CHUNK):
                block = x[first : first + CHUNK]
                mu = 1 / (1 + np.exp(-(block @ beta)))
                weighted = block * (mu * (1 - mu))[:, None]
                gram += block.T @ weighted
                score += (y[first : first + CHUNK] - mu) @ block
            step = np.linalg.solve(gram, score)
            beta += step
            if np.abs(step).max() < 1e-10:
                break
        return beta.tolist()

    return task


TASKS = {"hansa": hansa_task, "statsmodels": statsmodels_task, "sklearn": sklearn_task, "numpy": numpy_task}

if __name__ == "__main__":
    report(measured(TASKS[sys.argv[1]]()))
