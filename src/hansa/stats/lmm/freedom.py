"""Satterthwaite's degrees of freedom of a mixed model's coefficients.

Satterthwaite FE (1946), Biometrics Bulletin 2:110; for mixed models Kuznetsova A, Brockhoff PB, Christensen RHB (2017),
lmerTest, J Stat Softw 82(13), section 2: the variance v of a coefficient is a function of theta and sigma, whose
covariance follows from the criterion's second derivatives, and df = 2 v^2 / (v' A v) with v' the gradient and A that
covariance. Theirs are numerical derivatives, ours exact.
"""

from __future__ import annotations

import math

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.lmm.criterion import Criterion

__all__ = ["satterthwaite"]

_FLAT = 1e-8


def satterthwaite(found: Criterion, contrasts: FloatArray) -> FloatArray:
    """The degrees of freedom of each contrast.

    Parameters
    ----------
    found : Criterion
        At its least.
    contrasts : array, shape (c, p)
        Of the coefficients on the scale of the sums.

    Returns
    -------
    array, shape (c,)
        Infinite where the variance does not depend on theta and sigma.
    """
    inverse, variance = found.information.inverse, found.variance
    turned = inverse @ found.information_slope @ inverse
    by_theta = -variance * np.einsum("ca,kab,cb->ck", contrasts, turned, contrasts)
    base = np.einsum("ca,ab,cb->c", contrasts, inverse, contrasts)
    gradient = np.column_stack([by_theta, 2 * math.sqrt(variance) * base])
    spread = np.einsum("ck,kl,cl->c", gradient, _parameter_covariance(found), gradient)
    squared = 2 * (variance * base) ** 2
    return np.asarray(np.divide(squared, spread, out=np.full(len(base), np.inf), where=spread > 0))


def _parameter_covariance(found: Criterion) -> FloatArray:
    """Of theta and sigma: twice the inverse of the second derivatives of the criterion as a function of both."""
    sigma = math.sqrt(found.variance)
    k = len(found.theta)
    bend = np.zeros((k + 1, k + 1))
    bend[:k, :k] = found.logdet_bend + found.rss_bend / sigma**2
    bend[:k, k] = bend[k, :k] = -2 * found.rss_slope / sigma**3
    bend[k, k] = 4 * found.freedom / sigma**2
    unit = np.append(np.ones(k), sigma)
    values, directions = np.linalg.eigh(bend * np.outer(unit, unit))
    firm = values > _FLAT * values.max()
    scaled = directions[:, firm] * unit[:, None]
    return np.asarray(2 * (scaled / values[firm]) @ scaled.T)
