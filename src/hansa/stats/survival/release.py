"""What is shown of survival curves: values at the ends of intervals in which enough people leave.

An interval ends at the first time by which at least a cell of people had the event since the last end, and at
least a group left the risk set, with the event or without. What comes after the last end is not shown. The
ends follow from the data alone, not from what is asked, so that no second question can move them by a day.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hansa.stats.survival.curves import Table

__all__ = ["CELL", "GROUP", "common_ends", "ends_of"]

CELL, GROUP = 5, 10


def ends_of(table: Table) -> NDArray[np.intp]:
    """Places in the grid at which one group's curve is shown.

    Examples
    --------
    >>> left = np.array([0.0, 8, 0, 8, 3])
    >>> table = Table(np.zeros(5), left, np.array([0.0, 3, 0, 8, 1]))
    >>> ends_of(table).tolist()
    [3]
    """
    return common_ends([table])


def common_ends(tables: Sequence[Table]) -> NDArray[np.intp]:
    """Places at which each of several groups has had enough events and people who left since the one before."""
    events = np.stack([np.cumsum(table.events) for table in tables])
    gone = np.stack([np.cumsum(table.left) for table in tables])
    ends, past = list[int](), np.zeros((2, len(tables)))
    for place in np.flatnonzero(np.stack([table.left for table in tables]).any(axis=0)).tolist():
        died, left = events[:, place] - past[0], gone[:, place] - past[1]
        if ((died >= CELL) & (left >= GROUP)).all():
            ends.append(place)
            past = np.stack([events[:, place], gone[:, place]])
    return np.array(ends, dtype=np.intp)
