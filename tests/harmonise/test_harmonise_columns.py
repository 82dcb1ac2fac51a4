from __future__ import annotations

import datetime as dt
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from harmonise_cases import every_form, frame_of, persons, read_all
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import DataError, DictionaryError, StudyError
from hansa.harmonise import open_source, read_chunks, read_dictionary
from hansa.model import Dictionary, Variable

LEVELS = ("it's", 'a "b"', "c,d", "é; f", "1")
DICTIONARY = Dictionary(
    person="who",
    variables=(
        Variable(name="num", type="number", missing=("-9",)),
        Variable(name="plain", type="number"),
        Variable(name="whole", type="integer", missing=("0", "unknown")),
        Variable(name="yes", type="boolean"),
        Variable(name="kind", type="category", levels=LEVELS, missing=("?'", "9")),
        Variable(name="day", type="date", missing=("1900-01-01",)),
    ),
)
NAMES = [variable.name for variable in DICTIONARY.variables]
MISSING, UNDECLARED = math.nan, math.inf
MISSING_CODES = {"num": -9.0, "whole": 0.0, "day": dt.date(1900, 1, 1)}


def expected(name: str, value: Any) -> float:
    """The reading rules, written a second time: NaN is missing, infinity undeclared."""
    if value is None or value == MISSING_CODES.get(name):
        return MISSING
    if name == "kind":
        return _level(value.strip())
    if name == "day":
        return float((value - dt.date(1970, 1, 1)).days)
    return UNDECLARED if name == "whole" and value != int(value) else float(value)


def _level(text: str) -> float:
    if text in ("", "?'", "9"):
        return MISSING
    return float(LEVELS.index(text)) if text in LEVELS else UNDECLARED


numbers = st.none() | st.just(-9.0) | st.floats(-1e6, 1e6) | st.just(math.inf)
wholes = st.none() | st.sampled_from([0.0, 1.0, 2.5]) | st.integers(-1000, 1000).map(float)
kinds = st.none() | st.sampled_from([*LEVELS, "?'", "9", " 1", "it's\t", "other", "NA"])
days = st.none() | st.just(dt.date(1900, 1, 1)) | st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1))
records = st.lists(st.tuples(numbers, numbers, wholes, st.none() | st.booleans(), kinds, days), min_size=1, max_size=8)


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    types = [pa.float64(), pa.float64(), pa.float64(), pa.bool_(), pa.string(), pa.date32()]
    arrays = [pa.array([row[i] for row in rows], type=kind) for i, kind in enumerate(types)]
    return pa.table([*arrays, pa.array([f"p{i}" for i in range(len(rows))])], names=[*NAMES, "who"])


@settings(max_examples=25, deadline=None)
@given(records)
def test_every_kind_of_source_gives_the_same_columns(rows: list[tuple[Any, ...]]) -> None:
    raw = {name: np.array([expected(name, row[i]) for row in rows]) for i, name in enumerate(NAMES)}
    with tempfile.TemporaryDirectory() as folder:
        for form, data in every_form(table_of(rows), Path(folder)).items():
            columns, people, counts = read_all(data, DICTIONARY, NAMES)
            assert people == [f"p{i}" for i in range(len(rows))], form
            for name in NAMES:
                clean = np.where(np.isinf(raw[name]), np.nan, raw[name])
                np.testing.assert_array_equal(columns[name], clean, err_msg=f"{form} {name}")
                assert counts[name] == int(np.isinf(raw[name]).sum()), (form, name)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (Variable(name="x", type="number", missing=("-9",)), "-9.0", MISSING),
        (Variable(name="x", type="number", missing=("NA",)), " NA ", MISSING),
        (Variable(name="x", type="number"), "NA", UNDECLARED),
        (Variable(name="x", type="number"), "1,5", UNDECLARED),
        (Variable(name="x", type="number"), " 1.5 ", 1.5),
        (Variable(name="x", type="number"), "inf", UNDECLARED),
        (Variable(name="x", type="number"), "NaN", MISSING),
        (Variable(name="x", type="number"), "  ", MISSING),
        (Variable(name="x", type="integer"), "1.5", UNDECLARED),
        (Variable(name="x", type="integer"), "2.0", 2.0),
        (Variable(name="x", type="boolean"), "TRUE", 1.0),
        (Variable(name="x", type="boolean"), "yes", 1.0),
        (Variable(name="x", type="boolean"), "1", 1.0),
        (Variable(name="x", type="boolean"), "0.0", 0.0),
        (Variable(name="x", type="boolean"), "No", 0.0),
        (Variable(name="x", type="boolean"), "2", UNDECLARED),
        (Variable(name="x", type="boolean", missing=("9",)), "9", MISSING),
        (Variable(name="x", type="category", levels=("1", "2")), "2.0", 1.0),
        (Variable(name="x", type="category", levels=("1.0", "1.5")), "1.0", 0.0),
        (Variable(name="x", type="category", levels=("09", "9")), "09", 0.0),
        (Variable(name="x", type="category", levels=("a",)), "A", UNDECLARED),
        (Variable(name="x", type="category", levels=("a", "9"), missing=("9",)), "9", MISSING),
        (Variable(name="x", type="date"), "1970-01-02T10:00:00", 1.0),
        (Variable(name="x", type="date"), "2.1.1970", UNDECLARED),
        (Variable(name="x", type="date"), "1970-02-30", UNDECLARED),
        (Variable(name="x", type="date", missing=("1900-01-01",)), "1900-01-01 00:00:00", MISSING),
    ],
)
def test_text_is_read_by_the_dictionary(variable: Variable, text: str, value: float) -> None:
    columns, _, counts = read_all(frame_of({"x": [text]}), Dictionary(variables=(variable,)), ["x"])
    np.testing.assert_array_equal(columns["x"], [MISSING if value == UNDECLARED else value])
    assert counts == {"x": int(value == UNDECLARED)}


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([1, None, 2], dtype="float32"),
        pd.Series([1, None, 2], dtype=object),
        pd.Series(["1", None, "2"], dtype="string"),
        pd.Series(["1", None, "2"], dtype="category"),
        pd.Series([1, None, 2], dtype="category"),
        pd.Series([1, None, 2], dtype=pd.ArrowDtype(pa.decimal128(8, 2))),
    ],
)
@pytest.mark.parametrize("kind", ["number", "integer"])
def test_each_way_to_store_a_number_is_read(column: pd.Series[Any], kind: Any) -> None:
    dictionary = Dictionary(variables=(Variable(name="x", type=kind),))
    columns, _, counts = read_all(pd.DataFrame({"x": column}), dictionary, ["x"])
    np.testing.assert_array_equal(columns["x"], [1, np.nan, 2])
    assert counts == {"x": 0}


def test_numeric_categories_survive_the_float_that_missing_values_make_of_them() -> None:
    dictionary = read_dictionary({"variables": [{"name": "x", "type": "category", "levels": ["1", "2"]}]})
    columns, _, counts = read_all(pd.DataFrame({"x": [2.0, np.nan, 1.0, 3.0]}), dictionary, ["x"])
    np.testing.assert_array_equal(columns["x"], [1, np.nan, 0, np.nan])
    assert counts == {"x": 1}


def test_rows_come_in_the_order_of_the_source_whatever_the_chunk() -> None:
    frame = pd.DataFrame({"x": np.arange(10_000.0)}, index=np.zeros(10_000))
    dictionary = read_dictionary({"variables": [{"name": "x", "type": "number"}]})
    for chunk_rows in (7, 2048, 5000, 10_000, 65_536):
        chunks = list(read_chunks(open_source(frame), dictionary, ["x"], chunk_rows=chunk_rows))
        assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_rows}
        assert persons(chunks) == list(range(10_000))
        np.testing.assert_array_equal(np.concatenate([chunk.columns["x"] for chunk in chunks]), frame["x"])


LONG = Dictionary(person="who", one_row_per_person=False, variables=(Variable(name="x", type="number"),))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "é"]), min_size=1, max_size=60), st.integers(1, 12))
def test_a_chunk_ends_where_a_person_ends(who: list[str], chunk_rows: int) -> None:
    frame = pd.DataFrame({"who": who, "x": np.arange(float(len(who)))})
    chunks = list(read_chunks(open_source(frame), LONG, ["x"], chunk_rows=chunk_rows))
    seen = [set(chunk.person) for chunk in chunks]
    assert sum(map(len, seen)) == len(set(who))
    assert all(len(chunk) <= chunk_rows or len(people) == 1 for chunk, people in zip(chunks, seen, strict=True))
    rows = [(person, x) for chunk in chunks for person, x in zip(chunk.person, chunk.columns["x"], strict=True)]
    assert rows == sorted(zip(who, frame["x"], strict=True), key=lambda row: (row[0].encode(), row[1]))


def test_a_person_with_more_rows_than_a_chunk_stays_whole() -> None:
    frame = pd.DataFrame({"who": ["b"] * 5000 + ["a", "c"], "x": 0.0})
    chunks = list(read_chunks(open_source(frame), LONG, ["x"], chunk_rows=2))
    assert [len(chunk) for chunk in chunks] == [1, 5000, 1]


@pytest.mark.parametrize(
    "who", [pd.Series([1, 2]), pd.Series([1.0, 2.0]), pd.Series(["1", " 2"]), pd.Series(["1.0", "2"])]
)
def test_a_number_identifies_the_same_person_however_it_is_stored(who: pd.Series[Any]) -> None:
    _, people, _ = read_all(pd.DataFrame({"who": who, "x": 0.0}), LONG, ["x"])
    assert people == ["1", "2"]


def test_an_identifier_too_large_for_its_float_is_none() -> None:
    _, people, _ = read_all(pd.DataFrame({"who": [2.0**53, 7.0], "x": 0.0}), LONG, ["x"])
    assert people == [None, "7"]


def test_data_without_rows_give_one_empty_chunk() -> None:
    frame = frame_of({"who": [], "x": []})
    for dictionary in (LONG, LONG.model_copy(update={"person": None})):
        [chunk] = read_chunks(open_source(frame), dictionary, ["x"])
        assert len(chunk) == 0
        assert chunk.columns["x"].dtype == np.float64


def test_no_variable_still_has_rows() -> None:
    for dictionary in (LONG, LONG.model_copy(update={"person": None})):
        [chunk] = read_chunks(open_source(pd.DataFrame({"who": ["a", "b"], "x": 0.0})), dictionary, [])
        assert len(chunk) == 2


def test_a_missing_column_names_the_nearest_before_anything_is_read() -> None:
    source = open_source(pd.DataFrame({"Resting_BP": [1.0]}))
    dictionary = read_dictionary({"variables": [{"name": "resting_bp", "type": "number"}]})
    with pytest.raises(DataError, match="Resting_BP") as caught:
        read_chunks(source, dictionary, ["resting_bp"])
    assert caught.value.field == "resting_bp"


def test_an_undescribed_variable_is_refused() -> None:
    with pytest.raises(DictionaryError):
        read_chunks(open_source(pd.DataFrame({"y": [1.0]})), LONG.model_copy(update={"person": None}), ["y"])


def test_levels_that_read_alike_are_refused() -> None:
    dictionary = read_dictionary({"variables": [{"name": "x", "type": "category", "levels": ["1", "1.0"]}]})
    with pytest.raises(DictionaryError, match="read alike"):
        read_chunks(open_source(frame_of({"x": ["1"]})), dictionary, ["x"])


def test_a_chunk_has_at_least_one_row() -> None:
    with pytest.raises(StudyError):
        read_chunks(open_source(pd.DataFrame({"x": [1.0]})), LONG, ["x"], chunk_rows=0)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_datetime(["2020-01-01"])).dt.tz_localize("Europe/Zurich"),
        pd.Series(pd.to_timedelta([1], unit="D")),
        pd.Series([b"secret"], dtype=pd.ArrowDtype(pa.binary())),
        pd.Series([["secret"]], dtype=pd.ArrowDtype(pa.list_(pa.string()))),
    ],
)
def test_a_column_of_no_variable_s_type_is_refused_only_where_it_is_asked_for(column: pd.Series[Any]) -> None:
    source = open_source(pd.DataFrame({"x": column, "y": [1.0]}))
    dictionary = read_dictionary({"variables": [{"name": "x", "type": "date"}, {"name": "y", "type": "number"}]})
    assert next(read_chunks(source, dictionary, ["y"])).columns["y"].tolist() == [1.0]
    with pytest.raises(DataError) as caught:
        read_chunks(source, dictionary, ["x"])
    assert caught.value.field == "x"
    assert "secret" not in str(caught.value)


def test_many_plain_numbers_arrive_whole() -> None:
    frame = pd.DataFrame({f"x{i}": np.linspace(0, 1, 200_000) for i in range(10)})
    dictionary = Dictionary(variables=tuple(Variable(name=name, type="number") for name in frame.columns))
    chunks = read_chunks(open_source(frame), dictionary, list(frame.columns))
    total = sum(float(chunk.columns["x3"].sum()) for chunk in chunks)
    assert total == pytest.approx(100_000)
