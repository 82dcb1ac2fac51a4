from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import DataError
from hansa.harmonise import encode_persons

names = st.text(min_size=1, max_size=3)


def objects(values: list[str | None]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(st.lists(st.lists(names, max_size=6), max_size=4), st.dictionaries(names, st.integers(0, 1000)))
def test_a_person_keeps_one_code_and_shares_it_with_nobody(chunks: list[list[str]], known: dict[str, int]) -> None:
    known = {name: code for code, name in enumerate(known)}
    codes, new = encode_persons([objects(list(chunk)) for chunk in chunks], known, one_row_per_person=False)
    every = {**known, **new}
    assert len(set(every.values())) == len(every)
    assert not new.keys() & known.keys()
    assert [array.tolist() for array in codes] == [[every[name] for name in chunk] for chunk in chunks]
    assert all(array.dtype == np.uint32 for array in codes)


def test_codes_stay_the_same_from_load_to_load() -> None:
    _, first = encode_persons([objects(["b", "a"])], {}, one_row_per_person=True)
    codes, second = encode_persons([objects(["c", "a", "b"])], first, one_row_per_person=True)
    assert first == {"b": 0, "a": 1}
    assert second == {"c": 2}
    assert codes[0].tolist() == [2, 1, 0]


def test_row_numbers_are_their_own_codes() -> None:
    codes, new = encode_persons([np.arange(2), np.arange(2, 5)], {}, one_row_per_person=True)
    assert [array.tolist() for array in codes] == [[0, 1], [2, 3, 4]]
    assert new == {}


def test_a_repeated_person_is_counted_and_not_named() -> None:
    with pytest.raises(DataError, match="2 of 4 rows repeat") as caught:
        encode_persons([objects(["anna", "ben"]), objects(["anna", "anna"])], {}, one_row_per_person=True)
    assert "anna" not in str(caught.value)


def test_a_row_of_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 rows"):
        encode_persons([objects(["a", None])], {}, one_row_per_person=False)
