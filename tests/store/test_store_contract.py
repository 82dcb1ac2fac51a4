"""What the hub's store promises about studies, journals, results and the log: the same on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from postgres_server import Server
from sqlalchemy import event
from store_cases import KEY, LEASE, NOW, events

from hansa.errors import StoreError
from hansa.log import (
    MemoryTree,
    commit,
    inclusion_proof,
    leaf_hash,
    root_hash,
    verify_inclusion,
)
from hansa.store import HubStore

pytest_plugins = ["store_cases"]


def test_a_new_store_is_empty(store: HubStore) -> None:
    store.ping()
    assert (store.log_size, store.studies(), store.events(), store.totals("r")) == (0, [], [], [])
    assert (store.study("s"), store.charter(), store.journal_name("r"), store.result("s", b"q")) == (None,) * 4
    assert (store.decisions("s"), store.entries_of("s"), store.witnessed("n")) == ({}, [], 0)


def test_the_log_remembers_whose_study_an_entry_is(store: HubStore) -> None:
    given = [store.append("event", b"x", study) for study in ("a", "b", "", "a")]
    assert given == [0, 1, 2, 3]
    assert (store.entries_of("a"), store.entries_of("b"), store.entries_of("c")) == ([0, 3], [1], [])


def test_every_entry_is_proved_to_be_in_the_tree(store: HubStore) -> None:
    twin = MemoryTree()
    for number in range(37):
        store.append("event", str(number).encode())
        twin.append(commit(*store.entry(number)))
    root = root_hash(store, 37)
    assert root == root_hash(twin, 37)
    for number in range(37):
        verify_inclusion(leaf_hash(commit(*store.entry(number))), number, 37, inclusion_proof(store, number, 37), root)


def test_an_entry_that_is_not_there_is_a_store_error(store: HubStore) -> None:
    for ask in (lambda: store.entry(0), lambda: store.node(0, 0)):
        with pytest.raises(StoreError, match="not in the store"):
            ask()


def test_threads_of_one_process_append_to_one_tree(store: HubStore) -> None:
    def append() -> None:
        for _ in range(25):
            store.append("event", b"x")

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twin = MemoryTree()
    for number in range(100):
        twin.append(commit(*store.entry(number)))
    assert (store.log_size, root_hash(store, 100)) == (100, root_hash(twin, 100))


def test_a_study_is_kept_once_and_does_not_change(store: HubStore) -> None:
    store.save_study("s", b"sealed", "researcher")
    store.save_study("s", b"sealed", "somebody else")
    with pytest.raises(StoreError, match="another is kept"):
        store.save_study("s", b"forged", "researcher")
    assert store.study("s") == b"sealed"
    assert events(store) == [("study kept", "s", "researcher")]


def test_studies_come_in_pages(store: HubStore) -> None:
    names = [f"{letter}{number}" for letter in "bAaZ" for number in range(5)]
    for name in names:
        store.save_study(name, b"sealed", "researcher")
    pages, after = [], ""
    while page := store.studies(after=after, limit=6):
        pages.append(page)
        after = page[-1]
    assert [len(page) for page in pages] == [6, 6, 6, 2]
    assert [name for page in pages for name in page] == sorted(names)


def test_ids_are_ordered_as_bytes_whatever_the_language_of_the_database(server: Server) -> None:
    # The test server knows no language but C, so that only the statement shows it.
    store, said = HubStore.at(server.new_database(), KEY), []
    event.listen(store._database.engine, "before_cursor_execute", lambda _c, _cursor, text, *_: said.append(text))
    assert store.studies() == []
    assert all(part in said[-1] for part in ('(studies.study COLLATE "C") >', 'ORDER BY studies.study COLLATE "C"'))
    store.close()


def test_the_latest_decision_stays(store: HubStore) -> None:
    store.save_decision("s", "bern", b"refer", False)
    store.save_decision("s", "zurich", b"deny", False)
    store.save_decision("s", "bern", b"permit", True)
    store.save_decision("other", "bern", b"x", False)
    assert store.decisions("s") == {"bern": (b"permit", True), "zurich": (b"deny", False)}
    assert events(store)[:3] == [
        ("decision kept", "s", "bern: no permit"),
        ("decision kept", "s", "zurich: no permit"),
        ("decision kept", "s", "bern: permit"),
    ]


def test_a_run_writes_to_one_journal(store: HubStore) -> None:
    for _ in range(2):
        store.save_journal_name("r", "j")
    with pytest.raises(StoreError, match="another"):
        store.save_journal_name("r", "k")
    assert store.journal_name("r") == "j"


def test_a_total_given_twice_is_the_first(store: HubStore) -> None:
    store.record_total("r", 0, b"request", b"first")
    store.record_total("r", 0, b"request", b"second")
    with pytest.raises(StoreError, match="another request"):
        store.record_total("r", 0, b"other", b"third")
    assert store.totals("r") == [(b"request", b"first")]


def test_a_result_given_twice_is_the_first(store: HubStore) -> None:
    store.save_result("r1", "s", b"q", "first")
    store.save_result("r1", "s", b"q", "first")
    store.save_result("r2", "s", b"q", "second")
    assert store.result("s", b"q") == ("r1", "first")
    assert events(store) == [("result kept", "s", "r1")]


def test_a_run_has_one_question(store: HubStore) -> None:
    store.save_result("r1", "s", b"q", "{}")
    with pytest.raises(StoreError, match="another question"):
        store.save_result("r1", "s", b"other", "{}")
    assert store.result("s", b"other") is None


def test_the_newest_charter_counts_and_none_changes(store: HubStore) -> None:
    for version in (1, 10, 9):
        store.save_charter(version, b"charter %d" % version)
    store.save_charter(9, b"charter 9")
    with pytest.raises(StoreError, match="another is kept"):
        store.save_charter(10, b"forged")
    assert store.charter() == (10, b"charter 10")
    assert events(store) == [("charter kept", str(version), "") for version in (1, 10, 9)]


def test_what_a_node_has_witnessed_never_shrinks(store: HubStore) -> None:
    for size in (3, 7, 5):
        store.save_witnessed("bern", size)
    assert (store.witnessed("bern"), store.witnessed("zurich")) == (7, 0)


REFUSED: dict[str, Callable[[HubStore], object]] = {
    "a payload is missing": lambda store: store.append("event", None),  # type: ignore[arg-type]  # hostile
    "a decision is missing": lambda store: store.save_decision("s", "n", None, True),  # type: ignore[arg-type]  # as above
    "who sent a study is missing": lambda store: store.save_study("s", b"x", None),  # type: ignore[arg-type]  # as above
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_write_that_fails_leaves_nothing(store: HubStore, name: str) -> None:
    with pytest.raises((StoreError, TypeError)):
        REFUSED[name](store)
    assert (store.log_size, store.study("s"), store.decisions("s"), store.events()) == (0, None, {}, [])
    assert store.append("event", b"x") == 0, "the store goes on"


def test_a_fault_does_not_show_what_is_kept(store: HubStore) -> None:
    with pytest.raises(StoreError) as caught:
        store.save_study("s", b"x", None)  # type: ignore[arg-type]  # hostile
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "INSERT" not in str(caught.value)


def test_an_assertion_is_used_once_and_forgotten_when_it_has_expired(store: HubStore) -> None:
    later = NOW + LEASE
    assert store.use_assertion(b"one", later, now=NOW)
    assert not store.use_assertion(b"one", later, now=NOW)
    assert store.use_assertion(b"two", later + LEASE, now=NOW)
    assert store.use_assertion(b"one", later + LEASE, now=later), "it had expired: whoever verifies it refuses it"
    assert not store.use_assertion(b"two", later + LEASE, now=later)
