"""Weights from a propensity score, and how they change with its linear predictor.

Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting. JASA 113:390.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import FloatArray

__all__ = ["ESTIMANDS", "Balancing", "balancing", "propensity"]

ESTIMANDS: tuple[str, ...] = ("ATE", "ATT", "ATO")


@dataclass(frozen=True, eq=False)
class Balancing:
    """Weights of the untreated and the treated, and the tilt: whom the contrast is about; each (2, n) or (n,).

    ``slope`` and ``tilt_slope`` are their derivatives with respect to the linear predictor. A row has no
    weight in the arm that it is not in.
    """

    weight: FloatArray
    slope: FloatArray
    tilt: FloatArray
    tilt_slope: FloatArray


def propensity(eta: FloatArray) -> FloatArray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(eta / 2))


def balancing(estimand: str, treated: FloatArray, score: FloatArray) -> Balancing:
    """The weights of everybody (ATE), of the treated (ATT), or of the overlap (ATO)."""
    e, rest = score, 1 - score
    arm = np.stack([1 - treated, treated])
    odds = e / rest
    if estimand == "ATE":
        weight, slope = np.stack([1 / rest, 1 / e]), np.stack([odds, -1 / odds])
        tilt, tilt_slope = np.ones_like(e), np.zeros_like(e)
    elif estimand == "ATT":
        weight, slope = np.stack([odds, np.ones_like(e)]), np.stack([odds, np.zeros_like(e)])
        tilt, tilt_slope = treated, np.zeros_like(e)
    else:
        weight, slope = np.stack([e, rest]), np.stack([e * rest, -e * rest])
        tilt, tilt_slope = e * rest, e * rest * (rest - e)
    return Balancing(arm * weight, arm * slope, tilt, tilt_slope)
