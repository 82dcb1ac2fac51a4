"""Counting people, not rows: one person with fifty rows is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hansa.model.exposure import BoolArray, FloatArray

__all__ = ["People"]


@dataclass(frozen=True, eq=False)
class People:
    """Who stands behind the rows of one partition.

    ``codes`` are the persons' codes, shape (n,); ``index`` numbers them 0 to m - 1 within the partition, or is
    ``None`` where each row is another person.
    """

    codes: NDArray[np.uint32]
    index: NDArray[np.intp] | None = None

    @classmethod
    def of(cls, codes: NDArray[np.uint32], *, one_row_per_person: bool) -> People:
        """The people behind these codes."""
        if one_row_per_person:
            return cls(codes)
        return cls(codes, np.unique(codes, return_inverse=True)[1])

    def any(self, rows: BoolArray) -> BoolArray:
        """Per person, whether any of their rows is marked. Marks (n,) or (n, c) give (m,) or (m, c)."""
        if self.index is None:
            return rows
        found = np.zeros((self._persons, *rows.shape[1:]), dtype=np.bool_)
        np.logical_or.at(found, self.index, rows)
        return found

    def total(self, values: FloatArray) -> FloatArray:
        """Per person, the sum over their rows. Values (n, c) give (m, c)."""
        if self.index is None:
            return values
        found = np.zeros((self._persons, *values.shape[1:]))
        np.add.at(found, self.index, values)
        return found

    def bitmap(self, rows: BoolArray) -> BitMap:
        """The codes of the people who own a marked row."""
        codes = self.codes[rows]
        if codes.size and int(codes[-1]) - int(codes[0]) + 1 == codes.size and bool((np.diff(codes) == 1).all()):
            return BitMap(range(int(codes[0]), int(codes[-1]) + 1))  # a hundred times faster than one by one
        return BitMap(codes)

    def blocks(self, size: int) -> Iterator[tuple[slice, People]]:
        """Runs of rows, ``size`` at a time, with the people behind them; one run where people have many rows."""
        if self.index is not None:
            yield slice(None), self
            return
        for first in range(0, len(self.codes), size):
            rows = slice(first, first + size)
            yield rows, People(self.codes[rows])

    @property
    def _persons(self) -> int:
        return 0 if self.index is None or not self.index.size else int(self.index.max()) + 1
