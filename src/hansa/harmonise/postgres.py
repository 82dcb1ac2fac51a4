"""Reading a table of PostgreSQL, in one snapshot and one order, however often it is read.

Opening a table begins a transaction (repeatable read, read only) that stays open and exports its snapshot. Each
reading has a connection of its own, joins that snapshot, and copies the columns it needs, and no others, out as CSV
that Arrow parses: a few megabytes at a time, whatever the table's size. The server's rules on who may read apply; of
the address and of what the server says, nothing is shown, for it may hold secrets or values.

**Order.** Rows come ordered by where they are stored (``tableoid``, ``ctid``), which for a table that was loaded once
is the order of loading. A row keeps its place within a snapshot, and what would move rows (``VACUUM FULL``,
``CLUSTER``, ``TRUNCATE``, ``ALTER TABLE``) waits for the opening transaction to end. A view or foreign table has no
places: its rows come ordered by the text of the whole row, whichever columns are read; rows of equal text are equal.
A view that gives other rows at each reading (``random()``, ``now()``) has no stable order, and must not be used.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hansa.errors import DataError
from hansa.harmonise.address import ServerAddress, server_address
from hansa.harmonise.faults import unsuitable
from hansa.harmonise.postgres_types import Travel, travel_of
from hansa.harmonise.stream import Stream, stream_of

__all__ = ["ServerTable", "open_table"]

_SETTINGS = {
    "statement_timeout": "1h",  # of one reading: the copy of a table lasts as long as its analysis takes to follow
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "0",  # the opening transaction is idle by intention
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "extra_float_digits": "3",  # doubles survive as text
}
_CONNECTION = {
    "connect_timeout": "10",
    # A network that vanished must not look like a slow table.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "client_encoding": "utf8",
    "application_name": "hansa",
}
_NO_CONNECTION = ("08", "28", "3D", "57")
"""Classes of states: of connections, authorisation, databases that are not there, servers that end."""

_BATCH_BYTES = 4 * 2**20

_FIND = (
    "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') "
    "AND (n.nspname || '.' || c.relname = %(table)s OR (n.nspname = 'public' AND c.relname = %(table)s))"
)
_TYPES = "SELECT oid::bigint, typname, typtype::text, format_type(oid, NULL) FROM pg_type WHERE oid = ANY(%s)"
_SET = "SELECT count(set_config(name, %(values)s::jsonb ->> name, true)) FROM pg_settings WHERE name = ANY(%(names)s)"

_BY_PLACE = sql.SQL("t.tableoid, t.ctid")
_BY_CONTENT = sql.SQL('CAST((t.*) AS text) COLLATE "C"')


@dataclass(frozen=True)
class _Column:
    name: str
    travel: Travel | None
    stored: str


@dataclass(frozen=True, eq=False, repr=False)
class ServerTable:
    """A table of PostgreSQL as it was when it was opened; the snapshot ends with this value."""

    address: ServerAddress
    relation: sql.Composable
    order: sql.SQL
    columns: tuple[_Column, ...]
    snapshot: str

    def stream(self, positions: Sequence[int]) -> Stream:
        """The columns at these positions, called ``c0, c1, ...``, in the table's order.

        Raises
        ------
        DataError
            If a column's type is one that no variable can be; while it is read, for all that a server can do.
        """
        travels = [_travel(self.columns[position]) for position in positions]
        kinds = pa.schema([(f"c{index}", travel.kind) for index, travel in enumerate(travels)])
        return stream_of(kinds, self._batches(positions, travels, kinds))

    def _batches(
        self, positions: Sequence[int], travels: Sequence[Travel], kinds: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        texts = pa.schema([(name, travel.read_as) for name, travel in zip(kinds.names, travels, strict=True)])
        query = self._query(positions, travels)
        try:
            with closing(_connect(self.address)) as connection:
                self._join(connection)
                for block in _copied(connection, query):
                    yield from _parsed(block, texts).cast(kinds).to_batches()
        except psycopg.Error as error:
            raise _fault(error, self.address.table) from None
        except pa.ArrowException:
            raise DataError(
                "the table cannot be read",
                why="it holds text that is not UTF-8",
                fix="correct the encoding of the database",
                field=self.address.table,
            ) from None

    def _query(self, positions: Sequence[int], travels: Sequence[Travel]) -> sql.Composed:
        names = [sql.Identifier("t", self.columns[position].name) for position in positions]
        picked = [sql.SQL(travel.expression).format(name) for travel, name in zip(travels, names, strict=True)]
        return sql.SQL("COPY (SELECT {} FROM {} AS t ORDER BY {}) TO STDOUT (FORMAT csv)").format(
            sql.SQL(", ").join(picked), self.relation, self.order
        )

    def _join(self, connection: psycopg.Connection) -> None:
        try:
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self.snapshot)))
        except psycopg.Error:
            # Another snapshot may hold other rows, and people would be taken for each other.
            raise DataError(
                "the table cannot be read as it was when it was opened",
                why="the connection that kept its state has ended",
                fix="start again",
                field=self.address.table,
            ) from None
        _set(connection)


def open_table(address: str) -> ServerTable:
    """Open a table or view; see the module on snapshot and order.

    Raises
    ------
    DataError
        If the address holds a password or cannot be read, the server cannot be reached or refuses the user, or there
        is no such table.
    """
    where = server_address(address)
    try:
        holder = _connect(where)
        try:
            table = _described(holder, where)
        except BaseException:
            holder.close()
            raise
    except psycopg.Error as error:
        raise _fault(error, where.table) from None
    weakref.finalize(table, holder.close)
    return table


def _connect(address: ServerAddress) -> psycopg.Connection:
    connection = psycopg.connect(make_conninfo(**{**_CONNECTION, **address.parameters}))
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _set(connection: psycopg.Connection) -> None:
    """The settings that this version of the server knows, until the transaction ends."""
    connection.execute(_SET, {"values": json.dumps(_SETTINGS), "names": list(_SETTINGS)})


def _described(holder: psycopg.Connection, where: ServerAddress) -> ServerTable:
    _set(holder)
    found = holder.execute(_FIND, {"table": where.table}).fetchall()
    if len(found) != 1:
        raise DataError(
            "two tables can be meant" if found else "the database has no such table or view",
            why="names are exact, capitals too; without a schema, public is meant",
            fix="rename one of them" if found else "write it as schema.name",
            field=where.table,
        )
    [(schema, name, kind)] = found
    relation = sql.Identifier(schema, name)
    # Describing the table also locks it against changes of its form until the transaction ends.
    columns = _columns(holder, relation)
    [(snapshot,)] = holder.execute("SELECT pg_export_snapshot()").fetchall()
    return ServerTable(where, relation, _BY_CONTENT if kind in "vf" else _BY_PLACE, columns, snapshot)


def _columns(holder: psycopg.Connection, relation: sql.Identifier) -> tuple[_Column, ...]:
    described = holder.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(relation)).description or []
    types = {row[0]: row[1:] for row in holder.execute(_TYPES, [[column.type_code for column in described]])}
    return tuple(
        _Column(column.name, travel_of(name, sort, column.precision, column.scale), stored.upper())
        for column, (name, sort, stored) in ((column, types[column.type_code]) for column in described)
    )


def _travel(column: _Column) -> Travel:
    if column.travel is None:
        raise unsuitable(column.name, column.stored)
    return column.travel


def _copied(connection: psycopg.Connection, query: sql.Composed) -> Iterator[bytes]:
    """The copy in blocks of whole rows: the protocol sends each row in a message of its own."""
    held: list[bytes] = []
    size = 0
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        for row in rows:
            held.append(bytes(row))
            size += len(row)
            if size >= _BATCH_BYTES:
                yield b"".join(held)
                held, size = [], 0
    if held:
        yield b"".join(held)


def _parsed(block: bytes, texts: pa.Schema) -> pa.Table:
    # NULL is nothing between commas, an empty text is "": a single column's NULL is an empty line.
    return pa_csv.read_csv(
        pa.BufferReader(block),
        pa_csv.ReadOptions(column_names=texts.names, use_threads=False, block_size=len(block) + 1),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types=texts,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _fault(error: psycopg.Error, table: str) -> DataError:
    """What went wrong, by the kind of error: the server's message may quote values."""
    for kind, why, fix in (
        (psycopg.errors.QueryCanceled, "reading took too long, or was cancelled at the server", "read a copy of it"),
        (psycopg.errors.LockNotAvailable, "somebody is changing the table", "wait until that is done"),
        (psycopg.errors.InsufficientPrivilege, "the user may not read it", "grant SELECT on it to the user"),
        (psycopg.errors.NumericValueOutOfRange, "it holds a number that no double can be", "correct the number"),
        (psycopg.errors.ReadOnlySqlTransaction, "reading it would write", "name a table or view that only reads"),
    ):
        if isinstance(error, kind):
            return DataError("the table cannot be read", why=why, fix=fix, field=table)
    if isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08")[:2] in _NO_CONNECTION:
        return DataError(
            "the database cannot be reached, or refuses the user",
            fix="try the same with psql; passwords come from PGPASSFILE or ~/.pgpass",
            field=table,
        )
    return DataError(
        "the table cannot be read",
        why=f"the database reports the state {error.sqlstate}",
        fix="look it up in PostgreSQL's list of error codes, or in the server's log",
        field=table,
    )
