"""What is shown of cumulative incidence: values at the ends of intervals in which enough people leave in each way.

The ends are among those of the survival curve of any event (:mod:`hansa.stats.survival.release`), so that the two
results together tell of no shorter interval than the curve does. Of these, an end is kept where each cause that is
shown had no event since the last one or at least a cell, where the same holds for its events still to come (totals
less what is shown tell of them), and where nobody is left at risk or at least a cell. One common row of ends serves
all causes of a group: ends of their own would differ by a day, and tell who left on it. A cause with fewer events
than a cell is not shown, and counts among those who left for other reasons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.survival.curves import Table
from hansa.stats.survival.release import CELL, ends_of

__all__ = ["competing_ends", "shown_causes"]


def shown_causes(left: FloatArray) -> BoolArray:
    """Which causes have no events or at least a cell, shape (causes,)."""
    return _enough(left[1:].sum(axis=1))


def competing_ends(left: FloatArray) -> NDArray[np.intp]:
    """Places in the grid at which one group is shown, from those who leave in each way, shape (1 + causes, T).

    Examples
    --------
    >>> left = np.array([[0.0, 5, 5, 0], [0, 5, 5, 0], [0, 2, 3, 5]])
    >>> competing_ends(left).tolist()
    [2]
    """
    gone = left.sum(axis=0)
    events = np.cumsum(left[1:][shown_causes(left)], axis=1)
    remaining = gone.sum() - np.cumsum(gone)
    ends, past = list[int](), np.zeros(len(events))
    for place in ends_of(Table(np.zeros_like(gone), gone, left[1:].sum(axis=0))).tolist():
        parts = events[:, place] - past, events[:, -1] - events[:, place], remaining[place : place + 1]
        if _enough(np.concatenate(parts)).all():
            ends.append(place)
            past = events[:, place]
    return np.array(ends, dtype=np.intp)


def _enough(counts: FloatArray) -> BoolArray:
    return np.asarray((counts == 0) | (counts >= CELL))
