"""What is said when data cannot be read: never a value, never an engine's own message, which quotes the data."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa

from hansa.errors import DataError

__all__ = ["FAILURES", "unreadable", "unsuitable"]

FAILURES = (
    duckdb.OperationalError,
    duckdb.DataError,
    duckdb.InternalError,
    duckdb.InvalidInputException,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
    pa.ArrowException,
    OSError,
)
"""What reading may meet. Errors in the query itself are not among them: those are faults of this package."""


def unsuitable(name: str, stored: str) -> DataError:
    """A column is stored as what no variable can be."""
    return DataError(
        "this column cannot be read",
        why=f"it is stored as {stored}",
        fix="store it as numbers, text, true/false or dates without a time zone",
        field=name,
    )


def unreadable(error: Exception) -> DataError:
    """What went wrong while reading."""
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in str(error):
        return DataError(
            "reading needs more memory than it may have", fix="raise memory_limit, or sort the data by person"
        )
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    return DataError(
        "the data cannot be read",
        why=f"line {line[1]} does not have the header's columns" if line else "they are damaged or mixed",
        fix="export them again",
    )
