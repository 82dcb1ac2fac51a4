"""The sites' estimates of one term, combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Forest, ForestRow, forest_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, estimate, fixed, p_value, ratio, significant

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.league import Submitted
    from hansa.client.plots import Plot
    from hansa.engine import Outcome

__all__ = ["MetaView"]

_FIXED, _RANDOM, _PREDICTION = "fixed effect", "random effects", "prediction"


class MetaView(View):
    """Fixed- and random-effects estimates of ``term`` over the sites.

    ``summary`` has a row per site, "fixed effect", "random effects" and "prediction", on the scale of the
    coefficient; ``ratio`` names what its exponential is, if anything. Sites without an estimate have a
    ``reason``. ``ideal`` is the value of a measure of validation that is best.
    """

    def __init__(
        self,
        plain: Mapping[str, Any],
        outcome: Outcome | None,
        study: Submitted,
        analysis: str,
        *,
        term: str,
        ratio: str | None,
        ideal: float | None = None,
    ) -> None:
        super().__init__(plain, outcome, study, analysis)
        self.term = term
        self.ratio = ratio
        self._ideal = ideal or 0.0
        self._effect = _headed(ratio or ("coefficient" if ideal is None else "estimate"))

    @property
    def title(self) -> str:
        """What is combined, and of how many sites."""
        return f"{self._effect} of {self.term}: {self._used}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Estimates, standard errors, intervals, weights (per cent), p values and reasons."""
        import pandas as pd

        columns = ["estimate", "se", "lower", "upper", "fixed_weight", "random_weight", "p", "reason"]
        rows = {
            name: {"reason": "", **{part: row[part] for part in columns if part in row}} for name, row in self._rows
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("site")
        return frame.astype(dict.fromkeys(columns[:-1], "float64"))

    @property
    def heterogeneity(self) -> dict[str, float] | None:
        """``tau2``, ``q``, ``df``, ``p``, ``i2`` (per cent) and ``h2``; ``None`` for a single site."""
        found = self._plain["heterogeneity"]
        return None if found is None else dict(found)

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """A forest plot by site: squares by weight, diamonds for both combined estimates."""
        forest = Forest(
            rows=tuple(self._forest_row(name, row) for name, row in self._rows),
            effect=self._effect,
            what=self.term,
            level=self._plain["level"],
            ratio=self.ratio is not None,
            reference=self._ideal if self.ratio is None else 1.0,
            note=self._note,
        )
        return forest_plot(forest, self.summary, ax=ax)

    @property
    def _used(self) -> str:
        return f"{self._plain['used']} of {self._plain['asked']} sites"

    @property
    def _note(self) -> str:
        found = self._plain["heterogeneity"]
        if found is None:
            return f"{self._used}."
        spread = f"I² = {fixed(found['i2'], 0)}%, τ² = {significant(found['tau2'])}"
        test = f"Q = {fixed(found['q'], 2)} on {found['df']} df, p = {p_value(found['p'])}".replace("p = <", "p < ")
        return f"{self._used}. Heterogeneity: {spread}; {test}."

    @property
    def _rows(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Sites and combined estimates by name, each with its numbers in the form of the summary."""
        level = self._plain["level"]
        rows: list[tuple[str, Mapping[str, Any]]]
        rows = [(site["name"], {**site, **_interval(site, level)}) for site in self._plain["sites"]]
        rows.append((_FIXED, self._plain["fixed"]))
        if self._plain["random"] is not None:
            rows.append((_RANDOM, self._plain["random"]))
        if self._plain["prediction"] is not None:
            low, high = self._plain["prediction"]
            rows.append((_PREDICTION, {"lower": low, "upper": high}))
        return rows

    def _forest_row(self, name: str, row: Mapping[str, Any]) -> ForestRow:
        middle, low, high = (self._shown(row.get(part)) for part in ("estimate", "lower", "upper"))
        if name == _PREDICTION:
            return ForestRow("Prediction interval", None, low, high, kind="prediction")
        if name in (_FIXED, _RANDOM):
            method = f" ({self._plain['method']})" if name == _RANDOM else ""
            return ForestRow(f"{name.capitalize()}{method}", middle, low, high, kind="pooled")
        weight = row["random_weight"] if row["random_weight"] is not None else row["fixed_weight"]
        return ForestRow(name, middle, low, high, weight, reason=row["reason"])

    def _shown(self, value: float | None) -> float | None:
        if value is None or self.ratio is None:
            return value
        return math.exp(value) if value < 709 else math.inf

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"forest": self._forest_table}

    def _forest_table(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        columns = ("Site", f"{self._effect} ({level})", "Weight, %", "p")
        rows = [Row(self._label(name), self._cells(row)) for name, row in self._rows]
        notes = [self._note, "Weights are those of the random-effects estimate."]
        notes += [f"{site['name']}: {site['reason']}." for site in self._plain["sites"] if site["reason"]]
        return TableData(self.title, columns, tuple(rows), tuple(notes))

    def _label(self, name: str) -> str:
        named = {_PREDICTION: "Prediction interval", _RANDOM: f"Random effects ({self._plain['method']})"}
        return named.get(name, "Fixed effect" if name == _FIXED else name)

    def _cells(self, row: Mapping[str, Any]) -> tuple[str, str, str]:
        written = estimate if self.ratio is None else ratio
        middle, low, high = (self._shown(row.get(part)) for part in ("estimate", "lower", "upper"))
        text = BLANK if low is None else written(middle, low, high)
        weight = row.get("random_weight")
        return text, "" if weight is None else fixed(weight, 1), p_value(row["p"]) if row.get("p") is not None else ""


def _headed(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"


def _interval(site: Mapping[str, Any], level: float) -> dict[str, float | None]:
    """A site's own interval, from its standard error and the normal distribution."""
    from scipy.special import ndtri

    if site["estimate"] is None:
        return {"lower": None, "upper": None}
    half = float(ndtri((1 + level) / 2)) * site["se"]
    return {"lower": site["estimate"] - half, "upper": site["estimate"] + half}
