"""A copy of a SQLite store while it is in use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hansa.errors import StoreError
from hansa.store.database import Database
from hansa.store.faults import translated

__all__ = ["back_up"]


def back_up(database: Database, path: Path) -> None:
    """Write a consistent copy to a new file that only its owner may read; it appears complete or not at all.

    Raises
    ------
    StoreError
        If the file exists, cannot be written, or the store is not SQLite's.
    """
    if database.engine.dialect.name != "sqlite":
        raise StoreError(
            "this store is not copied by Hansa", why="it is PostgreSQL's", fix="use pg_dump", field="store"
        )
    if path.exists():
        raise StoreError("the backup was not made", why="the file exists", fix="give a new name", field="path")
    with translated():
        number, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        os.close(number)
    part = Path(name)
    try:
        with database.read() as connection:
            # SQLite reads one state of the store throughout, whoever writes meanwhile.
            connection.exec_driver_sql("VACUUM INTO ?", (name,))
        with translated():
            _to_disk(part)
            part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
