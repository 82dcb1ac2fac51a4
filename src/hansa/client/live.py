"""A run's progress as it happens: who has answered, who is waited for, until when. In terminals and notebooks."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hansa.client.remote import CohortState, Note, RemoteHub, RunState

__all__ = ["Shown", "follow_live", "shown_after", "to_html", "to_rich"]

_HEADINGS = ("node", "in this round", "node says", "last heartbeat")


@dataclass(frozen=True)
class Shown:
    """What is shown of a run."""

    state: str = "queued"
    words: str = ""
    round: int | None = None
    step: str = ""
    waiting: tuple[str, ...] = ()
    deadline: str = ""
    cohorts: tuple[CohortState, ...] = ()

    @property
    def headline(self) -> str:
        """Where the run is, in a line.

        Examples
        --------
        >>> Shown("running", round=3, step="glm.irls", deadline="10:15:30").headline
        'running, round 3: glm.irls, until 10:15:30'
        """
        place = f"round {self.round}: {self.step}" if self.round is not None else self.words
        until = f"until {self.deadline}" if self.deadline else ""
        return ", ".join(part for part in (self.state, place, until) if part)

    def rows(self, now: dt.datetime) -> list[tuple[str, str, str, str]]:
        """One row for each node: its name, whether it has answered, its own word, its last heartbeat."""
        return [
            (cohort.name, self._answered(cohort.name), cohort.state, _ago(cohort.last_heartbeat, now))
            for cohort in self.cohorts
        ]

    def _answered(self, node: str) -> str:
        if self.state != "running" or self.round is None:
            return ""
        return "waited for" if node in self.waiting else "answered"


def shown_after(shown: Shown, news: Note | RunState) -> Shown:
    """What is shown after a piece of news; a note that does not say who is waited for says that nobody is."""
    if isinstance(news, RunState):
        return replace(shown, state=news.state, waiting=() if news.over else shown.waiting)
    fields = news.fields
    number = fields.get("round")
    return replace(
        shown,
        words=news.words,
        round=number if isinstance(number, int) else None,
        step=str(fields.get("step", "")),
        waiting=tuple(str(node) for node in fields.get("waiting", ())),
        deadline=str(fields.get("deadline", "")),
    )


def follow_live(
    hub: RemoteHub, run: str, *, clock: Callable[[], dt.datetime], console: Console | None = None, after: int = 0
) -> Shown:
    """Show a run until it is over; what was shown last. In a notebook the display is replaced in place.

    Parameters
    ----------
    hub : RemoteHub
    run : str
        The run's id; it may have been started elsewhere.
    clock : callable
        The present time, UTC.
    console : Console, optional
        The terminal to write to.
    after : int
        Notes up to this number are not shown again.
    """
    last = first = Shown(cohorts=hub.seen())
    with _display(console) as show:
        for last in _steps(hub, hub.watch(run, after=after), first):
            show(last, clock())
    return last


def to_rich(shown: Shown, now: dt.datetime) -> RenderableType:
    """The display for a terminal."""
    table = Table(*_HEADINGS)
    for row in shown.rows(now):
        table.add_row(*(Text(cell) for cell in row))
    return Group(Text(shown.headline), table)


def to_html(shown: Shown, now: dt.datetime) -> str:
    """The display for a notebook.

    Examples
    --------
    >>> to_html(Shown("running", words="<b>"), dt.datetime(2026, 11, 22, tzinfo=dt.UTC))[:30]
    '<p>running, &lt;b&gt;</p><tabl'
    """
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in _HEADINGS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in shown.rows(now))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<p>{escape(shown.headline)}</p>{table}"


def _steps(hub: RemoteHub, news: Iterable[Note | RunState], shown: Shown) -> Iterator[Shown]:
    for piece in news:
        before, shown = shown, shown_after(shown, piece)
        if shown.round != before.round or shown.waiting != before.waiting:
            shown = replace(shown, cohorts=hub.seen())
        yield shown


_Show = Callable[[Shown, dt.datetime], None]


@contextmanager
def _display(console: Console | None) -> Iterator[_Show]:
    notebook = None if console is not None else _notebook()
    if notebook is not None:
        handle = notebook.display(notebook.HTML(""), display_id=True)
        yield lambda shown, now: handle.update(notebook.HTML(to_html(shown, now)))
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda shown, now: live.update(to_rich(shown, now), refresh=True)


def _notebook() -> Any:
    """IPython's display module where this runs in a notebook's kernel; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return sys.modules.get("IPython.display") if shell is not None and hasattr(shell, "kernel") else None


def _ago(at: dt.datetime | None, now: dt.datetime) -> str:
    return "none" if at is None else f"{max(0.0, (now - at).total_seconds()):.0f} s ago"
