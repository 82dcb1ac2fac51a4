from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import linprog

from hansa.stats.descriptive.suppression import suppress, with_margins

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TABLES = st.tuples(st.integers(1, 4), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.one_of(st.integers(0, 7), st.integers(0, 80)))
)


def attacker(full: Ints, blank: Bools, cell: int, *, lowest: int, knows_roles: bool) -> dict[int, tuple[float, float]]:
    """What somebody with all shown numbers can prove about each primary cell: its least and greatest value."""
    rows, columns = full.shape
    equations: list[NDArray[np.float64]] = []
    right: list[int] = []
    lines = [[i * columns + j for j in range(columns)] for i in range(rows)]
    lines += [[i * columns + j for i in range(rows)] for j in range(columns)]
    hidden = np.flatnonzero(blank).tolist()
    for *parts, total in lines:
        row = np.zeros(len(hidden))
        known = 0
        for place, sign in [*((part, 1) for part in parts), (total, -1)]:
            if place in hidden:
                row[hidden.index(place)] += sign
            else:
                known += sign * int(full.flat[place])
        equations.append(row)
        right.append(-known)
    bounds: list[tuple[float, float | None]] = []
    for place in hidden:
        small = full.flat[place] < cell
        role: tuple[float, float | None] = (lowest, cell - 1) if small else (cell, None)
        bounds.append(role if knows_roles else (lowest, None))
    return {
        place: (
            _least(np.eye(len(hidden))[i], equations, right, bounds),
            -_least(-np.eye(len(hidden))[i], equations, right, bounds),
        )
        for i, place in enumerate(hidden)
        if full.flat[place] < cell
    }


def _least(
    cost: NDArray[np.float64],
    equations: list[NDArray[np.float64]],
    right: list[int],
    bounds: list[tuple[float, float | None]],
) -> float:
    solved = linprog(cost, A_eq=np.array(equations), b_eq=right, bounds=bounds, method="highs")
    return -np.inf if solved.fun is None else solved.fun


def check(table: Ints, cell: int, *, hide_zeros: bool = False, row_totals_public: bool = False) -> Bools:
    full, lowest = with_margins(table), 0 if hide_zeros else 1
    blank = suppress(table, cell, hide_zeros=hide_zeros, row_totals_public=row_totals_public)
    candidates = np.ones(full.shape, dtype=np.bool_)
    if row_totals_public:
        candidates[:, -1] = False
    primary = (full >= lowest) & (full < cell) & candidates
    assert blank[primary].all()
    assert not blank[~candidates].any()
    if blank[candidates].all():
        return blank
    known = attacker(full, blank, cell, lowest=lowest, knows_roles=True)
    assert all(low <= lowest + 1e-6 and high >= cell - 1 - 1e-6 for low, high in known.values())
    blind = attacker(full, blank, cell, lowest=lowest, knows_roles=False)
    assert all(high >= cell - 1e-6 for _, high in blind.values())
    return blank


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_no_margin_restores_or_narrows_a_small_cell(table: Ints) -> None:
    check(table, 5)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_no_small_cell_is_narrowed_where_the_row_totals_are_known(table: Ints) -> None:
    check(table, 5, row_totals_public=True)


@settings(max_examples=20, deadline=None)
@given(TABLES)
def test_hidden_zeros_are_protected_as_well(table: Ints) -> None:
    check(table, 5, hide_zeros=True)


def test_nothing_is_blank_without_small_cells() -> None:
    assert not suppress(np.array([[0, 5], [17, 8]]), 5).any()


def test_complements_are_blanked_with_a_single_small_cell() -> None:
    blank = check(np.array([[3, 40, 50], [60, 70, 80], [90, 20, 30]]), 5)
    inner = blank[:-1, :-1]
    assert inner[0, 0]
    assert inner.sum() == 4


def test_shown_zeros_are_never_a_complement() -> None:
    blank = suppress(np.array([[3, 0, 50], [60, 0, 80]]), 5)
    assert not blank[:, 1].any()


def test_a_small_margin_is_blank_too() -> None:
    blank = check(np.array([[3, 0], [40, 50]]), 5)
    assert blank[0, -1]
    assert blank[1, -1]


@pytest.mark.parametrize("table", [[[3]], [[1, 1], [1, 3]], [[2, 2]]])
def test_a_table_too_small_to_protect_is_blank_with_its_total(table: list[list[int]]) -> None:
    assert suppress(np.array(table), 5).all()


def test_two_small_cells_alone_do_not_protect_each_other() -> None:
    blank = check(np.array([[1, 1, 30, 40]]), 5)
    assert blank[0, 2] or blank[0, 3]


def test_the_margins_are_sums() -> None:
    full = with_margins(np.array([[1, 2, 3]]))
    assert full.tolist() == [[1, 2, 3, 6], [1, 2, 3, 6]]
