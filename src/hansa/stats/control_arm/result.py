"""What a control-arm analysis says: hazard ratio, curves, restricted means, balance, and what would explain it away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from hansa.stats.effect.result import Balance, e_value
from hansa.stats.plain import Result
from hansa.stats.survival.result import RestrictedMean

__all__ = [
    "ArmCurve",
    "ArmPoint",
    "ControlArmResult",
    "HazardRatio",
    "MeanContrast",
    "TippingPoint",
    "hazard_e_value",
    "tipping_points",
]

COMMON = 0.15
"""Where more people than this have the event, a hazard ratio is not taken for a risk ratio (VanderWeele 2017)."""

APART: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
"""How far apart the arms' means of an unmeasured confounder may be, in standard deviations."""


@dataclass(frozen=True)
class HazardRatio:
    """Treated against controls. ``se`` of its logarithm allows for the estimated weights, ``se_known`` does not.

    ``e_value`` is the strength of confounding that would explain the ratio away, ``e_value_bound`` its interval;
    ``common``: events are so many that they rest on the risk ratio that a hazard ratio comes to.
    """

    value: float
    coef: float
    se: float
    se_known: float
    lower: float
    upper: float
    z: float
    p: float
    e_value: float
    e_value_bound: float
    common: bool


@dataclass(frozen=True)
class ArmPoint:
    """A weighted curve at a shown time. ``at_risk`` and ``events`` count people, without their weights."""

    time: float
    at_risk: int
    events: int
    survival: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ArmCurve:
    """One arm. ``effective`` is Kish's effective number of people behind the weights."""

    arm: str
    people: int
    events: int
    effective: float
    points: tuple[ArmPoint, ...]
    restricted_mean: RestrictedMean | None


@dataclass(frozen=True)
class MeanContrast:
    """Restricted means of treated and controls compared. Of the ratio ``se`` is that of the logarithm."""

    name: str
    value: float
    se: float
    lower: float
    upper: float
    p: float


@dataclass(frozen=True)
class TippingPoint:
    """The hazard ratio, per standard deviation of an unmeasured confounder, that would explain the result away.

    The arms' means of it are ``apart`` standard deviations from each other. ``bound`` moves the interval's nearer
    end to 1; it is 1 where the interval holds 1 already.
    """

    apart: float
    estimate: float
    bound: float


@dataclass(frozen=True)
class ControlArmResult(Result):
    """Treated people of a trial against controls elsewhere, weighted to be alike, over all nodes."""

    schema: ClassVar[str] = "control_arm/1.0"

    survival: str
    treatment: str
    adjust: str
    estimand: str
    ties: str
    grid: float
    rounded: bool
    level: float
    n: int
    hazard_ratio: HazardRatio
    arms: tuple[ArmCurve, ...]
    tau: float | None
    means: tuple[MeanContrast, ...]
    balance: tuple[Balance, ...]
    tipping: tuple[TippingPoint, ...]


def hazard_e_value(ratio: float, *, common: bool) -> float:
    """The E-value of a hazard ratio: where events are ``common``, of the risk ratio that it comes to.

    VanderWeele TJ, Ding P (2017), Ann Intern Med 167:268, table 2.

    Examples
    --------
    >>> round(hazard_e_value(0.56, common=True), 2)
    2.35
    """
    if not common:
        return e_value(ratio)
    return e_value((1 - 0.5 ** math.sqrt(ratio)) / (1 - 0.5 ** math.sqrt(1 / ratio)))


def tipping_points(coef: float, nearest: float | None) -> tuple[TippingPoint, ...]:
    """The confounders that would move a log hazard ratio, and the nearer end of its interval, to 0.

    A normal confounder of unit variance whose means are ``apart`` biases a log hazard ratio by its own times
    ``apart``, where events are not too many (Lin DY, Psaty BM, Kronmal RA 1998, Biometrics 54:948).

    Examples
    --------
    >>> [round(one.estimate, 3) for one in tipping_points(math.log(0.5), None)][-1]
    2.0
    """
    return tuple(
        TippingPoint(
            apart,
            math.exp(min(abs(coef) / apart, 300.0)),
            1.0 if nearest is None else math.exp(min(abs(nearest) / apart, 300.0)),
        )
        for apart in APART
    )
