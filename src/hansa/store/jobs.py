"""Runs that wait for a worker, or have one: each belongs to whoever holds its lease.

A worker renews its lease while it lives. One that dies loses its jobs to the next that claims.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, func, insert, or_, select, update

from hansa.errors import StoreError
from hansa.store.clock import instant_of, instant_text
from hansa.store.database import in_a_row
from hansa.store.hub_audit import note_event
from hansa.store.hub_tables import jobs, notes

__all__ = [
    "Job",
    "State",
    "cancel",
    "claim",
    "enqueue",
    "finish",
    "is_waiting",
    "read_job",
    "read_jobs",
    "read_notes",
    "renew",
    "write_note",
]

State = Literal["queued", "running", "done", "failed", "cancelled"]

_UNFINISHED = ("queued", "running")
_ENDS = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """One analysis of a study that is to be run, is run, or was run.

    Attributes
    ----------
    by : str
        Who asked for it.
    worker : str | None
        Who runs it or ran it last.
    deadline : datetime | None
        When the worker's lease is over, unless it renews it; ``None`` if nobody runs it.
    detail : str
        What its worker said when it finished.
    """

    id: str
    study: str
    analysis: str
    by: str
    state: State
    worker: str | None
    queued: dt.datetime
    deadline: dt.datetime | None
    detail: str


def enqueue(connection: Connection, wanted: Job) -> Job:
    """Queue a job, unless one of the same study and analysis is unfinished: then that one."""
    in_a_row(connection, "jobs")
    same = and_(jobs.c.study == wanted.study, jobs.c.analysis == wanted.analysis, jobs.c.state.in_(_UNFINISHED))
    found = connection.execute(select(jobs).where(same)).first()
    if found is not None:
        return _job(found)
    row = {**vars(wanted), "queued": instant_text(wanted.queued)}
    connection.execute(insert(jobs).values(row))
    note_event(connection, "job queued", wanted.id, wanted.by, now=wanted.queued)
    return wanted


def is_waiting(connection: Connection, now: dt.datetime) -> bool:
    """Whether there is a job to claim."""
    return connection.execute(select(jobs.c.id).where(_claimable(now)).limit(1)).first() is not None


def claim(connection: Connection, worker: str, now: dt.datetime, lease: dt.timedelta) -> Job | None:
    """Take the oldest job that is queued, or whose worker's lease is over."""
    oldest = select(jobs.c.id).where(_claimable(now)).order_by(jobs.c.queued, jobs.c.id).limit(1)
    # SQLite has no row locks and leaves the words out: it has one writer at a time.
    wanted = oldest.with_for_update(skip_locked=True).scalar_subquery()
    taken = update(jobs).where(jobs.c.id == wanted)
    values = {"state": "running", "worker": worker, "deadline": instant_text(now + lease)}
    row = connection.execute(taken.values(values).returning(*jobs.c)).one_or_none()
    if row is None:
        return None
    note_event(connection, "job claimed", row.id, worker, now=now)
    return _job(row)


def renew(connection: Connection, id_: str, worker: str, now: dt.datetime, lease: dt.timedelta) -> bool:
    """Hold a job longer; False if it is no longer this worker's."""
    return _changes(connection, _own(id_, worker).values(deadline=instant_text(now + lease)))


def finish(connection: Connection, id_: str, worker: str, state: str, detail: str, *, now: dt.datetime) -> bool:
    """Say what came of a job; False if it is no longer this worker's.

    Raises
    ------
    StoreError
        If the state is not an end.
    """
    if state not in _ENDS:
        raise StoreError(
            "a job cannot finish so", why="this state is not an end", fix=f"one of {', '.join(_ENDS)}", field="state"
        )
    finished = _changes(connection, _own(id_, worker).values(state=state, deadline=None, detail=detail))
    if finished:
        note_event(connection, f"job {state}", id_, worker, now=now)
    return finished


def cancel(connection: Connection, id_: str, by: str, now: dt.datetime) -> bool:
    """Stop a job; False if it is over already, or unknown."""
    unfinished = update(jobs).where(jobs.c.id == id_, jobs.c.state.in_(_UNFINISHED))
    cancelled = _changes(connection, unfinished.values(state="cancelled", deadline=None))
    if cancelled:
        note_event(connection, "job cancelled", id_, by, now=now)
    return cancelled


def read_job(connection: Connection, id_: str) -> Job | None:
    """A job."""
    row = connection.execute(select(jobs).where(jobs.c.id == id_)).one_or_none()
    return None if row is None else _job(row)


def read_jobs(connection: Connection, study: str) -> list[Job]:
    """A study's jobs, oldest first."""
    chosen = select(jobs).where(jobs.c.study == study).order_by(jobs.c.queued, jobs.c.id)
    return [_job(row) for row in connection.execute(chosen)]


def write_note(connection: Connection, id_: str, text: str, now: dt.datetime) -> None:
    """Write a note on how far a job is.

    Raises
    ------
    StoreError
        If there is no such job.
    """
    # The job's row is held, so that notes appear in the order of their numbers and a reader misses none.
    if connection.execute(select(jobs.c.id).where(jobs.c.id == id_).with_for_update()).first() is None:
        raise StoreError("a note cannot be kept", why="there is no such job", fix="queue it first", field="job")
    last = select(func.coalesce(func.max(notes.c.number), 0)).where(notes.c.job == id_)
    number = connection.execute(last).scalar_one() + 1
    connection.execute(insert(notes).values(job=id_, number=number, at=instant_text(now), text=text))


def read_notes(connection: Connection, id_: str, after: int) -> list[tuple[int, str, str]]:
    """The notes (number, at, text) of a job whose number is greater than ``after``, in order."""
    chosen = select(notes).where(notes.c.job == id_, notes.c.number > after).order_by(notes.c.number)
    return [(row.number, row.at, row.text) for row in connection.execute(chosen)]


def _claimable(now: dt.datetime) -> ColumnElement[bool]:
    over = and_(jobs.c.state == "running", jobs.c.deadline <= instant_text(now))
    return or_(jobs.c.state == "queued", over)


def _own(id_: str, worker: str) -> Update:
    return update(jobs).where(jobs.c.id == id_, jobs.c.worker == worker, jobs.c.state == "running")


def _changes(connection: Connection, statement: Update) -> bool:
    return connection.execute(statement).rowcount > 0


def _job(row: Row[Any]) -> Job:
    deadline = None if row.deadline is None else instant_of(row.deadline)
    state = cast("State", row.state)
    return Job(row.id, row.study, row.analysis, row.by, state, row.worker, instant_of(row.queued), deadline, row.detail)
