"""Opening a node's data: files, tables of databases, pandas and Arrow alike, as streams of Arrow record batches.

DuckDB reads all of them. Its connection is the source's own, in memory, with one thread (row order is the
file's), a memory limit, no spilling to disk, no extensions, and no access to any file but the one opened.
Column names never become SQL: requested columns are called ``c0, c1, ...`` in every query.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

import duckdb
import pyarrow as pa

from hansa.errors import DataError
from hansa.harmonise.address import is_server
from hansa.harmonise.faults import FAILURES, unreadable, unsuitable
from hansa.harmonise.files import connect, open_file
from hansa.harmonise.stream import Stream

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ColumnKind",
    "DataLike",
    "Source",
    "column_kinds",
    "fetch",
    "open_source",
    "record_batches",
]

DataLike: TypeAlias = Union[str, Path, "pd.DataFrame", pa.Table]
"""A path to a CSV, Parquet or DuckDB file, the address of a PostgreSQL table, a pandas frame, or an Arrow table."""

ColumnKind = Literal["text", "integer", "float", "boolean", "date"]
"""How a source stores a column; what it means is the dictionary's to say."""

_KINDS: tuple[tuple[str, ColumnKind], ...] = (
    (r'VARCHAR|UUID|ENUM\(.*\)|"?NULL"?', "text"),
    (r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER", "integer"),
    (r"FLOAT|DOUBLE|DECIMAL\(.*\)", "float"),
    (r"BOOLEAN", "boolean"),
    (r"DATE|TIMESTAMP(_S|_MS|_NS)?", "date"),
)


@dataclass(frozen=True, eq=False)
class Source:
    """Opened data: its column names in order, and what is needed to read them."""

    columns: tuple[str, ...]
    connection: duckdb.DuckDBPyConnection
    scan: str
    frame: pd.DataFrame | pa.Table | None = None
    stream: Callable[[Sequence[int]], Stream] | None = None

    def __repr__(self) -> str:
        return f"Source({len(self.columns)} columns)"


def open_source(data: DataLike, *, memory_limit: str = "1GB") -> Source:
    """Open data for reading.

    Parameters
    ----------
    data : str, Path, pandas.DataFrame or pyarrow.Table
        A path ends in ``.parquet``, ``.pq``, ``.csv``, ``.tsv`` or ``.txt``, or, for a table or view of a DuckDB file,
        in ``.duckdb?table=NAME`` or ``.db?table=NAME``. CSV is UTF-8 with a header, separated by commas, semicolons
        or tabs; every CSV column is read as text, which the dictionary converts. A table or view of PostgreSQL is
        ``postgresql://user@host:port/database?table=schema.name``, as it was when it was opened and never with a
        password; see ``hansa.harmonise.postgres`` on its order.
    memory_limit : str
        What a query may hold at most, as "500MB" or "1GB"; a query that needs more fails.

    Raises
    ------
    DataError
        If there is no such file or table, its kind is not known, it cannot be reached, an address holds a password,
        or two columns have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> open_source(pd.DataFrame({"age": [61, 47]})).columns
    ('age',)
    """
    if not isinstance(data, str | Path):
        names = [str(name) for name in (data.column_names if isinstance(data, pa.Table) else data.columns)]
        return Source(_distinct(names), connect(memory_limit), "frame", data)
    if is_server(data):
        names, stream = _server(str(data))
        return Source(_distinct(names), connect(memory_limit), "frame", stream=stream)
    names, connection, scan = open_file(data, memory_limit)
    return Source(_distinct(names), connection, scan)


def column_kinds(source: Source, names: Sequence[str]) -> dict[str, ColumnKind]:
    """How the source stores the named columns.

    Raises
    ------
    DataError
        For a column that is not there (naming the nearest) or holds what no variable can be.
    """
    try:
        cursor, scan, _ = _scan(source, names)
        described = cursor.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608  # positional names, escaped literals
    except FAILURES as error:
        raise unreadable(error) from None
    return {name: _kind(name, str(row[1])) for name, row in zip(names, described, strict=True)}


def record_batches(
    source: Source,
    names: Sequence[str],
    select: str,
    *,
    steps: Sequence[str] = (),
    tail: str = "",
    rows: int = 65_536,
) -> Iterator[pa.RecordBatch]:
    """Stream a query over the named columns, in the order of the source unless ``tail`` says otherwise.

    The columns are ``c0, c1, ...``, and ``r`` is the row's position in the source. Each of ``steps`` adds columns
    computed from those before it. Holds no more than a few batches, or what the query sorts.
    """
    failures: list[DataError] = []
    try:
        cursor, scan, failures = _scan(source, names)
        for step in ("row_number() OVER () - 1 AS r", *steps):
            scan = f"(SELECT *, {step} FROM {scan})"  # noqa: S608  # as above
        reader = cursor.sql(f"SELECT {select} FROM {scan} {tail}").to_arrow_reader(rows)  # noqa: S608  # as above
        # An engine with no rows gives no batch; the columns must be known all the same.
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader
    except FAILURES as error:
        raise (failures[0] if failures else unreadable(error)) from None


def fetch(
    source: Source, names: Sequence[str], select: str, *, steps: Sequence[str] = (), tail: str = ""
) -> list[tuple[Any, ...]]:
    """The rows of a small query, as Python values."""
    batches = record_batches(source, names, select, steps=steps, tail=tail)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def _server(address: str) -> tuple[list[str], Callable[[Sequence[int]], Stream]]:
    try:
        from hansa.harmonise.postgres import open_table  # noqa: PLC0415  # needs the optional package psycopg
    except ImportError:
        raise DataError(
            "PostgreSQL cannot be read here",
            why="the package psycopg is not installed",
            fix="pip install 'hansa[postgres]'",
            field="data",
        ) from None
    table = open_table(address)
    return [column.name for column in table.columns], table.stream


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    repeated = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if repeated is not None:
        raise DataError("two columns have this name", fix="rename one of them", field=repeated)
    if not names:
        raise DataError("the data have no columns", fix="check the export")
    return tuple(names)


def _scan(source: Source, names: Sequence[str]) -> tuple[duckdb.DuckDBPyConnection, str, list[DataError]]:
    """A cursor, what to select the named columns from, and where a stream's failures will be."""
    positions = [_position(source, name) for name in names]
    cursor = source.connection.cursor()
    if source.stream is not None:
        stream = source.stream(positions)
        cursor.register("frame", stream.reader)
        return cursor, "frame", stream.failures
    if source.frame is not None:
        cursor.register("frame", _picked(source.frame, positions, names))
        return cursor, "frame", []
    picked = ", ".join(f"k{position} AS c{index}" for index, position in enumerate(positions))
    return cursor, f"(SELECT {picked} FROM {source.scan})", []  # noqa: S608  # positions and escaped literals only


def _position(source: Source, name: str) -> int:
    if name in source.columns:
        return source.columns.index(name)
    lowered = {column.lower(): column for column in source.columns}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    raise DataError(
        "the data have no such column",
        why=f"the nearest is {lowered[near[0]]}" if near else "",
        fix="rename the column or correct the dictionary",
        field=name,
    )


def _picked(frame: pd.DataFrame | pa.Table, positions: Sequence[int], names: Sequence[str]) -> pd.DataFrame | pa.Table:
    if isinstance(frame, pa.Table):
        return frame.select(list(positions)).rename_columns([f"c{index}" for index in range(len(positions))])
    import pandas as pd  # noqa: PLC0415  # 0.4 s that only frames need, whose owner has imported it

    # A frame of the columns themselves: selecting several at once would copy them.
    columns = {f"c{index}": frame.iloc[:, position] for index, position in enumerate(positions)}
    for name, column in zip(names, columns.values(), strict=True):
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            raise unsuitable(name, "TIMESTAMP WITH TIME ZONE")
    return pd.DataFrame(columns, copy=False)


def _kind(name: str, declared: str) -> ColumnKind:
    for pattern, kind in _KINDS:
        if re.fullmatch(pattern, declared, flags=re.DOTALL):
            return kind
    raise unsuitable(name, declared.split("(", maxsplit=1)[0])
