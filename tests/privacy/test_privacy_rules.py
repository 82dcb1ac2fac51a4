"""People are counted, not rows; each rule holds at its boundary, and each attack works without its rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.model.exposure import Exposure, FloatArray
from hansa.privacy import rules
from hansa.privacy.counts import Tally, block_of, centres_of, marks_of, tally_exposure, tally_weights
from hansa.privacy.people import People
from hansa.privacy.rules import counts_as_node, dominant, judge, judge_nodes, judge_parameters
from hansa.privacy.thresholds import Thresholds

LIMITS = Thresholds()
CELLS = [(0, True), (1, False), (4, False), (5, True), (6, True)]


def exposure(
    columns: Sequence[FloatArray], *, indicator: bool = False, products: bool = False, rows: object = None
) -> Exposure:
    x = np.column_stack(columns)
    width = x.shape[1]
    return Exposure(
        name="test",
        rows=np.ones(len(x), dtype=np.bool_) if rows is None else np.asarray(rows),
        columns=x,
        names=tuple(f"x{i}" for i in range(width)),
        derived=(False,) * width,
        strata=(True,) * width,
        products=products,
        indicator=(indicator,) * width,
    )


def alone(n: int) -> People:
    return People.of(np.arange(n, dtype=np.uint32), one_row_per_person=True)


def tally_of(given: Exposure, people: People | None = None) -> Tally:
    who = alone(len(given.rows)) if people is None else people
    return tally_exposure(given, who, centres_of(given))


def broken(given: Exposure, people: People | None = None) -> set[str]:
    return {breach.rule for breach in judge(tally_of(given, people), LIMITS)}


def marked(n: int, ones: int) -> FloatArray:
    return (np.arange(n) < ones).astype(np.float64)


# --- people -------------------------------------------------------------------------------------------------


def test_one_person_with_fifty_rows_is_one() -> None:
    codes = np.repeat(np.arange(3, dtype=np.uint32), [50, 1, 1])
    people = People.of(codes, one_row_per_person=False)
    column = np.where(codes == 0, 1.0, 0.0)
    tally = tally_of(exposure([column], indicator=True), people)
    assert tally.people == 3
    assert tally.column(0)[0] == 1
    assert tally.column(1)[0] == 2


def test_fifty_rows_of_one_person_do_not_make_a_cell() -> None:
    codes = np.concatenate([np.zeros(50, dtype=np.uint32), np.arange(1, 101, dtype=np.uint32)])
    column = (codes == 0).astype(np.float64)
    by_person = People.of(codes, one_row_per_person=False)
    assert "cell" in broken(exposure([column], indicator=True), by_person)
    by_row = People.of(np.arange(len(codes), dtype=np.uint32), one_row_per_person=True)
    assert not broken(exposure([column], indicator=True), by_row), "counted by rows, the attack would pass"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(-9, 9)), min_size=1, max_size=30))
def test_any_total_and_bitmap_agree_with_a_plain_loop(rows: list[tuple[int, bool, float]]) -> None:
    codes = np.array([code for code, _, _ in rows], dtype=np.uint32)
    marks = np.array([mark for _, mark, _ in rows])
    values = np.array([[value] for _, _, value in rows])
    people = People.of(codes, one_row_per_person=False)
    order = sorted(set(codes.tolist()))
    assert people.any(marks).tolist() == [any(m for c, m, _ in rows if c == p) for p in order]
    expected = [sum(v for c, _, v in rows if c == p) for p in order]
    assert people.total(values)[:, 0] == pytest.approx(expected)
    assert set(people.bitmap(marks)) == {c for c, m, _ in rows if m}


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**32))
def test_a_tally_is_additive_over_partitions(n: int, cut: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-1, 2, (n, 3)).astype(np.float64)
    centres = np.zeros(3)
    marks = marks_of(exposure([*x.T]))
    whole = tally_exposure(exposure([*x.T], products=True), alone(n), centres, marks).numbers
    parts = [
        tally_exposure(exposure([*x[part].T], products=True), alone(len(x[part])), centres, marks).numbers
        for part in (slice(0, min(cut, n)), slice(min(cut, n), n))
    ]
    assert parts[0] + parts[1] == pytest.approx(whole)


def test_the_layout_of_a_tally_does_not_depend_on_the_rows() -> None:
    full = exposure([marked(20, 3), marked(20, 9)], products=True)
    empty = exposure([np.zeros(0), np.zeros(0)], products=True)
    assert block_of(full) == block_of(empty)
    assert tally_of(empty).numbers.tolist() == [0.0] * block_of(full).size


# --- groups, cells, products -------------------------------------------------------------------------------


@pytest.mark.parametrize(("people", "passes"), [(0, True), (1, False), (9, False), (10, True), (11, True)])
def test_a_group_is_nobody_or_ten(people: int, passes: bool) -> None:
    rows = marked(40, people) != 0
    assert ("group" not in broken(_counted(rows))) is passes


def _counted(rows: object) -> Exposure:
    n = len(np.asarray(rows))
    return Exposure("test", np.asarray(rows), np.zeros((n, 0)))


@pytest.mark.parametrize(("people", "passes"), CELLS)
def test_the_people_with_a_level_are_none_or_a_cell(people: int, passes: bool) -> None:
    assert ("cell" not in broken(exposure([marked(60, people)], indicator=True))) is passes


@pytest.mark.parametrize(("people", "passes"), CELLS)
def test_the_people_without_a_level_are_none_or_a_cell(people: int, passes: bool) -> None:
    assert ("cell" not in broken(exposure([marked(60, 60 - people)], indicator=True))) is passes


@pytest.mark.parametrize(("people", "passes"), CELLS)
@pytest.mark.parametrize("codes", [(0, 1), (1, 2), (2, 1), (-3, 7)])
def test_a_two_valued_number_is_judged_however_it_is_coded(codes: tuple[int, int], people: int, passes: bool) -> None:
    column = np.where(marked(60, people) != 0, float(codes[1]), float(codes[0]))
    assert (not broken(exposure([column]))) is passes


@pytest.mark.parametrize(("people", "passes"), CELLS)
def test_the_people_with_both_of_two_multiplied_columns_are_none_or_a_cell(people: int, passes: bool) -> None:
    first = marked(60, 30)
    second = ((np.arange(60) >= 30 - people) & (np.arange(60) < 55)).astype(np.float64)
    assert ("cell" not in broken(exposure([first, second], indicator=True, products=True))) is passes


def test_columns_that_are_not_multiplied_are_not_judged_together() -> None:
    first = marked(60, 30)
    second = (np.arange(60) >= 29).astype(np.float64)
    assert not broken(exposure([first, second], indicator=True))


# --- effective people ---------------------------------------------------------------------------------------


def test_one_outlier_is_one_effective_person() -> None:
    ages = np.linspace(30, 70, 100)
    assert not broken(exposure([ages]))
    ages[0] = 1e6
    assert broken(exposure([ages])) == {"effective"}


def test_a_constant_moved_to_single_one_person_out_is_refused() -> None:
    column = np.full(100, 7.0)
    column[0] = 8.0
    assert broken(exposure([column])) == {"effective"}


def test_a_constant_column_tells_of_nobody() -> None:
    assert not broken(exposure([np.full(100, 7.0)]))


def test_rounding_adds_no_effective_people() -> None:
    column = np.full(100, 1e-14)
    column[:4] = [2.0, 3.0, 2.0, 3.0]
    column[4:50] = 0.0
    assert broken(exposure([column])) == {"effective"}


@given(st.integers(5, 50))
def test_people_who_weigh_the_same_count_in_full(people: int) -> None:
    weights = marked(100, people)[:, None]
    tally = tally_weights(weights, alone(100), ["w"], centred=0, centres=np.zeros(1))
    assert not judge(tally, LIMITS)


@pytest.mark.parametrize(("people", "passes"), CELLS)
def test_a_weight_that_singles_people_out_is_refused(people: int, passes: bool) -> None:
    tally = tally_weights(marked(100, people)[:, None], alone(100), ["w"], centred=0, centres=np.zeros(1))
    assert (not judge(tally, LIMITS)) is passes


def test_a_fitted_mean_that_differs_for_one_person_only_is_refused() -> None:
    weights = np.where(np.arange(100) == 3, 0.9, 0.2)[:, None]
    centres = np.median(weights, axis=0)
    tally = tally_weights(weights, alone(100), ["mean"], centred=1, centres=centres)
    assert {breach.rule for breach in judge(tally, LIMITS)} == {"effective"}
    uncentred = tally_weights(weights, alone(100), ["mean"], centred=0, centres=centres)
    assert not judge(uncentred, LIMITS), "judged by size alone, the attack would pass"


# --- parameters, nodes, dominance -----------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "passes"), [(1, True), (9, True), (10, False)])
def test_parameters_are_a_third_of_the_people_at_most(columns: int, passes: bool) -> None:
    given = exposure([np.random.default_rng(c).normal(size=28) for c in range(columns)], products=True)
    assert (not judge_parameters(tally_of(given), LIMITS)) is passes


@pytest.mark.parametrize(("nodes", "passes"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_total_needs_three_nodes_that_count(nodes: int, passes: bool) -> None:
    assert (not judge_nodes(float(nodes), LIMITS)) is passes


@pytest.mark.parametrize(
    ("people", "level", "counts"),
    [(9, 5, False), (10, 5, True), (10, 4, False), (10, 6, False), (0, 0, False), (40, 0, False)],
)
def test_a_node_counts_with_a_group_and_a_cell_in_each_level(people: int, level: int, counts: bool) -> None:
    given = exposure([marked(people, level)], indicator=True)
    assert counts_as_node([tally_of(given)], [given.strata], LIMITS) is counts


def test_two_people_who_make_up_a_sites_sum_dominate_it() -> None:
    column = np.full(50, 1.0)
    assert not dominant(exposure([column]), alone(50), LIMITS)
    column[:2] = 1e4
    assert dominant(exposure([column]), alone(50), LIMITS) == ("test: x0",)


def test_the_largest_contributor_cannot_be_estimated_by_the_second() -> None:
    column = np.concatenate([[100.0, 10.0], np.full(9, 1.0)])
    assert dominant(exposure([column]), alone(11), LIMITS) == ("test: x0",)


# --- each rule is what stands in the way ------------------------------------------------------------------

ATTACKS: dict[str, tuple[str, Callable[[], Exposure]]] = {
    "a group of nine": ("_group", lambda: _counted(marked(40, 9) != 0)),
    "a level of two": ("_cells", lambda: exposure([marked(60, 2)], indicator=True)),
    "all but two": ("_cells", lambda: exposure([marked(60, 58)], indicator=True)),
    "two with both": (
        "_products",
        lambda: exposure(
            [marked(60, 30), (np.abs(np.arange(60) - 40.5) < 12.6).astype(float)], indicator=True, products=True
        ),
    ),
    "an outlier": ("_effective", lambda: exposure([np.r_[np.linspace(30, 70, 99), 1e6]])),
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_each_attack_is_refused_and_passes_without_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, attack = ATTACKS[name]
    assert broken(attack())
    monkeypatch.setattr(rules, rule, lambda *_: iter(()))
    assert not broken(attack())
