"""The hub's log as rows: entries, and the hashes of the complete subtrees over them (RFC 6962)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select

from hansa.log import commit, completed_hashes, leaf_hash, new_salt
from hansa.store.database import in_a_row
from hansa.store.hub_tables import log_entries, log_tree, witnessed
from hansa.store.upsert import upsert

__all__ = ["append_entry", "entries_of", "log_size", "read_entry", "read_node", "save_witnessed", "witnessed_size"]

# Statements of every round are built once: building costs more than running them.
_NODE = select(log_tree.c.hash).where(
    log_tree.c.level == bindparam("at_level"), log_tree.c.index == bindparam("at_index")
)
_SIZE = select(func.coalesce(func.max(log_entries.c.index) + 1, 0))
_ENTRY = insert(log_entries)
_TREE = insert(log_tree)


@dataclass(frozen=True)
class _Nodes:
    """The log's hashes as one connection sees them (:class:`hansa.log.HashReader`)."""

    connection: Connection

    def node(self, level: int, index: int) -> bytes:
        return read_node(self.connection, level, index)


def read_node(connection: Connection, level: int, index: int) -> bytes:
    """The hash of a complete subtree."""
    return bytes(connection.execute(_NODE, {"at_level": level, "at_index": index}).scalar_one())


def log_size(connection: Connection) -> int:
    """How many entries the log has."""
    return int(connection.execute(_SIZE).scalar_one())


def append_entry(connection: Connection, kind: str, payload: bytes, study: str) -> int:
    """Append a salted commitment; its index. Appending processes wait for one another."""
    in_a_row(connection, "log")
    salt, index = new_salt(), log_size(connection)
    row = {"index": index, "kind": kind, "payload": payload, "salt": salt, "study": study}
    connection.execute(_ENTRY, row)
    hashes = completed_hashes(_Nodes(connection), index, leaf_hash(commit(kind, payload, salt)))
    connection.execute(_TREE, [{"level": level, "index": at, "hash": value} for level, at, value in hashes])
    return index


def read_entry(connection: Connection, index: int) -> tuple[str, bytes, bytes]:
    """(kind, payload, salt) of an entry."""
    row = connection.execute(select(log_entries).where(log_entries.c.index == index)).one()
    return row.kind, row.payload, row.salt


def entries_of(connection: Connection, study: str) -> list[int]:
    """The indexes of a study's entries, ascending."""
    chosen = select(log_entries.c.index).where(log_entries.c.study == study).order_by(log_entries.c.index)
    return list(connection.execute(chosen).scalars())


def witnessed_size(connection: Connection, node: str) -> int:
    """The size of the log that a node has cosigned last; 0 before its first."""
    chosen = select(witnessed.c.size).where(witnessed.c.node == node)
    return connection.execute(chosen).scalar_one_or_none() or 0


def save_witnessed(connection: Connection, node: str, size: int) -> None:
    """Remember what a node has cosigned; of two processes that asked it at once the larger size stays."""
    in_a_row(connection, "log")
    if size > witnessed_size(connection, node):
        upsert(connection, witnessed, {"node": node, "size": size})
