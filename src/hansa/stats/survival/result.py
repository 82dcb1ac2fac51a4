"""What survival curves say: points that may be shown, medians as intervals, restricted means, a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hansa.stats.plain import Result
from hansa.stats.survival.rank_tests import Compared

__all__ = ["CurvePoint", "Difference", "GroupCurve", "RestrictedMean", "SurvivalResult"]


@dataclass(frozen=True)
class CurvePoint:
    """The curve at the end of an interval. ``at_risk`` are the people still at risk after it.

    ``events`` and ``left`` are counted from the beginning; the bounds are of survival.
    """

    time: float
    at_risk: int
    events: int
    left: int
    survival: float
    se: float
    lower: float
    upper: float
    cumulative_hazard: float
    cumulative_hazard_se: float


@dataclass(frozen=True)
class RestrictedMean:
    """The mean survival time up to the common ``tau``."""

    value: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Difference:
    """A group's restricted mean less that of the first."""

    group: str
    value: float
    se: float
    lower: float
    upper: float
    p: float


@dataclass(frozen=True)
class GroupCurve:
    """One group. ``median`` is the interval between shown times in which half are left, ``None`` where unknown.

    ``median_lower`` and ``median_upper`` are those in which the bounds cross one half. ``points`` are empty for a
    group of which too little may be shown.
    """

    group: str
    people: int | None
    events: int | None
    points: tuple[CurvePoint, ...]
    median: tuple[float, float] | None
    median_lower: tuple[float, float] | None
    median_upper: tuple[float, float] | None
    restricted_mean: RestrictedMean | None


@dataclass(frozen=True)
class SurvivalResult(Result):
    """Kaplan-Meier and Nelson-Aalen curves over all nodes, exact for times on the ``grid``.

    ``rounded`` says whether some times were not on it. ``tau`` is the last time, not after the one asked for, by
    which every group has had enough events since the time before.
    """

    schema: ClassVar[str] = "survival/1.0"
    formula: str
    grid: float
    rounded: bool
    late_entry: bool
    interval: str
    level: float
    groups: tuple[GroupCurve, ...]
    tau: float | None
    differences: tuple[Difference, ...]
    compared: Compared | None
    strata: tuple[str, ...]
