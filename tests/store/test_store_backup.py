"""A backup is a store: opened in its place it gives back all that was kept."""

from __future__ import annotations

import shutil
import stat
import threading
from pathlib import Path

import pytest
from postgres_server import Server
from pyroaring import BitMap, FrozenBitMap
from store_cases import KEY, LEASE, NOW
from test_store_node import DAY, DECISION, ENTRY, PERMIT

from hansa.errors import StoreError
from hansa.governance import Epoch
from hansa.log import MemoryTree, commit, root_hash
from hansa.privacy.history import Population
from hansa.store import HubStore, NodeStore

pytest_plugins = ["store_cases"]


def filled_hub(path: Path | None) -> HubStore:
    store = HubStore(path, KEY)
    for number in range(5):
        store.append("event", b"%d" % number, "s")
        store.record_total("r", number, b"%d" % number, b"total")
    store.save_journal_name("run", "r")
    store.save_result("r", "s", b"q", "{}")
    store.save_study("s", b"sealed", "researcher")
    store.save_decision("s", "bern", b"permit", True)
    store.save_charter(3, b"charter")
    store.save_witnessed("bern", 4)
    store.enqueue("j", "s", "model", "researcher", now=NOW)
    store.claim("w", now=NOW, lease=LEASE)
    store.note("j", "round 1", now=NOW)
    return store


def all_of_hub(store: HubStore) -> list[object]:
    return [
        [store.entry(index) for index in range(store.log_size)],
        root_hash(store, store.log_size),
        store.entries_of("s"),
        store.totals("r"),
        store.journal_name("run"),
        store.result("s", b"q"),
        [store.study(study) for study in store.studies()],
        store.decisions("s"),
        store.charter(),
        store.witnessed("bern"),
        store.jobs("s"),
        store.notes("j"),
        store.events(),
    ]


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_hubs_backup_is_restored_in_its_place(tmp_path: Path, in_memory: bool) -> None:
    place, copy = tmp_path / "hub.db", tmp_path / "copy.db"
    store = filled_hub(None if in_memory else place)
    kept = all_of_hub(store)
    store.backup(copy)
    store.append("event", b"after the backup")
    store.close()
    for file in tmp_path.glob("hub.db*"):
        file.unlink()
    shutil.copy(copy, place)
    restored = HubStore(place, KEY)
    assert all_of_hub(restored) == kept
    assert restored.append("event", b"it goes on") == 5
    restored.close()


def test_a_nodes_backup_is_restored_in_its_place(tmp_path: Path) -> None:
    store = NodeStore(tmp_path / "node.db")
    store.save_study(b"envelope", DECISION, PERMIT)
    store.add_persons({"p1": 0})
    store.add_epoch("DUO:1", Epoch(1, DAY, FrozenBitMap(range(9)), FrozenBitMap([9])))
    asked = Population("p", "set", False, frozenset({"age"}), frozenset("abc"), BitMap(range(50)))
    store.record_answer([ENTRY], [asked], epoch=1, digest=b"d")
    store.save_release(b"q", 1, "s", b"signed")
    store.save_checkpoint("log", "note")
    kept = all_of_node(store)
    store.backup(tmp_path / "copy.db")
    store.close()
    restored = NodeStore(tmp_path / "copy.db")
    assert all_of_node(restored) == kept
    restored.close()


def all_of_node(store: NodeStore) -> list[object]:
    return [
        [store.study(study) for study in store.studies()],
        store.persons(),
        store.epochs("DUO:1"),
        [vars(population) for population in store.populations(release=False)],
        store.uses(3),
        store.ledger(),
        store.was_answered(b"d", 1),
        store.release(b"q", 1),
        store.checkpoint("log"),
        store.events(),
    ]


def test_a_backup_while_the_store_is_written_is_one_state_of_it(tmp_path: Path) -> None:
    store, stopping = HubStore(tmp_path / "hub.db", KEY), threading.Event()

    def write() -> None:
        while not stopping.is_set():
            store.append("event", bytes(1000))

    writer = threading.Thread(target=write)
    writer.start()
    while store.log_size < 20:
        pass
    try:
        for number in range(5):
            store.backup(tmp_path / f"copy{number}.db")
    finally:
        stopping.set()
        writer.join()
    for number in range(5):
        copy, twin = HubStore(tmp_path / f"copy{number}.db", KEY), MemoryTree()
        for index in range(copy.log_size):
            twin.append(commit(*copy.entry(index)))
        assert copy.log_size >= 20
        assert root_hash(copy, copy.log_size) == root_hash(twin, copy.log_size)
        copy.close()
    store.close()


def test_a_backup_is_for_its_owner_only_and_replaces_nothing(tmp_path: Path) -> None:
    store, copy = filled_hub(tmp_path / "hub.db"), tmp_path / "copy.db"
    store.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    before = copy.read_bytes()
    for path in (copy, tmp_path / "no such folder" / "copy.db"):
        with pytest.raises(StoreError):
            store.backup(path)
    assert copy.read_bytes() == before
    store.close()
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_without_room_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled_hub(tmp_path / "hub.db")

    def full(_number: int) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError):
        store.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))
    store.close()


def test_postgresql_has_its_own_backup(server: Server, tmp_path: Path) -> None:
    store = HubStore.at(server.new_database(), KEY)
    with pytest.raises(StoreError, match="pg_dump"):
        store.backup(tmp_path / "copy.db")
    assert not list(tmp_path.iterdir())
    store.close()
