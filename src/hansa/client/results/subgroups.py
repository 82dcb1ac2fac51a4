"""A model by subgroups: its fits, and the test whether they differ."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Forest, ForestRow, forest_plot
from hansa.client.results.glm import GlmFit
from hansa.client.results.view import View
from hansa.client.tables.numbers import p_value
from hansa.errors import StudyError

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.league import Submitted
    from hansa.client.plots import Plot
    from hansa.stats.glm.result import Test

__all__ = ["SubgroupsView"]


class SubgroupsView(View):
    """The same model in each level of ``by``.

    ``fits`` are the levels' results, ``reasons`` say why a level has none, ``interaction`` is the
    likelihood-ratio test of all interactions with ``by``.
    """

    def __init__(
        self,
        fits: Mapping[str, GlmFit],
        reasons: Mapping[str, str],
        interaction: Test,
        by: str,
        study: Submitted,
    ) -> None:
        plain = {
            "schema": "subgroups/1.0",
            "by": by,
            "levels": {level: fit.plain for level, fit in fits.items()},
            "reasons": dict(reasons),
            "interaction": {"statistic": interaction.statistic, "df": interaction.df, "p": interaction.p},
        }
        super().__init__(plain, None, study, f"by {by}")
        self.fits = dict(fits)
        self.reasons = dict(reasons)
        self.interaction = interaction
        self.by = by

    @property
    def title(self) -> str:
        """The subgroup variable and the test."""
        return f"By {self.by}: interaction p = {p_value(self.interaction.p)}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per level and term; none where no level has a fit."""
        import pandas as pd

        if not self.fits:
            return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=[self.by, "term"]))
        return pd.concat({level: fit.summary for level, fit in self.fits.items()}, names=[self.by, "term"])

    def plot(self, *, term: str | None = None, ax: Axes | None = None) -> Plot:
        """One term (by default the first) in every level.

        Raises
        ------
        StudyError
            If no level has the term.
        """
        terms = {level: {entry["name"]: entry for entry in fit.plain["terms"]} for level, fit in self.fits.items()}
        names = [name for known in terms.values() for name in known if name != "(Intercept)"]
        wanted = term if term is not None else next(iter(names), "")
        if wanted not in names:
            raise StudyError(f"no subgroup has a term {wanted}", fix=f"one of {sorted(set(names))}", field="term")
        some = next(iter(self.fits.values())).plain
        rows = [_row(f"{self.by}: {level}", known.get(wanted), some["ratio"]) for level, known in terms.items()]
        rows += [ForestRow(f"{self.by}: {level}", reason=reason) for level, reason in self.reasons.items()]
        forest = Forest(
            rows=tuple(rows),
            effect=some["ratio"] or "coefficient",
            what=wanted,
            level=some["level"],
            ratio=some["ratio"] is not None,
            reference=0.0 if some["ratio"] is None else 1.0,
            note=f"interaction p = {p_value(self.interaction.p)}",
        )
        return forest_plot(forest, self.summary[self.summary.index.get_level_values("term") == wanted], ax=ax)


def _row(label: str, term: Mapping[str, Any] | None, ratio: str | None) -> ForestRow:
    if term is None or term["coef"] is None:
        return ForestRow(label, reason="the term is not in this level's model")
    if ratio is None:
        return ForestRow(label, term["coef"], term["lower"], term["upper"])
    return ForestRow(label, term["exponentiated"], term["exponentiated_lower"], term["exponentiated_upper"])
