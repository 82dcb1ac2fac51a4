"""The journal of a run: the totals it was given, in order, each sealed and bound to its place."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from hansa.errors import StoreError
from hansa.store.hub_tables import journal, journal_names
from hansa.store.upsert import insert_new

__all__ = ["journal_name", "read_totals", "save_journal_name", "write_total"]

_NONCE = 12


def write_total(
    connection: Connection, cipher: AESGCM, run: str, position: int, *, request: bytes, total: bytes
) -> None:
    """Journal the answer to a request; the first answer to it stays.

    Raises
    ------
    StoreError
        If another request has this position.
    """
    nonce = os.urandom(_NONCE)
    sealed = nonce + cipher.encrypt(nonce, total, _bound(run, position, request))
    row = {"run": run, "position": position, "request": request, "sealed": sealed}
    if insert_new(connection, journal, row):
        return
    chosen = select(journal.c.request).where(journal.c.run == run, journal.c.position == position)
    if bytes(connection.execute(chosen).scalar_one()) != request:
        raise StoreError(
            "a total cannot be journalled",
            why="the journal holds the answer to another request at this position",
            fix="replay the run from its journal",
            field="position",
        )


def read_totals(connection: Connection, cipher: AESGCM, run: str) -> list[tuple[bytes, bytes]]:
    """The journal of a run: (request hash, encoded totals) in order.

    Raises
    ------
    StoreError
        If an entry was changed, or the key is another.
    """
    rows = connection.execute(select(journal).where(journal.c.run == run).order_by(journal.c.position)).all()
    try:
        return [
            (row.request, cipher.decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], _bound(run, i, row.request)))
            for i, row in enumerate(rows)
        ]
    except InvalidTag:
        raise StoreError(
            "the journal of a run cannot be read",
            why="an entry was changed, removed or written under another key",
            fix="restore the hub's store and key from the same backup",
        ) from None


def save_journal_name(connection: Connection, run: str, name: str) -> None:
    """Remember which journal a run writes to.

    Raises
    ------
    StoreError
        If the run writes to another.
    """
    if insert_new(connection, journal_names, {"run": run, "journal": name}):
        return
    if journal_name(connection, run) != name:
        raise StoreError(
            "the journal of a run cannot be changed", why="it writes to another already", fix="start a new run"
        )


def journal_name(connection: Connection, run: str) -> str | None:
    """The journal that a run writes to."""
    return connection.execute(select(journal_names.c.journal).where(journal_names.c.run == run)).scalar_one_or_none()


def _bound(run: str, position: int, request: bytes) -> bytes:
    """What a journal entry is bound to, so that entries cannot be moved between runs or places."""
    return f"{run}/{position}/".encode() + request
