"""What a causal contrast says: mean potential outcomes, contrasts of them, and how balanced the arms are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from hansa.model.exposure import FloatArray
from hansa.stats.plain import Result

__all__ = ["Balance", "ContrastOf", "EffectResult", "PotentialMean", "contrasts_of", "e_value", "means_of"]


@dataclass(frozen=True)
class PotentialMean:
    """The mean outcome had everybody whom the estimand is about been in this arm."""

    arm: str
    value: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ContrastOf:
    """Treated against untreated. Of ratios ``se`` is that of the logarithm.

    ``e_value`` is the strength of confounding that would explain a risk ratio, ``e_value_bound`` its interval away.
    """

    name: str
    value: float
    se: float
    lower: float
    upper: float
    p: float
    e_value: float | None = None
    e_value_bound: float | None = None


@dataclass(frozen=True)
class Balance:
    """A term's standardised mean difference between the arms, without and with the weights."""

    term: str
    unweighted: float
    weighted: float


@dataclass(frozen=True)
class EffectResult(Result):
    """A contrast over all nodes. ``effective_*`` are Kish's effective numbers of people behind the weights."""

    schema: ClassVar[str] = "effect/1.1"

    outcome: str
    treatment: str
    adjust: str
    family: str
    estimand: str
    estimator: str
    node: str
    level: float
    n: int
    untreated: int
    treated: int
    means: tuple[PotentialMean, ...]
    contrasts: tuple[ContrastOf, ...]
    effective_untreated: float
    effective_treated: float
    balance: tuple[Balance, ...]


def means_of(means: FloatArray, covariance: FloatArray, level: float) -> tuple[PotentialMean, ...]:
    """Both potential means with normal intervals."""
    z = float(ndtri((1 + level) / 2))
    errors = np.sqrt(covariance.diagonal())
    return tuple(
        PotentialMean(arm, float(value), float(se), float(value - z * se), float(value + z * se))
        for arm, value, se in zip(("untreated", "treated"), means, errors, strict=True)
    )


def contrasts_of(means: FloatArray, covariance: FloatArray, level: float, *, binary: bool) -> tuple[ContrastOf, ...]:
    """The difference and, for risks that lie between 0 and 1, the ratios of risks and odds (delta method)."""
    zero, one = (float(mean) for mean in means)
    difference = _contrast("difference", one - zero, np.array([-1.0, 1.0]), covariance, level, ratio=False)
    if not binary or not (0 < zero < 1 and 0 < one < 1):
        return (difference,)
    risks = _contrast("risk ratio", math.log(one / zero), np.array([-1 / zero, 1 / one]), covariance, level, ratio=True)
    odds = math.log(one / (1 - one)) - math.log(zero / (1 - zero))
    slopes = np.array([-1 / (zero * (1 - zero)), 1 / (one * (1 - one))])
    return (difference, risks, _contrast("odds ratio", odds, slopes, covariance, level, ratio=True))


def _contrast(
    name: str, value: float, slope: FloatArray, covariance: FloatArray, level: float, *, ratio: bool
) -> ContrastOf:
    se, z = math.sqrt(float(slope @ covariance @ slope)), float(ndtri((1 + level) / 2))
    shown = [math.exp(x) if ratio else x for x in (value, value - z * se, value + z * se)]
    p = 2 * float(ndtr(-abs(value) / se))
    if name != "risk ratio":
        return ContrastOf(name, shown[0], se, shown[1], shown[2], p)
    crosses = shown[1] <= 1 <= shown[2]
    nearest = shown[1] if shown[0] > 1 else shown[2]
    return ContrastOf(
        name, shown[0], se, shown[1], shown[2], p, e_value(shown[0]), 1.0 if crosses else e_value(nearest)
    )


def e_value(ratio: float) -> float:
    """How strongly a confounder must go with treatment and outcome to explain a risk ratio away.

    Examples
    --------
    >>> round(e_value(3.9), 2)
    7.26
    """
    above = max(ratio, 1 / ratio)
    return above + math.sqrt(above * (above - 1))
