from __future__ import annotations

import pandas as pd
import pytest
from harmonise_cases import frame_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import DataError
from hansa.harmonise import check_source, open_source, read_dictionary

DICTIONARY = read_dictionary(
    {
        "person": "who",
        "one_row_per_person": False,
        "variables": [
            {"name": "bp", "type": "integer", "range": [60, 260], "missing": ["0"]},
            {"name": "sex", "type": "category", "levels": ["m", "f"]},
        ],
    }
)
VALUES = ["0", "59", "60", "260", "261", "120.5", None, "high"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(VALUES), st.sampled_from(["m", "x", None])), min_size=1)
)
def test_every_row_is_counted_once(rows: list[tuple[str, str | None, str | None]]) -> None:
    who, bp, sex = zip(*rows, strict=True)
    report = check_source(open_source(frame_of({"who": who, "bp": bp, "sex": sex})), DICTIONARY)
    pressure, gender = report.variables
    assert (report.rows, report.people) == (len(rows), len(set(who)))
    assert pressure.n == sum(value in ("59", "60", "260", "261") for value in bp)
    assert pressure.missing == sum(value in ("0", None) for value in bp)
    assert pressure.undeclared == sum(value in ("120.5", "high") for value in bp)
    assert pressure.outside_range == sum(value in ("59", "261") for value in bp)
    assert (gender.n, gender.missing, gender.undeclared) == (sex.count("m"), sex.count(None), sex.count("x"))


def test_a_missing_column_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(DataError, match="the nearest is sexe"):
        check_source(open_source(pd.DataFrame({"who": ["a"], "bp": [100], "sexe": ["m"]})), DICTIONARY)


def test_a_second_row_of_a_person_is_an_error_where_one_is_allowed() -> None:
    frame = pd.DataFrame({"who": ["a", "a"], "bp": 100, "sex": "m"})
    assert check_source(open_source(frame), DICTIONARY).people == 1
    with pytest.raises(DataError, match="repeat a person"):
        check_source(open_source(frame), DICTIONARY.model_copy(update={"one_row_per_person": True}))
