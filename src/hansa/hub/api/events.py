"""A run's progress as server-sent events, taken up again where a link was cut.

Notes have the numbers that the store gave them, so that ``Last-Event-ID`` names the last one seen; the present state is
always said first. Whoever waits is a task, not a thread: only the look into the store takes one, for a moment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from hansa.errors import HansaError
from hansa.hub.api.access import Context
from hansa.hub.api.identity import Identity
from hansa.hub.api.problems import TooMany
from hansa.hub.api.reading import run_out, visible_job
from hansa.store import Job
from hansa.wire.access import LONGEST_ACCESS

__all__ = ["EVENTS", "EXAMPLE", "followed"]

EVENTS = (
    "Events `note` (numbered; what a worker noted: round, step, nodes waited for) and `state` (the run, at the"
    " beginning and at each change). Comments say that the stream still stands. It ends with the run's last state."
)

EXAMPLE = (
    'event: state\ndata: {"id": "019ab3f2-6b10-7e02-9a4f-5d6e7f8a9b0c", "state": "running"}\n\n'
    'id: 3\nevent: note\ndata: {"at": "2026-11-22T10:15:03Z", "round": 3, "waiting": ["zurich"]}\n\n'
)

_OVER = frozenset({"done", "failed", "cancelled"})


async def followed(here: Context, who: Identity, run: str, *, after: int) -> AsyncIterator[str]:
    """The events of a run beyond note number ``after``.

    Raises
    ------
    NotFound
        If this identity has no such run.
    TooMany
        If it follows too many runs already.
    """
    await run_in_threadpool(visible_job, here, who, run)
    if here.streams[who.name] >= here.limits.streams:
        raise TooMany("you follow too many runs at once", seconds=here.limits.heartbeat_seconds)
    return _counted(here, who, run, after)


async def _counted(here: Context, who: Identity, run: str, after: int) -> AsyncIterator[str]:
    here.streams[who.name] += 1
    try:
        async for text in _events(here, who, run, after):
            yield text
    except HansaError:
        return  # the link ends; whoever follows asks again, and hears then what is wrong
    finally:
        here.streams[who.name] -= 1


async def _events(here: Context, who: Identity, run: str, after: int) -> AsyncIterator[str]:
    state, silent = "", 0.0
    # A stream ends with the access it was opened by, and often enough that a revoked one does not live on in it.
    ends = min(who.expires, here.clock() + LONGEST_ACCESS)
    while here.clock() < ends:
        # The state is read before the notes: what was noted before the end is never missed.
        job = await run_in_threadpool(visible_job, here, who, run)
        notes = await run_in_threadpool(here.service.store.notes, run, after=after)
        if job.state != state and job.state not in _OVER:
            yield _state(job)
        for number, at, text in notes:
            yield _event("note", {"at": at, **_fields(text)}, number=number)
            after = number
        if job.state in _OVER:
            yield _state(job)
            return
        silent = 0.0 if notes or job.state != state else silent + here.limits.poll_seconds
        state = job.state
        if silent >= here.limits.heartbeat_seconds:
            silent = 0.0
            yield ": still there\n\n"
        await asyncio.sleep(here.limits.poll_seconds)


def _state(job: Job) -> str:
    return _event("state", run_out(job).model_dump(mode="json"))


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"text": text}


def _event(kind: str, fields: dict[str, Any], *, number: int | None = None) -> str:
    # JSON has no raw line break, so that one data line is enough.
    place = "" if number is None else f"id: {number}\n"
    return f"{place}event: {kind}\ndata: {json.dumps(fields)}\n\n"
