"""A job has one worker at a time: the one that holds its lease. The same on every database."""

from __future__ import annotations

import datetime as dt

import pytest
from store_cases import LEASE, NOW, events

from hansa.errors import StoreError
from hansa.store import HubStore, Job

pytest_plugins = ["store_cases"]

SECOND = dt.timedelta(seconds=1)


def queue(store: HubStore, id_: str = "j", *, now: dt.datetime = NOW) -> Job:
    return store.enqueue(id_, f"study of {id_}", "model", "researcher", now=now)


def claim(store: HubStore, worker: str = "w", *, now: dt.datetime = NOW) -> str | None:
    job = store.claim(worker, now=now, lease=LEASE)
    return None if job is None else job.id


def state(store: HubStore, id_: str = "j") -> str:
    job = store.job(id_)
    assert job is not None
    return job.state


def test_a_job_from_its_queue_to_its_end(store: HubStore) -> None:
    assert queue(store) == Job("j", "study of j", "model", "researcher", "queued", None, NOW, None, "")
    job = store.claim("w", now=NOW, lease=LEASE)
    assert job == store.job("j")
    assert job == Job("j", "study of j", "model", "researcher", "running", "w", NOW, NOW + LEASE, "")
    assert store.finish("j", "w", "done", '{"estimate": 1}', now=NOW)
    ended = Job("j", "study of j", "model", "researcher", "done", "w", NOW, None, '{"estimate": 1}')
    assert store.jobs("study of j") == [ended]
    assert events(store) == [("job queued", "j", "researcher"), ("job claimed", "j", "w"), ("job done", "j", "w")]
    assert {at for at, *_ in store.events()} == {"2027-01-01T12:00:00.000000+00:00"}


def test_there_may_be_nothing_to_do(store: HubStore) -> None:
    assert claim(store) is None
    assert (store.job("j"), store.jobs("s"), store.events()) == (None, [], [])


def test_an_unfinished_job_of_the_same_analysis_is_given_instead_of_a_second(store: HubStore) -> None:
    first = store.enqueue("1", "s", "model", "a", now=NOW)
    assert store.enqueue("2", "s", "model", "b", now=NOW + SECOND) == first
    assert store.enqueue("3", "s", "table", "b", now=NOW + SECOND).id == "3"
    assert claim(store) == "1"
    assert store.enqueue("4", "s", "model", "b", now=NOW).state == "running"
    store.finish("1", "w", "failed", "", now=NOW)
    assert store.enqueue("5", "s", "model", "b", now=NOW).id == "5"
    assert [job.id for job in store.jobs("s")] == ["1", "5", "3"]


def test_an_id_is_used_once(store: HubStore) -> None:
    queue(store)
    with pytest.raises(StoreError, match="conflicts"):
        store.enqueue("j", "another study", "model", "researcher", now=NOW)
    assert store.jobs("another study") == []


def test_the_oldest_job_is_claimed_first(store: HubStore) -> None:
    zone = dt.timezone(dt.timedelta(hours=5))
    for number, (id_, after) in enumerate([("late", 3), ("early", 1), ("middle", 2)]):
        queue(store, id_, now=(NOW + after * SECOND).astimezone(zone if number else dt.UTC))
    assert [claim(store) for _ in range(4)] == ["early", "middle", "late", None]


def test_a_lease_that_is_over_lets_another_claim_the_job_and_its_old_worker_knows(store: HubStore) -> None:
    queue(store)
    assert claim(store, "first") == "j"
    assert claim(store, "second", now=NOW + LEASE - dt.timedelta(microseconds=1)) is None
    assert claim(store, "second", now=NOW + LEASE) == "j"
    assert not store.renew("j", "first", now=NOW, lease=LEASE)
    assert not store.finish("j", "first", "done", "stale", now=NOW)
    assert state(store) == "running"
    assert store.finish("j", "second", "done", "fresh", now=NOW)
    job = store.job("j")
    assert job is not None
    assert (job.worker, job.detail) == ("second", "fresh")
    assert [event for event, _, _ in events(store)] == ["job queued", "job claimed", "job claimed", "job done"]


def test_a_renewed_lease_keeps_the_job(store: HubStore) -> None:
    queue(store)
    claim(store)
    assert store.renew("j", "w", now=NOW + LEASE - SECOND, lease=LEASE)
    assert claim(store, "other", now=NOW + LEASE) is None
    assert claim(store, "other", now=NOW + 2 * LEASE) == "j"


def test_a_cancelled_job_is_nobodys(store: HubStore) -> None:
    queue(store)
    claim(store)
    assert store.cancel("j", "researcher", now=NOW)
    assert not store.renew("j", "w", now=NOW, lease=LEASE)
    assert not store.finish("j", "w", "done", "", now=NOW)
    assert claim(store, "other", now=NOW + 9 * LEASE) is None
    assert state(store) == "cancelled"
    assert not store.cancel("j", "researcher", now=NOW), "once is enough"
    assert events(store)[-1] == ("job cancelled", "j", "researcher")


def test_a_job_that_waits_can_be_cancelled_and_one_that_ended_cannot(store: HubStore) -> None:
    queue(store)
    assert store.cancel("j", "steward", now=NOW)
    assert claim(store) is None
    queue(store, "k")
    claim(store)
    store.finish("k", "w", "done", "", now=NOW)
    assert not store.cancel("k", "steward", now=NOW)
    assert not store.cancel("unknown", "steward", now=NOW)
    assert state(store, "k") == "done"


def test_only_its_worker_finishes_a_job_and_only_with_an_end(store: HubStore) -> None:
    queue(store)
    assert not store.finish("j", "w", "done", "", now=NOW), "nobody runs it"
    claim(store)
    for wrong in ("queued", "running", "DONE", ""):
        with pytest.raises(StoreError, match="not an end"):
            store.finish("j", "w", wrong, "", now=NOW)
    assert not store.finish("j", "other", "done", "", now=NOW)
    assert state(store) == "running"


def test_a_time_without_a_zone_is_refused(store: HubStore) -> None:
    with pytest.raises(StoreError, match="time zone"):
        queue(store, now=dt.datetime(2027, 1, 1))  # that is what is tested
    assert store.job("j") is None


def test_notes_are_numbered_by_job_and_read_on_from_a_number(store: HubStore) -> None:
    queue(store)
    queue(store, "k")
    for number in range(3):
        store.note("j", f"round {number}", now=NOW + number * SECOND)
    store.note("k", "round 0", now=NOW)
    assert [(number, text) for number, _, text in store.notes("j")] == [(1, "round 0"), (2, "round 1"), (3, "round 2")]
    assert store.notes("j", after=2) == [(3, "2027-01-01T12:00:02.000000+00:00", "round 2")]
    assert [number for number, _, _ in store.notes("k")] == [1]
    assert store.notes("unknown") == []


def test_a_note_on_no_job_is_refused(store: HubStore) -> None:
    with pytest.raises(StoreError, match="no such job"):
        store.note("j", "round 1", now=NOW)


def test_claims_are_counted_by_job(store: HubStore) -> None:
    queue(store)
    assert store.claims("j") == 0
    for claimed in range(3):
        assert claim(store, f"w{claimed}", now=NOW + claimed * (LEASE + SECOND)) == "j"
    assert (store.claims("j"), store.claims("another")) == (3, 0)
