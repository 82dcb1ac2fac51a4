"""Opening files: an engine that reaches one file only, and the table that a query reads from it.

Each opened file is its columns' names and a scan, which is SQL with columns ``k0, k1, ...`` in their order:
names of columns never become SQL.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hansa.errors import DataError
from hansa.harmonise.address import split_table
from hansa.harmonise.sql import literal, quoted

__all__ = ["connect", "open_file"]

_PARQUET = frozenset({".parquet", ".pq"})
_TEXT = frozenset({".csv", ".tsv", ".txt"})
_DATABASE = frozenset({".duckdb", ".db"})
_WILDCARDS = frozenset("*?[]{}")


def connect(memory_limit: str, reach: str = "") -> duckdb.DuckDBPyConnection:
    """An engine in memory that reaches no file but those that the statement ``reach`` opens or allows.

    Raises
    ------
    DataError
        If the memory limit is none.
    duckdb.Error
        If ``reach`` fails.
    """
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
    for statement in (*filter(None, [reach]), "SET enable_external_access = false", "SET lock_configuration = true"):
        connection.execute(statement)
    return connection


def open_file(data: str | Path, memory_limit: str) -> tuple[list[str], duckdb.DuckDBPyConnection, str]:
    """The columns of a file, an engine that reaches it, and its scan.

    Raises
    ------
    DataError
        If there is no such file or table, its kind is not known, or it is damaged.
    """
    file, table = split_table(data)
    path = _existing(file)
    if path.suffix.lower() in _DATABASE:
        return _database(path, table, memory_limit)
    if path.suffix.lower() in _PARQUET:
        names, scan = _parquet(path)
    elif path.suffix.lower() in _TEXT:
        names, scan = _csv(path)
    else:
        raise DataError(
            "this kind of file is not read",
            fix="export it as CSV (.csv) or Parquet (.parquet), or give a DuckDB file (.duckdb)",
            field=path.name,
        )
    if table is not None:
        raise DataError("only a database has tables", fix="leave out ?table=", field=path.name)
    return names, connect(memory_limit, f"SET allowed_paths = [{literal(str(path))}]"), scan


def _existing(file: Path) -> Path:
    path = file.expanduser().resolve()
    if not path.is_file():
        raise DataError("there is no such file", fix="check the path", field=str(file))
    if _WILDCARDS & set(str(path)):
        raise DataError(
            "this path cannot be read",
            why="the characters * ? [ ] { } in it would be taken as wildcards",
            fix="rename the file or its folder",
            field=str(file),
        )
    return path


def _parquet(path: Path) -> tuple[list[str], str]:
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        raise DataError("the file is not Parquet, or damaged", fix="export it again", field=path.name) from None
    return names, f"read_parquet({literal(str(path))}) AS t({_aliases(len(names))})"


def _aliases(columns: int) -> str:
    return ", ".join(f"k{position}" for position in range(columns))


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


def _database(path: Path, table: str | None, memory_limit: str) -> tuple[list[str], duckdb.DuckDBPyConnection, str]:
    if not table:
        raise DataError("a DuckDB file has many tables", fix="name one: ?table=schema.name", field=path.name)
    try:
        # The type is stated, not guessed from the content: another kind would want an extension.
        connection = connect(memory_limit, f"ATTACH {literal(str(path))} AS data (TYPE duckdb, READ_ONLY)")
    except duckdb.Error:
        raise DataError(
            "the file cannot be opened for reading",
            why="it is not of DuckDB, of a newer version, damaged, or open for writing",
            fix="close what writes to it, or export the table again",
            field=path.name,
        ) from None
    relation = f"data.{_relation(connection, table)}"
    try:
        described = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    except duckdb.Error:
        raise DataError(
            "this view cannot be read",
            why="it needs another file or an extension, or names a table without its schema",
            fix="store its rows as a table",
            field=table,
        ) from None
    names = [str(row[0]) for row in described]
    return names, connection, f"{relation} AS t({_aliases(len(names))})"


def _relation(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    found = connection.execute(
        "SELECT s, n FROM (SELECT database_name AS d, schema_name AS s, table_name AS n, internal AS i "
        "FROM duckdb_tables() UNION ALL SELECT database_name, schema_name, view_name, internal FROM duckdb_views()) "
        "WHERE d = 'data' AND NOT i AND (s || '.' || n = $1 OR (s = 'main' AND n = $1))",
        [table],
    ).fetchall()
    if len(found) != 1:
        raise DataError(
            "two tables can be meant" if found else "the file has no such table or view",
            why="names are exact, capitals too",
            fix="write it as schema.name" if not found else "rename one of them",
            field=table,
        )
    [(schema, name)] = found
    return f"{quoted(schema)}.{quoted(name)}"
