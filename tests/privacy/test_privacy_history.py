"""Two questions, and combinations of more, that tell of few people together."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from hansa.privacy.history import (
    Population,
    comparable,
    differences,
    given_away,
    isolates_few,
    judge_differences,
)
from hansa.privacy.thresholds import Thresholds

LIMITS = Thresholds()
SETS = ("set", "set")


def asked(name: str, people: range | list[int], *, kind: str = "set", **changes: object) -> Population:
    fields = {"derived": False, "variables": frozenset({"age"}), "roster": frozenset("abc"), **changes}
    return Population(id=name, kind=kind, people=BitMap(people), **fields)  # type: ignore[arg-type]  # test fields


@pytest.mark.parametrize(("differing", "passes"), [(0, True), (1, False), (9, False), (10, True)])
@pytest.mark.parametrize("direction", ["added", "removed", "both"])
def test_analysis_sets_differ_by_nobody_or_by_ten_in_each_direction(
    direction: str, differing: int, passes: bool
) -> None:
    added = differing if direction != "removed" else 50
    removed = differing if direction != "added" else 50
    assert (not judge_differences(SETS, added, removed, LIMITS)) is passes


def test_directions_do_not_make_up_for_each_other() -> None:
    assert judge_differences(SETS, 9, 9, LIMITS)
    assert judge_differences(SETS, 1, 100, LIMITS)


@pytest.mark.parametrize(("differing", "passes"), [(0, True), (1, False), (4, False), (5, True)])
def test_a_stratum_differs_by_nobody_or_by_a_cell(differing: int, passes: bool) -> None:
    assert (not judge_differences(("stratum", "set"), differing, 0, LIMITS)) is passes


def test_differences_are_counted_in_both_directions() -> None:
    new, old = asked("new", range(100)), asked("old", [*range(1, 100), 200, 201])
    assert differences(new, old, node="a") == (1, 2)
    assert differences(old, new, node="a") == (2, 1)


def test_a_node_in_one_roster_only_adds_nothing_to_the_differing() -> None:
    new = asked("new", range(100), roster=frozenset("abcd"))
    assert differences(new, asked("old", range(1)), node="d") == (0, 0)


@pytest.mark.parametrize(
    ("new", "old", "compared"),
    [
        (asked("p", []), asked("q", []), True),
        (asked("p", []), asked("q", [], variables=frozenset({"sex"})), False),
        (asked("p", [], kind="column"), asked("q", [], kind="stratum"), False),
        (asked("p", [], kind="column", derived=True), asked("q", [], kind="stratum"), True),
        (asked("p", [], kind="column"), asked("q", [], kind="stratum", derived=True), True),
        (asked("p", [], kind="column"), asked("q", []), True),
    ],
    ids=["sets", "no shared variable", "plain levels", "derived new", "derived old", "a level and a set"],
)
def test_what_is_compared(new: Population, old: Population, compared: bool) -> None:
    assert comparable(new, old) is compared


@given(st.sets(st.sampled_from("abcdefg"), min_size=3), st.sets(st.sampled_from("abcdefg"), min_size=3))
def test_node_sets_that_differ_by_one_or_two_nodes_give_these_away(new: set[str], old: set[str]) -> None:
    found = given_away([frozenset(old)], frozenset(new), limits=LIMITS)
    assert found >= (frozenset(new ^ old) if len(new ^ old) < 3 else frozenset())
    assert found == frozenset() or 0 < len(new ^ old) < 3


_SETS = st.sets(st.sampled_from("abcdefg"), min_size=1).map(frozenset)


@given(st.lists(_SETS, max_size=4), st.lists(_SETS, min_size=1, max_size=3))
def test_what_is_given_away_is_what_leaving_those_nodes_out_takes_from_the_rank(
    old: list[frozenset[str]], new: list[frozenset[str]]
) -> None:
    nodes = sorted(frozenset().union(*old, *new))

    def lost(sets: list[frozenset[str]], few: tuple[str, ...]) -> int:
        matrix = np.array([[node in one for node in nodes] for one in sets], dtype=np.float64).reshape(-1, len(nodes))
        kept = [place for place, node in enumerate(nodes) if node not in few]
        return int(np.linalg.matrix_rank(matrix) - np.linalg.matrix_rank(matrix[:, kept])) if sets and kept else 0

    expected: set[tuple[str, ...]] = set()
    for size in (1, 2):
        for few in itertools.combinations(nodes, size):
            if size < len(nodes) and lost([*old, *new], few) - lost(old, few) > sum(
                set(x) < set(few) for x in expected
            ):
                expected.add(few)
    found = given_away(old, *new, limits=LIMITS)
    if set(old) - set(new) and len(nodes) > 2:
        assert found == frozenset(itertools.chain.from_iterable(expected))


def test_three_releases_beside_a_total_over_five_leave_two_nodes_alone() -> None:
    alone = [frozenset(name) for name in "abc"]
    assert given_away([frozenset("abcde")], *alone, limits=LIMITS) == frozenset("abcde")
    assert given_away([frozenset("abcdef")], *alone, limits=LIMITS) == frozenset("abc")


# --- combinations -------------------------------------------------------------------------------------------


def test_the_sum_of_two_populations_less_their_union_is_seen() -> None:
    p1, p2, p3 = BitMap(range(50)), BitMap(range(49, 100)), BitMap(range(100))
    assert isolates_few([p1, p2, p3], 10)
    for pair in itertools.combinations([p1, p2, p3], 2):
        assert not any(0 < len(a - b) < 10 for a, b in itertools.permutations(pair)), "each pair alone passes"


@pytest.mark.parametrize("shared", [0, 10, 25])
def test_populations_that_share_nobody_or_a_group_pass(shared: int) -> None:
    p1, p2, p3 = BitMap(range(50)), BitMap(range(50 - shared, 100)), BitMap(range(100))
    assert not isolates_few([p1, p2, p3], 10)


@pytest.mark.parametrize("people", [1, 9])
def test_a_single_small_population_is_seen(people: int) -> None:
    assert isolates_few([BitMap(range(people))], 10)


def test_nobody_and_nothing_tell_of_nobody() -> None:
    assert not isolates_few([], 10)
    assert not isolates_few([BitMap()], 10)


populations = st.lists(st.sets(st.integers(0, 5), max_size=6), min_size=1, max_size=4)
sizes = st.lists(st.integers(1, 6), min_size=6, max_size=6)


@settings(max_examples=150)
@given(populations, sizes)
def test_any_small_integer_combination_that_rests_on_few_is_found(blocks: list[set[int]], weights: list[int]) -> None:
    """Brute force over the coefficients -2 to 2: whatever it finds, the rank test finds."""
    least = 4
    starts = np.cumsum([0, *weights])
    members = [BitMap(p for b in chosen for p in range(starts[b], starts[b + 1])) for chosen in blocks]
    atoms: dict[tuple[bool, ...], int] = {}
    for block in range(6):
        pattern = tuple(block in chosen for chosen in blocks)
        if any(pattern):
            atoms[pattern] = atoms.get(pattern, 0) + weights[block]
    assume(atoms)  # of nobody: test_nobody_and_nothing_tell_of_nobody
    found = False
    for coefficients in itertools.product(range(-2, 3), repeat=len(blocks)):
        moved = [
            size
            for pattern, size in atoms.items()
            if sum(c for c, inside in zip(coefficients, pattern, strict=True) if inside)
        ]
        found = found or (bool(moved) and max(moved) < least)
    if found:
        assert isolates_few(members, least)
    assert isolates_few(members, least) is exactly(atoms, len(blocks), least)


def exactly(atoms: dict[tuple[bool, ...], int], width: int, least: int) -> bool:
    """The same question by exact elimination in fractions: does leaving the small atoms out lower the rank?"""
    every = [[Fraction(inside) for inside in pattern] for pattern in atoms]
    large = [[Fraction(inside) for inside in pattern] for pattern, size in atoms.items() if size >= least]
    return rank(large, width) < rank(every, width)


def rank(rows: list[list[Fraction]], width: int) -> int:
    found, left = 0, [row[:] for row in rows]
    for column in range(width):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        left = [[x - row[column] / pivot[column] * y for x, y in zip(row, pivot, strict=True)] for row in left]
        found += 1
    return found
