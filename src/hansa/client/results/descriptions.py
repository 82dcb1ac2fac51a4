"""Descriptive statistics and the table of characteristics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Box, box_plot, love_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, BLANK_NOTE, count, fixed, percent, significant
from hansa.errors import StudyError

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["Description", "Table1View"]

_EVERYBODY = "all"
_MISSING = "(missing)"
_COARSE_NOTE = "~ a quantile that is not known to all digits shown: see error_bounds."


class Description(View):
    """Summaries of variables.

    ``summary`` has a row per numeric variable, and per group where there are groups ("all": everybody whose
    group is known): ``n``, ``missing``, ``mean``, ``sd``, ``p5`` ... ``p95``; not-a-number where too few
    people are.
    """

    @property
    def title(self) -> str:
        """What is described."""
        by = self._plain["by"]
        return f"Description by {by}" if by else "Description"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per numeric variable and group, unrounded."""
        numbers = ("n", "missing", "mean", "sd")
        return self._numeric_frame(
            lambda found: {name: found[name] for name in numbers} | _quantiles(found["quantiles"], "estimate")
        )

    @cached_property
    def error_bounds(self) -> pd.DataFrame:
        """How far each quantile may be off, in the variable's unit; rows as in :attr:`summary`."""
        return self._numeric_frame(lambda found: _quantiles(found["quantiles"], "error_bound"))

    @cached_property
    def levels(self) -> pd.DataFrame:
        """People per level of each categorical variable and group, and per cent of those whose level is known.

        Blank counts are not-a-number, and with them the group's percentages.
        """
        import pandas as pd

        rows = [row for found in self._plain["categorical"] for row in _level_rows(found)]
        names = ["variable", "group", "level"]
        frame = pd.DataFrame(rows, columns=[*names, "n", "percent"])
        frame = frame.astype({"n": "float64", "percent": "float64"}).set_index(names)
        return frame if self._plain["by"] else frame.droplevel("group")

    def plot(self, *, variable: str | None = None, ax: Axes | None = None) -> Plot:
        """Boxes of a numeric variable's quantiles, one per group; without a variable, the first.

        Raises
        ------
        StudyError
            When no numeric variable of this name is described.
        """
        described = list(dict.fromkeys(found["variable"] for found in self._plain["numeric"]))
        chosen = variable if variable is not None else next(iter(described), "")
        if chosen not in described:
            raise StudyError(f"no numeric variable {chosen} is described", fix="see summary", field="variable")
        found = [summary for summary in self._plain["numeric"] if summary["variable"] == chosen]
        by = self._plain["by"]
        boxes = [Box(_named(summary["group"], by), _estimates(summary)) for summary in found]
        return box_plot(boxes, self.summary.loc[[chosen]], label=chosen, ax=ax)

    def _numeric_frame(self, numbers: Callable[[Mapping[str, Any]], dict[str, Any]]) -> pd.DataFrame:
        import pandas as pd

        found = self._plain["numeric"]
        index = pd.MultiIndex.from_tuples(
            [(summary["variable"], summary["group"] or _EVERYBODY) for summary in found], names=["variable", "group"]
        )
        frame = pd.DataFrame([numbers(summary) for summary in found], index=index, dtype="float64")
        return frame if self._plain["by"] else frame.droplevel("group")

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        kinds = {"summary": self._summary_table} if self._plain["numeric"] else {}
        return {**kinds, "levels": self._levels_table} if self._plain["categorical"] or not kinds else kinds

    def _summary_table(self) -> TableData:
        columns = ("n", "Missing", "Mean", "SD", "5%", "25%", "50%", "75%", "95%")
        rows: list[Row] = []
        for summary in self._plain["numeric"]:
            cells = _summary_cells(summary)
            if not self._plain["by"]:
                rows.append(Row(summary["variable"], cells))
                continue
            if not summary["group"]:
                rows.append(Row(summary["variable"]))
            rows.append(Row(_named(summary["group"], self._plain["by"]), cells, indent=1))
        return TableData(self.title, ("Variable", *columns), tuple(rows), _notes(rows, self._plain))

    def _levels_table(self) -> TableData:
        groups = self._plain["groups"]
        names = [_named(group, self._plain["by"]) for group in groups]
        found = self._plain["categorical"]
        rows: list[Row] = []
        for variable in dict.fromkeys(counts["variable"] for counts in found):
            of_variable = [counts for counts in found if counts["variable"] == variable]
            rows += [Row(variable), *_shown_levels(of_variable)]
        columns = ("Variable, n (%)", *names)
        return TableData(self.title, columns, tuple(rows), _notes(rows, self._plain))


class Table1View(View):
    """The characteristics of groups, as papers print them; ``summary`` is that table, as text."""

    @property
    def title(self) -> str:
        """What the columns are."""
        by = self._plain["by"]
        return f"Characteristics by {by}" if by else "Characteristics"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The table as text, by characteristic and statistic; numbers unrounded are in :attr:`plain`."""
        import pandas as pd

        table = self.table()
        heading = ""
        index, cells = [], []
        for row in table.rows:
            heading = heading if row.indent else row.label
            index.append((heading, row.label if row.indent else ""))
            cells.append(table.filled(row))
        names = pd.MultiIndex.from_tuples(index, names=["characteristic", "statistic"])
        return pd.DataFrame(cells, index=names, columns=list(table.columns[1:]))

    @cached_property
    def differences(self) -> pd.Series[Any]:
        """The largest standardised difference of two groups, per variable; not-a-number where withheld."""
        import pandas as pd

        found = {row["variable"]: row["smd"] for row in self._plain["rows"]}
        return pd.Series(found, dtype="float64", name="smd").rename_axis("variable")

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """A love plot of the standardised differences.

        Raises
        ------
        StudyError
            When there are no groups to differ.
        """
        if self._plain["by"] is None:
            raise StudyError("there are no groups to differ", fix="ask for a table by groups", field="by")
        labels = [row["label"] or row["variable"] for row in self._plain["rows"]]
        values = [row["smd"] for row in self._plain["rows"]]
        return love_plot(labels, values, self.differences.to_frame(), ax=ax)

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"table1": self._table}

    def _table(self) -> TableData:
        plain = self._plain
        headings = [
            f"{_named(group, plain['by'])} (n = {count(size)})"
            for group, size in zip(plain["groups"], plain["sizes"], strict=True)
        ]
        with_smd = plain["by"] is not None
        rows = [row for found in plain["rows"] for row in _characteristic(found, with_smd=with_smd)]
        columns = ("Characteristic", *headings, *(["SMD"] if with_smd else []))
        notes = _notes(rows, plain)
        if with_smd:
            notes = ("SMD: largest standardised mean difference between two groups.", *notes)
        return TableData(self.title, columns, tuple(rows), notes)


# --- shared -------------------------------------------------------------------------------------------------


def _named(group: str, by: str | None) -> str:
    """A group as a heading; a level alone ("true") would not say of what."""
    return f"{by} = {group}" if group else "All"


def _quantiles(found: Sequence[Mapping[str, Any]], field: str) -> dict[str, Any]:
    return {f"p{100 * one['probability']:g}": one[field] for one in found}


def _estimates(summary: Mapping[str, Any]) -> tuple[float | None, ...]:
    return tuple(one["estimate"] for one in summary["quantiles"])


def _percents(counts: Sequence[int | None]) -> list[float | None]:
    """Of those whose level is known; none where any count is blank, since it could be worked out."""
    shown = [number for number in counts if number is not None]
    total = sum(shown)
    if len(shown) < len(counts) or not total:
        return [None] * len(counts)
    return [100 * number / total for number in shown]


def _level_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, int | None, float | None]]:
    of = (found["variable"], found["group"] or _EVERYBODY)
    counted = zip(found["levels"], found["counts"], _percents(found["counts"]), strict=True)
    return [*((*of, *row) for row in counted), (*of, _MISSING, found["missing"], None)]


def _shown_levels(groups: Sequence[Mapping[str, Any]]) -> list[Row]:
    shares = [_percents(group["counts"]) for group in groups]
    rows = [
        Row(level, tuple(_share(group["counts"][i], part[i]) for group, part in zip(groups, shares, strict=True)), 1)
        for i, level in enumerate(groups[0]["levels"])
    ]
    return [*rows, Row("Missing", tuple(count(group["missing"]) for group in groups), 1)]


def _share(number: int | None, part: float | None) -> str:
    return count(number) if part is None else f"{count(number)} ({percent(part)})"


def _summary_cells(summary: Mapping[str, Any]) -> tuple[str, ...]:
    decimals = _decimals(summary["sd"])
    return (
        count(summary["n"]),
        count(summary["missing"]),
        _to(summary["mean"], decimals),
        _to(summary["sd"], decimals),
        *(_quantile(one, decimals) for one in summary["quantiles"]),
    )


def _decimals(sd: float | None) -> int | None:
    """The decimals for all that is in a variable's unit: two digits of a standard deviation below 10."""
    if sd is None or not 1e-5 < sd < 1e7:
        return None
    power = math.floor(math.log10(sd))
    return 1 - power if power < 1 else int(power < 2)


def _to(value: float | None, decimals: int | None) -> str:
    return significant(value, 5) if decimals is None else fixed(value, decimals)


def _quantile(found: Mapping[str, Any], decimals: int | None) -> str:
    """A quantile without decimals where it is whole; one that may be off in a digit shown is marked and coarse."""
    value, bound = found["estimate"], found["error_bound"]
    if value is None:
        return BLANK
    whole = abs(value - round(value)) < 1e-6
    text = fixed(value, 0) if whole and decimals is not None else _to(value, decimals)
    shown = len(text.partition(".")[2])
    if bound is None or bound <= 0.5 * 10.0**-shown:
        return text
    return f"~{_to(value, min(shown, max(0, math.floor(-math.log10(2 * bound)))))}"


def _notes(rows: Sequence[Row], plain: Mapping[str, Any]) -> tuple[str, ...]:
    cells = [cell for row in rows for cell in row.cells]
    notes = [BLANK_NOTE] if BLANK in cells else []
    if any("~" in cell for cell in cells):
        notes.append(_COARSE_NOTE)
    if plain["by"] and plain["ungrouped"] != 0:
        few = "a few people" if plain["ungrouped"] is None else f"{count(plain['ungrouped'])} people"
        notes.append(f"Left out: {few} whose {plain['by']} is not known.")
    return tuple(notes)


def _characteristic(found: Mapping[str, Any], *, with_smd: bool) -> list[Row]:
    """A variable of Table 1: its heading, with the difference, and a row per statistic or level."""
    smd = [fixed(found["smd"], 2)] if with_smd else []
    pad = ("",) * len(smd)
    label = found["label"] or found["variable"]
    if "cells" in found:
        unit = f", {found['unit']}" if found["unit"] else ""
        body = _statistics(found["cells"], pad)
        return [Row(f"{label}{unit}", (*("",) * len(found["cells"]), *smd)), *body]
    columns = len(found["missing"])
    body = [Row(one["level"], (*map(_share, one["counts"], one["percents"]), *pad), 1) for one in found["levels"]]
    return [Row(f"{label}, n (%)", (*("",) * columns, *smd)), *body, _missing_row(found["missing"], pad)]


def _statistics(cells: Sequence[Mapping[str, Any]], pad: tuple[str, ...]) -> list[Row]:
    return [
        Row("Mean (SD)", (*(_mean(cell) for cell in cells), *pad), 1),
        Row("Median (quartiles)", (*(_median(cell) for cell in cells), *pad), 1),
        _missing_row([cell["missing"] for cell in cells], pad),
    ]


def _missing_row(numbers: Sequence[int | None], pad: tuple[str, ...]) -> Row:
    return Row("Missing, n", (*map(count, numbers), *pad), 1)


def _mean(cell: Mapping[str, Any]) -> str:
    if cell["mean"] is None:
        return BLANK
    decimals = _decimals(cell["sd"])
    return f"{_to(cell['mean'], decimals)} ({_to(cell['sd'], decimals)})"


def _median(cell: Mapping[str, Any]) -> str:
    decimals = _decimals(cell["sd"])
    low, middle, high = (_quantile(cell[name], decimals) for name in ("p25", "median", "p75"))
    if (low, middle, high) == (BLANK,) * 3:
        return BLANK
    joined = " to " if "−" in low + high or "~" in low + high else "–"
    return f"{middle} ({low}{joined}{high})"
