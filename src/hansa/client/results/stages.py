"""The pooled model beside the meta-analysis of its sites."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots import Forest, ForestRow, forest_plot
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, estimate, fixed, ratio
from hansa.errors import StudyError

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["StagesView"]

_WAYS = {
    "one_stage": "One stage",
    "multivariate": "Two stages, multivariate fixed effect",
    "fixed": "Two stages, fixed effect",
    "random": "Two stages, random effects",
}
_PARTS = ("difference", "by_likelihood", "by_other_terms", "by_heterogeneity")


class StagesView(View):
    """One-stage and two-stage estimates of each term, their differences, and why.

    ``summary`` has a row per term and way of estimating (``one_stage``, ``multivariate``, ``fixed``,
    ``random``): ``estimate``, ``se``, ``lower``, ``upper``, on the scale of the coefficient. ``differences`` has
    a row per term, in standard errors of the one-stage estimate.
    """

    @property
    def title(self) -> str:
        """The model."""
        return f"One stage and two: {self._plain['formula']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per term and way of estimating, unrounded."""
        import pandas as pd

        rows = {
            (term["term"], way): term[way] for term in self._plain["terms"] for way in _WAYS if term[way] is not None
        }
        index = pd.MultiIndex.from_tuples(list(rows), names=["term", "way"])
        columns = ["estimate", "se", "lower", "upper"]
        return pd.DataFrame(list(rows.values()), index=index, columns=columns, dtype="float64")

    @cached_property
    def differences(self) -> pd.DataFrame:
        """``difference``, its three parts, ``tau2``, ``i2``, number of ``sites`` and ``explanation``, by term."""
        import pandas as pd

        columns = [*_PARTS, "tau2", "i2", "sites", "explanation"]
        index = pd.Index([term["term"] for term in self._plain["terms"]], name="term", dtype=object)
        frame = pd.DataFrame(self._plain["terms"], columns=columns).set_index(index)
        return frame.astype(dict.fromkeys([*_PARTS, "tau2", "i2"], "float64"))

    def plot(self, *, term: str | None = None, ax: Axes | None = None) -> Plot:
        """A forest plot of one term, by default the first: all ways of estimating below each other.

        Raises
        ------
        StudyError
            For a term that is not in the table.
        """
        terms = {found["term"]: found for found in self._plain["terms"]}
        wanted = next(iter(terms)) if term is None else term
        if wanted not in terms:
            raise StudyError(f"there is no term {wanted}", fix=f"one of {', '.join(terms)}", field="term")
        named = self._plain["ratio"]
        forest = Forest(
            rows=tuple(self._forest_row(way, terms[wanted][way]) for way in _WAYS),
            effect=named or "coefficient",
            what=wanted,
            level=self._plain["level"],
            ratio=named is not None,
            reference=0.0 if named is None else 1.0,
        )
        return forest_plot(forest, self.summary.loc[[wanted]], ax=ax)

    def _forest_row(self, way: str, found: Mapping[str, float] | None) -> ForestRow:
        if found is None:
            reason = self._plain["no_multivariate"] if way == "multivariate" else "a single site has no random effects"
            return ForestRow(_WAYS[way], reason=reason)
        return ForestRow(_WAYS[way], *self._shown(found))

    def _shown(self, found: Mapping[str, float]) -> tuple[float, float, float]:
        middle, low, high = found["estimate"], found["lower"], found["upper"]
        return (middle, low, high) if self._plain["ratio"] is None else (_exp(middle), _exp(low), _exp(high))

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"stages": self._stage_table}

    def _stage_table(self) -> TableData:
        named = self._plain["ratio"] or "coefficient"
        level = f"{100 * self._plain['level']:g}% CI"
        columns = ("Term", f"{named[0].upper()}{named[1:]} ({level})", "SE", "Difference, SE")
        rows: list[Row] = []
        for term in self._plain["terms"]:
            rows.append(Row(term["term"], ("", "", "")))
            rows += [self._row(said, term[way], term) for way, said in _WAYS.items()]
        notes = ["Differences to one stage are in standard errors of one stage."]
        notes += [f"{term['term']}: {term['explanation']}." for term in self._plain["terms"]]
        if self._plain["no_multivariate"]:
            notes.append(f"No multivariate estimate: {self._plain['no_multivariate']}.")
        return TableData(self.title, columns, tuple(rows), tuple(notes))

    def _row(self, said: str, found: Mapping[str, float] | None, term: Mapping[str, Any]) -> Row:
        if found is None:
            return Row(said, (BLANK, BLANK, BLANK), 1)
        written = estimate if self._plain["ratio"] is None else ratio
        one = term["one_stage"]
        apart = "" if found is one else fixed((found["estimate"] - one["estimate"]) / one["se"], 2)
        return Row(said, (written(*self._shown(found)), f"{found['se']:.3g}", apart), 1)


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf
