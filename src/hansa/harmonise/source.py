"""Opening a node's data: Parquet, CSV, pandas and Arrow alike, as streams of Arrow record batches.

DuckDB reads all of them. Its connection is the source's own, in memory, with one thread (row order is the
file's), a memory limit, no spilling to disk, no extensions, and no access to any file but the one opened.
Column names never become SQL: requested columns are called ``c0, c1, ...`` in every query.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hansa.errors import DataError

__all__ = [
    "ColumnKind",
    "DataLike",
    "Source",
    "column_kinds",
    "fetch",
    "literal",
    "open_source",
    "record_batches",
]

DataLike: TypeAlias = str | Path | pd.DataFrame | pa.Table
"""A path to a CSV or Parquet file, a pandas frame, or an Arrow table."""

ColumnKind = Literal["text", "integer", "float", "boolean", "date"]
"""How a source stores a column; what it means is the dictionary's to say."""

_PARQUET = frozenset({".parquet", ".pq"})
_TEXT = frozenset({".csv", ".tsv", ".txt"})
_WILDCARDS = frozenset("*?[]{}")

_KINDS: tuple[tuple[str, ColumnKind], ...] = (
    (r'VARCHAR|ENUM\(.*\)|"?NULL"?', "text"),
    (r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER", "integer"),
    (r"FLOAT|DOUBLE|DECIMAL\(.*\)", "float"),
    (r"BOOLEAN", "boolean"),
    (r"DATE|TIMESTAMP(_S|_MS|_NS)?", "date"),
)

# What reading may meet. Errors in the query itself are not among them: those are faults of this package.
_FAILURES = (
    duckdb.OperationalError,
    duckdb.DataError,
    duckdb.InternalError,
    duckdb.InvalidInputException,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
    pa.ArrowException,
    OSError,
)


@dataclass(frozen=True, eq=False)
class Source:
    """Opened data: its column names in order, and what is needed to read them."""

    columns: tuple[str, ...]
    connection: duckdb.DuckDBPyConnection
    scan: str
    frame: pd.DataFrame | pa.Table | None = None

    def __repr__(self) -> str:
        return f"Source({len(self.columns)} columns)"


def open_source(data: DataLike, *, memory_limit: str = "1GB") -> Source:
    """Open data for reading.

    Parameters
    ----------
    data : str, Path, pandas.DataFrame or pyarrow.Table
        A path ends in ``.parquet``, ``.pq``, ``.csv``, ``.tsv`` or ``.txt``. CSV is UTF-8 with a header,
        separated by commas, semicolons or tabs; every CSV column is read as text, which the dictionary
        converts.
    memory_limit : str
        What a query may hold at most, as "500MB" or "1GB"; a query that needs more fails.

    Raises
    ------
    DataError
        If there is no such file, its kind is not known, or two columns have one name.

    Examples
    --------
    >>> open_source(pd.DataFrame({"age": [61, 47]})).columns
    ('age',)
    """
    if isinstance(data, pd.DataFrame | pa.Table):
        names = [str(name) for name in (data.columns if isinstance(data, pd.DataFrame) else data.column_names)]
        return Source(_distinct(names), _connect(memory_limit), "frame", data)
    path = _existing(data)
    if path.suffix.lower() in _PARQUET:
        names, scan = _parquet(path)
    elif path.suffix.lower() in _TEXT:
        names, scan = _csv(path)
    else:
        raise DataError(
            "this kind of file is not read", fix="export it as CSV (.csv) or Parquet (.parquet)", field=path.name
        )
    return Source(_distinct(names), _connect(memory_limit, path), scan)


def column_kinds(source: Source, names: Sequence[str]) -> dict[str, ColumnKind]:
    """How the source stores the named columns.

    Raises
    ------
    DataError
        For a column that is not there (naming the nearest) or holds what no variable can be.
    """
    try:
        cursor, scan = _scan(source, names)
        # The parts of the query are positional names and escaped literals; see _scan.
        described = cursor.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
    except _FAILURES as error:
        raise _unreadable(error) from None
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
    try:
        cursor, scan = _scan(source, names)
        for step in ("row_number() OVER () - 1 AS r", *steps):
            scan = f"(SELECT *, {step} FROM {scan})"  # noqa: S608 as above
        reader = cursor.sql(f"SELECT {select} FROM {scan} {tail}").to_arrow_reader(rows)  # noqa: S608 as above
        # An engine with no rows gives no batch; the columns must be known all the same.
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader
    except _FAILURES as error:
        raise _unreadable(error) from None


def fetch(
    source: Source, names: Sequence[str], select: str, *, steps: Sequence[str] = (), tail: str = ""
) -> list[tuple[Any, ...]]:
    """The rows of a small query, as Python values."""
    batches = record_batches(source, names, select, steps=steps, tail=tail)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def literal(text: str) -> str:
    """The text as an SQL literal.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _connect(memory_limit: str, path: Path | None = None) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": memory_limit,
        "preserve_insertion_order": True,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    try:
        connection = duckdb.connect(":memory:", config=settings)
    except duckdb.Error:
        raise DataError(
            "the memory limit cannot be read", fix='give a size such as "1GB"', field="memory_limit"
        ) from None
    if path is not None:
        connection.execute(f"SET allowed_paths = [{literal(str(path))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _existing(data: str | Path) -> Path:
    path = Path(data).expanduser().resolve()
    if not path.is_file():
        raise DataError("there is no such file", fix="check the path", field=str(data))
    if _WILDCARDS & set(str(path)):
        raise DataError(
            "this path cannot be read",
            why="the characters * ? [ ] { } in it would be taken as wildcards",
            fix="rename the file or its folder",
            field=str(data),
        )
    return path


def _parquet(path: Path) -> tuple[list[str], str]:
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        raise DataError("the file is not Parquet, or damaged", fix="export it again", field=path.name) from None
    aliases = ", ".join(f"k{position}" for position in range(len(names)))
    return names, f"read_parquet({literal(str(path))}) AS t({aliases})"


def _csv(path: Path) -> tuple[list[str], str]:
    names, delimiter = _header(path)
    types = ", ".join(f"'k{position}': 'VARCHAR'" for position in range(len(names)))
    # The dialect is stated, not sniffed: a sniffer may skip rows that it cannot make sense of.
    return names, (
        f"read_csv({literal(str(path))}, columns = {{{types}}}, auto_detect = false, header = true, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '')"
    )


def _header(path: Path) -> tuple[list[str], str]:
    def fields(delimiter: str) -> list[str]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=delimiter), [])

    try:
        delimiter = max(",;\t", key=lambda candidate: len(fields(candidate)))
        names = [name.strip() for name in fields(delimiter)]
    except (UnicodeDecodeError, csv.Error):
        raise DataError("the header cannot be read", fix="export the file as UTF-8", field=path.name) from None
    if not names or "" in names:
        raise DataError(
            "the header is empty or has a column without a name",
            fix="write the column names in the first line",
            field=path.name,
        )
    return names, delimiter


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    repeated = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if repeated is not None:
        raise DataError("two columns have this name", fix="rename one of them", field=repeated)
    if not names:
        raise DataError("the data have no columns", fix="check the export")
    return tuple(names)


def _scan(source: Source, names: Sequence[str]) -> tuple[duckdb.DuckDBPyConnection, str]:
    positions = [_position(source, name) for name in names]
    cursor = source.connection.cursor()
    if source.frame is None:
        picked = ", ".join(f"k{position} AS c{index}" for index, position in enumerate(positions))
        return cursor, f"(SELECT {picked} FROM {source.scan})"  # noqa: S608 positions and escaped literals only
    cursor.register("frame", _picked(source.frame, positions, names))
    return cursor, "frame"


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
    # A frame of the columns themselves: selecting several at once would copy them.
    columns = {f"c{index}": frame.iloc[:, position] for index, position in enumerate(positions)}
    for name, column in zip(names, columns.values(), strict=True):
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            raise _unsuitable(name, "TIMESTAMP WITH TIME ZONE")
    return pd.DataFrame(columns, copy=False)


def _kind(name: str, declared: str) -> ColumnKind:
    for pattern, kind in _KINDS:
        if re.fullmatch(pattern, declared, flags=re.DOTALL):
            return kind
    raise _unsuitable(name, declared.split("(", maxsplit=1)[0])


def _unsuitable(name: str, stored: str) -> DataError:
    return DataError(
        "this column cannot be read",
        why=f"it is stored as {stored}",
        fix="store it as numbers, text, true/false or dates without a time zone",
        field=name,
    )


def _unreadable(error: Exception) -> DataError:
    """What went wrong, without the engine's message: that one quotes the data."""
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
