"""What a process that runs plans does with a job over which others died."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import pytest
from api_cases import ANALYSES

from hansa.embedded.local import LocalLeague, local
from hansa.examples import heart, heart_dictionary
from hansa.hub.jobs import Worker
from hansa.store import HubStore, Job

LEASE = dt.timedelta(seconds=30)


def died(store: HubStore, study: str, times: int) -> dt.datetime:
    """A job that so many processes have claimed and died over; when the last one's lease is over."""
    now = dt.datetime.now(dt.UTC)
    store.enqueue("job", study, "table", "ada", now=now)
    for number in range(times):
        assert store.claim(f"dead {number}", now=now, lease=LEASE)
        now += LEASE + dt.timedelta(seconds=1)
    return now


def played(league: LocalLeague, now: dt.datetime) -> Job:
    store = league.hub._store
    stopping = threading.Event()
    thread = threading.Thread(target=Worker(league.hub, store, "alive", lambda: now).run, args=(stopping,))
    thread.start()
    while (job := store.job("job")) is not None and job.state in ("queued", "running"):
        stopping.wait(0.02)
    stopping.set()
    thread.join()
    assert job is not None
    return job


@pytest.mark.parametrize(("times", "state"), [(9, "done"), (10, "failed")])
def test_a_job_that_every_process_dies_over_is_given_up(tmp_path: Path, times: int, state: str) -> None:
    league = local(heart(), heart_dictionary(), store=tmp_path)
    study = league.study({"table": ANALYSES["table"]})
    league.submit(study)
    job = played(league, died(league.hub._store, study.id, times))
    assert job.state == state
    if state == "failed":
        assert json.loads(job.detail)["what"] == "the run was given up"
