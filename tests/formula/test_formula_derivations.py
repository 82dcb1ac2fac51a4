"""Derived variables: order, declared types, and what they rest on."""

from __future__ import annotations

import numpy as np
import pytest

from hansa.errors import FormulaError, StudyError
from hansa.formula import derive_columns, derived_variables, parse_derivations, parse_expression, raw_variables
from hansa.model import Derivation, Variable

VARIABLES = {
    "age": Variable(name="age", type="number", unit="years"),
    "sex": Variable(name="sex", type="category", levels=("male", "female")),
    "born": Variable(name="born", type="date"),
}
COLUMNS = {
    "age": np.array([30.0, 50.0, np.nan, 80.0]),
    "sex": np.array([0.0, 1.0, 1.0, np.nan]),
    "born": np.array([0.0, 1.0, 2.0, 3.0]),
}


def derived(expression: str, type_: str, **more: object) -> dict[str, Derivation]:
    return {"z": Derivation.model_validate({"expression": expression, "type": type_, **more})}


def test_derivations_are_evaluated_after_those_they_need() -> None:
    derive = {
        "c": Derivation(expression="b + 1", type="number"),
        "b": Derivation(expression="a * 2", type="number"),
        "a": Derivation(expression="age / 10", type="number"),
    }
    columns, variables = derive_columns(derive, COLUMNS, VARIABLES)
    assert np.array_equal(columns["c"], [7, 11, np.nan, 17], equal_nan=True)
    assert list(variables) == ["age", "sex", "born", "a", "b", "c"]


def test_raw_variables_see_through_derivations() -> None:
    derive = parse_derivations(
        {
            "old": Derivation(expression="decades > 6 and sex == 'male'", type="boolean"),
            "decades": Derivation(expression="age / 10", type="number"),
        }
    )
    assert raw_variables(parse_expression("old or is_missing(born)"), derive) == {"age", "sex", "born"}


def test_a_circle_is_an_error_that_names_it() -> None:
    derive = {
        "a": Derivation(expression="b + 1", type="number"),
        "b": Derivation(expression="a + 1", type="number"),
    }
    with pytest.raises(FormulaError, match=r"in a circle: (a -> b -> a|b -> a -> b)"):
        parse_derivations(derive)
    with pytest.raises(FormulaError, match="in a circle"):
        raw_variables(parse_expression("a"), {"a": parse_expression("b"), "b": parse_expression("a")})


def test_declared_levels_label_the_intervals_of_cut() -> None:
    derive = derived("cut(age, 40, 60)", "category", levels=("young", "middle", "old"))
    columns, variables = derive_columns(derive, COLUMNS, VARIABLES)
    assert np.array_equal(columns["z"], [0, 1, np.nan, 2], equal_nan=True)
    assert variables["z"].levels == ("young", "middle", "old")


def test_a_derived_category_is_stored_as_positions_in_the_declared_levels() -> None:
    derive = derived("recode(sex, 'male'='m', 'female'='f')", "category", levels=("f", "m", "x"))
    columns, _variables = derive_columns(derive, COLUMNS, VARIABLES)
    assert np.array_equal(columns["z"], [1, 0, 0, np.nan], equal_nan=True)


def test_unit_and_description_come_from_the_declaration_else_from_the_expression() -> None:
    centred = derived_variables(derived("age - 50", "number", label="centred", range=(-50, 50)), VARIABLES)["z"]
    assert (centred.unit, centred.label, centred.range) == ("years", "centred", (-50, 50))
    assert derived_variables(derived("age * 12", "number", unit="months"), VARIABLES)["z"].unit == "months"


@pytest.mark.parametrize(
    ("expression", "declared"),
    [
        ("age > 3", "number"),
        ("round(age)", "number"),
        ("age > 3", "integer"),
        ("age > 3", "boolean"),
        ("born", "date"),
    ],
)
def test_a_declared_type_may_be_wider_than_the_found_one(expression: str, declared: str) -> None:
    assert derived_variables(derived(expression, declared), VARIABLES)["z"].type == declared


@pytest.mark.parametrize(
    ("derive", "message", "advice"),
    [
        (derived("age", "integer"), "declared as integer", "type: number"),
        (derived("age", "boolean"), "declared as boolean", "type: number"),
        (derived("sex", "number"), "declared as number", "type: category"),
        (derived("age", "category", levels=("a", "b")), "declared as category", "type: number"),
        (derived("sex", "category", levels=("male",)), "'female' is not a declared level", "[male, female]"),
        (derived("case(age > 3, 'a', 'b')", "category", levels=("a",)), "'b' is not", "[a, b]"),
        (derived("cut(age, 40)", "category", levels=("a",)), "another number of intervals", "2 levels"),
        (derived("agee", "number"), "no variable agee", "age"),
    ],
)
def test_a_declaration_that_disagrees_is_refused(derive: dict[str, Derivation], message: str, advice: str) -> None:
    with pytest.raises(FormulaError) as caught:
        derived_variables(derive, VARIABLES)
    assert message in caught.value.what
    assert advice in caught.value.fix
    assert caught.value.field == "derive.z.expression"


@pytest.mark.parametrize("name", ["age", "and", "else"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    with pytest.raises(FormulaError, match="the derived variable"):
        derived_variables({name: Derivation(expression="age", type="number")}, VARIABLES)


def test_a_range_that_is_none_is_an_error_of_the_study() -> None:
    with pytest.raises(StudyError):
        derived_variables(derived("age", "number", range=(5, 1)), VARIABLES)
