"""Which cells of a table of counts are left blank so that the margins restore none of them.

A cell is *primary* when 0 < count < ``cell``: it tells of few people. Blanking it alone is not enough, since
the margins give it back by subtraction; *complementary* cells are blanked as well.

The attacker we protect against knows the layout, every shown cell and margin, and even which blanks are
primary (hence between 1 and ``cell`` - 1) and which are complementary (hence ``cell`` or more). For each
primary cell two things hold:

1. it could be any number from 1 to ``cell`` - 1: the margins add nothing to what the blank says by itself;
2. an attacker who does not know the roles cannot even exclude that it is ``cell`` or more.

Each demand is shown by one witness: another table that fits everything shown. A witness is a perturbation
of the true table; the cheapest one, by people in the cells it newly touches, is a linear program (Fischetti
and Salazar 2001, Management Science 47:1008, call the cells it moves a protection pattern). The cells that it
moves are blanked. Blanking more cells never removes a witness, so one pass over the primary cells suffices.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from hansa.model.exposure import BoolArray, FloatArray

__all__ = ["IntArray", "suppress", "with_margins"]

IntArray = NDArray[np.int64]

_MOVED = 1e-7
"""Perturbations are whole numbers (the constraints form a network); anything below this is rounding."""


def with_margins(table: IntArray) -> IntArray:
    """The table with its row totals as a last column and its column totals as a last row.

    Examples
    --------
    >>> with_margins(np.array([[1, 2], [3, 4]])).tolist()
    [[1, 2, 3], [3, 4, 7], [4, 6, 10]]
    """
    wide = np.column_stack([table, table.sum(axis=1)])
    return np.vstack([wide, wide.sum(axis=0)])


def suppress(table: IntArray, cell: int, *, hide_zeros: bool = False, row_totals_public: bool = False) -> BoolArray:
    """Which cells and margins to leave blank.

    Parameters
    ----------
    table : integer array, shape (r, c)
        Counts of people, without margins.
    cell : int
        The smallest count that may be shown.
    hide_zeros : bool
        Whether an empty cell is sensitive too.
    row_totals_public : bool
        Whether the row totals are known anyhow (sizes of groups shown elsewhere) and cannot be blanked.

    Returns
    -------
    bool array, shape (r + 1, c + 1)
        True for a blank, in the layout of :func:`with_margins`. Where no set of blanks protects a cell, the
        whole table is blank, its total included (all but public row totals).

    Examples
    --------
    >>> suppress(np.array([[3, 40], [50, 60]]), 5).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    counts = with_margins(table)
    public = np.zeros(counts.shape, dtype=np.bool_)
    public[-1, -1] = True
    if row_totals_public:
        public[:, -1] = True
    lowest = 0 if hide_zeros else 1
    primary = (counts >= lowest) & (counts < cell) & ~(public & row_totals_public)
    if not primary.any():
        return primary
    blank = _protected(counts, primary, ~public & (counts >= lowest), cell, lowest)
    if blank is None or primary[-1, -1]:
        return np.broadcast_to(~(public & row_totals_public), counts.shape).copy()
    return blank


def _protected(counts: IntArray, primary: BoolArray, candidates: BoolArray, cell: int, lowest: int) -> BoolArray | None:
    """The blanks with every primary cell protected, or None where that cannot be."""
    blank = primary.copy()
    floor = np.where(primary, lowest, cell)
    by_role = (np.maximum(counts - floor, 0.0), np.where(primary, cell - 1.0 - counts, np.inf))
    blind = (np.maximum(counts - float(lowest), 0.0), np.full(counts.shape, np.inf))
    demands = ((lowest, by_role), (cell - 1, by_role), (cell, blind))
    for place in np.flatnonzero(primary & candidates).tolist():
        for value, limits in demands:
            cost = np.where(blank, 0.0, counts)
            moved = _witness(cost, candidates, place, value - int(counts.flat[place]), limits)
            if moved is None:
                return None
            blank |= moved
    return blank


def _witness(
    cost: FloatArray,
    candidates: BoolArray,
    place: int,
    change: int,
    limits: tuple[FloatArray, FloatArray],
) -> BoolArray | None:
    """The cells that the cheapest perturbation with this change at this place moves; None if there is none.

    ``limits`` say how far each cell may go down and up.
    """
    free = np.flatnonzero(candidates)
    down, up = (np.column_stack([np.zeros(free.size), limit.ravel()[free]]) for limit in limits)
    target = int(np.searchsorted(free, place))
    up[target], down[target] = max(change, 0), max(-change, 0)
    sums = _additivity(candidates.shape)[:, free]
    found = scipy.optimize.linprog(
        np.tile(cost.ravel()[free], 2),
        A_eq=np.hstack([sums, -sums]),
        b_eq=np.zeros(sums.shape[0]),
        bounds=np.vstack([up, down]).tolist(),
        method="highs",
    )
    if not found.success or found.x is None:
        return None
    moved = np.zeros(candidates.size, dtype=np.bool_)
    moved[free] = np.abs(found.x[: free.size] - found.x[free.size :]) > _MOVED
    return moved.reshape(candidates.shape)


def _additivity(shape: tuple[int, ...]) -> FloatArray:
    """Rows and columns of a table with margins, as equations: cells minus their total is zero."""
    rows, columns = shape
    signs_across = np.append(np.ones(columns - 1), -1.0)
    signs_down = np.append(np.ones(rows - 1), -1.0)
    across = np.kron(np.eye(rows), signs_across)
    return np.vstack([across, np.kron(signs_down, np.eye(columns))])
