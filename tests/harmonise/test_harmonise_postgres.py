from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from harmonise_cases import joined, persons, read_all
from postgres_server import PASSWORD, Server

from hansa.errors import DataError
from hansa.harmonise import open_source, postgres, read_chunks
from hansa.harmonise.address import server_address
from hansa.model import Dictionary, Variable

X = Dictionary(person="who", variables=(Variable(name="x", type="number"),))
FIND_READERS = "SELECT pid, query FROM pg_stat_activity WHERE application_name = 'hansa' AND query LIKE 'COPY%'"
FIND_HOLDERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hansa' AND query LIKE '%export_snapshot%'"
LARGE = 300_000


def rows_of(server: Server, name: str, rows: int = 100) -> str:
    """A new table of people who and of their x, which counts from 0."""
    gc.collect()  # an error keeps its frames, and so a source and its lock on the table that was here before
    server.run(
        f"DROP TABLE IF EXISTS {name} CASCADE",
        f"CREATE TABLE {name} AS SELECT 'p' || i AS who, i::float8 AS x, repeat('y', 20) AS y "
        f"FROM generate_series(0, {rows - 1}) i",
    )
    return server.address(name)


def x_of(address: str) -> list[float]:
    found: list[float] = read_all(address, X, ["x"])[0]["x"].tolist()
    return found


def soon(server: Server, query: str, count: int) -> None:
    """Wait until the query has so many rows: a server notices the end of a connection a little later."""
    end = time.monotonic() + 20
    while len(found := server.run(query)) != count:
        assert time.monotonic() < end, found
        time.sleep(0.02)


# --- one snapshot, one order --------------------------------------------------------------------------------


def test_an_opened_table_stays_as_it_was(server: Server) -> None:
    address = rows_of(server, "moving")
    source = open_source(address)
    server.run(
        "DELETE FROM moving WHERE x < 50",
        "UPDATE moving SET x = -x",
        "INSERT INTO moving SELECT 'new', 1e6 FROM generate_series(1, 1000)",
        "VACUUM moving",
    )
    for _ in range(2):
        chunks = list(read_chunks(source, X, ["x"]))
        assert joined(chunks, ["x"])["x"].tolist() == [float(i) for i in range(100)]
        assert persons(chunks) == [f"p{i}" for i in range(100)]
    assert len(x_of(address)) == 1050


def test_readings_at_the_same_time_do_not_disturb_each_other(server: Server) -> None:
    source = open_source(rows_of(server, "shared"))
    both = zip(read_chunks(source, X, ["x"], chunk_rows=7), read_chunks(source, X, [], chunk_rows=7), strict=True)
    assert all(one.person.tolist() == other.person.tolist() for one, other in both)


def test_the_form_of_an_opened_table_cannot_change(server: Server) -> None:
    source = open_source(rows_of(server, "formed"))
    for statement in ("TRUNCATE formed", "ALTER TABLE formed DROP COLUMN x", "VACUUM FULL formed", "DROP TABLE formed"):
        with server.connect() as other:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(statement.encode())
    del source
    server.run("DROP TABLE formed")


INDEXED = [
    "CREATE TABLE indexed AS SELECT who, x, repeat(md5(who), 20) AS wide FROM shuffled ORDER BY md5(who)",
    "CREATE INDEX ON indexed (who)",
    "VACUUM ANALYZE indexed",
]
"""A table of which the server reads the index alone, in the index's order, where it suffices and order is free."""

RELATIONS = {
    "indexed": INDEXED,
    "over_index": [*INDEXED, "CREATE VIEW over_index AS SELECT * FROM indexed"],
    "seen": ["CREATE VIEW seen AS SELECT who, x FROM shuffled"],
    "sorted": ["CREATE VIEW sorted AS SELECT who, x FROM shuffled ORDER BY x DESC"],
    "t": ["CREATE VIEW t AS SELECT who, x, x AS t, '{}'::json AS tree FROM shuffled"],
    "parts": [
        "CREATE TABLE parts (who text, x float8) PARTITION BY HASH (who)",
        *(f"CREATE TABLE part{i} PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER {i})" for i in range(3)),
        "INSERT INTO parts SELECT who, x FROM shuffled",
    ],
    "heirs": [
        "CREATE TABLE heirs AS SELECT who, x FROM shuffled WHERE x < 1000",
        "CREATE TABLE child () INHERITS (heirs)",
        "INSERT INTO child SELECT who, x FROM shuffled WHERE x >= 1000",
    ],
}


@pytest.mark.parametrize("name", RELATIONS)
def test_rows_keep_their_order_whatever_is_read(server: Server, name: str) -> None:
    rows_of(server, "shuffled", 2000)
    server.run("DROP TABLE IF EXISTS indexed, parts, heirs CASCADE", "UPDATE shuffled SET x = x WHERE x::int % 3 = 0")
    server.run(*RELATIONS[name])
    source = open_source(server.address(name))
    first = list(read_chunks(source, X, ["x"], chunk_rows=100))
    again = list(read_chunks(source, X, ["x"], chunk_rows=100))
    alone = list(read_chunks(source, X, [], chunk_rows=100))
    assert persons(first) == persons(again) == persons(alone)
    assert len(set(persons(first))) == len(persons(first)) == 2000
    assert persons(first) == [f"p{int(x)}" for x in joined(first, ["x"])["x"]]


# --- bounded, lazy, and only what is asked for ---------------------------------------------------------------


def test_only_the_needed_columns_are_read_and_no_more_than_a_few_blocks_at_a_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_BATCH_BYTES", 2**16)
    source = open_source(rows_of(server, "large", LARGE))
    chunks = read_chunks(source, X, ["x"], chunk_rows=1000)
    assert next(chunks).columns["x"].tolist() == [float(i) for i in range(1000)]
    [(_, query)] = server.run(FIND_READERS)
    assert '"who"' in query
    assert '"y"' not in query
    # The server holds back what nobody has asked for.
    soon(server, FIND_READERS + " AND state = 'active' AND wait_event = 'ClientWrite'", 1)
    del chunks  # nobody reads on: the connection ends
    soon(server, FIND_READERS, 0)
    assert len(server.run(FIND_HOLDERS)) == 1
    del source
    soon(server, FIND_HOLDERS, 0)


def test_batches_are_small_whatever_the_table(server: Server) -> None:
    table = postgres.open_table(rows_of(server, "large", LARGE))
    sizes = [batch.nbytes for batch in table.stream([0, 1, 2]).reader]
    assert len(sizes) > 2
    assert max(sizes) < 3 * postgres._BATCH_BYTES


# --- read only ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["INSERT INTO kept_rows VALUES ('q', 1)", "DELETE FROM kept_rows", "DROP TABLE kept_rows"]
)
def test_its_connections_cannot_write(server: Server, statement: str) -> None:
    address = rows_of(server, "kept_rows")
    with postgres._connect(server_address(address)) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(statement.encode())
        connection.rollback()
    assert len(x_of(address)) == 100


def test_a_view_that_writes_is_refused(server: Server) -> None:
    rows_of(server, "victims")
    server.run(
        "CREATE OR REPLACE FUNCTION wipe() RETURNS float8 LANGUAGE sql VOLATILE "
        "AS 'DELETE FROM victims; SELECT 1.0::float8'",
        "CREATE OR REPLACE VIEW wiping AS SELECT 'a' AS who, wipe() AS x",
    )
    with pytest.raises(DataError, match="would write"):
        x_of(server.address("wiping"))
    assert server.run("SELECT count(*) FROM victims") == [(100,)]


# --- hostile names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        't"; DROP TABLE secret; --',
        "'; DROP TABLE secret; --",
        "t UNION SELECT * FROM secret",
        '"',
        "a.b",
        "%s",
        "{}",
        "%(x)s",
        "é",
        "a&b=c#d?e",
    ],
)
def test_hostile_names_are_names(server: Server, name: str) -> None:
    rows_of(server, "secret")
    table = pa.table({"x": [1.0], "X": [2.0], name: ["somebody"], "{0}": [3.0], "c0": [4.0]})
    with pytest.raises(DataError) as caught:
        open_source(server.address(f"{name} "))
    assert caught.value.field == f"{name} "
    dictionary = Dictionary(
        person=name, variables=tuple(Variable(name=column, type="number") for column in ("x", "X", "c0"))
    )
    columns, people, _ = read_all(server.load(table, name), dictionary, ["X", "x", "c0"])
    assert people == ["somebody"]
    assert [columns[column].tolist() for column in ("x", "X", "c0")] == [[1.0], [2.0], [4.0]]
    assert server.run("SELECT count(*) FROM secret") == [(100,)]


def test_a_name_with_two_meanings_is_refused(server: Server) -> None:
    server.run(
        'CREATE SCHEMA IF NOT EXISTS two; DROP TABLE IF EXISTS two.one, "two.one"',
        'CREATE TABLE two.one AS SELECT 1 AS x; CREATE TABLE "two.one" AS SELECT 2 AS x',
    )
    with pytest.raises(DataError, match="two tables"):
        open_source(server.address("two.one"))


# --- who may read -------------------------------------------------------------------------------------------


def test_the_password_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(server, "granted")
    server.run("GRANT SELECT ON granted TO locked")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert len(x_of(server.address("granted", "locked"))) == 100


def test_the_password_comes_from_a_file(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows_of(server, "granted")
    server.run("GRANT SELECT ON granted TO locked")
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:locked:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert len(x_of(server.address("granted", "locked"))) == 100


@pytest.mark.parametrize("password", [None, "not-the-password"])
def test_a_wrong_password_is_refused_and_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str | None
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    if password is not None:
        monkeypatch.setenv("PGPASSWORD", password)
    with pytest.raises(DataError, match="refuses the user") as caught:
        open_source(server.address("granted", "locked"))
    assert str(password) not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_table_that_is_not_granted_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(server, "ungranted")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(DataError, match="grant SELECT") as caught:
        open_source(server.address("ungranted", "locked"))
    assert caught.value.field == "ungranted"


def test_a_source_shows_neither_address_nor_password(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    source = open_source(rows_of(server, "quiet"))
    for shown in (repr(source), repr(source.stream), str(source.columns)):
        assert PASSWORD not in shown
        assert str(server.folder) not in shown


# --- faults -------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    address = f"postgresql://somebody@{str(tmp_path).replace('/', '%2F')}/d?table=t"
    with pytest.raises(DataError, match="cannot be reached") as caught:
        open_source(address)
    assert "somebody" not in str(caught.value)


def test_without_the_driver_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hansa.harmonise.postgres")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DataError, match=r"hansa\[postgres\]"):
        open_source("postgresql://h/d?table=t")


def test_a_reading_that_takes_too_long_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(server, "slow")
    server.run("CREATE VIEW sleepy AS SELECT who, x FROM slow, pg_sleep(20)")
    monkeypatch.setitem(postgres._SETTINGS, "statement_timeout", "100ms")
    start = time.monotonic()
    with pytest.raises(DataError, match="too long"):
        x_of(server.address("sleepy"))
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("expression", "word"),
    [("('12secret' || x)::int::float8", "22P02"), ("1 / (x - 50)", "22012"), ("('1e400')::numeric", "no double")],
)
def test_a_fault_at_the_server_shows_no_value(server: Server, expression: str, word: str) -> None:
    rows_of(server, "fault_rows")
    server.run(f"CREATE VIEW faulty AS SELECT who, {expression} AS x FROM fault_rows")
    with pytest.raises(DataError, match=word) as caught:
        x_of(server.address("faulty"))
    assert caught.value.field == "faulty"
    assert "secret" not in str(caught.value) + repr(caught.value)
    assert caught.value.__suppress_context__


def test_a_lost_reading_is_said_and_the_next_one_is_whole(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_BATCH_BYTES", 2**16)
    source = open_source(rows_of(server, "large", LARGE))
    chunks = read_chunks(source, X, ["x"], chunk_rows=1000)
    next(chunks)
    server.run(f"SELECT pg_terminate_backend(pid) FROM ({FIND_READERS} AND state = 'active') r")
    with pytest.raises(DataError) as caught:
        list(chunks)
    assert caught.value.field == "large"
    assert sum(len(chunk) for chunk in read_chunks(source, X, ["x"])) == LARGE


def test_a_lost_snapshot_is_never_replaced_by_another(server: Server) -> None:
    source = open_source(rows_of(server, "lost"))
    server.run(f"SELECT pg_terminate_backend(pid) FROM ({FIND_HOLDERS}) h")
    soon(server, FIND_HOLDERS, 0)
    with pytest.raises(DataError, match="as it was when it was opened"):
        list(read_chunks(source, X, ["x"]))
