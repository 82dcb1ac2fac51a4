"""What competing risks say: the cumulative incidence of each cause at times that may be shown, and Gray's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hansa.stats.glm.result import Test
from hansa.stats.plain import Result

__all__ = ["CauseCurve", "CauseTest", "CompetingResult", "GroupIncidence", "IncidencePoint", "RiskPoint"]


@dataclass(frozen=True)
class RiskPoint:
    """A shown time: people still at risk after it, and those who left up to it, with an event or without."""

    time: float
    at_risk: int
    left: int


@dataclass(frozen=True)
class IncidencePoint:
    """The probability of the cause up to a time; ``events`` of it are counted from the beginning.

    The bounds are not-a-number before its first event.
    """

    time: float
    events: int
    incidence: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class CauseCurve:
    """One cause in one group; ``events`` in all, ``None`` and no ``points`` where there are too few to be shown."""

    cause: str
    events: int | None
    points: tuple[IncidencePoint, ...]


@dataclass(frozen=True)
class GroupIncidence:
    """One group. All its ``curves`` are shown at the times of ``risk``."""

    group: str
    people: int | None
    risk: tuple[RiskPoint, ...]
    curves: tuple[CauseCurve, ...]


@dataclass(frozen=True)
class CauseTest:
    """Gray's test of one cause between the groups."""

    cause: str
    test: Test


@dataclass(frozen=True)
class CompetingResult(Result):
    """Cumulative incidence over all nodes, exact for times on the ``grid``.

    ``rounded`` says whether some times were not on it; ``censored`` is the level of those last seen without any event.
    """

    schema: ClassVar[str] = "competing_risks/1.0"
    formula: str
    censored: str
    causes: tuple[str, ...]
    grid: float
    rounded: bool
    interval: str
    level: float
    rho: float
    groups: tuple[GroupIncidence, ...]
    compared: tuple[CauseTest, ...]
    strata: tuple[str, ...]
