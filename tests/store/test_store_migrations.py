"""A store of the last version is upgraded where it lies; one of a newer version is left as it is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import old_tables
import pytest
from postgres_server import Server
from sqlalchemy import Connection, create_engine, inspect
from store_cases import DIED, KEY, NOW, at_once, end_of_one

from hansa.errors import StoreError
from hansa.log import commit, completed_hashes, leaf_hash, root_hash
from hansa.store import HubStore, NodeStore
from hansa.store.database import connect, parse_url
from hansa.store.hub_journal import write_total
from hansa.store.migrations.upgrade import scripts, upgrade
from hansa.store.schema import HUB, NODE, Schema

pytest_plugins = ["store_cases"]

SCHEMAS = {"hub": HUB, "node": NODE}
OPEN: dict[str, Callable[[Path], HubStore | NodeStore]] = {"hub": lambda path: HubStore(path, KEY), "node": NodeStore}
SALT = bytes(32)
OLD = {"hub": old_tables.HUB, "node": old_tables.NODE}


def old_store(kind: str, path: Path, fill: str = "") -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(OLD[kind] + fill)
    connection.close()
    return path


def described(connection: Connection) -> dict[str, Any]:
    """All that the database knows of its tables."""
    seen = inspect(connection)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in seen.get_columns(name)],
            seen.get_pk_constraint(name)["constrained_columns"],
            sorted(u["column_names"] for u in seen.get_unique_constraints(name)),
            sorted((i["name"] or "", i["column_names"], i["unique"]) for i in seen.get_indexes(name)),
        )
        for name in seen.get_table_names()
    }


def described_at(url: str) -> dict[str, Any]:
    database = connect(parse_url(url))
    with database.read() as connection:
        found = described(connection)
    database.close()
    return found


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_the_revisions_are_those_that_the_schema_names(kind: str) -> None:
    walked = [script.revision for script in scripts(kind).walk_revisions()]
    assert tuple(reversed(walked)) == SCHEMAS[kind].revisions


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_an_upgraded_store_has_the_tables_of_a_new_one(kind: str, tmp_path: Path) -> None:
    OPEN[kind](old_store(kind, tmp_path / "old.db")).close()
    OPEN[kind](tmp_path / "new.db").close()
    old, new = (described_at(f"sqlite:///{tmp_path / name}.db") for name in ("old", "new"))
    assert old == new
    assert set(new) == {*SCHEMAS[kind].tables.tables, "alembic_version"}


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_the_revisions_make_the_same_tables_on_postgresql(kind: str, server: Server) -> None:
    new, walked = server.new_database(), server.new_database()
    for url, make in ((new, create_all(SCHEMAS[kind])), (walked, lambda c: upgrade(c, kind))):
        database = connect(parse_url(url))
        with database.write() as connection:
            make(connection)
        database.close()
    made = described_at(walked)
    made.pop("alembic_version")
    assert made == described_at(new)


def create_all(schema: Schema) -> Callable[[Connection], object]:
    return schema.tables.create_all


def test_a_hub_of_the_last_version_keeps_all_it_had(tmp_path: Path) -> None:
    path = old_store("hub", tmp_path / "hub.db")
    fill_old_hub(path)
    store = HubStore(path, KEY)
    assert store.totals("r") == [(b"request", b"total")]
    assert store.result("s", b"q") == ("r", "{}")
    assert store.witnessed("bern") == 1
    assert (store.log_size, store.entry(0), store.entries_of("s")) == (1, ("event", b"x", SALT), [])
    assert root_hash(store, 1) == leaf_hash(commit("event", b"x", SALT))
    assert store.append("event", b"y", "s") == 1
    assert store.entries_of("s") == [1]
    assert store.enqueue("j", "s", "model", "researcher", now=NOW).state == "queued"
    store.close()


class _NoNodes:
    def node(self, level: int, index: int) -> bytes:
        raise AssertionError((level, index))


def fill_old_hub(path: Path) -> None:
    store = HubStore(None, KEY)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        write_total(connection, store._cipher, "r", 0, request=b"request", total=b"total")
        connection.exec_driver_sql("INSERT INTO results VALUES ('r', 's', ?, '{}')", (b"q",))
        connection.exec_driver_sql("INSERT INTO witnessed VALUES ('bern', 1)")
        connection.exec_driver_sql("INSERT INTO log_entries VALUES (0, 'event', ?, ?)", (b"x", SALT))
        for row in completed_hashes(_NoNodes(), 0, leaf_hash(commit("event", b"x", SALT))):
            connection.exec_driver_sql("INSERT INTO log_tree VALUES (?, ?, ?)", row)
    engine.dispose()
    store.close()


def test_a_node_of_the_last_version_keeps_all_it_had(tmp_path: Path) -> None:
    fill = "INSERT INTO persons VALUES ('p1', 7); INSERT INTO audit VALUES (1, 'now', 'study decided', 's', 'permit');"
    store = NodeStore(old_store("node", tmp_path / "node.db", fill))
    assert store.persons() == {"p1": 7}
    assert store.events() == [("now", "study decided", "s", "permit")]
    store.close()


def test_what_an_even_older_version_had_not_made_is_made(tmp_path: Path) -> None:
    path = old_store("hub", tmp_path / "hub.db", "DROP TABLE witnessed;")
    store = HubStore(path, KEY)
    assert store.witnessed("bern") == 0
    store.close()


def test_an_upgraded_store_is_not_upgraded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_store("hub", tmp_path / "hub.db")
    HubStore(path, KEY).close()
    monkeypatch.setattr("hansa.store.migrations.upgrade.upgrade", lambda *_: pytest.fail("a second upgrade"))
    HubStore(path, KEY).close()
    HubStore(tmp_path / "new.db", KEY).close()


def test_processes_that_open_an_old_store_at_once_upgrade_it_once(tmp_path: Path) -> None:
    path = old_store("hub", tmp_path / "hub.db")
    assert [process.report() for process in at_once("open_it", f"sqlite:///{path}", 3)] == [0] * 3


@pytest.mark.parametrize("marker", ["\nCREATE TABLE jobs", "ALTER TABLE", "INSERT INTO alembic_version"])
def test_an_upgrade_that_dies_leaves_the_old_store(tmp_path: Path, marker: str) -> None:
    path = old_store("hub", tmp_path / "hub.db")
    before = described_at(f"sqlite:///{path}")
    assert end_of_one("die_opening", f"sqlite:///{path}", marker) == DIED
    assert described_at(f"sqlite:///{path}") == before
    HubStore(path, KEY).close()
    assert set(described_at(f"sqlite:///{path}")) == {*HUB.tables.tables, "alembic_version"}


def changed(path: Path, *statements: str) -> str:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(kind: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    OPEN[kind](path).close()
    newer = f"UPDATE alembic_version SET version_num = '{kind}_99'"
    before = changed(path, newer, f"PRAGMA journal_mode={mode}")
    with pytest.raises(StoreError, match="newer version"):
        OPEN[kind](path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "songs.db"
    before = changed(path, "CREATE TABLE songs (name)")
    for kind in SCHEMAS:
        with pytest.raises(StoreError, match="tables that are not"):
            OPEN[kind](path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_nodes_store_is_not_opened_as_a_hubs(tmp_path: Path) -> None:
    NodeStore(tmp_path / "node.db").close()
    with pytest.raises(StoreError, match="not of a hub"):
        HubStore(tmp_path / "node.db", KEY)
