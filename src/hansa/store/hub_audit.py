"""Who did what at the hub: written in the transaction of what was done."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, func, insert, select

from hansa.store.clock import instant_text
from hansa.store.hub_tables import audit

__all__ = ["count_events", "note_event", "read_events"]

_EVENT = insert(audit)


def note_event(
    connection: Connection, event: str, subject: str, detail: str, *, now: dt.datetime | None = None
) -> None:
    """Write an event; ``now`` is the present if it is not given."""
    at = instant_text(now or dt.datetime.now(dt.UTC))
    connection.execute(_EVENT, {"at": at, "event": event, "subject": subject, "detail": detail})


def read_events(connection: Connection) -> list[tuple[str, str, str, str]]:
    """All events as (at, event, subject, detail), oldest first."""
    chosen = select(audit.c.at, audit.c.event, audit.c.subject, audit.c.detail).order_by(audit.c.number)
    return [(row.at, row.event, row.subject, row.detail) for row in connection.execute(chosen)]


def count_events(connection: Connection, event: str, subject: str) -> int:
    """How often this happened to this subject."""
    chosen = select(func.count()).where(audit.c.event == event, audit.c.subject == subject)
    return int(connection.execute(chosen).scalar_one())
