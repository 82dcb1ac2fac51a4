"""What left each hospital, added up from its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from hansa.cli.demo.places import in_order

if TYPE_CHECKING:
    from hansa.cli.demo.story import Story
    from hansa.node.views import StewardView, StudyAtNode
    from hansa.store import LedgerEntry

__all__ = ["Departures", "Line", "departures"]


@dataclass(frozen=True)
class Line:
    """All departures of one array in one shape: how often, how many bytes, to whom, and the checks passed."""

    analyses: tuple[str, ...]
    step: str
    array: str
    shape: str
    disclosure: str
    times: int
    bytes: int
    receiver: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Departures:
    """One hospital's ledger, whole and added up.

    ``entries`` are (analysis, entry); ``refusals`` the reasons that only its steward sees, with how often
    each was noted; ``at_node`` is the study as the hospital has it.
    """

    node: str
    at_node: StudyAtNode
    lines: tuple[Line, ...]
    entries: tuple[tuple[str, LedgerEntry], ...]
    rounds: int
    releases: int
    bytes: int
    refusals: tuple[tuple[str, int], ...]


def departures(story: Story) -> tuple[Departures, ...]:
    """Every hospital's departures, in the page's order."""
    views = {**story.results, "validation": story.validation}
    runs = {str(view.provenance["run"]): name for name, view in views.items() if "run" in view.provenance}
    return tuple(_of(story.stewards[node], story.study.id, runs) for node in in_order(story.stewards))


def _of(view: StewardView, study: str, runs: Mapping[str, str]) -> Departures:
    entries = tuple((runs.get(entry.run, "not in the study's results"), entry) for entry in view.ledger)
    refusals = Counter(reason for _, asked, reason in view.refusals if asked == study)
    return Departures(
        node=view.node,
        at_node=next(found for found in view.studies if found.study.id == study),
        lines=_lines(entries),
        entries=entries,
        rounds=len({(entry.run, entry.round) for entry in view.ledger if entry.round is not None}),
        releases=sum(entry.disclosure == "releasable" for entry in view.ledger),
        bytes=sum(entry.bytes for entry in view.ledger),
        refusals=tuple(refusals.items()),
    )


def _lines(entries: Sequence[tuple[str, LedgerEntry]]) -> tuple[Line, ...]:
    return tuple(_line(list(found)) for _, found in groupby(sorted(entries, key=_same), key=_same))


def _same(pair: tuple[str, LedgerEntry]) -> tuple[str, ...]:
    entry = pair[1]
    return entry.step, entry.array, entry.shape, entry.disclosure, entry.receiver, entry.checks


def _line(found: Sequence[tuple[str, LedgerEntry]]) -> Line:
    entry = found[0][1]
    return Line(
        analyses=tuple(dict.fromkeys(analysis for analysis, _ in found)),
        step=entry.step,
        array=entry.array,
        shape=entry.shape,
        disclosure=entry.disclosure,
        times=len(found),
        bytes=sum(one.bytes for _, one in found),
        receiver=entry.receiver,
        checks=tuple(entry.checks.split()),
    )
