"""Opening a database: SQLite in memory or in a file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from hansa.errors import StoreError

__all__ = ["open_database"]


def open_database(path: Path | None, tables: MetaData) -> Engine:
    """An engine whose tables exist; ``None`` keeps everything in memory for the engine's life.

    Raises
    ------
    StoreError
        If the file cannot be opened or is not a database.
    """
    url = "sqlite://" if path is None else f"sqlite:///{path}"
    pool = {"poolclass": StaticPool} if path is None else {}
    engine = create_engine(url, connect_args={"check_same_thread": False}, **pool)
    event.listen(engine, "connect", _settings)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        tables.create_all(engine)
    except (OSError, SQLAlchemyError) as fault:
        raise StoreError(
            "the store cannot be opened",
            why=type(fault).__name__,
            fix="give a folder that exists and can be written, on a disk with room",
            field="store",
        ) from None
    return engine


def _settings(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
