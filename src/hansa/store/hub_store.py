"""What the hub keeps: its journal of totals, encrypted; results; and the log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, bindparam, func, insert, select

from hansa.errors import StoreError
from hansa.log import commit, completed_hashes, leaf_hash, new_salt
from hansa.store import tables
from hansa.store.database import open_database

__all__ = ["HubStore"]

_NONCE = 12


# Statements of every round are built once: building costs more than running them.
_NODE = select(tables.log_tree.c.hash).where(
    tables.log_tree.c.level == bindparam("at_level"), tables.log_tree.c.index == bindparam("at_index")
)
_SIZE = select(func.count()).select_from(tables.log_entries)
_JOURNAL = insert(tables.journal)
_ENTRY = insert(tables.log_entries)
_TREE = insert(tables.log_tree)


@dataclass(frozen=True)
class _Nodes:
    """The log's hashes as one connection sees them (:class:`hansa.log.HashReader`)."""

    connection: Connection

    def node(self, level: int, index: int) -> bytes:
        return bytes(self.connection.execute(_NODE, {"at_level": level, "at_index": index}).scalar_one())


class HubStore:
    """The hub's SQLite store; ``key`` (32 bytes) encrypts the totals it journals."""

    def __init__(self, path: Path | None, key: bytes) -> None:
        self._engine = open_database(path, tables.hub)
        self._cipher = AESGCM(key)

    def record_total(self, run: str, position: int, request: bytes, total: bytes) -> None:
        """Journal the answer to a run's request number ``position``."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, total, _bound(run, position, request))
        row = {"run": run, "position": position, "request": request, "sealed": sealed}
        with self._engine.begin() as connection:
            connection.execute(_JOURNAL, row)

    def totals(self, run: str) -> list[tuple[bytes, bytes]]:
        """The journal of a run: (request hash, encoded totals) in order.

        Raises
        ------
        StoreError
            If an entry was changed, or the key is another.
        """
        table = tables.journal
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(table.c.run == run).order_by(table.c.position)).all()
        try:
            return [
                (
                    row.request,
                    self._cipher.decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], _bound(run, i, row.request)),
                )
                for i, row in enumerate(rows)
            ]
        except InvalidTag:
            raise StoreError(
                "the journal of a run cannot be read",
                why="an entry was changed, removed or written under another key",
                fix="restore the hub's store and key from the same backup",
            ) from None

    def _opened(self, sealed: bytes, bound: bytes) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)

    def save_result(self, run: str, study: str, question: bytes, result: str) -> None:
        """Keep a run's result."""
        row = {"run": run, "study": study, "question": question, "result": result}
        with self._engine.begin() as connection:
            connection.execute(insert(tables.results).values(row))

    def result(self, study: str, question: bytes) -> tuple[str, str] | None:
        """(run, result) of an identical question of a study, if it was answered."""
        table = tables.results
        chosen = select(table.c.run, table.c.result).where(table.c.study == study, table.c.question == question)
        with self._engine.connect() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else (row.run, row.result)

    @property
    def log_size(self) -> int:
        """How many entries the log has."""
        with self._engine.connect() as connection:
            return connection.execute(_SIZE).scalar_one()

    def append(self, kind: str, payload: bytes) -> int:
        """Append a salted commitment to the log; the entry's index. Entry and tree change together."""
        salt = new_salt()
        with self._engine.begin() as connection:
            index = connection.execute(_SIZE).scalar_one()
            entry = {"index": index, "kind": kind, "payload": payload, "salt": salt}
            connection.execute(_ENTRY, entry)
            leaf = leaf_hash(commit(kind, payload, salt))
            hashes = completed_hashes(_Nodes(connection), index, leaf)
            rows = [{"level": level, "index": at, "hash": value} for level, at, value in hashes]
            connection.execute(_TREE, rows)
        return index

    def witnessed(self, node: str) -> int:
        """The size of the log that a node has cosigned last; 0 before its first."""
        chosen = select(tables.witnessed.c.size).where(tables.witnessed.c.node == node)
        with self._engine.connect() as connection:
            return connection.execute(chosen).scalar_one_or_none() or 0

    def save_witnessed(self, node: str, size: int) -> None:
        """Remember what a node has cosigned."""
        row = insert(tables.witnessed).prefix_with("OR REPLACE").values(node=node, size=size)
        with self._engine.begin() as connection:
            connection.execute(row)

    def entry(self, index: int) -> tuple[str, bytes, bytes]:
        """(kind, payload, salt) of a log entry."""
        table = tables.log_entries
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.index == index)).one()
        return row.kind, row.payload, row.salt

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree of the log (:class:`hansa.log.HashReader`)."""
        with self._engine.connect() as connection:
            return _Nodes(connection).node(level, index)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _bound(run: str, position: int, request: bytes) -> bytes:
    """What a journal entry is bound to, so that entries cannot be moved between runs or places."""
    return f"{run}/{position}/".encode() + request
