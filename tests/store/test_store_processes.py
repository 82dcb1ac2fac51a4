"""Several processes share one store: they never do a thing twice, lose one, or leave half of one behind."""

from __future__ import annotations

import pytest
from store_cases import DIED, KEY, LEASE, NOW, at_once, end_of_one, events

from hansa.log import (
    MemoryTree,
    commit,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from hansa.store import HubStore

pytest_plugins = ["store_cases"]


def test_two_processes_never_claim_the_same_job(shared_url: str) -> None:
    store = HubStore.at(shared_url, KEY)
    for number in range(50):
        store.enqueue(f"j{number:02}", f"s{number}", "model", "researcher", now=NOW)
    claimed = [process.report() for process in at_once("claim_all", shared_url, 2)]
    assert all(claimed), "both worked"
    assert sorted(claimed[0] + claimed[1]) == [f"j{number:02}" for number in range(50)]
    assert [event for event, _, _ in events(store)].count("job claimed") == 50
    for worker, ids in enumerate(claimed):
        assert {(job.worker, job.state) for job in map(store.job, ids) if job} == {(f"w{worker}", "running")}
    store.close()


def test_processes_that_append_at_once_grow_one_tree(shared_url: str) -> None:
    store = HubStore.at(shared_url, KEY)
    processes = at_once("append_50", shared_url, 4)
    seen = []
    while any(process.process.poll() is None for process in processes):
        size = store.log_size
        if size:
            seen.append((size, root_hash(store, size)))
    given = [process.report() for process in processes]
    assert sorted(index for indexes in given for index in indexes) == list(range(200))
    assert all(store.entries_of(f"w{number}") == indexes for number, indexes in enumerate(given))
    check_tree(store, 200)
    end = root_hash(store, 200)
    for size, root in seen:
        verify_consistency(size, root, 200, end, consistency_proof(store, size, 200))
    store.close()


def check_tree(store: HubStore, size: int) -> None:
    assert store.log_size == size
    root, twin = root_hash(store, size), MemoryTree()
    for index in range(size):
        leaf = commit(*store.entry(index))
        twin.append(leaf)
        verify_inclusion(leaf_hash(leaf), index, size, inclusion_proof(store, index, size), root)
        before = root_hash(twin, index + 1)
        verify_consistency(index + 1, before, size, root, consistency_proof(store, index + 1, size))


def test_processes_may_open_a_new_store_at_once(shared_url: str) -> None:
    assert [process.report() for process in at_once("open_it", shared_url, 4)] == [0] * 4


def test_two_workers_of_one_run_leave_one_journal_and_one_result(shared_url: str) -> None:
    names = [process.report() for process in at_once("same_run", shared_url, 2)]
    store = HubStore.at(shared_url, KEY)
    totals = store.totals("run")
    assert [request for request, _ in totals] == [bytes([position]) for position in range(30)]
    assert all(total.split(b" of ")[0] == str(position).encode() for position, (_, total) in enumerate(totals))
    found = store.result("s", b"question")
    assert found is not None
    assert found in [(f"run of {name}", name) for name in names]
    store.close()


def test_an_analysis_that_is_asked_for_by_several_at_once_is_one_job(shared_url: str) -> None:
    given = [process.report() for process in at_once("enqueue_same", shared_url, 3)]
    assert given[0] == given[1] == given[2]
    store = HubStore.at(shared_url, KEY)
    assert [len(store.jobs(f"s{number}")) for number in range(20)] == [1] * 20
    store.close()


def test_notes_of_several_processes_have_numbers_without_gaps(shared_url: str) -> None:
    store = HubStore.at(shared_url, KEY)
    store.enqueue("job", "s", "model", "researcher", now=NOW)
    read: list[int] = []
    processes = at_once("note_20", shared_url, 3)
    while any(process.process.poll() is None for process in processes):
        read += [number for number, _, _ in store.notes("job", after=len(read))]
    read += [number for number, _, _ in store.notes("job", after=len(read))]
    assert [process.report() for process in processes] == ["w0", "w1", "w2"]
    assert read == list(range(1, 61)), "a reader who reads on misses none"
    store.close()


def test_an_assertion_that_several_processes_are_shown_is_used_at_one_of_them(shared_url: str) -> None:
    given = [process.report() for process in at_once("use_20", shared_url, 3)]
    assert [sum(used) for used in zip(*given, strict=True)] == [1] * 20


DEATHS = [
    "append/INSERT INTO log_entries",
    "append/INSERT INTO log_tree",
    "claim/UPDATE jobs",
    "claim/INSERT INTO audit",
    "save_study/INSERT INTO studies",
    "save_result/INSERT INTO results",
    "record_total/INSERT INTO journal",
]


@pytest.mark.parametrize("death", DEATHS)
def test_a_process_that_dies_in_a_transaction_leaves_nothing_of_it(shared_url: str, death: str) -> None:
    store = HubStore.at(shared_url, KEY)
    store.enqueue("j", "s", "model", "researcher", now=NOW)
    store.append("event", b"before")
    before, job = store.events(), store.job("j")
    assert end_of_one("die", shared_url, death) == DIED
    assert (store.log_size, store.study("s"), store.result("s", b"q"), store.totals("r")) == (1, None, None, [])
    assert (store.events(), store.job("j")) == (before, job)
    assert store.append("event", b"after") == 1
    check_tree(store, 2)
    claimed = store.claim("alive", now=NOW, lease=LEASE)
    assert claimed is not None
    assert claimed.id == "j"
    store.close()
