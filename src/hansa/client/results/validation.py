"""How a frozen model does on other people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import CalibrationGroup, calibration_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import count, estimate, fixed, percent, ratio, significant

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["ValidationView"]

_WORDS = {
    "intercept": "Calibration in the large",
    "slope": "Calibration slope",
    "observed_expected": "Observed/expected",
    "auroc": "AUROC",
}


class ValidationView(View):
    """Calibration and discrimination.

    ``summary`` has ``value``, ``se``, ``lower`` and ``upper`` of intercept (ideal: 0), slope (1),
    observed_expected (1) and auroc; :attr:`auroc_bound` says how far auroc may be off because scores are
    known by bin alone. :attr:`curve` has a row per group of people.
    """

    @property
    def title(self) -> str:
        """The model, and where it was judged."""
        where = ", ".join(self.provenance.get("nodes", ()))
        return f"Validation{f' at {where}' if where else ''}: {self._plain['formula']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The four measures with their intervals; Brier scores, which have none, are in :attr:`plain`."""
        import pandas as pd

        columns = ["value", "se", "lower", "upper"]
        rows = {name: self._plain[name] for name in _WORDS}
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("measure").astype("float64")

    @property
    def auroc_bound(self) -> float:
        """The true area under the curve is within this of ``auroc``."""
        return float(self._plain["auroc_bound"])

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The calibration curve: people, events, mean predicted and observed risk with its interval."""
        import pandas as pd

        return pd.DataFrame(self._plain["curve"], columns=["n", "events", "predicted", "observed", "lower", "upper"])

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The calibration curve, with the measures in its corner."""
        groups = [
            CalibrationGroup(group["predicted"], group["observed"], group["lower"], group["upper"])
            for group in self._plain["curve"]
        ]
        said = [f"{word}: {self._said(name)}" for name, word in _WORDS.items()]
        return calibration_plot(groups, said, self.curve, ax=ax)

    def _said(self, name: str) -> str:
        found = self._plain[name]
        written: Callable[..., str] = ratio if name == "observed_expected" else _two_decimals
        return written(found["value"], found["lower"], found["upper"])

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"measures": self._measures, "curve": self._curve_table}

    def _measures(self) -> TableData:
        plain = self._plain
        columns = ("Measure", f"Value ({100 * plain['level']:g}% CI)")
        rows = [Row(word, (self._said(name),)) for name, word in _WORDS.items()]
        rows += [
            Row("Brier score", (fixed(plain["brier"], 3),)),
            Row("Scaled Brier score, %", (percent(100 * plain["scaled_brier"]),)),
        ]
        return TableData(self.title, columns, tuple(rows), self._notes())

    def _notes(self) -> tuple[str, ...]:
        plain = self._plain
        notes = [f"n = {count(plain['n'])}, events: {count(plain['events'])}."]
        if self.auroc_bound >= 5e-4:
            notes.append(f"AUROC is known to within {significant(self.auroc_bound, 2)}.")
        if plain["not_covered"] != 0:
            few = "a few people" if plain["not_covered"] is None else f"{count(plain['not_covered'])} people"
            notes.append(f"Left out: {few} at levels that the model does not know.")
        return tuple(notes)

    def _curve_table(self) -> TableData:
        columns = ("Group", "n", "Events", "Predicted, %", "Observed, % (CI)")
        rows = tuple(_group_row(place, group) for place, group in enumerate(self._plain["curve"], start=1))
        return TableData(self.title, columns, rows, self._notes())


def _two_decimals(value: float, low: float, high: float) -> str:
    if high - low > 0.1:
        return f"{fixed(value, 2)} ({fixed(low, 2)} to {fixed(high, 2)})"
    return estimate(value, low, high)


def _group_row(place: int, group: Mapping[str, Any]) -> Row:
    observed, low, high = (percent(100 * group[part]) for part in ("observed", "lower", "upper"))
    cells = (count(group["n"]), count(group["events"]), percent(100 * group["predicted"]))
    return Row(str(place), (*cells, f"{observed} ({low}–{high})"))
