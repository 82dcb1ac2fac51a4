from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harmonise_cases import every_form, frame_of, read_all

from hansa.errors import DataError
from hansa.harmonise import Source, open_source, read_chunks
from hansa.model import Dictionary, Variable

HOSTILE = [
    'x"; DROP TABLE frame; --',
    "x'); SELECT 1; --",
    "x, (SELECT 1)",
    "c0",
    "c1",
    "k0",
    "r",
    "p",
    "v0",
    "frame",
    "*",
    "X",
    "select",
    "é 漢",
    "a\tb",
]


def settings_of(source: Source, *names: str) -> list[object]:
    return [source.connection.execute("SELECT current_setting(?)", [name]).fetchall()[0][0] for name in names]


def test_column_names_are_never_sql(tmp_path: Path) -> None:
    names = ["x", *[name for name in HOSTILE if "\t" not in name], "y"]
    table = pa.table([pa.array([float(i), i + 0.5]) for i in range(len(names))], names=names)
    dictionary = Dictionary(
        person=names[1], variables=(Variable(name="x", type="number"), Variable(name="y", type="number"))
    )
    for form, data in every_form(table, tmp_path).items():
        columns, people, _ = read_all(data, dictionary, ["y", "x"])
        assert people == ["1", "1.5"], form
        np.testing.assert_array_equal(columns["x"], [0.0, 0.5], err_msg=form)
        np.testing.assert_array_equal(columns["y"], [len(names) - 1.0, len(names) - 0.5], err_msg=form)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_column_may_identify_people(name: str) -> None:
    dictionary = Dictionary(person=name, variables=(Variable(name="x", type="number"),))
    _, people, _ = read_all(pd.DataFrame({"x": [1.0], name: ["somebody"]}), dictionary, ["x"])
    assert people == ["somebody"]


@pytest.mark.parametrize("text", ["a'); DROP TABLE frame; --", "'", "''", "\\", "$$", "a\nb", "é"])
def test_levels_and_codes_are_never_sql(text: str) -> None:
    level = Variable(name="x", type="category", levels=("z", text))
    code = Variable(name="x", type="category", levels=("z",), missing=(text,))
    frame = frame_of({"x": [text, "z"]})
    assert read_all(frame, Dictionary(variables=(level,)), ["x"])[0]["x"].tolist() == [1.0, 0.0]
    columns, _, counts = read_all(frame, Dictionary(variables=(code,)), ["x"])
    np.testing.assert_array_equal(columns["x"], [np.nan, 0.0])
    assert counts == {"x": 0}


def test_the_engine_is_bounded() -> None:
    source = open_source(pd.DataFrame({"x": [1.0]}), memory_limit="64MiB")
    assert settings_of(source, "memory_limit", "threads", "temp_directory", "preserve_insertion_order") == [
        "64.0 MiB",
        1,
        "",
        True,
    ]
    assert settings_of(source, "autoinstall_known_extensions", "autoload_known_extensions") == [False, False]
    with pytest.raises(duckdb.Error):
        source.connection.execute("SET memory_limit = '1TB'")


def test_the_engine_reads_no_other_file(tmp_path: Path) -> None:
    for name in ("mine.csv", "other.csv"):
        (tmp_path / name).write_text("x\n1\n")
    source = open_source(tmp_path / "mine.csv")
    with pytest.raises(duckdb.PermissionException):
        source.connection.execute(f"SELECT * FROM read_csv('{tmp_path / 'other.csv'}')")
    with pytest.raises(duckdb.Error):
        source.connection.execute(f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'")


def test_a_query_beyond_the_memory_limit_fails_and_says_so() -> None:
    frame = pd.DataFrame({"who": [f"person {i:060d}" for i in range(100_000)], "x": 0.0})
    dictionary = Dictionary(person="who", one_row_per_person=False, variables=(Variable(name="x", type="number"),))
    with pytest.raises(DataError, match="memory_limit"):
        list(read_chunks(open_source(frame, memory_limit="4MB"), dictionary, ["x"]))


def test_a_memory_limit_that_is_none_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        open_source(pd.DataFrame({"x": [1.0]}), memory_limit="plenty")
    assert caught.value.field == "memory_limit"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.csv", None),
        ("data.xlsx", b"x"),
        ("data.parquet", b"not parquet"),
        ("empty.csv", b""),
        ("unnamed.csv", b"x,,y\n1,2,3\n"),
        ("twice.csv", b"x,x\n1,2\n"),
        ("latin.csv", "größe\n1\n".encode("latin-1")),
        ("data[1].csv", b"x\n1\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError):
        open_source(path)


def test_names_that_differ_in_case_only_are_different_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"age": [1.0], "Age": [2.0]}), tmp_path / "data.parquet")
    dictionary = Dictionary(variables=(Variable(name="Age", type="number"),))
    assert read_all(tmp_path / "data.parquet", dictionary, ["Age"])[0]["Age"].tolist() == [2.0]


def test_a_byte_order_mark_and_quoted_line_breaks_are_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes('\ufeff"x",kind\r\n1,"a\nb"\r\n2,\r\n'.encode())
    dictionary = Dictionary(
        variables=(Variable(name="x", type="number"), Variable(name="kind", type="category", levels=("a\nb",)))
    )
    columns, _, counts = read_all(tmp_path / "data.csv", dictionary, ["x", "kind"])
    np.testing.assert_array_equal(columns["kind"], [0.0, np.nan])
    assert columns["x"].tolist() == [1.0, 2.0]
    assert counts == {"x": 0, "kind": 0}


def test_a_ragged_line_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,2\n3,secret,5\n")
    dictionary = Dictionary(variables=(Variable(name="x", type="number"),))
    with pytest.raises(DataError, match="line 3") as caught:
        list(read_chunks(open_source(tmp_path / "data.csv"), dictionary, ["x"]))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_source_does_not_show_its_data() -> None:
    assert repr(open_source(pd.DataFrame({"x": ["secret"]}))) == "Source(1 columns)"
