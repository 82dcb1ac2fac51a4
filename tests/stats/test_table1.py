from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from descriptive_cases import ask, described, heart_frame
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import StudyError
from hansa.model import Variable
from hansa.stats.descriptive.table1 import METHOD, difference_of_means, difference_of_proportions
from hansa.stats.plain import to_plain

X = Variable(name="x", type="number", unit="mmHg", label="Pressure", range=(0.0, 200.0))
ARM = Variable(name="arm", type="category", levels=("a", "b", "c"))
STAGE = Variable(name="stage", type="category", levels=("i", "ii", "iii"))
VARIABLES = described(X, ARM, STAGE)


def sample(n: int = 900) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    arm = rng.integers(0, 3, n).astype(float)
    return {"x": rng.normal(100, 20, n) + 10 * arm, "arm": arm, "stage": rng.integers(0, 3, n).astype(float)}


def test_the_heart_table_equals_pandas() -> None:
    data, columns, variables, owners = heart_frame()
    found = ask(METHOD, columns, variables, owners, variables=["age", "cp", "exang"], by="disease")
    assert found.groups == ("", "false", "true")
    age, cp, exang = found.rows
    groups = [data, data[~data["disease"].astype(bool)], data[data["disease"].astype(bool)]]
    for cell, rows in zip(age.cells, groups, strict=True):
        values = rows["age"].astype(float)
        assert cell.n == len(values)
        assert cell.mean == pytest.approx(values.mean(), rel=1e-10)
        assert cell.sd == pytest.approx(values.std(), rel=1e-10)
        for q in (cell.p25, cell.median, cell.p75):
            assert abs(q.estimate - values.quantile(q.probability)) <= q.error_bound
    for level in cp.levels:
        for g, rows in enumerate(groups):
            assert level.counts[g] == (rows["cp"] == level.level).sum()
            assert level.percents[g] == pytest.approx(100 * (rows["cp"] == level.level).mean())
    assert exang.missing[0] == data["exang"].isna().sum()
    assert exang.levels[1].percents[0] == pytest.approx(100 * data["exang"].dropna().astype(bool).mean())


def test_differences_are_those_of_the_two_groups() -> None:
    data, columns, variables, owners = heart_frame()
    found = ask(METHOD, columns, variables, owners, variables=["age", "cp"], by="disease")
    well, ill = (data[data["disease"].astype(bool) == state] for state in (False, True))
    means, sds = zip(*((g["age"].astype(float).mean(), g["age"].astype(float).std()) for g in (well, ill)), strict=True)
    assert found.rows[0].smd == pytest.approx(abs(means[0] - means[1]) / math.sqrt((sds[0] ** 2 + sds[1] ** 2) / 2))
    levels = variables["cp"].levels
    p, q = ([(g["cp"] == level).mean() for level in levels[1:]] for g in (well, ill))
    covariance = sum(np.diag(s) - np.outer(s, s) for s in (np.array(p), np.array(q))) / 2
    difference = np.subtract(p, q)
    assert found.rows[1].smd == pytest.approx(math.sqrt(difference @ np.linalg.solve(covariance, difference)))


def test_of_three_groups_the_largest_pairwise_difference_is_given() -> None:
    columns = sample()
    row = ask(METHOD, columns, VARIABLES, variables=["x"], by="arm").rows[0]
    ends = [columns["x"][columns["arm"] == arm] for arm in (0, 2)]
    means, sds = [e.mean() for e in ends], [e.std(ddof=1) for e in ends]
    assert row.smd == pytest.approx(difference_of_means((means[0], means[1]), (sds[0], sds[1])))


def test_rows_keep_the_order_asked_for_and_carry_labels() -> None:
    rows = ask(METHOD, sample(), VARIABLES, variables=["stage", "x"], by="arm").rows
    assert [row.variable for row in rows] == ["stage", "x"]
    assert (rows[1].label, rows[1].unit) == ("Pressure", "mmHg")


def test_without_groups_there_is_one_column_and_no_difference() -> None:
    found = ask(METHOD, sample(), VARIABLES, variables=["x", "stage"])
    assert found.groups == ("",)
    assert [len(found.rows[0].cells), len(found.rows[1].missing)] == [1, 1]
    assert found.rows[0].smd is found.rows[1].smd is None


def test_a_small_count_is_blank_and_neither_margin_nor_percentage_nor_difference_restores_it() -> None:
    columns = sample()
    in_a = np.flatnonzero(columns["arm"] == 0)
    columns["stage"][in_a] = np.where(np.arange(in_a.size) < 3, 2.0, np.arange(in_a.size) % 2)
    row = ask(METHOD, columns, VARIABLES, variables=["stage"], by="arm").rows[0]
    table = np.array([[count is None for count in level.counts] for level in row.levels])
    table = np.vstack([table, [count is None for count in row.missing]])
    assert table[2, 1]
    # Group sizes are shown, so each group with a blank has two; each level with a blank lacks two groups or more.
    assert (table.sum(axis=0)[table.any(axis=0)] >= 2).all()
    assert (table.sum(axis=1)[table.any(axis=1)] >= 2).all()
    assert row.smd is None
    for level in row.levels:
        for column in np.flatnonzero(table[:-1].any(axis=0)):
            assert level.percents[column] is None


def test_no_p_value_is_given() -> None:
    plain = json.dumps(to_plain(ask(METHOD, sample(), VARIABLES, variables=["x", "stage"], by="arm")))
    assert '"p"' not in plain
    assert '"schema": "table1/1.0"' in plain


COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=5)


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_difference_of_proportions_is_zero_only_for_equal_ones(counts: list[int], random: Any) -> None:
    if not sum(counts):
        return
    other = counts[:]
    random.shuffle(other)
    found = difference_of_proportions(counts, other)
    if found is None:
        assert sum(count > 0 for count in counts) == 1
    else:
        assert (found < 1e-6) == (counts == other)
        assert found == pytest.approx(difference_of_proportions(other, counts))


def test_a_binary_difference_is_austins() -> None:
    p, q = 0.3, 0.45
    expected = abs(p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert difference_of_proportions((1 - p, p), (1 - q, q)) == pytest.approx(expected)


def test_an_empty_level_does_not_matter() -> None:
    with_empty = difference_of_proportions((10, 0, 20), (15, 0, 15))
    assert with_empty == pytest.approx(difference_of_proportions((10, 20), (15, 15)))


def test_groups_that_do_not_vary_have_no_difference() -> None:
    assert difference_of_means((1.0, 2.0), (0.0, 0.0)) is None
    assert difference_of_proportions((10, 0), (20, 0)) is None


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(StudyError) as error:
        ask(METHOD, sample(), VARIABLES, variables=["x"], by="x")
    assert error.value.field == "by"


def test_r_facts_of_the_difference_of_proportions() -> None:
    facts = json.loads((Path(__file__).parent / "smd_facts.json").read_text())
    for fact in facts:
        assert difference_of_proportions(fact["first"], fact["second"]) == pytest.approx(fact["smd"], rel=1e-10)
