"""Upgrading a store in the transaction of whoever opens it."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

__all__ = ["scripts", "upgrade"]


def scripts(kind: str) -> ScriptDirectory:
    """The revisions of a kind of store ("hub", "node")."""
    folder = str(Path(__file__).parent / kind)
    return ScriptDirectory(folder, version_locations=[folder])


def upgrade(connection: Connection, kind: str) -> None:
    """Bring tables to the newest revision, within the connection's transaction.

    Tables without a revision are those of the last version that kept none; what it had not yet made is made.
    """
    directory, context = scripts(kind), MigrationContext.configure(connection)
    missing = list(directory.iterate_revisions("head", context.get_current_revision() or "base"))
    with Operations.context(context):
        for revision in reversed(missing):
            revision.module.upgrade()
    context.stamp(directory, "head")
