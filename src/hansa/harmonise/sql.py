"""Text that becomes SQL: only so, and nowhere else, do names and values enter a query."""

from __future__ import annotations

__all__ = ["literal", "quoted"]


def literal(text: str) -> str:
    """The text as an SQL literal.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """The name of a schema or table as an SQL identifier.

    Examples
    --------
    >>> print(quoted('a"b'))
    "a""b"
    """
    return '"' + name.replace('"', '""') + '"'
