"""What a step's sums are sums over: the columns and people whom the disclosure rules look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "Exposure", "FloatArray", "side_by_side"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_RUN = 2048


def side_by_side(columns: Sequence[FloatArray], rows: int) -> FloatArray:
    """Columns, each of shape (rows,), as one C-contiguous matrix, filled in runs that stay in a core's cache.

    Examples
    --------
    >>> side_by_side([np.array([1.0, 2.0]), np.array([3.0, 4.0])], 2)
    array([[1., 3.],
           [2., 4.]])
    """
    matrix = np.empty((rows, len(columns)))
    for first in range(0, rows, _RUN):
        run = slice(first, first + _RUN)
        for place, column in enumerate(columns):
            matrix[run, place] = column[run]
    return matrix


@dataclass(frozen=True, eq=False)
class Exposure:
    """Columns summed over some of the rows of one partition.

    Attributes
    ----------
    name : str
        What is summed, for the steward ("design", "chol, disease = true").
    rows : BoolArray, shape (n,)
        The rows that enter the sums.
    columns : FloatArray, shape (n, c)
        The columns as the researcher wrote them, not centred, at most divided by a public power of two (which
        keeps zeros and the effective number of people as they are); c may be 0 for pure counts.
    names : tuple of str, length c
    derived : tuple of bool, length c
        True for a column that is more than a dictionary variable or one of its levels: an asker can cut such
        a column to fit a person.
    strata : tuple of bool, length c
        True for a level, arm or stratum that a node must fill to count towards ``min_nodes``.
    arms : tuple of bool, length c (or empty: none)
        True for a column of 0 and 1 whose two arms may lie at different nodes. Where few nodes hold an arm, what is
        summed is these nodes' own release, and each of them judges its own numbers, too.
    variables : frozenset of str
        The dictionary variables whose values the sums tell of.
    products : bool
        Whether products of two columns are summed too.
    indicator : tuple of bool, length c (or empty: none)
        True for a column that holds 0 and 1 only.
    stratum : bool
        Whether the rows are one group of several (true), or the analysis set of the variables (false).
    scaled : bool
        Whether the columns were divided by a public power of two already.
    remembered : bool
        Whether the rows are a population that later questions are compared with.
    parameters : bool
        Whether there is a parameter for each column, so that the people must suffice for that many; where
        products are summed there always is.
    """

    name: str
    rows: BoolArray
    columns: FloatArray
    names: tuple[str, ...] = ()
    derived: tuple[bool, ...] = ()
    strata: tuple[bool, ...] = ()
    variables: frozenset[str] = field(default_factory=frozenset)
    products: bool = False
    indicator: tuple[bool, ...] = ()
    stratum: bool = False
    scaled: bool = False
    remembered: bool = True
    parameters: bool = False
    arms: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        n, c = self.columns.shape
        assert self.rows.shape == (n,)
        assert len(self.names) == len(self.derived) == len(self.strata) == c
        assert len(self.indicator) in (0, c)
        assert len(self.arms) in (0, c)
