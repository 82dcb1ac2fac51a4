"""The profiled (restricted) likelihood of a linear mixed model, from the sums that the nodes give.

Bates D, Maechler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using lme4. J Stat Softw 67(1),
sections 3.4 and 3.5: the criterion is minus twice the profiled log-likelihood (ML) or restricted log-likelihood (REML)
as a function of theta, the elements on and below the diagonal of the relative factor L. Its derivatives are Harville's
(1977, JASA 72:320), here exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hansa.errors import NotEstimable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Totals
from hansa.stats.fitting.aliasing import Factored, factored

__all__ = ["Criterion", "criterion_at", "factor_of", "theta_of"]


@dataclass(frozen=True, eq=False)
class Criterion:
    """The criterion at ``theta`` (k,), its first two derivatives, and what is estimated there.

    ``beta`` (p,) are the coefficients and ``information`` is X'V^-1 X, on the scale of the sums; ``rss`` is the
    weighted residual sum of squares and ``freedom`` its degrees of freedom. ``rss_slope`` (k,), ``rss_bend`` (k, k),
    ``logdet_bend`` (k, k, with log|X'V^-1 X| under REML) and ``information_slope`` (k, p, p) are derivatives by theta
    at a given residual variance.
    """

    theta: FloatArray
    value: float
    slope: FloatArray
    bend: FloatArray
    beta: FloatArray
    information: Factored
    rss: float
    freedom: float
    rss_slope: FloatArray
    rss_bend: FloatArray
    logdet_bend: FloatArray
    information_slope: FloatArray

    @property
    def variance(self) -> float:
        """Of the residuals."""
        return self.rss / self.freedom


def factor_of(theta: FloatArray, effects: int) -> FloatArray:
    """The lower triangular factor whose elements, row by row, are theta.

    Examples
    --------
    >>> factor_of(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """
    factor = np.zeros((effects, effects))
    factor[np.tril_indices(effects)] = theta
    return factor


def theta_of(factor: FloatArray) -> FloatArray:
    """The elements of the factor on and below its diagonal, row by row."""
    return np.asarray(factor[np.tril_indices(len(factor))])


def criterion_at(theta: FloatArray, totals: Totals, kept: BoolArray, n: float, *, reml: bool) -> Criterion:
    """The criterion from the sums of ``lmm.round``.

    Parameters
    ----------
    theta : array, shape (k,)
    totals : Totals
    kept : array of bool, shape (p,)
        The columns that are not aliased.
    n : float
        Rows.
    reml : bool

    Raises
    ------
    NotEstimable
        When the fixed part explains the response, or X'V^-1 X is singular.
    """
    effects = round((math.sqrt(8 * len(theta) + 1) - 1) / 2)
    chosen = np.flatnonzero(np.append(kept, True))
    p = len(chosen) - 1
    moments = totals["moments"][np.ix_(chosen, chosen)]
    information = factored(moments[:p, :p])
    beta = information.solve(moments[:p, p])
    residual = np.append(-beta, 1.0)
    rss = float(residual @ moments @ residual)
    if not rss > 0:
        raise _explained()
    freedom = n - p if reml else n
    slopes = totals["moments_slope"][:, chosen][:, :, chosen]
    bends = totals["moments_bend"][:, :, chosen][:, :, :, chosen]
    inverse = information.inverse
    moved = (slopes @ residual)[:, :p]
    rss_slope = np.einsum("r,krs,s->k", residual, slopes, residual)
    rss_bend = np.einsum("r,klrs,s->kl", residual, bends, residual) - 2 * moved @ inverse @ moved.T
    logdet, logdet_slope, logdet_bend = float(totals["logdet"]), totals["logdet_slope"], totals["logdet_bend"]
    if reml:
        turned = inverse @ slopes[:, :p, :p]
        logdet += log_determinant(information)
        logdet_slope = logdet_slope + np.einsum("kaa->k", turned)
        logdet_bend = (
            logdet_bend
            + np.einsum("ab,klba->kl", inverse, bends[:, :, :p, :p])
            - np.einsum("kab,lba->kl", turned, turned)
        )
    first, second = _chain(theta, effects)
    by_theta = {
        "rss_slope": first @ rss_slope,
        "rss_bend": first @ rss_bend @ first.T + second @ rss_slope,
        "logdet_bend": first @ logdet_bend @ first.T + second @ logdet_slope,
        "information_slope": np.einsum("ik,krs->irs", first, slopes[:, :p, :p]),
    }
    ratio = by_theta["rss_slope"] / rss
    return Criterion(
        theta=theta,
        value=logdet + freedom * (1 + math.log(2 * math.pi * rss / freedom)),
        slope=first @ logdet_slope + freedom * ratio,
        bend=by_theta["logdet_bend"] + freedom * (by_theta["rss_bend"] / rss - np.outer(ratio, ratio)),
        beta=beta,
        information=information,
        rss=rss,
        freedom=freedom,
        **by_theta,
    )


def log_determinant(information: Factored) -> float:
    """The logarithm of the determinant of a factored matrix."""
    return 2 * float(np.log(np.diag(information.factor)).sum() + np.log(information.root).sum())


def _chain(theta: FloatArray, effects: int) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the elements of G = L L' by theta: first (k, k), second (k, k, k), the element last."""
    k = len(theta)
    factor = factor_of(theta, effects)
    units = np.stack([factor_of(unit, effects) for unit in np.eye(k)])
    turned = units @ factor.T
    crossed = np.einsum("iac,jbc->ijab", units, units)
    first, second = turned + np.swapaxes(turned, 1, 2), crossed + np.swapaxes(crossed, 2, 3)
    rows, columns = np.tril_indices(effects)
    return first[:, rows, columns], second[:, :, rows, columns]


def _explained() -> NotEstimable:
    return NotEstimable(
        "no residual is left",
        why="the fixed part explains the response exactly",
        fix="take a smaller model",
        field="formula",
    )
