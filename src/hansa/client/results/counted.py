"""Results that count people: cross-tabulation, histogram, participant flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from hansa.client.plots import FlowStep, Matrix, flow_plot, histogram_plot, matrix_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, BLANK_NOTE, count, fixed, p_value, percent, significant

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["CrosstabView", "FlowView", "HistogramView"]

_WITHHELD = "number withheld"


class CrosstabView(View):
    """Two categories against each other; ``summary`` has the counts with their totals, blanks as ``<NA>``."""

    @property
    def title(self) -> str:
        """What is crossed."""
        return f"{self._plain['row']} by {self._plain['column']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Counts by row and column level, and their totals under "total"."""
        plain = self._plain
        body = [[*counts, total] for counts, total in zip(plain["counts"], plain["row_totals"], strict=True)]
        return self._frame([*body, [*plain["column_totals"], plain["total"]]], "Int64", total=True)

    @cached_property
    def row_percents(self) -> pd.DataFrame:
        """Per cent of the row's total."""
        return self._frame(self._plain["row_percents"], "float64")

    @cached_property
    def column_percents(self) -> pd.DataFrame:
        """Per cent of the column's total."""
        return self._frame(self._plain["column_percents"], "float64")

    @property
    def test(self) -> dict[str, float | None]:
        """Pearson's chi-square, its degrees of freedom and p, and Cramer's V; ``None`` where withheld."""
        return {name: self._plain[name] for name in ("chi_square", "df", "p", "cramers_v")}

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The cells, shaded by their share of the row; blank ones are hatched."""
        plain = self._plain
        texts = [
            [_share(number, part) for number, part in zip(counts, parts, strict=True)]
            for counts, parts in zip(plain["counts"], plain["row_percents"], strict=True)
        ]
        matrix = Matrix(
            shades=plain["row_percents"],
            texts=texts,
            rows=plain["row_levels"],
            columns=plain["column_levels"],
            row_title=plain["row"],
            column_title=f"{plain['column']}: n (% of row)",
            limits=(0.0, 100.0),
        )
        return matrix_plot(matrix, self.summary, ax=ax)

    def _frame(
        self, body: Sequence[Sequence[float | None]], kind: Literal["Int64", "float64"], *, total: bool = False
    ) -> pd.DataFrame:
        import pandas as pd

        ends = ["total"] if total else []
        rows = pd.Index([*self._plain["row_levels"], *ends], name=self._plain["row"])
        columns = pd.Index([*self._plain["column_levels"], *ends], name=self._plain["column"])
        return pd.DataFrame(body, index=rows, columns=columns).astype(kind)

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"counts": self._counts}

    def _counts(self) -> TableData:
        plain = self._plain
        rows = [
            Row(level, (*map(_share, counts, parts), count(total)))
            for level, counts, parts, total in zip(
                plain["row_levels"], plain["counts"], plain["row_percents"], plain["row_totals"], strict=True
            )
        ]
        rows.append(Row("Total", (*map(count, plain["column_totals"]), count(plain["total"]))))
        columns = (f"{plain['row']}, n (% of row)", *plain["column_levels"], "Total")
        return TableData(self.title, columns, tuple(rows), self._notes(rows))

    def _notes(self, rows: Sequence[Row]) -> tuple[str, ...]:
        plain = self._plain
        notes = [BLANK_NOTE] if any(BLANK in row.cells for row in rows) else []
        if plain["chi_square"] is not None:
            test = f"χ² = {significant(plain['chi_square'])} on {plain['df']} df, p = {p_value(plain['p'])}"
            notes.append(f"{test}; Cramer's V = {fixed(plain['cramers_v'], 2)}.".replace("p = <", "p < "))
        elif plain["withheld"]:
            notes.append(f"No test: {plain['withheld']}.")
        return tuple(notes)


class HistogramView(View):
    """People per bin; ``summary`` has ``lower``, ``upper`` and ``n``. The end bins are open outwards."""

    @property
    def title(self) -> str:
        """What is counted."""
        unit = f", {self._plain['unit']}" if self._plain["unit"] else ""
        return f"{self._plain['label'] or self._plain['variable']}{unit}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per bin."""
        import pandas as pd

        edges = self._plain["edges"]
        return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "n": self._plain["counts"]})

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """Bars over the bins; areas are counts where merged bins are wider."""
        plain = self._plain
        return histogram_plot(
            plain["edges"],
            plain["counts"],
            self.summary,
            label=plain["label"] or plain["variable"],
            unit=plain["unit"],
            ax=ax,
        )

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"bins": self._bins}

    def _bins(self) -> TableData:
        edges, counts = self._plain["edges"], self._plain["counts"]
        total, narrowest = self._plain["n"], min(high - low for low, high in pairwise(edges))
        rows = tuple(
            Row(
                f"{_edge(low, narrowest)} to below {_edge(high, narrowest)}",
                (count(number), percent(100 * number / total)),
            )
            for (low, high), number in zip(pairwise(edges), counts, strict=True)
        )
        notes = [f"n = {count(total)}. The first and last bin hold all beyond them, too."]
        if self._plain["merged"]:
            notes.append(f"Bins of too few people were joined to a neighbour: {self._plain['merged']}.")
        return TableData(self.title, ("Bin", "n", "%"), rows, tuple(notes))


class FlowView(View):
    """Who remains after each condition; ``summary`` has ``condition``, ``remaining`` and ``left_out``."""

    @property
    def title(self) -> str:
        """What the stages are."""
        return "Participant flow"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per stage, everybody first; numbers withheld are ``<NA>``."""
        import pandas as pd

        everybody = {"condition": "everybody", "remaining": self._plain["people"], "left_out": 0}
        frame = pd.DataFrame([everybody, *self._plain["stages"]], columns=["condition", "remaining", "left_out"])
        return frame.astype({"remaining": "Int64", "left_out": "Int64"})

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """A flow diagram as STROBE asks for it."""
        steps = [FlowStep(f"People in the league\nn = {count(self._plain['people'])}")]
        steps += [FlowStep(*_stage_texts(stage)) for stage in self._plain["stages"]]
        return flow_plot(steps, self.summary, ax=ax)

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"flow": self._flow}

    def _flow(self) -> TableData:
        rows = [Row("Everybody", (count(self._plain["people"]), ""))]
        rows += [
            Row(_condition(stage["condition"]), (count(stage["remaining"]), count(stage["left_out"])))
            for stage in self._plain["stages"]
        ]
        notes = (BLANK_NOTE,) if any(BLANK in row.cells for row in rows) else ()
        return TableData(self.title, ("Condition", "Remaining", "Left out"), tuple(rows), notes)


def _share(number: int | None, part: float | None) -> str:
    return count(number) if part is None else f"{count(number)} ({percent(part)})"


def _edge(value: float, width: float) -> str:
    """An edge, exact to a hundredth of a bin's width."""
    decimals = max(0, 2 - math.floor(math.log10(width)))
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def _condition(condition: str) -> str:
    expression = condition.removeprefix("known:").strip()
    return f"{expression} known" if condition.startswith("known:") else expression


def _stage_texts(stage: Mapping[str, Any]) -> tuple[str, str]:
    """Who remains, and who was left out; nothing where nobody was."""
    said = _condition(stage["condition"])
    if stage["remaining"] is None:
        return f"{said}\n{_WITHHELD}", f"Not: {said}\n{_WITHHELD}"
    remains = f"{said}\nn = {count(stage['remaining'])}"
    return remains, f"Not: {said}\nn = {count(stage['left_out'])}" if stage["left_out"] else ""
