"""Reading expressions: round trips, limits, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import FormulaError
from hansa.formula import Expr, parse_expression, parse_formula
from hansa.formula.parser import MAX_DEPTH
from hansa.formula.tokens import MAX_LENGTH
from hansa.formula.tree import (
    Boolean,
    Call,
    Chain,
    Comparison,
    Membership,
    Name,
    Negate,
    Not,
    Number,
    Pair,
    Power,
    Text,
)

names = st.sampled_from(["age", "sex", "bmi_2", "x", "E5", "nota"]).map(Name)
numbers = st.floats(min_value=0, max_value=1e300, allow_nan=False).map(lambda value: Number(value + 0.0))
texts = st.text(st.characters(codec="utf-8", exclude_characters="'\n"), max_size=6).map(Text)
literals = st.one_of(numbers, texts, numbers.map(Negate))
leaves = st.one_of(names, numbers, texts, st.booleans().map(Boolean))


def run(
    kind: type[Chain] | type[Comparison], operators: list[str], children: st.SearchStrategy[Expr]
) -> st.SearchStrategy[Expr]:
    def build(operands: list[Expr], signs: list[str]) -> Expr:
        return kind(tuple(operands), tuple(signs[: len(operands) - 1]))

    signs = st.lists(st.sampled_from(operators), min_size=3, max_size=3)
    return st.builds(build, st.lists(children, min_size=2, max_size=4), signs)


def grown(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        run(Chain, ["+", "-"], children),
        run(Chain, ["*", "/"], children),
        run(Chain, ["and"], children),
        run(Chain, ["or"], children),
        run(Comparison, ["<", "<=", "==", "!=", ">", ">="], children),
        st.builds(Power, children, children),
        children.map(Negate),
        children.map(Not),
        st.builds(Membership, children, st.lists(literals, min_size=1, max_size=3).map(tuple), st.booleans()),
        st.builds(lambda a: Call("log", (a,)), children),
        st.builds(lambda *a: Call("case", a), children, children, children),
        st.builds(lambda x, old, new: Call("recode", (x, Pair(old, new))), children, literals, literals),
    )


trees = st.recursive(leaves, grown, max_leaves=12)

WORDS = [*"(),+-*/^<=:~1CI", "age", "'a'", "==", "in", "not", "and", "or", "case", "recode", "ns", "else"]

PYTHON = [
    ("__import__('os')", 0),
    ("os.system('ls')", 2),
    ("x[0]", 1),
    ("lambda x: x", 7),
    ("{x}", 0),
    ("x; y", 1),
    ("open('/etc/passwd')", 0),
    ("eval('1')", 0),
    ("x if y else z", 2),
    ("x := 3", 2),
    ("@x", 0),
    ("f'{x}'", 1),
    ("x\\y", 1),
    ("x.__class__", 1),
    ("`x`", 0),
]


@given(trees)
def test_canonical_text_parses_to_the_equal_tree(tree: Expr) -> None:
    assert parse_expression(str(tree)) == tree


@given(st.text(max_size=60))
def test_arbitrary_text_raises_nothing_but_formula_errors(text: str) -> None:
    for parse in (parse_expression, parse_formula):
        try:
            tree = parse(text)
        except FormulaError:
            continue
        assert parse(str(tree)) == tree


@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=14,
    )
)
def test_shuffled_words_of_the_grammar_raise_nothing_but_formula_errors(words: list[str]) -> None:
    for parse in (parse_expression, parse_formula):
        try:
            tree = parse(" ".join(words))
        except FormulaError:
            continue
        assert parse(str(tree)) == tree


@pytest.mark.parametrize(("text", "start"), PYTHON)
def test_python_is_refused_with_a_caret_under_its_place(text: str, start: int) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression(text, field="population.adults")
    shown, carets = str(caught.value).splitlines()[-2:]
    assert shown == f"    {text}"
    assert carets.index("^") == start + 4
    assert caught.value.field == "population.adults"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a+b*c", "a + b * c"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("-a^2", "-a ^ 2"),
        ("(-a)^2", "(-a) ^ 2"),
        ("2^3^2", "2 ^ 3 ^ 2"),
        ("(2^3)^2", "(2 ^ 3) ^ 2"),
        ("not a and b", "not a and b"),
        ("not (a and b)", "not (a and b)"),
        ("a or b and c", "a or b and c"),
        ("40<=age<60", "40 <= age < 60"),
        ('x in ("a",2,-3)', "x in ('a', 2, -3)"),
        ("x not in ('a')", "x not in ('a')"),
        ('x == "it\'s"', 'x == "it\'s"'),
        ("recode(x,'a'='b',-1='c',else='d')", "recode(x, 'a'='b', -1='c', else='d')"),
        ("1.50", "1.5"),
        ("1e-3", "0.001"),
        (".5", "0.5"),
    ],
)
def test_precedence_and_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_expression(text)) == canonical


def test_not_binds_more_loosely_than_comparison() -> None:
    assert parse_expression("not a == b") == Not(Comparison((Name("a"), Name("b")), ("==",)))


def test_power_groups_from_the_right() -> None:
    assert parse_expression("a^b^c") == Power(Name("a"), Power(Name("b"), Name("c")))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a = 3", "=="),
        ("a && b", "write and"),
        ("a | b", "write or"),
        ("!a", "write not"),
        ("a ** 2", "^"),
        ("logg(a)", "write log"),
        ("'open", "close the quotation"),
        ("ns(age, df=3) > 1", "right-hand side"),
        ("log(a, b)", "log(x)"),
        ("recode(x, a='b')", "recode(x, 'old'='new'"),
        ("recode(x, 'a')", "recode(x, 'old'='new'"),
        ("log('a'='b')", "log(x)"),
    ],
)
def test_common_slips_get_advice(text: str, advice: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression(text)
    assert advice in caught.value.fix


@pytest.mark.parametrize(
    "text", ["", "  ", "a +", "(a", "a)", "a b", "x in ()", "x in (y)", "in", "else", "a < ", "1e999", "f()"]
)
def test_incomplete_expressions_are_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_expression(text)


@pytest.mark.parametrize("opening", ["(", "-", "not ", "log(", "2 ^ ", "case(a, "])
def test_nesting_is_limited(opening: str) -> None:
    with pytest.raises(FormulaError, match="too deep"):
        parse_expression(opening * (MAX_DEPTH + 1) + "a")


def test_the_limit_of_depth_counts_the_tree_and_not_only_parentheses() -> None:
    deep = "a"
    for _ in range(MAX_DEPTH // 4):
        deep = f"({deep} * 2 + 1 < 3 and b or c)"
    with pytest.raises(FormulaError, match="too deep"):
        parse_expression(deep)


def test_length_and_size_are_limited() -> None:
    with pytest.raises(FormulaError, match="too long"):
        parse_expression("a" * (MAX_LENGTH + 1))
    with pytest.raises(FormulaError, match="too large"):
        parse_expression("+".join("a" * 2_500))


def test_a_long_sum_is_not_deep() -> None:
    items = [f"item{number}" for number in range(200)]
    assert str(parse_expression("+".join(items))) == " + ".join(items)


def test_a_fault_in_a_long_text_is_shown_with_its_surroundings() -> None:
    text = " + ".join(["age"] * 60) + " + ? + " + " + ".join(["age"] * 60)
    with pytest.raises(FormulaError) as caught:
        parse_expression(text)
    shown, carets = str(caught.value).splitlines()[-2:]
    assert len(shown) < 160
    assert shown[carets.index("^")] == "?"


def test_a_fault_in_a_later_line_shows_that_line() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression("age > 40\nand ?")
    assert str(caught.value).splitlines()[-2:] == ["    and ?", "        ^"]
