"""The revisions of a store's tables: a new store gets the newest, an older one is upgraded, a newer one is refused."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import URL, Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select
from sqlalchemy.exc import OperationalError

from hansa.errors import StoreError
from hansa.store.database import Database, connect, in_a_row
from hansa.store.faults import translated
from hansa.store.hub_tables import hub
from hansa.store.node_tables import node

__all__ = ["HUB", "NODE", "Schema", "open_store"]


@dataclass(frozen=True)
class Schema:
    """The tables of one kind of store, and the revisions that led to them, oldest first.

    Attributes
    ----------
    name : str
        The folder of its revisions in ``hansa.store.migrations``.
    landmark : str
        A table by which a store is known that was made before revisions were kept.
    """

    name: str
    tables: MetaData
    revisions: tuple[str, ...]
    landmark: str


HUB = Schema("hub", hub, ("hub_1", "hub_2", "hub_3"), "log_tree")
NODE = Schema("node", node, ("node_1",), "ledger")

_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, so that its tools read a store too."""

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


class _Standing(Enum):
    EMPTY = "no tables"
    OLD = "tables of an older revision"
    CURRENT = "tables of the newest revision"


def open_store(url: URL, schema: Schema) -> Database:
    """Open a store with the newest tables.

    Raises
    ------
    StoreError
        If it cannot be reached, is no store of this kind, or was made by a newer version; it is then left as it is.
    """
    database = connect(url)
    try:
        with database.read() as connection:
            standing = _standing(connection, schema)
        if standing is not _Standing.CURRENT:
            with database.write() as connection:
                _bring_up(connection, schema)
        if database.file is not None:
            _share(database)
    except StoreError:
        database.close()
        raise
    return database


def _bring_up(connection: Connection, schema: Schema) -> None:
    in_a_row(connection, "schema")
    # Another process may have done it meanwhile.
    standing = _standing(connection, schema)
    if standing is _Standing.EMPTY:
        schema.tables.create_all(connection, checkfirst=False)
        _VERSIONS.create(connection)
        connection.execute(insert(_VERSIONS).values(version_num=schema.revisions[-1]))
    elif standing is _Standing.OLD:
        # Alembic takes a while to load, and is seldom needed.
        from hansa.store.migrations.upgrade import upgrade  # noqa: PLC0415  # as the line above says

        upgrade(connection, schema.name)


def _standing(connection: Connection, schema: Schema) -> _Standing:
    names = set(inspect(connection).get_table_names())
    if not names:
        return _Standing.EMPTY
    if _VERSIONS.name not in names:
        if schema.landmark not in names:
            raise _other(schema)
        return _Standing.OLD
    version = connection.execute(select(_VERSIONS.c.version_num)).scalar_one()
    if version == schema.revisions[-1]:
        return _Standing.CURRENT
    if version in schema.revisions:
        return _Standing.OLD
    raise _newer(schema) if version.startswith(f"{schema.name}_") else _other(schema)


def _share(database: Database) -> None:
    """Write-ahead logging: readers and a writer do not wait for each other. The file remembers it."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        with translated(), database.engine.connect() as connection:
            if _switched(connection):
                return
        time.sleep(_PAUSE_SECONDS)
    raise StoreError(
        "the store cannot be opened", why="another process holds it", fix="see which process does", field="store"
    )


def _switched(connection: Connection) -> bool:
    """False while another process writes the file: here SQLite does not wait by itself."""
    try:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    except OperationalError as fault:
        if getattr(fault.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True


def _newer(schema: Schema) -> StoreError:
    return StoreError(
        f"the {schema.name}'s store cannot be opened",
        why="a newer version of Hansa made it",
        fix="install that version; the store was left as it is",
        field="store",
    )


def _other(schema: Schema) -> StoreError:
    return StoreError(
        f"the {schema.name}'s store cannot be opened",
        why=f"the database holds tables that are not of a {schema.name}",
        fix="give a database of its own; this one was left as it is",
        field="store",
    )
