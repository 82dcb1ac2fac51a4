"""The same rows through every kind of source: the same chunks, bit by bit, however often they are read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from harmonise_cases import every_form
from postgres_server import Server

from hansa.harmonise import Chunk, DataLike, check_source, infer_dictionary, open_source, read_chunks
from hansa.model import Dictionary, Variable

ROWS = 1000
LEVELS = ("it's", 'a "b"', "c,d", "é; f", "two\nlines", "back\\slash", "\\N", "NULL")
VARIABLES = (
    Variable(name="num", type="number", missing=("-9",)),
    Variable(name="whole", type="integer", missing=("0",)),
    Variable(name="yes", type="boolean"),
    Variable(name="kind", type="category", levels=LEVELS),
    Variable(name="day", type="date", missing=("1900-01-01",)),
)
NAMES = [variable.name for variable in VARIABLES]


def table() -> pa.Table:
    random = np.random.default_rng(7)

    def gaps(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        absent = random.random(ROWS) < 0.2
        return pa.array([None if gone else value for value, gone in zip(values, absent, strict=True)], type=kind)

    numbers = [*random.normal(0, 1e3, ROWS - 6).tolist(), 0.1, 1e-308, 1.2345678901234567e300, -0.0, -9.0, np.inf]
    days = [dt.date(1899, 12, 31) + dt.timedelta(days=int(day)) for day in random.integers(0, 60_000, ROWS)]
    kinds = [(*LEVELS, "", "other", " it's ")[int(level)] for level in random.integers(0, len(LEVELS) + 3, ROWS)]
    return pa.table(
        {
            "num": gaps(numbers, pa.float64()),
            "whole": gaps(random.integers(-5, 5, ROWS).tolist(), pa.int64()),
            "yes": gaps(random.integers(0, 2, ROWS).astype(bool).tolist(), pa.bool_()),
            "kind": gaps(kinds, pa.string()),
            "day": gaps(days, pa.date32()),
            "who": pa.array([f"p{i:04d}" for i in random.permutation(ROWS)]),
            "often": pa.array([f"p{i}" for i in random.integers(0, 90, ROWS)]),
        }
    )


@pytest.fixture(scope="module")
def forms(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataLike]:
    folder, rows = tmp_path_factory.mktemp("forms"), table()
    with duckdb.connect(folder / "data.duckdb") as database:
        database.register("given", rows)
        database.execute("CREATE TABLE rows AS SELECT * FROM given; CREATE VIEW seen AS SELECT * FROM rows")
        database.execute("CREATE SCHEMA deep; CREATE TABLE deep.rows2 AS SELECT * FROM given")
    address = server.load(rows, "contract")
    server.run("DROP MATERIALIZED VIEW IF EXISTS kept", "CREATE MATERIALIZED VIEW kept AS SELECT * FROM contract")
    return {
        **every_form(rows, folder),
        "duckdb": folder / "data.duckdb?table=rows",
        "duckdb view": f"{folder / 'data.duckdb'}?table=main.seen",
        "duckdb schema": f"{folder / 'data.duckdb'}?table=deep.rows2",
        "postgresql": address,
        "postgresql materialised view": server.address("kept"),
    }


def assert_same(found: list[Chunk], wanted: list[Chunk], form: str) -> None:
    assert [len(chunk) for chunk in found] == [len(chunk) for chunk in wanted], form
    for one, other in zip(found, wanted, strict=True):
        assert one.person.tolist() == other.person.tolist(), form
        assert one.undeclared == other.undeclared, form
        for name, column in one.columns.items():
            np.testing.assert_array_equal(column, other.columns[name], err_msg=f"{form} {name}")
            np.testing.assert_array_equal(np.signbit(column), np.signbit(other.columns[name]), err_msg=f"{form} {name}")


@pytest.mark.parametrize("person", ["who", "often", None])
def test_every_source_gives_the_same_chunks(forms: dict[str, DataLike], person: str | None) -> None:
    dictionary = Dictionary(person=person, one_row_per_person=person != "often", variables=VARIABLES)
    wanted = list(read_chunks(open_source(forms["arrow"]), dictionary, NAMES, chunk_rows=64))
    assert len(wanted) > 10
    for form, data in forms.items():
        source = open_source(data)
        assert source.columns == (*NAMES, "who", "often"), form
        for _ in range(2):
            assert_same(list(read_chunks(source, dictionary, NAMES, chunk_rows=64)), wanted, form)
        for name in NAMES:  # what else is read makes no difference to the order
            alone = list(read_chunks(source, dictionary, [name], chunk_rows=64))
            for one, other in zip(alone, wanted, strict=True):
                assert one.person.tolist() == other.person.tolist(), (form, name)
                np.testing.assert_array_equal(one.columns[name], other.columns[name], err_msg=f"{form} {name}")


def test_every_source_has_the_same_quality(forms: dict[str, DataLike]) -> None:
    dictionary = Dictionary(person="who", variables=VARIABLES)
    wanted = check_source(open_source(forms["arrow"]), dictionary)
    assert wanted.rows == ROWS
    assert {form: check_source(open_source(data), dictionary) for form, data in forms.items()} == dict.fromkeys(
        forms, wanted
    )


def test_databases_are_inferred_as_their_frames_are(forms: dict[str, DataLike]) -> None:
    wanted = infer_dictionary({"one": forms["arrow"]})
    for form in ("duckdb", "duckdb view", "postgresql"):
        assert infer_dictionary({"one": forms[form]}) == wanted, form


def test_a_source_without_rows_has_columns_all_the_same(server: Server, tmp_path: Path) -> None:
    empty = table().slice(0, 0)
    with duckdb.connect(tmp_path / "data.db") as database:
        database.register("given", empty)
        database.execute("CREATE TABLE rows AS SELECT * FROM given")
    dictionary = Dictionary(person="who", variables=VARIABLES)
    for data in (f"{tmp_path / 'data.db'}?table=rows", server.load(empty, "nobody")):
        [chunk] = read_chunks(open_source(data), dictionary, NAMES)
        assert len(chunk) == 0
        assert set(chunk.columns) == set(NAMES)
