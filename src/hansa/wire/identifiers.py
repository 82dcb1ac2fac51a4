"""UUIDv7 identifiers (RFC 9562, section 5.7): unique, and in order of time."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

__all__ = ["new_id"]


def new_id(now: dt.datetime) -> str:
    """A new identifier.

    Examples
    --------
    >>> import uuid
    >>> uuid.UUID(new_id(dt.datetime(2026, 11, 22, tzinfo=dt.UTC))).version
    7
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
