"""Funnel asymmetry: whether imprecise sites find larger effects (Egger et al. 1997, BMJ 315:629).

The estimates are regressed on their standard errors, weighted by inverse variances, with the residual variance
estimated; Student's t with k - 2 degrees of freedom. Below ten sites the test has too little power to tell
chance from asymmetry (Sterne et al. 2011, BMJ 343:d4002), so it is not made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from hansa.model.exposure import FloatArray

__all__ = ["LEAST_SITES", "Funnel", "funnel"]

LEAST_SITES = 10
_ALIKE = 1e-6


@dataclass(frozen=True)
class Funnel:
    """Egger's test, or in ``reason`` why it was not made; then all else is ``None``.

    ``slope`` is the change of the estimate per unit of standard error, ``se`` its standard error, ``statistic``
    Student's t with ``df``. ``limit`` with its bounds is the estimate that the regression gives for a site
    without any sampling error.
    """

    reason: str
    slope: float | None = None
    se: float | None = None
    statistic: float | None = None
    df: int | None = None
    p: float | None = None
    limit: float | None = None
    limit_lower: float | None = None
    limit_upper: float | None = None


def funnel(y: FloatArray, s: FloatArray, level: float) -> Funnel:
    """Egger's test of estimates ``y`` with standard errors ``s``, shape (k,)."""
    k = y.size
    if k < LEAST_SITES:
        return Funnel(f"Egger's test needs {LEAST_SITES} sites (Sterne et al. 2011); {k} gave an estimate")
    middle = float(np.average(s, weights=s**-2))
    if float(np.ptp(s)) <= _ALIKE * middle:
        return Funnel("Egger's test needs standard errors that differ; these are all alike")
    w = s**-2
    # about the weighted mean of the standard errors the two coefficients are uncorrelated
    distance = s - middle
    square = float(w @ distance**2)
    mean, slope = float(w @ y / w.sum()), float((w * distance) @ y / square)
    df = k - 2
    residual = y - mean - slope * distance
    variance = float(w @ residual**2) / df
    se = math.sqrt(variance / square)
    limit, limit_se = mean - slope * middle, math.sqrt(variance * (1 / float(w.sum()) + middle**2 / square))
    half = float(scipy.stats.t.ppf((1 + level) / 2, df)) * limit_se
    statistic = slope / se if se > 0 else math.copysign(math.inf, slope)
    p = 2 * float(scipy.stats.t.sf(abs(statistic), df))
    return Funnel("", slope, se, statistic, df, p, limit, limit - half, limit + half)
