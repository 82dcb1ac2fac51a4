"""Designs: layouts and values against R's model.matrix, names, dropped levels, responses."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hansa.errors import FormulaError
from hansa.formula import (
    Design,
    Fact,
    FloatArray,
    LevelFact,
    PolyFact,
    design_matrix,
    design_needs,
    evaluate,
    offset,
    parse_derivations,
    parse_expression,
    parse_formula,
    resolve_design,
    response,
)
from hansa.model import Derivation, Variable

R = json.loads(Path(__file__).with_name("r_facts.json").read_text())
COLUMNS: dict[str, FloatArray] = {name: np.array(values, dtype=float) for name, values in R["data"].items()}
VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(name="y", type="number"),
        Variable(name="x", type="number", range=(20, 90)),
        Variable(name="z", type="number"),
        Variable(name="a", type="category", levels=("p", "q", "r")),
        Variable(name="b", type="category", levels=("u", "v")),
        Variable(name="t", type="boolean"),
        Variable(name="one", type="category", levels=("only",)),
    )
}
EVERYTHING: dict[str, Fact] = {
    "levels(a)": LevelFact((True, True, True)),
    "levels(b)": LevelFact((True, True)),
    "levels(t)": LevelFact((True, True)),
    "levels(x > 50)": LevelFact((True, True)),
}
NAN = np.nan
POLY = PolyFact((0.5, 0.25), (1.0, 12.0, 5.0, 3.0))


def plain(name: str) -> str:
    """A column's name without brackets and spaces, which R does not write."""
    return name.translate(str.maketrans("", "", "[] "))


def resolved(text: str, **facts: Fact) -> Design:
    return resolve_design(parse_formula(text), VARIABLES, {**EVERYTHING, **facts})


@pytest.mark.parametrize("fact", R["designs"], ids=lambda fact: fact["formula"])
def test_the_design_is_that_of_r(fact: dict[str, Any]) -> None:
    design = resolved(fact["formula"])
    matrix = design_matrix(design, COLUMNS, VARIABLES)
    assert matrix.flags.c_contiguous
    assert matrix.shape == (12, design.width) == np.shape(fact["values"])
    assert [plain(name) for name in design.names] == [plain(name) for name in fact["columns"]]
    assert [plain(name) for name in design.terms if name != "(Intercept)"] == [plain(name) for name in fact["labels"]]
    np.testing.assert_allclose(matrix, fact["values"], rtol=1e-15)


def test_names_terms_and_meanings() -> None:
    design = resolved("y ~ x + t*a")
    assert design.names == ("(Intercept)", "x", "t[true]", "a[q]", "a[r]", "t[true]:a[q]", "t[true]:a[r]")
    assert design.terms == ("(Intercept)", "x", "t", "a", "t:a")
    assert [column.term for column in design.columns] == [0, 1, 2, 3, 3, 4, 4]
    assert design.columns[5].expression == "(t == 'true') * (a == 'q')"
    assert [column.two_valued for column in design.columns] == [False, False, True, True, True, True, True]
    assert design.columns[5].raw == {"t", "a"}


def test_without_intercept_terms_count_from_the_first() -> None:
    design = resolved("y ~ a + x - 1")
    assert design.terms == ("a", "x")
    assert [design.terms[column.term] for column in design.columns] == ["a", "a", "a", "x"]


def test_every_expression_that_is_no_basis_gives_its_column() -> None:
    design = resolved("y ~ x*a*b + I(x > 50) + log(x) + I(z^2):t - 1")
    columns = {**COLUMNS, "t": (COLUMNS["z"] > 0).astype(float)}
    matrix = design_matrix(design, columns, VARIABLES)
    for number, column in enumerate(design.columns):
        expected = evaluate(parse_expression(column.expression), columns, VARIABLES)
        np.testing.assert_allclose(matrix[:, number], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", False),
        ("a", False),
        ("C(a, ref='q')", False),
        ("I(x)", False),
        ("x:a", False),
        ("x:z", False),
        ("log(x)", True),
        ("I(x > 50)", True),
        ("I(x > 50):a", True),
        ("ns(x, knots=50)", True),
        ("w", True),
        ("w:a", True),
    ],
)
def test_derived_columns_are_told_from_plain_ones(text: str, expected: bool) -> None:
    derive = parse_derivations({"w": Derivation(expression="x + z", type="number")})
    variables = {**VARIABLES, "w": Variable(name="w", type="number")}
    design = resolve_design(parse_formula(f"y ~ {text}"), variables, EVERYTHING, derive)
    assert {column.derived for column in design.columns[1:]} == {expected}
    if "w" in text:
        assert design.columns[1].raw >= {"x", "z"}


def test_levels_that_occur_nowhere_are_dropped() -> None:
    design = resolved("y ~ a*x", **{"levels(a)": LevelFact((True, False, True))})
    assert design.names == ("(Intercept)", "a[r]", "x", "a[r]:x")
    assert design.dropped_levels == {"a": ("q",)}


def test_the_first_level_that_occurs_replaces_an_empty_reference() -> None:
    absent_first = {"levels(a)": LevelFact((False, True, True))}
    assert resolved("y ~ a", **absent_first).names == ("(Intercept)", "a[r]")
    assert resolved("y ~ C(a, ref='p')", **absent_first).names == ("(Intercept)", "C(a, ref='p')[r]")


def test_the_reference_can_be_chosen() -> None:
    assert resolved("y ~ C(a, ref='q')").names == ("(Intercept)", "C(a, ref='q')[p]", "C(a, ref='q')[r]")
    assert resolved("y ~ C(a, ref='q') - 1").names[0] == "C(a, ref='q')[q]"


def test_a_category_of_one_level_is_refused() -> None:
    with pytest.raises(FormulaError, match="fewer than two levels"):
        resolved("y ~ one", **{"levels(one)": LevelFact((True,))})


def test_missing_values_stay_in_their_row_and_absent_levels_are_missing() -> None:
    design = resolved("y ~ x + a + x:a", **{"levels(a)": LevelFact((True, True, False))})
    columns = {"x": np.array([1.0, NAN, 2.0, 3.0]), "a": np.array([1.0, 0.0, NAN, 2.0])}
    expected = [[1, 1, 1, 1], [1, NAN, 0, NAN], [1, 2, NAN, NAN], [1, 3, NAN, NAN]]
    np.testing.assert_array_equal(design_matrix(design, columns, VARIABLES), expected)


def test_products_that_overflow_are_missing() -> None:
    design = resolved("y ~ x:z + bs(x, knots=50) + poly(z, 2)", **{"poly(z, 2)": POLY})
    columns = {"x": np.array([1e200]), "z": np.array([1e200])}
    matrix = design_matrix(design, columns, VARIABLES)
    assert np.isnan(matrix[0, design.names.index("x:z")])
    assert not np.isinf(matrix).any()


def test_the_number_of_rows_can_be_told() -> None:
    assert design_matrix(resolved("~ 1"), {}, VARIABLES, rows=3).tolist() == [[1], [1], [1]]
    assert design_matrix(resolved("~ 0"), {}, VARIABLES, rows=3).shape == (3, 0)
    assert offset(parse_formula("~ 1"), {}, VARIABLES, rows=2).tolist() == [0, 0]


def test_a_design_resolves_again_from_its_own_facts() -> None:
    formula = parse_formula("y ~ ns(x, knots=50)*a + I(x > 50)")
    design = resolve_design(formula, VARIABLES, EVERYTHING)
    assert resolve_design(formula, VARIABLES, design.facts) == design
    assert len(design.facts) == 3


def test_bases_are_named_and_counted() -> None:
    design = resolved("y ~ ns(x, knots=(40, 60)) + bs(x, degree=2)")
    assert design.names[1:] == (
        "ns(x, knots=(40, 60))1",
        "ns(x, knots=(40, 60))2",
        "ns(x, knots=(40, 60))3",
        "bs(x, degree=2)1",
        "bs(x, degree=2)2",
    )
    assert design.columns[1].expression == "ns(x, knots=(40, 60))[1]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ x", [1.5, 0, NAN]),
        ("log(y) ~ x", [np.log(1.5), NAN, NAN]),
        ("y > 1 ~ x", [1, 0, NAN]),
        ("b ~ x", [1, 0, NAN]),
        ("b == 'u' ~ x", [0, 1, NAN]),
        ("t ~ x", [0, 1, NAN]),
        ("a == 'r' ~ x", [0, 1, NAN]),
    ],
)
def test_responses(text: str, expected: list[float]) -> None:
    columns = {
        "y": np.array([1.5, 0, NAN]),
        "b": np.array([1, 0, NAN]),
        "t": np.array([0, 1, NAN]),
        "a": np.array([0, 2, NAN]),
    }
    np.testing.assert_array_equal(response(parse_formula(text), columns, VARIABLES), expected)


def test_a_response_of_three_levels_is_refused_with_advice() -> None:
    with pytest.raises(FormulaError, match="compare it: a == 'p'"):
        response(parse_formula("a ~ x"), COLUMNS, VARIABLES)
    with pytest.raises(FormulaError, match="no response"):
        response(parse_formula("~ x"), COLUMNS, VARIABLES)


def test_offsets_add_up() -> None:
    found = offset(parse_formula("y ~ z + offset(log(x)) + offset(z * 2)"), COLUMNS, VARIABLES)
    np.testing.assert_allclose(found, np.log(COLUMNS["x"]) + 2 * COLUMNS["z"])


def test_designs_are_limited_in_width() -> None:
    levels = tuple(f"l{number}" for number in range(60))
    wide = {name: Variable(name=name, type="category", levels=levels) for name in ("u", "v")}
    facts: dict[str, Fact] = {f"levels({name})": LevelFact((True,) * 60) for name in wide}
    with pytest.raises(FormulaError, match="too many columns"):
        resolve_design(parse_formula("~ u*v"), wide, facts)


def test_chunks_give_the_same_rows_as_the_whole() -> None:
    formula = parse_formula("y ~ ns(x, knots=50)*a + poly(z, 2) + cut(x, 40, 60)")
    facts = {**EVERYTHING, "levels(cut(x, 40, 60))": LevelFact((True, True, True))}
    facts |= {need.key: POLY for need in design_needs(formula, VARIABLES) if need.kind == "poly"}
    design = resolve_design(formula, VARIABLES, facts)
    whole = design_matrix(design, COLUMNS, VARIABLES)
    parts = [
        design_matrix(design, {name: column[part] for name, column in COLUMNS.items()}, VARIABLES)
        for part in (slice(0, 5), slice(5, 5), slice(5, 12))
    ]
    np.testing.assert_array_equal(np.vstack(parts), whole)


@pytest.mark.parametrize("text", ["y ~ a*b", "y ~ a*b - a", "y ~ a:b - 1", "y ~ x*a", "y ~ a + b - 1"])
def test_coding_has_full_rank_on_a_full_grid(text: str) -> None:
    cells = np.array(list(product(range(3), range(2), (1.0, 2.0, 4.0))))
    columns = {"a": cells[:, 0], "b": cells[:, 1], "x": cells[:, 2]}
    matrix = design_matrix(resolved(text), columns, VARIABLES)
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1]
