"""The algebra of survival curves, from counts of those who enter, leave and have the event at each time.

Kaplan EL, Meier P (1958), JASA 53:457; errors after Greenwood (1926). Nelson W (1972), Technometrics 14:945,
and Aalen O (1978), Annals of Statistics 6:701, for the cumulative hazard. As R's ``survfit`` has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from hansa.model.exposure import BoolArray, FloatArray

__all__ = ["Curve", "Table", "bounds", "curve_of", "interval", "restricted_mean"]


@dataclass(frozen=True, eq=False)
class Table:
    """Counts at each time of the grid, each of shape (T,) or (groups, T): who entered, left, had the event."""

    entered: FloatArray
    left: FloatArray
    events: FloatArray

    @property
    def at_risk(self) -> FloatArray:
        """Those at risk at each time: entered before it, and not left before it."""
        leaving = np.cumsum(self.left[..., ::-1], axis=-1)[..., ::-1]
        later = np.cumsum(self.entered[..., ::-1], axis=-1)[..., ::-1]
        return np.asarray(leaving - later)


@dataclass(frozen=True, eq=False)
class Curve:
    """Survival and cumulative hazard after each time, shape (T,), with their errors; ``log_variance`` is of log S."""

    time: FloatArray
    at_risk: FloatArray
    survival: FloatArray
    log_variance: FloatArray
    hazard: FloatArray
    hazard_error: FloatArray

    @property
    def error(self) -> FloatArray:
        """The standard error of survival."""
        return np.asarray(self.survival * np.sqrt(self.log_variance))


def curve_of(table: Table, time: FloatArray) -> Curve:
    """The curve of one group, shape (T,); where the last person at risk dies its errors are not-a-number."""
    risk = table.at_risk
    died = np.where(risk > 0, table.events, 0.0)
    safe = np.where(risk > 0, risk, 1.0)
    left = safe - died
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(died > 0, died / (safe * left), 0.0)
        survival: FloatArray = np.cumprod(left / safe, dtype=np.float64)
        cumulated = np.where(survival > 0, np.cumsum(variance), np.nan)
    return Curve(
        time=time,
        at_risk=risk,
        survival=survival,
        log_variance=cumulated,
        hazard=np.cumsum(died / safe),
        hazard_error=np.sqrt(np.cumsum(died / safe**2)),
    )


def interval(curve: Curve, kind: str, level: float) -> tuple[FloatArray, FloatArray]:
    """Bounds of survival, each of shape (T,): on the scale of S ("plain"), log S ("log") or log(-log S)."""
    return bounds(curve.survival, np.sqrt(curve.log_variance), kind, level)


def bounds(value: FloatArray, error: FloatArray, kind: str, level: float) -> tuple[FloatArray, FloatArray]:
    """Bounds of probabilities whose logarithms have these standard errors, on the scale of the ``kind``."""
    z = float(ndtri(0.5 + level / 2))
    if kind == "plain":
        return np.clip(value - z * value * error, 0, 1), np.clip(value + z * value * error, 0, 1)
    if kind == "log":
        return value * np.exp(-z * error), np.minimum(value * np.exp(z * error), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(value)
        middle, half = np.log(-logarithm), z * error / np.abs(logarithm)
        lower, upper = np.exp(-np.exp(middle + half)), np.exp(-np.exp(middle - half))
    whole = value == 1
    return np.where(whole, 1.0, lower), np.where(whole, 1.0, upper)


def restricted_mean(table: Table, time: FloatArray, tau: float) -> tuple[float, float]:
    """The mean survival time up to ``tau`` and its standard error.

    Royston P, Parmar MK (2013), BMC Medical Research Methodology 13:152; the variance is Greenwood's, as in R's
    ``survfit`` printed with ``rmean``.
    """
    inside: BoolArray = time < tau
    curve = curve_of(table, time)
    ends = np.append(time[inside][1:], tau)
    steps = curve.survival[inside] * (ends - time[inside])
    before = float(time[0]) if len(time) else 0.0
    rest = np.cumsum(steps[::-1])[::-1]
    risk, died = curve.at_risk[inside], table.events[inside]
    counted = (died > 0) & (risk > died)
    variance = float((rest[counted] ** 2 * died[counted] / (risk * (risk - died))[counted]).sum())
    return before + float(steps.sum()), float(np.sqrt(variance))
