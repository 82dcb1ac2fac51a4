"""What a database says when it cannot, in the words of Hansa's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NoResultFound, OperationalError, SQLAlchemyError

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
_VALUE = ("a text holds a character that databases do not keep", "leave it out: NUL is one")
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

_UNREACHED = ("08", "28", "3D", "53", "57")
"""Classes of SQLSTATE: no connection, no such account or database, too many connections, server stopping."""


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
    if isinstance(fault, OSError):
        return _NO_FILE
    if isinstance(fault, IntegrityError):
        return _CONFLICT
    if isinstance(fault, DataError):
        return _VALUE
    return _by_code(fault) or (type(fault).__name__, "tell those who maintain Hansa")


def _by_code(fault: Exception) -> tuple[str, str] | None:
    cause = fault.orig if isinstance(fault, DBAPIError) else None
    code, state = getattr(cause, "sqlite_errorcode", None), getattr(cause, "sqlstate", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    if state is not None:
        return _POSTGRESQL.get(state) or (_AWAY if state[:2] in _UNREACHED else None)
    return _AWAY if isinstance(fault, OperationalError) else None
