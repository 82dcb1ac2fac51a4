"""The sites' own estimates side by side, with the reasons of those that gave none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.results.comparable import (
    MEASURES,
    check_bases,
    check_stages,
    effects,
    other_references,
    site_model,
    stage_of,
)
from hansa.client.results.held_back import HeldBack, of_sites
from hansa.client.results.meta import MetaView
from hansa.client.results.stages import StagesView
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, count, estimate, p_value, ratio
from hansa.errors import StudyError
from hansa.stats.meta.combine import meta_analysis
from hansa.stats.meta.stages import one_and_two_stages
from hansa.stats.plain import to_plain

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.league import Submitted
    from hansa.client.plots import Plot
    from hansa.client.results.glm import GlmFit
    from hansa.engine import Outcome
    from hansa.stats.meta.combine import MetaAnalysis
    from hansa.stats.meta.estimators import Estimator

__all__ = ["SitesView"]

_INTERCEPT = "(Intercept)"
_NONE = (None, None)


class SitesView(View):
    """Each site's own result.

    Parameters
    ----------
    views : mapping
        The results of the sites that gave one, by site.
    reasons : mapping
        Why the others gave none, by site.
    """

    def __init__(
        self,
        views: Mapping[str, View],
        reasons: Mapping[str, str],
        outcome: Outcome | None,
        study: Submitted,
        analysis: str,
    ) -> None:
        results = {name: view.plain for name, view in views.items()}
        plain = {"schema": "sites/1.0", "results": results, "reasons": dict(reasons)}
        super().__init__(plain, outcome, study, analysis)
        self.views = dict(views)
        self.reasons = dict(reasons)

    def _held_back(self) -> Iterable[HeldBack]:
        return of_sites(self.reasons)

    @property
    def title(self) -> str:
        """How many of the sites gave an estimate."""
        return f"{self._analysis} by site: {len(self.views)} of {len(self.views) + len(self.reasons)}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The sites' summaries below each other; a site without one has a single row with its ``reason``."""
        import pandas as pd

        parts = {name: view.summary.assign(reason="") for name, view in self.views.items()}
        if not parts:
            index = pd.Index(list(self.reasons), name="site")
            return pd.DataFrame({"reason": list(self.reasons.values())}, index=index)
        found = pd.concat(parts, names=["site"])
        depth = found.index.nlevels
        keys = [(name, *("",) * (depth - 1)) for name in self.reasons]
        told = pd.DataFrame({"reason": list(self.reasons.values())}, index=pd.Index(range(len(keys))))
        if not keys:
            return found
        told.index = pd.MultiIndex.from_tuples(keys, names=found.index.names)
        return pd.concat([found, told.reindex(columns=found.columns).astype(found.dtypes)])

    @property
    def terms(self) -> tuple[str, ...]:
        """What can be pooled: the terms that any site has, the intercept last."""
        names = dict.fromkeys(name for view in self.views.values() for name in effects(view.plain))
        return tuple(sorted(names, key=lambda name: name == _INTERCEPT))

    def pooled(self, term: str, *, method: Estimator = "REML") -> MetaView:
        """Fixed and random effects of a term over the sites that have it.

        Parameters
        ----------
        term : str
            One of :attr:`terms`.
        method : {"REML", "DL"}
            The estimator of the variance between sites; see :func:`hansa.stats.meta.combine.meta_analysis`.

        Raises
        ------
        StudyError
            When no site has the term, or the sites' terms of this name are not the same quantity.
        """
        return MetaView(
            to_plain(self._combined(term, method)),
            self._outcome,
            self._study,
            self._analysis,
            term=term,
            ratio=self._ratio,
            ideal=None if "terms" in self._first else MEASURES[term],
        )

    def stages(self, fit: GlmFit, *, method: Estimator = "REML") -> StagesView:
        """The pooled model beside fixed and random effects of these sites' estimates, term by term.

        Parameters
        ----------
        fit : GlmFit
            The same formula on the same people, with ``node="intercepts"``: as each site has its own here.
        method : {"REML", "DL"}
            As for :meth:`pooled`.

        Raises
        ------
        StudyError
            When the two are not the same model of the same people, or no site has an estimate of a term.
        """
        one = fit.plain
        check_stages(one, [view.plain for view in self.views.values()], absent=bool(self.reasons))
        terms = [term["name"] for term in one["terms"] if term["coef"] is not None and term["name"] in self.terms]
        if not terms:
            raise StudyError("no site has an estimate of any term", fix="see the reasons by site", field="fit")
        plains = {name: view.plain for name, view in self.views.items()}
        odd = {term: other_references(term, plains) for term in terms}
        found = one_and_two_stages(
            {term["name"]: stage_of(term) for term in one["terms"] if term["name"] in terms},
            {term: self._combined(term, method) for term in terms},
            {name: site_model(plain, [t for t in terms if name not in odd[t]]) for name, plain in plains.items()},
            list(self.reasons),
            formula=one["formula"],
            ratio=one["ratio"],
            level=one["level"],
            method=method,
        )
        return StagesView(to_plain(found), None, self._study, self._analysis)

    def _combined(self, term: str, method: Estimator) -> MetaAnalysis:
        if term not in self.terms:
            fix = f"one of {', '.join(self.terms)}" if self.terms else "see the reasons by site"
            raise StudyError(f"no site has an estimate of {term}", fix=fix, field="term")
        plains = {name: view.plain for name, view in self.views.items()}
        check_bases(term, plains)
        odd = other_references(term, plains)
        found = {name: effects(plain).get(term, _NONE) for name, plain in plains.items() if name not in odd}
        names = [*self.views, *self.reasons]
        given = [found.get(name, _NONE) for name in names]
        why = {**odd, **self.reasons}
        return meta_analysis(
            [middle for middle, _ in given],
            [se for _, se in given],
            method=method,
            level=self._level,
            names=names,
            reasons=[why.get(name, "not estimable: this site's model lacks the term") for name in names],
        )

    def plot(self, *, term: str | None = None, ax: Axes | None = None) -> Plot:
        """A forest plot of a term by site; without a term, of the first that is not the intercept.

        Raises
        ------
        StudyError
            When no site has the term.
        """
        return self.pooled(next(iter(self.terms), "") if term is None else term).plot(ax=ax)

    @property
    def _first(self) -> Mapping[str, Any]:
        return next(iter(self.views.values())).plain if self.views else {}

    @property
    def _ratio(self) -> str | None:
        named: str | None = self._first.get("ratio")
        return named

    @property
    def _level(self) -> float:
        return float(self._first.get("level", 0.95))

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"sites": self._site_table}

    def _site_table(self) -> TableData:
        """Estimates where the sites' results have them, else who answered."""
        shown = f"{self._ratio or 'estimate'} ({100 * self._level:g}% CI)"
        rows: list[Row] = []
        for name, view in self.views.items():
            people = count(view.plain["n"]) if "n" in view.plain else ""
            estimates = _estimate_rows(view.plain)
            rows += [Row(name, (people, "" if estimates else "answered", "")), *estimates]
        rows += [Row(name, (BLANK, reason, "")) for name, reason in self.reasons.items()]
        columns = ("Site", "n", shown[0].upper() + shown[1:], "p")
        return TableData(self.title, columns, tuple(rows))


def _estimate_rows(plain: Mapping[str, Any]) -> list[Row]:
    if "terms" not in plain:
        return [
            Row(name, ("", estimate(*(plain[name][part] for part in ("value", "lower", "upper"))), ""), 1)
            for name in effects(plain)
        ]
    shown = _shown_ratio if plain["ratio"] else _shown_coefficient
    return [Row(term["name"], ("", shown(term), p_value(term["p"])), 1) for term in plain["terms"]]


def _shown_ratio(term: Mapping[str, Any]) -> str:
    if term["coef"] is None:
        return BLANK
    return ratio(term["exponentiated"], term["exponentiated_lower"], term["exponentiated_upper"])


def _shown_coefficient(term: Mapping[str, Any]) -> str:
    return BLANK if term["coef"] is None else estimate(term["coef"], term["lower"], term["upper"])
