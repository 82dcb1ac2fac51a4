"""A database that several processes share: SQLite in memory or in a file, or PostgreSQL.

On SQLite a write transaction holds the one write lock from its beginning (``BEGIN IMMEDIATE``), so that what it
read first is still so when it writes. On PostgreSQL transactions run side by side; those that must not are put in a
row by :func:`in_a_row`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from hansa.errors import StoreError
from hansa.store.faults import translated

__all__ = ["Database", "connect", "in_a_row", "parse_url", "sqlite_url"]

_CONNECT_SECONDS = 10
_LOCK_MILLISECONDS = 10_000
_ROWS = {"schema": 0x48414E5341_01, "log": 0x48414E5341_02, "jobs": 0x48414E5341_03}
"""Keys of the advisory locks: "HANSA" and a number."""


@dataclass(frozen=True, eq=False)
class Database:
    """Transactions on a database; every fault leaves as a :class:`hansa.errors.StoreError`."""

    engine: Engine
    alone: AbstractContextManager[object]
    """Held during each transaction: in memory, all threads share one connection."""

    @property
    def file(self) -> Path | None:
        """The SQLite file, if there is one."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from."""
        with self.alone, translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is kept, or nothing."""
        with self.alone, translated(), self._writing.begin() as connection:
            yield connection

    @cached_property
    def _writing(self) -> Engine:
        """The same engine, whose transactions are told to write."""
        return self.engine.execution_options(writes=True)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def in_a_row(connection: Connection, what: str) -> None:
    """Let transactions that do the same thing ("schema", "log", "jobs") wait for one another.

    On SQLite they do already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ROWS[what])))


def sqlite_url(path: Path | None) -> URL:
    """The address of a SQLite file, or of one in memory."""
    return URL.create("sqlite", database=None if path is None else str(path))


def parse_url(text: str) -> URL:
    """The address of a store.

    Raises
    ------
    StoreError
        If it is neither of SQLite nor of PostgreSQL; the address is not shown, for it may hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _wrong_address() from None
    if url.drivername == "sqlite":
        return url
    if url.drivername in {"postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    raise _wrong_address()


def connect(url: URL) -> Database:
    """A database at an address; the folder of a file is made.

    Raises
    ------
    StoreError
        If the folder cannot be made, or the driver is not installed.
    """
    if url.get_backend_name() == "postgresql":
        return Database(_postgresql(url), nullcontext())
    if url.database in {None, "", ":memory:"}:
        return Database(_sqlite(url.set(database=None), poolclass=StaticPool), threading.RLock())
    with translated():
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    return Database(_sqlite(url), nullcontext())


def _sqlite(url: URL, **pool: type[StaticPool]) -> Engine:
    arguments = {"check_same_thread": False, "timeout": _LOCK_MILLISECONDS / 1000}
    engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)
    event.listen(engine, "connect", _sqlite_settings)
    event.listen(engine, "begin", _begin)
    return engine


def _sqlite_settings(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # Python's driver must not begin transactions by itself: it would begin them too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    try:
        engine = create_engine(url, connect_args=patience, pool_pre_ping=True, hide_parameters=True)
    except ImportError:
        raise StoreError(
            "a PostgreSQL store needs its driver", why="psycopg is not installed", fix="install psycopg[binary]"
        ) from None
    event.listen(engine, "connect", _postgresql_settings)
    return engine


def _postgresql_settings(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {_LOCK_MILLISECONDS}")
    cursor.close()
    connection.commit()


def _wrong_address() -> StoreError:
    return StoreError(
        "the store's address cannot be read",
        why="it is neither of SQLite nor of PostgreSQL",
        fix="sqlite:///folder/hub.db, or postgresql://user@host/database",
        field="store",
    )
