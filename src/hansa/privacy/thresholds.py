"""The numbers of the disclosure rules, and where each default comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hansa.errors import PolicyError
from hansa.model import Value, read_value

__all__ = ["Thresholds", "tighten"]


class Thresholds(Value):
    """A cohort's limits; a study may only tighten them.

    ``group`` (10): fewest people in an analysis set or stratum whose values are summed. UK Statistics
    Authority and SACRO's ACRO default (``safe_threshold = 10``).
    ``cell`` (5): fewest people in a cell, in a column's non-zero values and in each value of a two-valued
    column. Eurostat and many registries publish from 5 on; DataSHIELD's ``nfilter.tab`` is 3.
    ``differing`` (10): fewest people by which two questions may differ, unless they do not differ at all. As
    ``group``, since a difference is a group.
    ``parameters_per_person`` (0.33): most parameters per person, in survival models per person with an event.
    DataSHIELD's ``nfilter.glm = 0.33``.
    ``effective`` (5): fewest effective people (Kish 1965) behind a weighted sum. As ``cell``.
    ``dominance`` (0.9): most that the two largest contributions may make of a site's sum. ACRO's
    ``safe_nk_n = 2, safe_nk_k = 0.9``.
    ``p_percent`` (0.1): the remainder after the two largest must be at least this share of the largest.
    ACRO's ``safe_pratio_p = 0.1``.
    ``min_nodes`` (3): fewest nodes in a total. With two, each could subtract itself.
    """

    group: int = Field(default=10, ge=2)
    cell: int = Field(default=5, ge=2)
    differing: int = Field(default=10, ge=2)
    parameters_per_person: float = Field(default=0.33, gt=0, le=1)
    effective: float = Field(default=5.0, ge=2)
    dominance: float = Field(default=0.9, gt=0, lt=1)
    p_percent: float = Field(default=0.1, gt=0)
    min_nodes: int = Field(default=3, ge=3)


_SMALLER_IS_TIGHTER = {"parameters_per_person", "dominance"}


def tighten(base: Thresholds, wanted: Mapping[str, Any]) -> Thresholds:
    """The base with each wanted number that is tighter; one that would loosen is an error.

    Raises
    ------
    PolicyError
        For an unknown name, or a number looser than the base's.

    Examples
    --------
    >>> tighten(Thresholds(), {"cell": 8}).cell
    8
    """
    limits = read_value(Thresholds, {**base.model_dump(), **wanted}, error=PolicyError)
    for name in wanted:
        before, after = getattr(base, name), getattr(limits, name)
        if after > before if name in _SMALLER_IS_TIGHTER else after < before:
            raise PolicyError(
                "a disclosure limit would be loosened",
                why="limits are only ever tightened",
                fix=f"leave {name} out, or go beyond {before}",
                field=f"disclosure.{name}",
            )
    return limits
