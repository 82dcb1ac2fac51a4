from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import DictionaryError
from hansa.harmonise import dictionary_to_yaml, read_dictionary
from hansa.model import Dictionary, Variable

TEXT = """
title: Example
person: who
variables:
  - {name: age, type: integer, range: [18, 100], missing: ["0"]}
  - {name: smoker, type: category, levels: ["no", "yes"]}
"""

words = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"), min_size=1)
categories = st.builds(
    Variable,
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True),
    label=words,
    type=st.just("category"),
    levels=st.lists(words, min_size=1, max_size=4, unique=True).map(tuple),
    missing=st.lists(words, max_size=2).map(tuple),
)
plain = st.builds(
    Variable,
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True),
    type=st.sampled_from(["number", "integer", "date"]),
    unit=words,
    range=st.none() | st.tuples(st.floats(-1e9, 0, exclude_max=True), st.floats(0, 1e9)),
)
dictionaries = st.builds(
    Dictionary,
    title=words,
    person=st.none() | words,
    one_row_per_person=st.booleans(),
    variables=st.lists(categories | plain, min_size=1, max_size=4, unique_by=lambda v: v.name).map(tuple),
    inferred=st.booleans(),
)


def test_a_file_its_text_and_its_data_are_the_same_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.yaml"
    path.write_text(TEXT, encoding="utf-8")
    dictionary = read_dictionary(TEXT)
    assert dictionary["smoker"].levels == ("no", "yes")
    assert read_dictionary(path) == read_dictionary(str(path)) == dictionary
    assert read_dictionary(dictionary.model_dump()) == read_dictionary(dictionary) == dictionary


@given(dictionaries)
def test_yaml_reads_back_to_an_equal_dictionary(dictionary: Dictionary) -> None:
    assert read_dictionary(dictionary_to_yaml(dictionary)) == dictionary


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("variables:\n  - {name: x, type: category, levels: [no, yes]}\n", "variables.0.levels"),
        ("variables:\n  - {name: x, type: number, missing: [-9]}\n", "variables.0.missing"),
        ("variables:\n  - {name: x, type: number, colour: red}\n", "variables.0.colour"),
        ("variables:\n  - {name: x, type: category}\n", "variables.0"),
        ("variables: []\n", "variables"),
        ("- 1\n", ""),
        ("variables: {\n", ""),
        ("variables: !!python/object/apply:os.getcwd []\n", ""),
        ("", ""),
        ("absent.yaml", "absent.yaml"),
    ],
)
def test_a_wrong_dictionary_names_the_field(text: str, field: str) -> None:
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(text)
    assert caught.value.field == field or not field
