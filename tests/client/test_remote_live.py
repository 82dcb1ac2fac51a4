"""What is shown of a run while it goes on."""

from __future__ import annotations

import datetime as dt
import io
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from client_cases import HOSTILE
from rich.console import Console

from hansa.client.live import Shown, follow_live, shown_after, to_html, to_rich
from hansa.client.remote import CohortState, Note, RemoteHub, RunState

NOW = dt.datetime(2026, 11, 22, 10, 15, 30, tzinfo=dt.UTC)
COHORTS = (
    CohortState("basel", "ready", NOW - dt.timedelta(seconds=2)),
    CohortState("zurich", "busy", NOW - dt.timedelta(seconds=9)),
    CohortState("geneva", "lost", None),
)


def run(state: str) -> RunState:
    return RunState("r1", "s1", "model", "ada", state, NOW)


def note(number: int, **fields: Any) -> Note:
    return Note(number, NOW.isoformat(), fields)


NEWS = (
    run("running"),
    note(1, text="people counted"),
    note(2, round=3, step="glm.irls", waiting=["zurich"], deadline="10:16:00"),
    note(3, round=3, step="glm.irls", waiting=[]),
    run("done"),
)


class Hub:
    """As much of a hub as the display asks."""

    def __init__(self) -> None:
        self.asked = 0

    def seen(self) -> tuple[CohortState, ...]:
        self.asked += 1
        return COHORTS

    def watch(self, run: str, *, after: int) -> Iterator[Note | RunState]:
        assert run == "r1"
        yield from (piece for piece in NEWS if isinstance(piece, RunState) or piece.number > after)


def test_news_change_what_is_shown() -> None:
    shown = Shown(cohorts=COHORTS)
    lines = []
    for piece in NEWS:
        shown = shown_after(shown, piece)
        lines.append((shown.headline, [row[1] for row in shown.rows(NOW)]))
    assert lines == [
        ("running", ["", "", ""]),
        ("running, people counted", ["", "", ""]),
        ("running, round 3: glm.irls, until 10:16:00", ["answered", "waited for", "answered"]),
        ("running, round 3: glm.irls", ["answered", "answered", "answered"]),
        ("done, round 3: glm.irls", ["", "", ""]),
    ]


def test_heartbeats_are_told_by_their_age() -> None:
    assert [row[2:] for row in Shown(cohorts=COHORTS).rows(NOW)] == [
        ("ready", "2 s ago"),
        ("busy", "9 s ago"),
        ("lost", "none"),
    ]


def test_a_terminal_shows_the_run_to_its_end() -> None:
    written = io.StringIO()
    last = follow_live(
        cast("RemoteHub", Hub()), "r1", clock=lambda: NOW, console=Console(file=written, force_terminal=True, width=100)
    )
    assert last.state == "done"
    text = written.getvalue()
    assert "waited for" in text
    assert "until 10:16:00" in text
    assert all(cohort.name in text for cohort in COHORTS)


def test_nodes_are_asked_for_only_when_something_changed() -> None:
    hub = Hub()
    follow_live(cast("RemoteHub", hub), "r1", clock=lambda: NOW, console=Console(file=io.StringIO()), after=3)
    assert hub.asked == 1
    follow_live(cast("RemoteHub", hub), "r1", clock=lambda: NOW, console=Console(file=io.StringIO()))
    assert hub.asked == 4


def test_hostile_names_stay_text() -> None:
    cohorts = (CohortState(HOSTILE, HOSTILE, None),)
    shown = shown_after(Shown(cohorts=cohorts), note(1, text=HOSTILE, round=1, step=HOSTILE, deadline=HOSTILE))
    assert "<script" not in to_html(shown, NOW)
    marked = Shown("running", words="[red]not markup[/red]", cohorts=(CohortState("[bold]a", "", None),))
    written = io.StringIO()
    Console(file=written, width=100).print(to_rich(marked, NOW))
    assert "[red]not markup[/red]" in written.getvalue()
    assert "[bold]a" in written.getvalue()


def test_a_notebook_shows_it_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[str] = []
    display = ModuleType("IPython.display")
    handle = SimpleNamespace(update=updates.append)
    vars(display).update(HTML=lambda text: text, display=lambda _text, *, display_id: handle if display_id else None)
    ipython = ModuleType("IPython")
    vars(ipython).update(get_ipython=lambda: SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert follow_live(cast("RemoteHub", Hub()), "r1", clock=lambda: NOW).state == "done"
    assert len(updates) == len(NEWS)
    assert "waited for" in updates[2]
