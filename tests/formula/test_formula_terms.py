"""The algebra of terms, as in R."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hansa.errors import FormulaError
from hansa.formula import Formula, parse_formula, parse_mixed_formula

ATOMS = ["a", "b", "c", "I(a > 1)", "ns(b, df=3)", "C(d, ref='x')", "log(e)"]


def combined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, st.sampled_from([" + ", ":", "*", " - "]), children)
    return st.one_of(
        pair.map("".join),
        children.map("({})".format),
        st.tuples(children, children).map("({0[0]} + {0[1]} + f)^2".format),
    )


sides = st.recursive(st.sampled_from(ATOMS), combined, max_leaves=6)


@given(
    st.sampled_from(["y", "log(y)", "y == 'a'", ""]),
    sides,
    st.sampled_from(["", " - 1", " + 0", " + offset(log(t))"]),
)
def test_canonical_text_parses_to_the_equal_formula(left: str, right: str, end: str) -> None:
    try:
        formula = parse_formula(f"{left} ~ {right}{end}")
    except FormulaError as error:
        assume("changes nothing" not in error.what)
        raise
    assert parse_formula(str(formula)) == formula
    assert str(parse_formula(str(formula))) == str(formula)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("y ~ a*b", "y ~ a + b + a:b"),
        ("y ~ a*b*c - a:b:c", "y ~ a + b + c + a:b + a:c + b:c"),
        ("y ~ (a+b+c)^2", "y ~ a + b + c + a:b + a:c + b:c"),
        ("y ~ (a+b+c)^3", "y ~ a + b + c + a:b + a:c + b:c + a:b:c"),
        ("y ~ (a + b):c", "y ~ a:c + b:c"),
        ("y ~ a:b + a", "y ~ a + a:b"),
        ("y ~ a + a + b:a + a:b", "y ~ a + b:a"),
        ("y ~ a*b - a", "y ~ b + a:b"),
        ("y ~ a:b + c + b:a:c", "y ~ c + a:b + b:a:c"),
        ("y ~ a:a", "y ~ a"),
        ("y ~ a + b - a", "y ~ b"),
        ("y ~ a - 1", "y ~ a + 0"),
        ("y ~ 0 + a", "y ~ a + 0"),
        ("y ~ -1 + a", "y ~ a + 0"),
        ("y ~ a + 0 + 1", "y ~ a"),
        ("y ~ 1", "y ~ 1"),
        ("y ~ 0", "y ~ 0"),
        ("~ a", "~ a"),
        ("log(y + 1) ~ I(a^2) + exp(b)", "log(y + 1) ~ I(a ^ 2) + exp(b)"),
        ("y ~ a + offset(log(t)) + offset(u)", "y ~ a + offset(log(t)) + offset(u)"),
        ("y ~ ns(x, knots=(1,2), boundary=(0,3))", "y ~ ns(x, knots=(1, 2), boundary=(0, 3))"),
    ],
)
def test_expansion(text: str, canonical: str) -> None:
    assert str(parse_formula(text)) == canonical


def test_the_parts_of_a_formula() -> None:
    formula = parse_formula("disease ~ age*sex + offset(log(time)) - 1")
    assert [":".join(map(str, term)) for term in formula.terms] == ["age", "sex", "age:sex"]
    assert (str(formula.response), formula.intercept) == ("disease", False)
    assert formula.names == {"disease", "age", "sex", "time"}


def test_expressions_are_what_stands_inside_the_factors() -> None:
    formula = parse_formula("log(y) ~ ns(x, df=3)*C(s, ref='a') + poly(x, 2) + I(z > 3) + exp(w)")
    assert [str(one) for one in formula.expressions] == ["log(y)", "x", "s", "z > 3", "exp(w)"]


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("y", "~ is expected", ""),
        ("y ~", "a variable or function is expected", ""),
        ("y ~ a ~ b", "one ~", ""),
        ("y ~ a/b", "nesting", "a + a:b"),
        ("y ~ a > 3", "a condition is not a term", "I(x > 0)"),
        ("y ~ a^2", "changes nothing", "I(a ^ 2)"),
        ("y ~ (a + b)^x", "degree of interaction", ""),
        ("y ~ (a + b)^99", "degree of interaction", ""),
        ("y ~ a + 2", "a number is not a term", "I()"),
        ("y ~ a + (1 + b)", "a number is not a term", ""),
        ("y ~ (1 | site)", "random effects are of mixed models", "take lmm"),
        ("y ~ a | b", "one of + - : * ^ is expected", "(1 | group)"),
        ("y ~ (1 || site)", "no meaning", "(1 + x | group)"),
        ("y ~ .", "no meaning", "name the variables"),
        ("y ~ a %in% b", "no meaning", "a:b"),
        ("y ~ a + y", "both sides", "right-hand side"),
        ("y ~ a:offset(b)", "top level", ""),
        ("y ~ offset(b):a", "only be added", ""),
        ("y ~ a - offset(b)", "only be added", ""),
        ("y ~ s(x)", "no function s", ""),
        ("y ~ ns(x, degree=3)", "does not take", "ns(x, df=4)"),
        ("y ~ ns(x, df=3, df=4)", "does not take", ""),
        ("y ~ ns(df=3, x)", "does not take", ""),
        ("y ~ ns(x, knots=('a', 1))", "knots takes numbers", ""),
        ("y ~ ns(x, boundary=5)", "boundary takes two numbers", ""),
        ("y ~ C(x, ref=a)", "expected", ""),
        ("y ~ C(x, ref=1)", "ref takes a quoted level", ""),
        ("y ~ I(ns(x, df=3))", "is a term", ""),
        ("y ~ 'a'", "a variable or function", ""),
        ("y ~ eval(x)", "no function eval", ""),
    ],
)
def test_slips_are_refused_with_advice(text: str, message: str, advice: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert message in caught.value.what
    assert advice in caught.value.fix
    assert caught.value.field == "formula"


@pytest.mark.parametrize("text", ["y ~ " + "(" * 70 + "a", "y ~ " + "log(" * 70 + "a", "y ~ I(" + "-" * 70 + "a)"])
def test_nesting_is_limited(text: str) -> None:
    with pytest.raises(FormulaError, match="too deep"):
        parse_formula(text)


def test_expansion_is_limited() -> None:
    with pytest.raises(FormulaError, match="too many terms"):
        parse_formula("y ~ (" + " + ".join(f"x{i}" for i in range(60)) + ")^4")


def test_formulas_are_values() -> None:
    assert parse_formula("y~a*b") == parse_formula("y ~ a + b + a:b")
    assert hash(parse_formula("y~a*b")) == hash(parse_formula("y ~ a + b + a:b"))
    assert isinstance(parse_formula("y ~ a"), Formula)


@pytest.mark.parametrize(
    ("text", "fixed", "random"),
    [
        ("y ~ age + (1 | clinic)", "y ~ age", ["(1 | clinic)"]),
        ("y ~ (age | clinic) + age", "y ~ age", ["(1 + age | clinic)"]),
        ("y ~ age + (0 + age | clinic)", "y ~ age", ["(0 + age | clinic)"]),
        ("y ~ (a + b) + (1 + a*b|node)", "y ~ a + b", ["(1 + a + b + a:b | node)"]),
        ("y ~ (1 | a) + (1 | b)", "y ~ 1", ["(1 | a)", "(1 | b)"]),
    ],
)
def test_random_effects_stand_apart_and_are_written_back(text: str, fixed: str, random: list[str]) -> None:
    found = parse_mixed_formula(text)
    assert str(found.fixed) == fixed
    assert [str(part) for part in found.random] == random
    assert parse_mixed_formula(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ (1 | a:b)", "one variable names the groups"),
        ("y ~ (1 | a / b)", "one variable names the groups"),
        ("y ~ (1 | 3)", "one variable names the groups"),
        ("y ~ (0 | a)", "nothing stands before the bar"),
        ("y ~ a - (1 | b)", "random effects are added"),
        ("y ~ ((1 | a) | b)", "random effects are added"),
        ("y ~ (1 + offset(x) | b)", "random effects are added"),
        ("y ~ a:(1 | b)", "a number is not a term"),
        ("y ~ (1 | a", "one variable names the groups"),
        ("y ~ (y | a)", "both sides"),
        ("y ~ " + 100 * "(" + "1 | a" + 100 * ") | a)", "nested too deep"),
    ],
)
def test_other_random_effects_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_mixed_formula(text)
    assert message in caught.value.what
