"""What a database says when it cannot, in the words of Hansa's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound, SQLAlchemyError

from hansa.errors import StoreError

__all__ = ["store_error", "translated"]

_FULL = ("the disk of the store is full", "make room on it, then try again; nothing was half written")
_BUSY = ("another process holds the store", "try again; if it lasts, see which process holds it")
_READ_ONLY = ("the store may not be written", "give its user the right to write the store and its folder")
_BROKEN = ("the file is damaged or is no store", "restore it from a backup")
_DEVICE = ("the disk of the store failed", "check the disk and its mount, then try again")
_NO_FILE = ("the file cannot be opened", "give a folder that exists and can be written, on a disk with room")
_AWAY = ("the database does not answer", "check that it runs, its address and its account, then try again")
_CONFLICT = ("it conflicts with what is kept already, or a part is missing", "send what belongs together once")
_ABSENT = ("what was asked for is not in the store", "ask for what was kept")

_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _DEVICE,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_CANTOPEN: _NO_FILE,
}
"""By primary result code (sqlite.org/rescode.html)."""

_POSTGRESQL = {
    "53100": _FULL,
    "55P03": _BUSY,
    "40P01": _BUSY,
    "40001": _BUSY,
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "58030": _DEVICE,
    "XX001": _BROKEN,
}
"""By SQLSTATE (PostgreSQL manual, appendix A)."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's faults into store errors; its own texts hold values, so none is passed on.

    Raises
    ------
    StoreError
        For any fault of the database.
    """
    try:
        yield
    except (SQLAlchemyError, OSError) as fault:
        raise store_error(fault) from None


def store_error(fault: Exception) -> StoreError:
    """The error that says what a fault means to whoever runs the store."""
    why, fix = _known(fault)
    return StoreError("the store cannot be read or written", why=why, fix=fix, field="store")


def _known(fault: Exception) -> tuple[str, str]:
    if isinstance(fault, NoResultFound):
        return _ABSENT
    if isinstance(fault, IntegrityError):
        return _CONFLICT
    if isinstance(fault, OSError):
        return _NO_FILE
    cause = fault.orig if isinstance(fault, DBAPIError) else None
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, _unknown(fault))
    state = getattr(cause, "sqlstate", None)
    if state is None and isinstance(fault, DBAPIError):
        return _AWAY
    return _POSTGRESQL.get(str(state), _AWAY if str(state)[:2] in {"08", "28", "3D", "57"} else _unknown(fault))


def _unknown(fault: Exception) -> tuple[str, str]:
    return type(fault).__name__, "tell those who maintain Hansa"
