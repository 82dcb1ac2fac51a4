"""Pooled facts: what a formula needs, and what is refused when it comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import FormulaError
from hansa.formula import (
    Fact,
    KnotFact,
    LevelFact,
    Need,
    PolyFact,
    design_needs,
    facts_from_plain,
    facts_to_plain,
    knot_fact,
    parse_formula,
    resolve_design,
)
from hansa.model import Variable

VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(name="y", type="number"),
        Variable(name="age", type="number", range=(20, 90)),
        Variable(name="crp", type="number"),
        Variable(name="sex", type="category", levels=("male", "female")),
        Variable(name="smoker", type="boolean"),
        Variable(name="born", type="date"),
    )
}


def needs(text: str) -> tuple[Need, ...]:
    return design_needs(parse_formula(text), VARIABLES)


def only(text: str) -> Need:
    (need,) = needs(text)
    return need


def test_plain_numbers_need_nothing() -> None:
    assert needs("y ~ age + log(crp) + I(age^2) + age:crp") == ()


def test_each_category_and_condition_needs_its_levels_once() -> None:
    found = needs("y ~ sex*smoker + C(sex, ref='female') + I(age > 60)")
    assert [need.key for need in found] == ["levels(sex)", "levels(smoker)", "levels(age > 60)"]
    assert found[2].levels == ("false", "true")


@pytest.mark.parametrize(
    ("text", "probabilities", "boundary"),
    [
        ("ns(age, df=4)", (0.25, 0.5, 0.75), (20, 90)),
        ("ns(age, 4)", (0.25, 0.5, 0.75), (20, 90)),
        ("bs(age, df=5)", (1 / 3, 2 / 3), (20, 90)),
        ("bs(age, df=4, degree=2)", (1 / 3, 2 / 3), (20, 90)),
        ("ns(crp, df=1)", (0.05, 0.95), None),
        ("ns(crp, df=3)", (0.05, 0.35, 0.65, 0.95), None),
        ("ns(log(age), df=2)", (0.05, 0.5, 0.95), None),
        ("ns(crp, df=2, boundary=(0, 9))", (0.5,), (0, 9)),
        ("ns(crp, knots=3)", (0.05, 0.95), None),
    ],
)
def test_splines_need_quantiles_by_the_rule_of_r_and_never_extremes(
    text: str, probabilities: tuple[float, ...], boundary: tuple[float, float] | None
) -> None:
    need = only(f"y ~ {text}")
    assert need.kind == "quantiles"
    assert need.probabilities == pytest.approx(probabilities)
    assert need.boundary == boundary
    assert all(0 < probability < 1 for probability in need.probabilities)


@pytest.mark.parametrize("text", ["ns(age, knots=(40, 60))", "bs(crp, knots=(1, 2), boundary=(0, 9))", "ns(age, df=1)"])
def test_splines_with_all_knots_given_need_nothing(text: str) -> None:
    assert needs(f"y ~ {text}") == ()


def test_polynomials_need_their_recurrence() -> None:
    need = only("y ~ poly(crp, 3)")
    assert (need.kind, need.degree, need.key) == ("poly", 3, "poly(crp, 3)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ ns(age, df=0)", "df is a whole number"),
        ("y ~ ns(age, df=2.5)", "df is a whole number"),
        ("y ~ bs(age, df=2)", "df is a whole number from 3"),
        ("y ~ bs(age, degree=0)", "degree is a whole number"),
        ("y ~ poly(age, 99)", "degree is a whole number"),
        ("y ~ ns(age, df=3, knots=(40, 60))", "both given"),
        ("y ~ ns(age, knots=(60, 40))", "do not rise"),
        ("y ~ ns(age, knots=(10, 40))", "do not rise"),
        ("y ~ ns(sex, df=2)", "a number is expected"),
        ("y ~ C(age)", "C() takes a category"),
        ("y ~ C(sex, ref='femal')", "not a declared level"),
        ("y ~ born", "a date is not a term"),
        ("born ~ age", "the response is"),
        ("y ~ offset(sex)", "a number is expected"),
        ("y ~ agee", "no variable agee"),
        ("yy ~ age", "no variable yy"),
    ],
)
def test_formulas_that_do_not_fit_the_dictionary_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        needs(text)
    assert message in caught.value.what
    assert "^" in str(caught.value)


def test_pooled_quantiles_become_knots() -> None:
    assert knot_fact(only("y ~ ns(crp, df=3)"), (1, 2, 3, 4)) == KnotFact((2.0, 3.0), (1.0, 4.0))
    assert knot_fact(only("y ~ ns(age, df=3)"), (40, 60)) == KnotFact((40.0, 60.0), (20.0, 90.0))
    assert knot_fact(only("y ~ ns(crp, knots=3)"), (1, 4)) == KnotFact((3.0,), (1.0, 4.0))


@pytest.mark.parametrize("quantiles", [(40, 40), (60, 40), (10, 40), (40, 95)])
def test_quantiles_that_coincide_or_leave_the_range_are_refused(quantiles: tuple[float, float]) -> None:
    with pytest.raises(FormulaError, match="do not rise"):
        knot_fact(only("y ~ ns(age, df=3)"), quantiles)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("ns(age, df=3)", LevelFact((True, True))),
        ("ns(age, df=3)", KnotFact((40.0,), (20.0, 90.0))),
        ("ns(age, df=3)", KnotFact((40.0, 60.0), (10.0, 90.0))),
        ("ns(age, df=3)", KnotFact((40.0, float("nan")), (20.0, 90.0))),
        ("ns(crp, knots=3)", KnotFact((2.0,), (1.0, 9.0))),
        ("ns(crp, df=2)", KnotFact((2.0,), (1.0, float("inf")))),
        ("poly(age, 2)", PolyFact((1.0,), (1.0, 9.0, 9.0))),
        ("poly(age, 2)", PolyFact((1.0, 2.0), (1.0, 9.0, 9.0, 0.0))),
        ("poly(age, 2)", PolyFact((1.0, float("nan")), (1.0, 9.0, 9.0, 1.0))),
        ("sex", LevelFact((True, True, True))),
        ("sex", LevelFact((True, False))),
        ("sex", KnotFact((), (0.0, 1.0))),
    ],
)
def test_facts_that_do_not_answer_the_need_are_refused(text: str, fact: Fact) -> None:
    formula = parse_formula(f"y ~ {text}")
    key = only(f"y ~ {text}").key
    with pytest.raises(FormulaError) as caught:
        resolve_design(formula, VARIABLES, {key: fact})
    assert caught.value.field == f"facts.{key}"


def test_a_missing_fact_is_named() -> None:
    with pytest.raises(FormulaError, match=r"facts.levels\(sex\): a pooled fact is missing"):
        resolve_design(parse_formula("y ~ sex"), VARIABLES, {})


finite = st.floats(allow_nan=False, allow_infinity=False)
some = st.lists(finite, max_size=4).map(tuple)
facts = st.one_of(
    st.builds(KnotFact, some, st.tuples(finite, finite)),
    st.builds(PolyFact, some, some),
    st.lists(st.booleans(), max_size=4).map(tuple).map(LevelFact),
)


@given(st.dictionaries(st.text(max_size=5), facts, max_size=3))
def test_facts_survive_the_wire(found: dict[str, Fact]) -> None:
    assert facts_from_plain(facts_to_plain(found)) == found


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {1: {"present": [True]}},
        {"k": None},
        {"k": {}},
        {"k": {"present": [1]}},
        {"k": {"present": "ab"}},
        {"k": {"present": [True], "more": 1}},
        {"k": {"knots": [1], "boundary": [0]}},
        {"k": {"knots": 1, "boundary": [0, 1]}},
        {"k": {"knots": ["1"], "boundary": [0, 1]}},
        {"k": {"knots": [True], "boundary": [0, 1]}},
        {"k": {"knots": [float("nan")], "boundary": [0, 1]}},
        {"k": {"knots": [10**400], "boundary": [0, 1]}},
        {"k": {"alpha": [0.5], "norm2": [float("inf")]}},
        {"k": {"knots": [1.0], "boundary": [0.0, 1.0], "alpha": []}},
    ],
)
def test_plain_data_that_are_no_facts_are_refused(plain: Any) -> None:
    with pytest.raises(FormulaError, match="cannot be read"):
        facts_from_plain(plain)
