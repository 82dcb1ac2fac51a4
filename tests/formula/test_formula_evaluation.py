"""Expressions over columns: missing values, three-valued logic, functions."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import FormulaError
from hansa.formula import FloatArray, evaluate, parse_expression, population
from hansa.model import Variable

NAN = math.nan
VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(name="x", type="number"),
        Variable(name="y", type="number"),
        Variable(name="p", type="boolean"),
        Variable(name="q", type="boolean"),
        Variable(name="sex", type="category", levels=("male", "female")),
        Variable(name="other", type="category", levels=("female", "male", "none")),
        Variable(name="born", type="date"),
    )
}


def value(text: str, **columns: list[float]) -> list[float]:
    arrays = {name: np.array(column, dtype=float) for name, column in columns.items()}
    return [float(one) for one in evaluate(parse_expression(text), arrays, VARIABLES)]


def same(found: list[float], expected: list[float]) -> bool:
    return bool(np.array_equal(np.array(found), np.array(expected), equal_nan=True))


@pytest.mark.parametrize(
    ("p", "q", "both", "either"),
    [
        (1, 1, 1, 1),
        (1, 0, 0, 1),
        (1, NAN, NAN, 1),
        (0, 1, 0, 1),
        (0, 0, 0, 0),
        (0, NAN, 0, NAN),
        (NAN, 1, NAN, 1),
        (NAN, 0, 0, NAN),
        (NAN, NAN, NAN, NAN),
    ],
)
def test_and_or_follow_the_three_valued_table(p: float, q: float, both: float, either: float) -> None:
    assert same(value("p and q", p=[p], q=[q]), [both])
    assert same(value("p or q", p=[p], q=[q]), [either])


def test_not_of_missing_is_missing() -> None:
    assert same(value("not p", p=[1, 0, NAN]), [0, 1, NAN])


def test_a_population_keeps_only_rows_that_are_true() -> None:
    kept = population(parse_expression("x > 1"), {"x": np.array([0.0, 2.0, NAN])}, VARIABLES)
    assert kept.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 1", [2, 0, NAN]),
        ("-x * 2 - 1", [-3, 1, NAN]),
        ("1 / (x + 1)", [0.5, NAN, NAN]),
        ("log(x)", [0, NAN, NAN]),
        ("sqrt(x)", [1, NAN, NAN]),
        ("x ^ 0.5", [1, NAN, NAN]),
        ("x ^ 0", [1, 1, NAN]),
        ("1 ^ x", [1, 1, NAN]),
        ("exp(x * 1000)", [NAN, 0, NAN]),
        ("abs(x)", [1, 1, NAN]),
        ("is_missing(x)", [0, 0, 1]),
        ("is_missing(log(x))", [0, 1, 1]),
        ("coalesce(x, 7)", [1, -1, 7]),
        ("min(x, 0)", [0, -1, NAN]),
        ("max(x, 0)", [1, 0, NAN]),
        ("-1 <= x < 1", [0, 1, NAN]),
        ("x in (1, 2)", [1, 0, NAN]),
        ("x not in (1, 2)", [0, 1, NAN]),
        ("x != 1", [0, 1, NAN]),
        ("recode(x, 1=10)", [10, NAN, NAN]),
        ("recode(x, 1=10, else=0)", [10, 0, NAN]),
        ("cut(x, -1, 0, 1)", [3, 1, NAN]),
        ("case(x > 0, 5, x < 0, 6)", [5, 6, NAN]),
        ("case(is_missing(x), 0, x > 0, 5, 6)", [5, 6, 0]),
        ("case(x > 5, 1, 2)", [2, 2, NAN]),
        ("round(x / 3, 2)", [0.33, -0.33, NAN]),
        ("true", [1, 1, 1]),
        ("x == 1 or true", [1, 1, 1]),
    ],
)
def test_numbers(text: str, expected: list[float]) -> None:
    assert same(value(text, x=[1, -1, NAN]), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sex == 'female'", [0, 1, NAN]),
        ("'female' == sex", [0, 1, NAN]),
        ("sex != 'female'", [1, 0, NAN]),
        ("sex == other", [1, 0, NAN]),
        ("sex in ('male', 'female')", [1, 1, NAN]),
        ("coalesce(sex, 'unknown')", [0, 1, 2]),
        ("recode(sex, 'female'='f', 'male'='m')", [1, 0, NAN]),
        ("case(sex == 'male', other, 'none')", [1, 2, NAN]),
    ],
)
def test_categories_meet_by_level_and_not_by_position(text: str, expected: list[float]) -> None:
    assert same(value(text, sex=[0, 1, NAN], other=[1, 2, 0]), expected)


def test_cut_is_closed_on_the_left() -> None:
    assert value("cut(x, 40, 60)", x=[39.9, 40, 59.9, 60]) == [0, 1, 1, 2]


@given(st.dates(dt.date(1700, 1, 1), dt.date(2300, 1, 1)))
def test_dates_are_days_since_1970(date: dt.date) -> None:
    day = float((date - dt.date(1970, 1, 1)).days)
    assert value(f"born == '{date}'", born=[day]) == [1]
    assert value("year(born)", born=[day, NAN])[0] == date.year
    assert value(f"days('{date}', born)", born=[day + 5]) == [5]
    assert value(f"born in ('{date}')", born=[day + 5]) == [0]


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=4),
    st.sampled_from(
        ["x / y", "x ^ y", "exp(x)", "x * y", "log(x) / sqrt(y)", "y - x", "abs(x) ^ 9 * 2", "round(x, 12)"]
    ),
)
def test_no_infinity_arises_and_missing_propagates(column: list[float], text: str) -> None:
    found = np.array(value(text, x=column, y=column[::-1]))
    assert not np.isinf(found).any()
    assert np.isnan(found[np.isnan(column)]).all()


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, NAN])] * 2), min_size=1, max_size=6))
def test_de_morgan_holds_with_missing_values(rows: list[tuple[float, float]]) -> None:
    p, q = ([row[side] for row in rows] for side in (0, 1))
    assert same(value("not (p and q)", p=p, q=q), value("not p or not q", p=p, q=q))


numbers = st.sampled_from(["x", "y", "1", "0", "-2.5", "1e300", "p", "year(born)", "days('2000-01-01', born)"])
categories = st.sampled_from(["sex", "other", "'male'", "recode(sex, 'male'='none', else='male')", "cut(x, 0)"])
conditions = st.sampled_from(["p", "true", "x > y", "sex == other", "born < '1970-01-02'", "is_missing(sex)"])


def deeper(kinds: tuple[st.SearchStrategy[str], ...]) -> tuple[st.SearchStrategy[str], ...]:
    number, category, condition = kinds
    pairs = st.tuples(number, st.sampled_from("+-*/^"), number).map("({0[0]} {0[1]} {0[2]})".format)
    calls = st.tuples(st.sampled_from(["log", "exp", "sqrt", "abs", "round"]), number).map("{0[0]}({0[1]})".format)
    both = st.tuples(condition, st.sampled_from(["and", "or"]), condition).map("({0[0]} {0[1]} {0[2]})".format)
    cases = "case({0[0]}, {0[1]}, {0[2]})".format
    return (
        st.one_of(pairs, calls, st.tuples(condition, number, number).map(cases), number),
        st.one_of(st.tuples(condition, category, category).map(cases), category),
        st.one_of(both, condition.map("(not {})".format), number.map("({} in (0, 1))".format), condition),
    )


any_expression = st.one_of(*deeper(deeper(deeper((numbers, categories, conditions)))))
any_cell = st.sampled_from([0.0, 1.0, NAN])


@given(any_expression, st.lists(st.tuples(*[any_cell] * 7), min_size=1, max_size=4))
def test_what_is_well_typed_evaluates_row_by_row_without_infinities(text: str, rows: list[tuple[float, ...]]) -> None:
    columns = {name: np.array([row[at] for row in rows]) for at, name in enumerate(VARIABLES)}
    tree = parse_expression(text)
    whole = evaluate(tree, columns, VARIABLES)
    single = [
        evaluate(tree, {name: c[at : at + 1] for name, c in columns.items()}, VARIABLES) for at in range(len(rows))
    ]
    assert whole.shape == (len(rows),)
    assert not np.isinf(whole).any()
    np.testing.assert_allclose(whole, np.concatenate(single), rtol=1e-12)


def test_a_column_that_was_not_supplied_is_named() -> None:
    with pytest.raises(FormulaError, match="column y was not supplied"):
        value("x + y", x=[1])


def test_columns_are_not_changed() -> None:
    column: FloatArray = np.array([1.0, 2.0])
    evaluate(parse_expression("x * 2 + 1"), {"x": column}, VARIABLES)
    assert column.tolist() == [1, 2]


def test_no_rows_give_no_rows() -> None:
    assert value("recode(sex, 'male'=1, else=2)", sex=[]) == []
    assert value("year(born) > 3 and x in (1, 2)", born=[], x=[]) == []


def test_nested_comparisons_are_evaluated_once_each() -> None:
    text = "x"
    for _ in range(60):
        text = f"recode({text}, 1=2, 2=1, else=3)"
    assert value(text, x=[1.0]) == [1.0]
