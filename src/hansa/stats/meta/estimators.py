"""Combining estimates by inverse variances: the between-site variance, Cochran's test, the combined estimate.

Notation: k estimates y with variances v; w = 1 / (v + tau^2); P is the matrix that projects out the weighted
mean, P = W - W 1 1' W / sum(w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import scipy

from hansa.model.exposure import FloatArray

__all__ = ["Effect", "Estimator", "Heterogeneity", "effect", "heterogeneity", "weighted_mean"]

_GRID = 200
_FINEST = 1e-12
_TOLERANCE = 1e-15

Estimator = Literal["REML", "DL"]


@dataclass(frozen=True)
class Effect:
    """A combined estimate with its interval and test; ``df`` is ``None`` for a normal reference."""

    estimate: float
    se: float
    lower: float
    upper: float
    statistic: float
    df: int | None
    p: float


@dataclass(frozen=True)
class Heterogeneity:
    """``tau2`` is the variance between sites; ``q``, ``df`` and ``p`` are Cochran's test; ``i2`` is in per cent."""

    tau2: float
    tau2_se: float
    q: float
    df: int
    p: float
    i2: float
    h2: float


def _projection(w: FloatArray) -> FloatArray:
    projection: FloatArray = np.diag(w) - np.outer(w, w) / w.sum()
    return projection


def _reml(y: FloatArray, v: FloatArray) -> float:
    """The restricted maximum likelihood estimate of tau^2, not below 0.

    The likelihood may have several peaks, on which scoring may stick or circle; all are found as roots of the
    score over a fine grid, and the highest wins. With S the sum of squares about the mean, the score is
    negative from S + max(v) on.
    """
    highest = float(((y - y.mean()) ** 2).sum() + v.max())
    grid = np.concatenate([[0.0], highest * np.geomspace(_FINEST, 1.0, _GRID)])
    scores = [_score(tau2, y, v) for tau2 in grid]
    peaks = [
        float(scipy.optimize.brentq(_score, low, high, args=(y, v), xtol=_TOLERANCE * high, rtol=_TOLERANCE))
        for (low, high), (before, after) in zip(pairwise(grid), pairwise(scores), strict=True)
        if before > 0 >= after
    ]
    return max([0.0, *peaks], key=lambda tau2: _restricted_likelihood(y, v, tau2))


def _score(tau2: float, y: FloatArray, v: FloatArray) -> float:
    """Twice the derivative of the restricted likelihood: y'PPy - tr P."""
    w = 1 / (v + tau2)
    residual = y - w @ y / w.sum()
    return float(w**2 @ residual**2 - w.sum() + (w @ w) / w.sum())


def _restricted_likelihood(y: FloatArray, v: FloatArray, tau2: float) -> float:
    """Up to a constant."""
    w = 1 / (v + tau2)
    return float(np.log(w).sum() - math.log(w.sum()) - y @ _projection(w) @ y) / 2


def _dersimonian_laird(y: FloatArray, v: FloatArray) -> float:
    P = _projection(1 / v)
    return max(0.0, float((y @ P @ y - (y.size - 1)) / np.trace(P)))


def _tau2_se(v: FloatArray, tau2: float, method: str) -> float:
    """From the expected information (REML), or the variance of Q (DL; Biggerstaff and Tweedie 1997)."""
    if method == "REML":
        P = _projection(1 / (v + tau2))
        return math.sqrt(2 / float(np.sum(P * P)))
    P = _projection(1 / v)
    trace, squares = float(np.trace(P)), float(np.sum(P * P))
    return math.sqrt(2 * (v.size - 1) + 4 * tau2 * trace + 2 * tau2**2 * squares) / trace


def weighted_mean(y: FloatArray, w: FloatArray, *, knapp_hartung: bool) -> tuple[float, float]:
    """The weighted mean and its variance."""
    mean = float(w @ y / w.sum())
    factor = max(1.0, float(w @ (y - mean) ** 2) / (y.size - 1)) if knapp_hartung else 1.0
    return mean, factor / float(w.sum())


def effect(y: FloatArray, w: FloatArray, level: float, *, knapp_hartung: bool) -> Effect:
    mean, variance = weighted_mean(y, w, knapp_hartung=knapp_hartung)
    se, df = math.sqrt(variance), y.size - 1 if knapp_hartung else None
    reference = scipy.stats.norm() if df is None else scipy.stats.t(df)
    half = float(reference.ppf((1 + level) / 2)) * se
    p = 2 * float(reference.sf(abs(mean / se)))
    return Effect(mean, se, mean - half, mean + half, mean / se, df, p)


def heterogeneity(y: FloatArray, v: FloatArray, method: str) -> Heterogeneity:
    """Cochran's test, tau^2, and I^2 and H^2 from it and the typical variance within (Higgins & Thompson 2002)."""
    tau2 = _reml(y, v) if method == "REML" else _dersimonian_laird(y, v)
    P, df = _projection(1 / v), y.size - 1
    q, typical = float(y @ P @ y), df / float(np.trace(P))
    return Heterogeneity(
        tau2=tau2,
        tau2_se=_tau2_se(v, tau2, method),
        q=q,
        df=df,
        p=float(scipy.stats.chi2.sf(q, df)),
        i2=100 * tau2 / (tau2 + typical),
        h2=tau2 / typical + 1,
    )
