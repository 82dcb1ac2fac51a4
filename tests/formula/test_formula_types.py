"""Static types: what fits the dictionary, and what is suggested where it does not."""

from __future__ import annotations

import pytest

from hansa.errors import FormulaError
from hansa.formula import ExprType, check_condition, check_expression, parse_expression
from hansa.formula.tree import Call, Comparison, Items, Name, Number
from hansa.model import Variable

VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(name="age", type="number", unit="years"),
        Variable(name="visits", type="integer"),
        Variable(name="smoker", type="boolean"),
        Variable(name="sex", type="category", levels=("male", "female")),
        Variable(name="partner_sex", type="category", levels=("female", "male", "other")),
        Variable(name="stage", type="category", levels=("1", "2")),
        Variable(name="born", type="date"),
        Variable(name="died", type="date"),
    )
}


def typed(text: str) -> ExprType:
    return check_expression(parse_expression(text, field="derive.x"), VARIABLES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age", ExprType("number", unit="years")),
        ("age - 50", ExprType("number", unit="years")),
        ("age / 10", ExprType("number")),
        ("visits + 1", ExprType("integer")),
        ("visits * smoker", ExprType("integer")),
        ("visits / 2", ExprType("number")),
        ("visits ^ 2", ExprType("number")),
        ("-visits", ExprType("integer")),
        ("round(age)", ExprType("integer", unit="years")),
        ("round(age, 1)", ExprType("number", unit="years")),
        ("days(born, died)", ExprType("integer", unit="days")),
        ("year(born)", ExprType("integer", unit="year")),
        ("min(born, died)", ExprType("date")),
        ("coalesce(born, died)", ExprType("date")),
        ("smoker and age > 3", ExprType("boolean")),
        ("is_missing(sex)", ExprType("boolean")),
        ("sex", ExprType("category", ("male", "female"))),
        ("cut(age, 40, 60.5)", ExprType("category", ("<40", "40 to <60.5", ">=60.5"))),
        ("case(smoker, 'yes', age > 3, 'no')", ExprType("category", ("yes", "no"))),
        ("case(smoker, 1, 2)", ExprType("integer")),
        ("coalesce(sex, 'unknown')", ExprType("category", ("male", "female", "unknown"))),
        ("recode(sex, 'male'='m', else='f')", ExprType("category", ("m", "f"))),
        ("recode(visits, 0=10, 1=2.5)", ExprType("number")),
        ("recode(stage, '1'=true, else=false)", ExprType("boolean")),
    ],
)
def test_the_type_follows_from_the_dictionary(text: str, expected: ExprType) -> None:
    assert typed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "sex == 'female'",
        "'female' == sex",
        "sex == partner_sex",
        "smoker == true",
        "smoker == 'true'",
        "smoker == 1",
        "born < '2020-01-31'",
        "'2020-01-31' <= born < died",
        "sex in ('male', 'female')",
        "born in ('2020-01-31')",
        "days('2020-01-31', born) > 0",
    ],
)
def test_comparisons_that_fit(text: str) -> None:
    assert typed(text).type == "boolean"


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("agee > 3", "no variable agee", "write age"),
        ("quux > 3", "no variable quux", "dictionary"),
        ("sex == 'femal'", "not a declared level", "'female'"),
        ("sex == 'x'", "not a declared level", "'male', 'female'"),
        ("sex in ('male', 'fem')", "not a declared level", "'female'"),
        ("smoker == 'yes'", "not a declared level", "'false', 'true'"),
        ("sex == 1", "a category is compared with an integer", "quoted"),
        ("stage == 1", "a category is compared with an integer", "'1'"),
        ("age == 'old'", "a number is compared with a category", "quoted"),
        ("born > 3", "a date is compared with an integer", "2020-01-31"),
        ("born > '2020-02-30'", "not a date", "year, month and day"),
        ("born > '31.1.2020'", "not a date", "year, month and day"),
        ("sex < 'male'", "no order", "in ("),
        ("sex == stage", "share no level", ""),
        ("sex + 1", "a number is expected", "recode"),
        ("died - born", "a number is expected", "days(from, to)"),
        ("not age", "a condition is expected", "compare"),
        ("age and smoker", "a condition is expected", "compare"),
        ("case(age, 1, 2)", "a condition is expected", "compare"),
        ("case(smoker, 1, 'a')", "different types", ""),
        ("min(sex, sex)", "has no min", "numbers or dates"),
        ("year(age)", "a date is expected", ""),
        ("cut(age, 60, 40)", "breaks rise", ""),
        ("cut(age, visits)", "a number written out", ""),
        ("round(age, 0.5)", "digits", ""),
        ("recode(sex, 'mal'='m')", "not a declared level", "'male'"),
        ("recode(sex, 'male'='m', 'male'='n')", "replaced twice", ""),
    ],
)
def test_what_does_not_fit_is_refused_with_advice(text: str, message: str, advice: str) -> None:
    with pytest.raises(FormulaError) as caught:
        typed(text)
    assert message in caught.value.what
    assert advice in caught.value.fix
    assert "^" in str(caught.value).splitlines()[-1]


def test_a_population_that_is_a_number_is_refused() -> None:
    with pytest.raises(FormulaError, match="a condition is expected"):
        check_condition(parse_expression("age + 1"), VARIABLES)


def test_trees_built_by_hand_are_checked_and_shown_as_their_own_text() -> None:
    with pytest.raises(FormulaError) as caught:
        check_expression(Comparison((Name("agee"), Number(3.0)), ("<",)), VARIABLES)
    assert str(caught.value).splitlines()[-2] == "    agee"


@pytest.mark.parametrize("tree", [Call("ns", (Name("age"),)), Items((Number(1.0), Number(2.0)))])
def test_what_is_no_expression_has_no_type(tree: Call | Items) -> None:
    with pytest.raises(FormulaError):
        check_expression(tree, VARIABLES)


def test_checking_nested_comparisons_takes_linear_time() -> None:
    text = "age"
    for _ in range(60):
        text = f"({text} in (1, 2, 3))"
    assert typed(text).type == "boolean"
