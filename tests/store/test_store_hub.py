"""The hub's journal cannot be read without its key nor changed unseen; its log is one consistent tree."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import StoreError
from hansa.log import commit, consistency_proof, leaf_hash, root_hash, verify_consistency
from hansa.store import HubStore

KEY = bytes(range(32))
TOTAL = b"a total that nobody else may read"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def journalled(path: Path) -> Path:
    store = HubStore(path, KEY)
    for run in ("r1", "r2"):
        for position in range(3):
            store.record_total(run, position, bytes([position]) * 32, TOTAL + bytes([position]))
    store.close()
    return path


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def totals(path: Path, run: str, key: bytes = KEY) -> list[tuple[bytes, bytes]]:
    store = HubStore(path, key)
    try:
        return store.totals(run)
    finally:
        store.close()


def test_the_journal_comes_back_in_order(journalled: Path) -> None:
    assert totals(journalled, "r1") == [(bytes([i]) * 32, TOTAL + bytes([i])) for i in range(3)]
    assert totals(journalled, "unknown") == []


def test_no_total_is_readable_in_the_file(journalled: Path) -> None:
    kept = [journalled.read_bytes(), *(p.read_bytes() for p in journalled.parent.glob("hub.db-*"))]
    assert not any(TOTAL[:12] in content for content in kept)


TAMPERING = {
    "a total": "UPDATE journal SET sealed = zeroblob(length(sealed)) WHERE position = 1",
    "a request": "UPDATE journal SET request = zeroblob(32) WHERE position = 1 AND run = 'r1'",
    "an entry from another run": (
        "UPDATE journal SET sealed = (SELECT sealed FROM journal WHERE run = 'r2' AND position = 1) "
        "WHERE run = 'r1' AND position = 1"
    ),
    "two entries swapped": (
        "UPDATE journal SET position = CASE position WHEN 0 THEN 11 ELSE 10 END WHERE run = 'r1' AND position IN (0, 1)"
    ),
    "an entry taken out": "DELETE FROM journal WHERE run = 'r1' AND position = 0",
}


@pytest.mark.parametrize("name", sorted(TAMPERING))
def test_a_changed_journal_is_a_store_error(journalled: Path, name: str) -> None:
    change(journalled, TAMPERING[name])
    with pytest.raises(StoreError, match="journal"):
        totals(journalled, "r1")


def test_another_key_is_a_store_error(journalled: Path) -> None:
    with pytest.raises(StoreError, match="journal"):
        totals(journalled, "r1", bytes(32))


def test_a_result_comes_back_for_the_same_question_of_the_same_study(path: Path) -> None:
    store = HubStore(path, KEY)
    store.save_result("r1", "s", b"q", "{}")
    store.close()
    again = HubStore(path, KEY)
    assert again.result("s", b"q") == ("r1", "{}")
    assert again.result("other", b"q") is None
    assert again.result("s", b"other") is None
    again.close()


@settings(max_examples=20)
@given(st.integers(1, 20), st.integers(0, 20))
def test_the_log_only_grows(first: int, more: int) -> None:
    store = HubStore(None, KEY)
    for number in range(first):
        store.append("event", str(number).encode())
    before = root_hash(store, first)
    for number in range(more):
        store.append("event", str(number).encode())
    size = first + more
    proof = consistency_proof(store, first, size)
    verify_consistency(first, before, size, root_hash(store, size), proof)
    store.close()


def test_the_log_goes_on_after_a_restart_as_if_there_had_been_none(path: Path) -> None:
    store = HubStore(path, KEY)
    for number in range(5):
        assert store.append("event", str(number).encode()) == number
    before = root_hash(store, 5)
    store.close()
    again = HubStore(path, KEY)
    assert (again.log_size, root_hash(again, 5)) == (5, before)
    assert again.append("event", b"5") == 5
    proof = consistency_proof(again, 5, 6)
    verify_consistency(5, before, 6, root_hash(again, 6), proof)
    again.close()


def test_an_entry_is_a_salted_commitment(path: Path) -> None:
    store = HubStore(path, KEY)
    first, second = (store.append("decision", b"deny") for _ in range(2))
    hashes = [store.node(0, index) for index in (first, second)]
    assert hashes[0] != hashes[1], "equal events must not look equal"
    kind, payload, salt = store.entry(first)
    assert (kind, payload) == ("decision", b"deny")
    assert hashes[0] == leaf_hash(commit(kind, payload, salt))
    store.close()
