"""Inserts that may meet a row with the same key, in the words of each database."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

__all__ = ["insert_new", "upsert"]


def insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted."""
    return connection.execute(_insert_new(connection.dialect.name, table), dict(row)).first() is not None


def upsert(connection: Connection, table: Table, row: Mapping[str, object]) -> None:
    """Insert a row, or replace the one with its primary key."""
    connection.execute(_upsert(connection.dialect.name, table), dict(row))


# Statements are built once: building costs more than running them.
@lru_cache(maxsize=64)
def _insert_new(dialect: str, table: Table) -> ReturningInsert[Any]:
    # Drivers do not all count inserted rows; all return them.
    return _insert(dialect, table).on_conflict_do_nothing().returning(*table.primary_key)


@lru_cache(maxsize=64)
def _upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    key = [column.name for column in table.primary_key]
    statement = _insert(dialect, table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
