"""A store that cannot read or write says what to do, shows no secret, and goes on when it can again."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgres_server import Server
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from store_cases import KEY, LEASE, NOW

from hansa.errors import StoreError
from hansa.log import MemoryTree, commit, root_hash
from hansa.store import HubStore, database, schema

pytest_plugins = ["store_cases"]


def check_tree(store: HubStore) -> None:
    twin = MemoryTree()
    for index in range(store.log_size):
        twin.append(commit(*store.entry(index)))
    assert root_hash(store, store.log_size) == root_hash(twin, store.log_size)


@contextmanager
def full_disk(store: HubStore, path: Path) -> Iterator[None]:
    """A disk with room for three more pages of the store."""
    probe = sqlite3.connect(path)
    pages = probe.execute("PRAGMA page_count").fetchone()[0]
    probe.close()

    def limit(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count={pages + 3}")

    engine = store._database.engine
    event.listen(engine, "connect", limit)
    engine.dispose()
    yield
    event.remove(engine, "connect", limit)
    engine.dispose()


def fill(store: HubStore) -> tuple[int, StoreError]:
    """How many entries the log took, and what it said then."""
    for kept in range(1000):
        try:
            store.append("event", bytes(100))
        except StoreError as error:
            return kept, error
    raise AssertionError("the disk was not full")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = HubStore(path, KEY)
    store.enqueue("j", "s", "model", "researcher", now=NOW)
    with full_disk(store, path):
        kept, error = fill(store)
        assert "disk of the store is full" in str(error)
        assert "make room" in error.fix
        assert 0 < kept == store.log_size
        check_tree(store)
        before = store.events()
        with pytest.raises(StoreError, match="full"):
            store.save_study("s", bytes(100_000), "researcher")
        with pytest.raises(StoreError, match="full"):
            store.record_total("r", 0, b"q", bytes(100_000))
        assert (store.study("s"), store.totals("r"), store.events()) == (None, [], before)
    assert store.append("event", b"there is room again") == kept
    check_tree(store)
    store.save_study("s", bytes(100_000), "researcher")
    store.close()


@contextmanager
def held(url: str) -> Iterator[None]:
    """Another process that holds the tables of log and jobs."""
    if url.startswith("sqlite"):
        lite = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        lite.execute("BEGIN IMMEDIATE")
        yield
        lite.close()
    else:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE log_entries, jobs, studies IN SHARE ROW EXCLUSIVE MODE")
            yield


def test_a_locked_store_is_waited_for_but_not_for_ever(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_LOCK_MILLISECONDS", 100)
    store = HubStore.at(shared_url, KEY)
    store.enqueue("j", "s", "model", "researcher", now=NOW)
    before = store.events()
    with held(shared_url):
        for write in (
            lambda: store.append("event", b"x"),
            lambda: store.save_study("s", b"x", "researcher"),
            lambda: store.claim("w", now=NOW, lease=LEASE),
        ):
            with pytest.raises(StoreError, match="another process holds the store"):
                write()
        assert (store.log_size, store.study("s"), store.events()) == (0, None, before), "reading goes on"
    assert store.append("event", b"x") == 0
    assert store.claim("w", now=NOW, lease=LEASE) is not None
    store.close()


@contextmanager
def just_restored(folder: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A store from a backup, which is not yet in write-ahead logging, and another process that writes it."""
    store, path = HubStore(None, KEY), folder / "hub.db"
    store.backup(path)
    store.close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield path, other
    other.close()


def test_a_store_that_another_process_writes_at_its_opening_is_waited_for(tmp_path: Path) -> None:
    with just_restored(tmp_path) as (path, other):
        release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
        release.start()
        store = HubStore(path, KEY)
        release.join()
        assert store.append("event", b"x") == 0
        store.close()


def test_a_store_that_another_process_keeps_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_PATIENCE_SECONDS", 0.2)
    with just_restored(tmp_path) as (path, _), pytest.raises(StoreError, match="another process holds it"):
        HubStore(path, KEY)


def test_a_store_without_its_file_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    store = HubStore(path, KEY)
    store.ping()
    path.unlink()
    with pytest.raises(StoreError, match="gone"):
        store.ping()
    store.close()


def test_a_dropped_database_does_not_answer(server: Server) -> None:
    url = server.new_database()
    store = HubStore.at(url, KEY)
    server.run(f"DROP DATABASE {database_of(url)} WITH (FORCE)")
    for ask in (store.ping, lambda: store.append("event", b"x")):
        with pytest.raises(StoreError, match="does not answer"):
            ask()
    store.close()


def test_a_server_that_was_restarted_is_reached_again(server: Server) -> None:
    url = server.new_database()
    store = HubStore.at(url, KEY)
    store.append("event", b"x")
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_of(url)}'")
    store.ping()
    assert store.append("event", b"y") == 1
    store.close()


def test_a_database_that_may_only_be_read_is_not_written(server: Server) -> None:
    url = server.new_database()
    HubStore.at(url, KEY).close()
    server.run(f"ALTER DATABASE {database_of(url)} SET default_transaction_read_only = on")
    store = HubStore.at(url, KEY)
    with pytest.raises(StoreError, match="may not be written"):
        store.append("event", b"x")
    assert store.log_size == 0
    store.close()


def test_a_character_that_postgresql_does_not_keep_is_a_store_error(server: Server) -> None:
    store = HubStore.at(server.new_database(), KEY)
    with pytest.raises(StoreError, match="NUL"):
        store.save_study("s\0", b"x", "researcher")
    assert store.studies() == []
    store.close()


def database_of(url: str) -> str:
    return url.split("/")[3].split("?", maxsplit=1)[0]


ADDRESSES = [
    "",
    "hub.db",
    "mysql://root:secret@host/db",
    "postgresql+asyncpg://root:secret@host/db",
    "sqlite+aiosqlite:///secret.db",
    "postgresql://root:secret@host:port/db",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_of_something_else_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(StoreError, match="address") as caught:
        HubStore.at(url, KEY)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_a_store_error_without_the_password() -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        HubStore.at("postgresql://hub:secret@127.0.0.1:1/hub", KEY)
    assert "secret" not in str(caught.value)


def test_postgresql_without_its_driver_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match="psycopg"):
        HubStore.at("postgresql://hub@127.0.0.1:1/hub", KEY)


def test_an_address_in_memory_is_a_store_of_its_own() -> None:
    first, second = (HubStore.at("sqlite://", KEY) for _ in range(2))
    first.append("event", b"x")
    assert (first.log_size, second.log_size) == (1, 0)
    first.close()
    second.close()


def test_a_file_is_shared_by_write_ahead_logging(tmp_path: Path) -> None:
    store = HubStore(tmp_path / "hub.db", KEY)
    with store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
    store.close()
