from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from harmonise_cases import read_all

from hansa.errors import DataError
from hansa.harmonise import open_source, read_chunks
from hansa.model import Dictionary, Variable

X = Dictionary(variables=(Variable(name="x", type="number"),))
HOSTILE = [
    'x"; DROP TABLE main.secret; --',
    "'; DROP TABLE secret; --",
    "rows UNION ALL SELECT * FROM data.main.secret",
    '"',
    "'",
    "a.b.c",
    "select",
    "%41",
    "a&b=c",
    "é 漢",
    "a?table=b",
]


def file_with(folder: Path, *statements: str) -> Path:
    path = folder / "cohort.duckdb"
    with duckdb.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    return path


def encoded(name: str) -> str:
    return name.replace("%", "%25")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_name(tmp_path: Path, name: str) -> None:
    inside = '"' + name.replace('"', '""') + '"'
    path = file_with(
        tmp_path,
        "CREATE TABLE secret AS SELECT 666.0 AS x",
        f"CREATE TABLE {inside} AS SELECT 1.0 AS x",
        f"CREATE SCHEMA {inside}; CREATE TABLE {inside}.{inside} AS SELECT 2.0 AS x",
    )
    columns, _, _ = read_all(f"{path}?table={encoded(name)}", X, ["x"])
    assert columns["x"].tolist() == [1.0]
    columns, _, _ = read_all(f"{path}?table={encoded(f'{name}.{name}')}", X, ["x"])
    assert columns["x"].tolist() == [2.0]
    with duckdb.connect(path) as database:
        assert database.execute("SELECT x FROM secret").fetchall() == [(666,)]


@pytest.mark.parametrize(
    "name", [*HOSTILE, "ROWS", "rows\0", "rows ", "duckdb_tables", "information_schema.tables", "", "main."]
)
def test_a_name_that_is_not_there_reaches_nothing(tmp_path: Path, name: str) -> None:
    path = file_with(tmp_path, "CREATE TABLE rows AS SELECT 1.0 AS x", "CREATE TABLE secret AS SELECT 666.0 AS x")
    with pytest.raises(DataError) as caught:
        open_source(f"{path}?table={encoded(name)}")
    assert caught.value.field == (name or "cohort.duckdb")


def test_a_name_with_two_meanings_is_refused(tmp_path: Path) -> None:
    path = file_with(
        tmp_path, 'CREATE TABLE "a.b" AS SELECT 1 AS x', "CREATE SCHEMA a; CREATE TABLE a.b AS SELECT 2 AS x"
    )
    with pytest.raises(DataError, match="two tables"):
        open_source(f"{path}?table=a.b")


def test_a_file_without_a_table_is_refused(tmp_path: Path) -> None:
    path = file_with(tmp_path, "CREATE TABLE rows AS SELECT 1.0 AS x")
    with pytest.raises(DataError, match=r"\?table="):
        open_source(path)


def test_a_table_of_a_file_that_has_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match="only a database"):
        open_source(f"{tmp_path / 'data.csv'}?table=x")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO data.main.rows VALUES (2)",
        "DELETE FROM data.main.rows",
        "DROP TABLE data.main.rows",
        "CREATE TABLE data.main.more AS SELECT 1",
        "ATTACH '{path}' AS again",
        "COPY (SELECT 1) TO '{path}'",
        "SELECT * FROM read_csv('{folder}/other.csv')",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ],
)
def test_nothing_is_written_and_no_other_file_is_read(tmp_path: Path, statement: str) -> None:
    (tmp_path / "other.csv").write_text("x\n666\n")
    path = file_with(tmp_path, "CREATE TABLE rows AS SELECT 1.0 AS x")
    before = path.read_bytes()
    source = open_source(f"{path}?table=rows")
    with pytest.raises(duckdb.Error):
        source.connection.execute(statement.format(path=path, folder=tmp_path))
    assert next(read_chunks(source, X, ["x"])).columns["x"].tolist() == [1.0]
    del source
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cohort.duckdb", "other.csv"]


def test_a_view_reaches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("x\n666\n")
    path = file_with(tmp_path, f"CREATE VIEW rows AS SELECT * FROM read_csv('{tmp_path / 'other.csv'}')")
    with pytest.raises(DataError, match="view") as caught:
        open_source(f"{path}?table=rows")
    assert "other.csv" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.db").write_bytes(b"SQLite format 3\0" + bytes(4096))
    with pytest.raises(DataError) as caught:
        open_source(f"{tmp_path / 'data.db'}?table=rows")
    assert caught.value.field == "data.db"


def test_a_file_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    path = file_with(tmp_path, "CREATE TABLE rows AS SELECT 1.0 AS x")
    program = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(DataError, match="open for writing"):
            open_source(f"{path}?table=rows")
        writer.communicate()


def test_several_sources_share_a_file(tmp_path: Path) -> None:
    path = file_with(tmp_path, "CREATE TABLE a AS SELECT 1.0 AS x", "CREATE TABLE b AS SELECT 2.0 AS x")
    sources = [open_source(f"{path}?table={name}") for name in "ab"]
    assert [next(read_chunks(source, X, ["x"])).columns["x"].tolist() for source in sources] == [[1.0], [2.0]]


def test_types_are_read_as_their_kinds(tmp_path: Path) -> None:
    path = file_with(
        tmp_path,
        "CREATE TABLE rows AS SELECT 'b'::ENUM('z', 'b') AS kind, 1.50::DECIMAL(5, 2) AS price, "
        "TIMESTAMP '1970-01-03 10:00:00' AS day, 'infinity'::DATE AS never, 7::HUGEINT AS big, "
        "'00000000-0000-0000-0000-000000000001'::UUID AS who, "
        "TIMESTAMPTZ '1970-01-01 00:00:00+00' AS zoned, [1] AS list",
    )
    dictionary = Dictionary(
        person="who",
        variables=(
            Variable(name="kind", type="category", levels=("a", "b")),
            Variable(name="price", type="category", levels=("1.5", "1.50")),
            Variable(name="day", type="date"),
            Variable(name="never", type="date"),
            Variable(name="big", type="integer"),
            Variable(name="zoned", type="date"),
            Variable(name="list", type="number"),
        ),
    )
    source = f"{path}?table=rows"
    columns, people, counts = read_all(source, dictionary, ["kind", "price", "day", "never", "big"])
    assert people == ["00000000-0000-0000-0000-000000000001"]
    assert [columns[name].tolist() for name in ("kind", "price", "day", "big")] == [[1.0], [1.0], [2.0], [7.0]]
    assert counts["never"] == 1
    for name in ("zoned", "list"):
        with pytest.raises(DataError) as caught:
            read_all(source, dictionary, [name])
        assert caught.value.field == name
