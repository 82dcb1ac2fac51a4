from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from descriptive_cases import ask, deal, described, frame, heart_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hansa.errors import StudyError
from hansa.model import Variable
from hansa.stats.descriptive.crosstab import METHOD
from hansa.stats.direct import DirectCohorts
from hansa.stats.plain import to_plain

A = Variable(name="a", type="category", levels=("u", "v", "w"))
B = Variable(name="b", type="boolean")
X = Variable(name="x", type="number")
VARIABLES = described(A, B, X)


def cells(table: list[list[int]]) -> dict[str, Any]:
    counts = np.array(table)
    rows, columns = np.indices(counts.shape)
    times = counts.ravel()
    return {
        "a": np.repeat(rows.ravel(), times).astype(float),
        "b": np.repeat(columns.ravel(), times).astype(float),
        "x": np.zeros(counts.sum()),
    }


def test_the_heart_table_equals_pandas_and_scipy() -> None:
    data, columns, variables, owners = heart_frame()
    found = ask(METHOD, columns, variables, owners, row="cp", column="disease")
    expected = pd.crosstab(data["cp"], data["disease"]).loc[list(variables["cp"].levels)].to_numpy()
    assert np.array(found.counts).tolist() == expected.tolist()
    assert found.row_totals == tuple(expected.sum(axis=1))
    assert found.column_totals == tuple(expected.sum(axis=0))
    test = stats.chi2_contingency(expected, correction=False)
    assert found.chi_square == pytest.approx(test.statistic, rel=1e-12)
    assert found.df == test.dof
    assert found.p == pytest.approx(test.pvalue, rel=1e-10)
    v = stats.contingency.association(expected, method="cramer")
    assert found.cramers_v == pytest.approx(v, rel=1e-12)
    assert np.array(found.row_percents).sum(axis=1) == pytest.approx(100)
    assert np.array(found.column_percents).sum(axis=0) == pytest.approx(100)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 7))
def test_any_split_gives_the_pooled_table(seed: int, nodes: int) -> None:
    columns = cells([[20, 30], [10, 40], [25, 15]])
    owners = np.random.default_rng(seed).integers(0, nodes, columns["a"].size)
    found = ask(METHOD, columns, VARIABLES, owners, row="a", column="b")
    assert found.counts == ((20, 30), (10, 40), (25, 15))


def test_a_small_cell_is_blank_with_complements_and_the_test_is_withheld() -> None:
    found = ask(METHOD, cells([[3, 30], [10, 40], [25, 15]]), VARIABLES, row="a", column="b")
    assert found.counts[0][0] is None
    assert sum(count is None for row in found.counts for count in row) >= 4
    assert found.total == 123
    assert found.chi_square is found.p is found.cramers_v is found.df is None
    assert "blank" in found.withheld
    for row in range(3):
        for column in range(2):
            if found.counts[row][column] is None:
                assert found.row_percents[row][column] is found.column_percents[row][column] is None


def test_an_exact_chi_square_would_restore_blank_cells() -> None:
    # Why the test is withheld with any blank: of the tables with these margins, most have a value of their own.
    rows, columns = (23, 31, 29), (38, 45)
    fitting = []
    for first in range(rows[0] + 1):
        for second in range(rows[1] + 1):
            third = columns[0] - first - second
            if 0 <= third <= rows[2]:
                left = np.array([first, second, third])
                table = np.column_stack([left, np.array(rows) - left])
                fitting.append((round(stats.chi2_contingency(table, correction=False).statistic, 9), first, second))
    statistics = [statistic for statistic, *_ in fitting]
    unique = sum(statistics.count(statistic) == 1 for statistic in statistics)
    assert unique > 0.8 * len(statistics)


def test_zeros_are_shown_unless_hidden() -> None:
    columns = cells([[0, 30], [20, 40], [25, 15]])
    assert ask(METHOD, columns, VARIABLES, row="a", column="b").counts[0][0] == 0
    assert ask(METHOD, columns, VARIABLES, row="a", column="b", hide_zeros=True).counts[0][0] is None


def test_a_level_that_never_occurs_does_not_enter_the_test() -> None:
    found = ask(METHOD, cells([[10, 30], [0, 0], [25, 15]]), VARIABLES, row="a", column="b")
    expected = stats.chi2_contingency([[10, 30], [25, 15]], correction=False)
    assert (found.chi_square, found.df) == (pytest.approx(expected.statistic), 1)
    assert found.row_percents[1] == (None, None)


def test_a_variable_with_one_level_present_has_no_test() -> None:
    found = ask(METHOD, cells([[10, 30], [0, 0], [0, 0]]), VARIABLES, row="a", column="b")
    assert found.chi_square is None
    assert found.withheld == ""


def test_incomplete_people_are_in_no_cell() -> None:
    columns = cells([[20, 30], [10, 40], [25, 15]])
    columns["a"][:6] = np.nan
    found = ask(METHOD, columns, VARIABLES, row="a", column="b")
    assert found.total == 134
    assert METHOD.complete({"row": "a", "column": "b"}, VARIABLES) == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"row": "a"}, "column"),
        ({"row": "a", "column": "x"}, "column"),
        ({"row": "a", "column": "a"}, "column"),
        ({"row": "q", "column": "b"}, "row"),
        ({"row": "a", "column": "b", "cell": 4}, "cell"),
        ({"row": "a", "column": "b", "test": "fisher"}, "test"),
        ({"row": "a", "column": "b", "hide_zeros": "no"}, "hide_zeros"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as error:
        ask(METHOD, cells([[9, 9], [9, 9], [9, 9]]), VARIABLES, **arguments)
    assert error.value.field == field


def test_the_exposure_counts_complete_people_and_sums_no_values() -> None:
    columns = cells([[20, 30], [10, 40], [25, 15]])
    columns["b"][:2] = np.nan
    arguments = {"row": "a", "column": "b"}
    (found,) = METHOD.steps[0].preparation.exposures(frame(columns, VARIABLES), arguments)
    assert found.columns.shape == (140, 0)
    assert found.rows.sum() == 138
    assert found.variables == {"a", "b"}


def test_a_single_node_can_run_it_alone() -> None:
    nodes = deal(cells([[20, 30], [10, 40], [25, 15]]), VARIABLES, np.zeros(140, dtype=np.int64))[:1]
    found = METHOD.plan(DirectCohorts(METHOD, nodes, VARIABLES), {"row": "a", "column": "b"})
    assert to_plain(found)["schema"] == "crosstab/1.0"
    assert found.total == 140
