from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from harmonise_cases import every_form, frame_of, read_all
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import DictionaryError
from hansa.harmonise import infer_dictionary
from hansa.harmonise.infer import outward


def test_types_are_the_same_from_every_kind_of_source(tmp_path: Path) -> None:
    table = pa.table(
        {
            "patient_id": ["a", "b", "c"],
            "age": [41, None, 67],
            "score": [0.5, None, -1.25],
            "event": [0, 1, 1],
            "smoker": [True, None, False],
            "sex": ["m", "f", None],
            "entry": [dt.date(2001, 5, 1), None, dt.date(2003, 1, 31)],
            "nothing": pa.nulls(3, pa.string()),
        }
    )
    found = {form: infer_dictionary({"one": data}) for form, data in every_form(table, tmp_path).items()}
    for form, dictionary in found.items():
        assert dictionary == found["arrow"], form
    types = {variable.name: variable.type for variable in found["csv"].variables}
    assert types == {
        "age": "integer",
        "score": "number",
        "event": "integer",
        "smoker": "boolean",
        "sex": "category",
        "entry": "date",
    }
    assert found["csv"].person == "patient_id"
    assert found["csv"].inferred


def test_levels_and_ranges_come_from_all_frames_together() -> None:
    frames = {"one": pd.DataFrame({"g": ["b"], "x": [12.0]}), "two": pd.DataFrame({"g": ["a"], "x": [91.5]})}
    dictionary = infer_dictionary(frames)
    assert dictionary["g"].levels == ("a", "b")
    assert dictionary["x"].range == (0.0, 100.0)
    assert dictionary["x"].type == "number"


def test_numbers_in_one_frame_and_words_in_another_are_a_category() -> None:
    frames = {"one": pd.DataFrame({"stage": [1, 2]}), "two": pd.DataFrame({"stage": ["2", "unclear"]})}
    dictionary = infer_dictionary(frames)
    assert dictionary["stage"].levels == ("1", "2", "unclear")
    assert [read_all(frame, dictionary, ["stage"])[2]["stage"] for frame in frames.values()] == [0, 0]


def test_spelled_out_missing_values_become_codes() -> None:
    dictionary = infer_dictionary({"one": frame_of({"x": ["1", "NA", "3"], "g": ["a", "NA", "b"]})})
    assert dictionary["x"].type == "integer"
    assert dictionary["g"].levels == ("a", "b")
    columns, _, counts = read_all(frame_of({"x": ["NA"], "g": ["NA"]}), dictionary, ["x", "g"])
    assert math.isnan(columns["x"][0])
    assert counts == {"x": 0, "g": 0}


def test_what_no_formula_can_use_is_left_out() -> None:
    frame = pd.DataFrame(
        {"notes": [f"note {i}" for i in range(51)], "resting bp": 1.0, "x": np.arange(51.0), "mine": 1}
    )
    frame["seen"] = pd.to_datetime(["2020-01-01"] * 51).tz_localize("Europe/Zurich")
    frame["scans"] = [[1, 2]] * 51
    dictionary = infer_dictionary({"one": frame, "two": frame.drop(columns="mine")})
    assert [variable.name for variable in dictionary.variables] == ["x"]


def test_fifty_levels_are_a_category() -> None:
    dictionary = infer_dictionary({"one": pd.DataFrame({"g": [f"level {i:02d}" for i in range(50)]})})
    assert len(dictionary["g"].levels) == 50


@pytest.mark.parametrize(("people", "one_row"), [(["a", "b", "c"], True), (["a", "b", "a"], False)])
def test_people_with_several_rows_are_seen(people: list[str], one_row: bool) -> None:
    dictionary = infer_dictionary({"one": pd.DataFrame({"Subject_ID": people, "x": 1.0})})
    assert dictionary.person == "Subject_ID"
    assert dictionary.one_row_per_person is one_row


def test_a_person_column_with_gaps_is_refused() -> None:
    with pytest.raises(DictionaryError) as caught:
        infer_dictionary({"one": pd.DataFrame({"person": ["a", None], "x": 1.0})})
    assert caught.value.field == "person"


@pytest.mark.parametrize("frames", [{}, {"one": pd.DataFrame({"x": [1]}), "two": pd.DataFrame({"y": [1]})}])
def test_nothing_in_common_is_refused(frames: dict[str, Any]) -> None:
    with pytest.raises(DictionaryError):
        infer_dictionary(frames)


bounds = st.floats(-1e12, 1e12).map(lambda x: round(x, 6))


@given(bounds, bounds)
def test_a_range_reaches_beyond_both_extremes_and_not_across_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    below, above = outward(low, high, whole=False)
    assert below < low or below == low == 0
    assert above > high or above == high == 0
    assert below < above
    assert (below >= 0) == (low >= 0)
    assert (above <= 0) == (high <= 0 and low < 0)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_range_of_integers_is_whole(one: int, other: int) -> None:
    assert all(bound == int(bound) for bound in outward(min(one, other), max(one, other), whole=True))
