"""Assertions that were used, so that none is good twice, at whichever process of the hub."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, delete

from hansa.store.clock import instant_text
from hansa.store.hub_tables import assertions
from hansa.store.upsert import insert_new

__all__ = ["use_assertion"]


def use_assertion(connection: Connection, id_: bytes, expires: dt.datetime, now: dt.datetime) -> bool:
    """Whether an assertion is used for the first time. Those that have expired are forgotten: they open nothing."""
    connection.execute(delete(assertions).where(assertions.c.expires <= instant_text(now)))
    return insert_new(connection, assertions, {"id": id_, "expires": instant_text(expires)})
