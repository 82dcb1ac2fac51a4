"""The sites' estimates of one term, combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Forest, ForestRow, FunnelPlot, forest_plot, funnel_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, estimate, fixed, p_value, ratio, significant
from hansa.errors import StudyError

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.league import Submitted
    from hansa.client.plots import Plot
    from hansa.engine import Outcome

__all__ = ["MetaView"]

_FIXED, _RANDOM, _PREDICTION = "fixed effect", "random effects", "prediction"

_INFLUENCE = (
    *("difference", "se", "z", "p", "p_adjusted", "q"),
    *("without", "lower", "upper", "tau2", "i2", "q_p", "distance"),
)


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

    @cached_property
    def influence(self) -> pd.DataFrame:
        """Each site against the others, and the meta-analysis without it; no rows below three sites.

        ``difference`` (to the fixed effect of the others) with ``se``, ``z``, ``p``, ``p_adjusted`` (Holm);
        ``q``, its part of Cochran's Q; ``without`` (random effects of the others) with ``lower`` and
        ``upper``, their ``tau2``, ``i2`` and ``q_p``; ``distance``, Cook's.
        """
        import pandas as pd

        rows = {one["name"]: _influence_row(one) for one in self._plain["influence"]}
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(_INFLUENCE))
        return frame.rename_axis("site").astype("float64")

    @property
    def egger(self) -> dict[str, Any]:
        """Egger's test of funnel asymmetry; with fewer than ten sites the ``reason`` why there is none."""
        return dict(self._plain["funnel"])

    def plot(self, kind: str = "forest", *, ax: Axes | None = None) -> Plot:
        """A picture of the meta-analysis.

        Parameters
        ----------
        kind : {"forest", "influence", "funnel"}
            By site, squares by weight and diamonds for both combined estimates; the random-effects estimate
            without each site; estimates against their standard errors, with Egger's line from ten sites on.

        Raises
        ------
        StudyError
            For another kind, or an influence of fewer than three sites.
        """
        kinds = {"forest": self._forest_plot, "influence": self._influence_plot, "funnel": self._funnel_plot}
        if kind not in kinds:
            raise StudyError(f"there is no plot {kind}", fix=f"one of {', '.join(kinds)}", field="kind")
        return kinds[kind](ax)

    def _forest_plot(self, ax: Axes | None) -> Plot:
        rows = tuple(self._forest_row(name, row) for name, row in self._rows)
        return forest_plot(self._forest(rows, self._note), self.summary, ax=ax)

    def _influence_plot(self, ax: Axes | None) -> Plot:
        if not self._plain["influence"]:
            raise StudyError("the influence of a site needs three sites", why=self._used, field="kind")
        rows = [
            ForestRow(f"without {one['name']}", *self._shown_interval(one["without"]))
            for one in self._plain["influence"]
        ]
        together = self._forest_row(_RANDOM, self._plain["random"])
        return forest_plot(self._forest((*rows, together), f"{self._used}."), self.influence, ax=ax)

    def _funnel_plot(self, ax: Axes | None) -> Plot:
        used = [site for site in self._plain["sites"] if site["estimate"] is not None]
        test = self._plain["funnel"]
        shown = FunnelPlot(
            estimates=[site["estimate"] for site in used],
            errors=[site["se"] for site in used],
            centre=self._plain["fixed"]["estimate"],
            level=self._plain["level"],
            label=f"{self._effect} of {self.term}",
            ratio=self.ratio is not None,
            line=None if test["reason"] else (test["limit"], test["slope"]),
            note=self._egger_note,
        )
        data = self.summary.loc[[site["name"] for site in used], ["estimate", "se"]]
        return funnel_plot(shown, data, ax=ax)

    def _forest(self, rows: tuple[ForestRow, ...], note: str) -> Forest:
        return Forest(
            rows=rows,
            effect=self._effect,
            what=self.term,
            level=self._plain["level"],
            ratio=self.ratio is not None,
            reference=self._ideal if self.ratio is None else 1.0,
            note=note,
        )

    @property
    def _egger_note(self) -> str:
        test = self._plain["funnel"]
        if test["reason"]:
            return f"{test['reason']}."
        said = f"t = {fixed(test['statistic'], 2)} on {test['df']} df, p = {p_value(test['p'])}"
        return f"Egger's test: {said}.".replace("p = <", "p < ")

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
        middle, low, high = self._shown_interval(row)
        if name == _PREDICTION:
            return ForestRow("Prediction interval", None, low, high, kind="prediction")
        if name in (_FIXED, _RANDOM):
            method = f" ({self._plain['method']})" if name == _RANDOM else ""
            return ForestRow(f"{name.capitalize()}{method}", middle, low, high, kind="pooled")
        weight = row["random_weight"] if row["random_weight"] is not None else row["fixed_weight"]
        return ForestRow(name, middle, low, high, weight, reason=row["reason"])

    def _shown_interval(self, row: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
        return self._shown(row.get("estimate")), self._shown(row.get("lower")), self._shown(row.get("upper"))

    def _shown(self, value: float | None) -> float | None:
        if value is None or self.ratio is None:
            return value
        return math.exp(value) if value < 709 else math.inf

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"forest": self._forest_table, "influence": self._influence_table}

    def _forest_table(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        columns = ("Site", f"{self._effect} ({level})", "Weight, %", "p")
        rows = [Row(self._label(name), self._cells(row)) for name, row in self._rows]
        notes = [self._note, "Weights are those of the random-effects estimate."]
        if self._plain["prediction"] is not None:
            df = self._plain["prediction_df"]
            notes.append(f"Prediction interval: Student's t with {df} degree{'s' * (df > 1)} of freedom.")
        notes += [f"{site['name']}: {site['reason']}." for site in self._plain["sites"] if site["reason"]]
        return TableData(self.title, columns, tuple(rows), tuple(notes))

    def _influence_table(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        columns = (
            *("Site", "Difference to the others (SE)", "p", "p, adjusted", "Part of Q"),
            *(f"{self._effect} without it ({level})", "I² without it, %", "Cook's distance"),
        )
        rows = tuple(Row(one["name"], self._influence_cells(one)) for one in self._plain["influence"])
        notes = [
            self._note,
            "Q tests all site-by-term interactions together, a difference that of one site with the others.",
            self._egger_note,
        ]
        if not rows:
            notes.append("The influence of a site needs three sites.")
        return TableData(self.title, columns, rows, tuple(notes))

    def _influence_cells(self, one: Mapping[str, Any]) -> tuple[str, ...]:
        written = estimate if self.ratio is None else ratio
        return (
            f"{significant(one['difference'])} ({significant(one['se'])})",
            p_value(one["p"]),
            p_value(one["p_adjusted"]),
            fixed(one["q"], 2),
            written(*self._shown_interval(one["without"])),
            fixed(one["without_i2"], 0),
            fixed(one["distance"], 2),
        )

    def _label(self, name: str) -> str:
        named = {_PREDICTION: "Prediction interval", _RANDOM: f"Random effects ({self._plain['method']})"}
        return named.get(name, "Fixed effect" if name == _FIXED else name)

    def _cells(self, row: Mapping[str, Any]) -> tuple[str, str, str]:
        written = estimate if self.ratio is None else ratio
        middle, low, high = self._shown_interval(row)
        text = BLANK if low is None else written(middle, low, high)
        weight = row.get("random_weight")
        return text, "" if weight is None else fixed(weight, 1), p_value(row["p"]) if row.get("p") is not None else ""


def _influence_row(one: Mapping[str, Any]) -> dict[str, float]:
    without = one["without"]
    return {
        **{name: one[name] for name in ("difference", "se", "p", "p_adjusted", "q", "distance")},
        "z": one["statistic"],
        "without": without["estimate"],
        **{name: without[name] for name in ("lower", "upper")},
        **{name: one[f"without_{name}"] for name in ("tau2", "i2", "q_p")},
    }


def _headed(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"


def _interval(site: Mapping[str, Any], level: float) -> dict[str, float | None]:
    """A site's own interval, from its standard error and the normal distribution."""
    from scipy.special import ndtri

    if site["estimate"] is None:
        return {"lower": None, "upper": None}
    half = float(ndtri((1 + level) / 2)) * site["se"]
    return {"lower": site["estimate"] - half, "upper": site["estimate"] + half}
