"""What a result does not show, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HeldBack",
    "as_frame",
    "of_arms",
    "of_baseline",
    "of_curves",
    "of_incidence",
    "of_sites",
    "of_subdistribution",
]

_INTERVALS = "intervals of curves"
_NEVER = "there is no time by which 5 had the event and 10 left"
_FEW = "fewer than 5 had the event, or fewer than 10 left"
_FEW_CAUSES = f"{_FEW}, or from 1 to 4 had an event of one cause"


class HeldBack(NamedTuple):
    """One thing that is not shown: what, the rule by its name on the page of thresholds, and why."""

    what: str
    rule: str
    why: str


def as_frame(lines: Sequence[HeldBack]) -> pd.DataFrame:
    """A row for each, with the columns ``what``, ``rule`` and ``why``."""
    import pandas as pd  # 0.4 s that a result without tables does not need

    return pd.DataFrame(list(lines), columns=list(HeldBack._fields))


def of_curves(plain: Mapping[str, Any]) -> Iterator[HeldBack]:
    """Of survival curves: what is shown ends where too few leave."""
    for group in plain["groups"]:
        name, points = group["group"], group["points"]
        if not points:
            yield HeldBack(f"curve of {name}", _INTERVALS, _NEVER)
            continue
        last = points[-1]
        if last["at_risk"]:
            yield HeldBack(f"curve of {name} after {last['time']:g}", _INTERVALS, f"since then {_FEW}")
    yield HeldBack("times between those shown", _INTERVALS, f"between two that are nearer to each other {_FEW}")
    if plain["tau"] is None:
        yield HeldBack("restricted means", _INTERVALS, "no time may be shown of all groups")


def of_arms(plain: Mapping[str, Any]) -> Iterator[HeldBack]:
    """Of a control-arm analysis: its curves and restricted means."""
    arms = [{**arm, "group": arm["arm"]} for arm in plain["arms"]]
    return of_curves({"groups": arms, "tau": plain["tau"]})


def of_incidence(plain: Mapping[str, Any]) -> Iterator[HeldBack]:
    """Of competing risks: times between which too few leave in some way, and causes of few people."""
    for group in plain["groups"]:
        name = group["group"]
        if not group["risk"]:
            yield HeldBack(f"incidence in {name}", _INTERVALS, f"{_NEVER}, and of each cause none or at least 5")
            continue
        for curve in group["curves"]:
            if curve["events"] is None:
                yield HeldBack(f"incidence of {curve['cause']} in {name}", _INTERVALS, "fewer than 5 had it")
        last = group["risk"][-1]
        if last["at_risk"]:
            yield HeldBack(f"incidence in {name} after {last['time']:g}", _INTERVALS, f"since then {_FEW_CAUSES}")
    yield HeldBack("times between those shown", _INTERVALS, f"between two that are nearer to each other {_FEW_CAUSES}")


def of_baseline(plain: Mapping[str, Any]) -> Iterator[HeldBack]:
    """Of a Cox model: its baseline hazard."""
    if plain["baseline"] == "node":
        yield HeldBack("baseline hazards", "times of a node", "each node's own stays there, with its people's times")
        return
    shown = [(hazard["stratum"], hazard["points"]) for hazard in plain["baseline_hazards"]]
    if not shown:
        why = "they are shown for times as recorded, without weights"
        yield HeldBack("baseline hazards", _INTERVALS, why)
    for stratum, points in shown:
        where = "" if stratum == "all" else f" of {stratum}"
        if not points:
            yield HeldBack(f"baseline hazard{where}", _INTERVALS, _NEVER)
        elif points[-1]["at_risk"]:
            after = f"baseline hazard{where} after {points[-1]['time']:g}"
            yield HeldBack(after, _INTERVALS, f"since then {_FEW}")


def of_subdistribution(plain: Mapping[str, Any]) -> Iterator[HeldBack]:
    """Of a Fine-Gray model: what stays at the nodes, and how many had a competing event where they are few."""
    yield HeldBack("baseline hazards", "times of a node", "each node's own stays there, with its people's times")
    yield HeldBack("censoring distributions", "times of a node", "each node's own stays there, with its people's times")
    if plain["competing"] is None:
        yield HeldBack("people with a competing event", "cell", "there are fewer than 5")


def of_sites(reasons: Mapping[str, str]) -> Iterator[HeldBack]:
    """Of sites: which gave no estimate. Which rule it was stays with the site, for it would tell of its people."""
    for site, reason in reasons.items():
        kind, _, why = reason.partition(": ")
        rule = "release of a site" if kind == "refused" else "estimability"
        yield HeldBack(f"estimate of {site}", rule, why)
