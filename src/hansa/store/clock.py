"""Times as they are kept: UTC texts of one length, so that their order is the order of time."""

from __future__ import annotations

import datetime as dt

from hansa.errors import StoreError

__all__ = ["instant_of", "instant_text"]


def instant_text(instant: dt.datetime) -> str:
    """A time as text.

    Raises
    ------
    StoreError
        If it has no time zone.

    Examples
    --------
    >>> instant_text(dt.datetime(2027, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))))
    '2027-01-01T10:00:00.000000+00:00'
    """
    if instant.tzinfo is None:
        raise StoreError("a time cannot be kept", why="it has no time zone", fix="give it in UTC", field="now")
    return instant.astimezone(dt.UTC).isoformat(timespec="microseconds")


def instant_of(text: str) -> dt.datetime:
    """The time that a text stands for."""
    return dt.datetime.fromisoformat(text)
