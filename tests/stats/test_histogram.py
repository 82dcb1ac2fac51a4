from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from descriptive_cases import ask, described, frame, heart_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import Refused, StudyError
from hansa.model import Variable
from hansa.stats.descriptive.histogram import METHOD
from hansa.stats.plain import to_plain

X = Variable(name="x", type="number", unit="kg", range=(0.0, 100.0))
BARE = Variable(name="bare", type="number")
SEX = Variable(name="sex", type="boolean")
VARIABLES = described(X, BARE, SEX)


def test_the_heart_histogram_equals_numpys() -> None:
    data, columns, variables, owners = heart_frame()
    edges = [20, 40, 50, 60, 70, 90]
    found = ask(METHOD, columns, variables, owners, variable="age", bins=edges)
    expected, _ = np.histogram(data["age"].astype(float), edges)
    assert found.counts == tuple(expected)
    assert found.edges == tuple(edges)
    assert (found.n, found.merged) == (920, 0)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-50, 150), min_size=5, max_size=120), st.integers(1, 30), st.integers(1, 7))
def test_no_bin_holds_few_and_every_count_is_true_of_its_bin(values: list[float], bins: int, nodes: int) -> None:
    data = np.array(values)
    owners = np.arange(data.size) % nodes
    found = ask(METHOD, {"x": data}, VARIABLES, owners, variable="x", bins=bins)
    assert sum(found.counts) == found.n == data.size
    assert all(count == 0 or count >= 5 for count in found.counts)
    assert len(found.edges) == len(found.counts) + 1
    assert found.merged == bins - len(found.counts)
    assert set(found.edges) <= set(np.linspace(0, 100, bins + 1).tolist())
    opened = [-np.inf, *found.edges[1:-1], np.inf]
    pairs = pairwise(opened)
    assert [int(((data >= a) & (data < b)).sum()) for a, b in pairs] == list(found.counts)


def test_values_beyond_the_range_are_in_the_end_bins() -> None:
    data = np.concatenate([np.full(10, -30.0), np.full(10, 50.0), np.full(10, 400.0)])
    found = ask(METHOD, {"x": data}, VARIABLES, variable="x", bins=4)
    assert found.counts == (10, 0, 10, 10)
    assert found.edges == (0.0, 25.0, 50.0, 75.0, 100.0)


def test_a_last_bin_with_few_people_joins_the_one_before() -> None:
    data = np.repeat([10.0, 60.0, 90.0], [20, 20, 2])
    found = ask(METHOD, {"x": data}, VARIABLES, variable="x", bins=4)
    assert found.edges == (0.0, 25.0, 50.0, 100.0)
    assert found.counts == (20, 0, 22)


def test_edges_do_not_follow_the_data() -> None:
    one, other = (
        ask(METHOD, {"x": np.random.default_rng(s).normal(50, s, 500)}, VARIABLES, variable="x", bins=1)
        for s in (3, 10)
    )
    assert one.edges == other.edges == (0.0, 100.0)


def test_missing_values_are_not_counted() -> None:
    data = np.where(np.arange(60) < 20, np.nan, 50.0)
    assert ask(METHOD, {"x": data}, VARIABLES, variable="x").n == 40


def test_few_people_with_a_value_are_refused() -> None:
    data = np.where(np.arange(60) < 3, 50.0, np.nan)
    with pytest.raises(Refused) as refusal:
        ask(METHOD, {"x": data}, VARIABLES, variable="x")
    assert refusal.value.reason == "disclosure"


def test_nobody_gives_empty_bins() -> None:
    found = ask(METHOD, {"x": np.full(9, np.nan)}, VARIABLES, variable="x", bins=3)
    assert found.counts == (0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "variable"),
        ({"variable": "sex"}, "variable"),
        ({"variable": "bare"}, "bins"),
        ({"variable": "x", "bins": 0}, "bins"),
        ({"variable": "x", "bins": 5000}, "bins"),
        ({"variable": "x", "bins": [1]}, "bins"),
        ({"variable": "x", "bins": [1, 1]}, "bins"),
        ({"variable": "x", "bins": [2, 1]}, "bins"),
        ({"variable": "x", "bins": [0, float("inf")]}, "bins"),
        ({"variable": "x", "bins": ["a", "b"]}, "bins"),
        ({"variable": "x", "cell": 1}, "cell"),
        ({"variable": "x", "density": True}, "density"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    columns = {"x": np.zeros(20), "bare": np.zeros(20), "sex": np.zeros(20)}
    with pytest.raises(StudyError) as error:
        ask(METHOD, columns, VARIABLES, **arguments)
    assert error.value.field == field


def test_a_variable_without_range_takes_listed_edges() -> None:
    found = ask(METHOD, {"bare": np.arange(40.0)}, VARIABLES, variable="bare", bins=[0, 20, 40])
    assert found.counts == (20, 20)


def test_the_exposure_is_a_pure_count() -> None:
    columns = {"x": np.where(np.arange(30) < 4, np.nan, 1.0)}
    (found,) = METHOD.steps[0].preparation.exposures(frame(columns, VARIABLES), {"variable": "x", "bins": 3})
    assert found.columns.shape == (30, 0)
    assert found.rows.sum() == 26
    assert found.variables == {"x"}


def test_the_result_is_plain() -> None:
    plain = to_plain(ask(METHOD, {"x": np.arange(100.0)}, VARIABLES, variable="x", bins=4))
    assert plain["schema"] == "histogram/1.0"
    assert plain["unit"] == "kg"
