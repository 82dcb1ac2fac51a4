"""Correlations with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Matrix, matrix_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, count, fixed

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["CorrelationView"]


class CorrelationView(View):
    """Pearson's correlations; ``summary`` is the matrix, ``intervals`` has a row per pair."""

    @property
    def title(self) -> str:
        """How many people the correlations rest on."""
        return f"Pearson correlation, n = {count(self._plain['n'])}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The correlation matrix; not-a-number where a variable does not vary."""
        import pandas as pd

        names = self._plain["variables"]
        return pd.DataFrame(self._plain["r"], index=names, columns=names, dtype="float64")

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """``r``, ``lower`` and ``upper`` of each pair of variables."""
        import pandas as pd

        index = pd.MultiIndex.from_tuples([pair for pair, _ in self._pairs], names=["first", "second"])
        rows = [found for _, found in self._pairs]
        return pd.DataFrame(rows, index=index, columns=["r", "lower", "upper"], dtype="float64")

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The lower triangle, shaded by sign and size."""
        names = self._plain["variables"]
        lower = [[value if j <= i else None for j, value in enumerate(row)] for i, row in enumerate(self._plain["r"])]
        texts = [[fixed(value, 2) if j <= i else "" for j, value in enumerate(row)] for i, row in enumerate(lower)]
        return matrix_plot(Matrix(lower, texts, names, names, "", "", (-1.0, 1.0)), self.summary, ax=ax)

    @property
    def _pairs(self) -> list[tuple[tuple[str, str], list[float | None]]]:
        names = self._plain["variables"]
        return [
            ((names[i], names[j]), [self._plain[part][i][j] for part in ("r", "lower", "upper")])
            for i, j in combinations(range(len(names)), 2)
        ]

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"pairs": self._pair_table}

    def _pair_table(self) -> TableData:
        rows = tuple(Row(f"{first}, {second}", _cells(found)) for (first, second), found in self._pairs)
        return TableData(self.title, ("Pair", "r", f"{100 * self._plain['level']:g}% CI"), rows)


def _cells(found: list[Any]) -> tuple[str, str]:
    r, low, high = (fixed(value, 2) for value in found)
    return r, BLANK if BLANK in (low, high) else f"{low} to {high}"
