"""A fitted Cox model: hazard ratios, checks of its assumptions, predictions, and words for a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots.survival import predicted_plot
from hansa.client.results.checks import Checks
from hansa.client.results.coefficients import (
    coefficient_columns,
    coefficient_row,
    covariance_frame,
    terms_forest,
    terms_frame,
)
from hansa.client.results.curves import time_of
from hansa.client.results.held_back import HeldBack, of_baseline
from hansa.client.results.prediction import hazard_ratios, predicted_curves, survival_of
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import count, fixed, p_value, significant
from hansa.stats.cox.diagnostics import Concordance
from hansa.stats.cox.result import CoxResult, nested, read_cox_result
from hansa.stats.glm.result import Test, wald
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["TIES", "CoxFit"]

_EVENTS_PER_TERM = 10
_CHANGING = 0.05
_BY_OTHERS = ' What is constant within nodes is compared by baseline="pooled", or a treatment by control_arm.'
TIES = {"efron": "Efron's method for ties", "breslow": "Breslow's method for ties"}
_CITED = {"efron": "Efron 1977, JASA 72:557", "breslow": "Breslow 1974, Biometrics 30:89"}


_TESTED = (
    "Proportional hazards were tested by scaled Schoenfeld residuals (Grambsch and Therneau 1994, Biometrika 81:515) "
    "against time and its logarithm."
)


class CoxFit(View):
    """A Cox proportional-hazards model over all cohorts.

    ``summary`` has a row per term: ``coef``, ``se``, ``z``, ``p``, ``lower``, ``upper``, ``hazard_ratio``,
    ``hr_lower``, ``hr_upper``. The numbers of an aliased term are not-a-number.
    """

    def _held_back(self) -> Iterable[HeldBack]:
        return of_baseline(self._plain)

    @property
    def title(self) -> str:
        """The model and its formula."""
        return f"Cox model: {self._result.formula}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per term, unrounded."""
        return terms_frame(self._plain)

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """The covariance of the coefficients that are not aliased."""
        return covariance_frame(self._plain)

    @property
    def concordance(self) -> float | None:
        """Harrell's C over pairs of people at one node, or with a pooled baseline of the league, in one stratum."""
        found = self._result.concordance
        return None if found is None else found.value

    def wald(self, *terms: str) -> Test:
        """The test that all these terms are zero; ``rx`` stands for all of ``rx[...]``."""
        return wald(self._result, terms)

    def compare(self, other: CoxFit) -> Test:
        """The likelihood-ratio test against a nested model on the same people, whichever is the smaller."""
        small, large = sorted((self._result, other._result), key=lambda result: result.df)
        return nested(small, large)

    def check(self) -> Checks:
        """The tests of proportional hazards, and what else a reader should know before the numbers are used."""
        import pandas as pd

        rows = [
            {"time": one.time, "term": test.name, "chi2": test.statistic, "df": test.df, "p": test.p}
            for one in self._result.proportional
            for test in (*one.terms, one.whole)
        ]
        frame = pd.DataFrame(rows, columns=["time", "term", "chi2", "df", "p"])
        return Checks(frame.set_index(["time", "term"]), tuple(self._advice()))

    def predict(
        self, people: pd.DataFrame | Mapping[str, Any], *, reference: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """The hazard of people with these covariates, relative to a reference, with intervals.

        Parameters
        ----------
        people : DataFrame, or mapping
            A row per kind of person, a column per variable of the formula; a mapping is one row.
        reference : mapping, optional
            The kind of person that they are compared with; without it, the first row.

        Returns
        -------
        DataFrame
            ``log_hazard_ratio``, ``se``, ``hazard_ratio``, ``hr_lower``, ``hr_upper``. For survival itself see
            :meth:`survival`.

        Raises
        ------
        StudyError
            When a variable is missing, or a level is not known.
        """
        return hazard_ratios(self._result, self._study, people, reference)

    def survival(self, people: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
        """Predicted survival of people with these covariates, for models with a pooled baseline hazard.

        Parameters
        ----------
        people : DataFrame, or mapping
            A row per kind of person, a column per variable of the formula; a mapping is one row.

        Returns
        -------
        DataFrame
            By ``stratum``, ``person`` and ``time``: ``survival`` with ``lower`` and ``upper``, ``cumulative_hazard``
            and its error ``se``, at the times that may be shown.

        Raises
        ------
        StudyError
            When the model has no baseline hazard to be shown, a variable is missing, or a level is not known.
        """
        return survival_of(self._result, self._study, people)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        result, nodes = self._result, len(self.provenance.get("nodes", ()))
        said = [
            f"We fitted a Cox proportional-hazards model (Cox 1972, JRSS B 34:187) of {result.formula}"
            + (f" over {nodes} cohorts" if nodes else "")
            + f" with {TIES[result.ties]} ({_CITED[result.ties]}), to {count(result.n)} observations with "
            f"{count(result.events)} events.",
            self._baseline_words(),
        ]
        if result.weights is not None:
            said.append(f"Observations were weighted by {result.weights} ({result.weights_type} weights).")
        if result.covariance_kind == "robust":
            said.append(
                f"Standard errors are robust (Lin and Wei 1989, JASA 84:1074), over {result.clusters} clusters."
            )
        if result.penalty is not None:
            said.append(self._penalty_words())
        else:
            said.append(_TESTED)
        shared = "; no event time was shared" if result.baseline == "node" else ""
        said.append(f"Only masked sums left the cohorts (Hansa {__version__}; method cox, version 1){shared}.")
        return " ".join(said)

    def _penalty_words(self) -> str:
        if self._result.penalty == "firth":
            return (
                "The likelihood was penalised by Firth's method (Heinze and Schemper 2001, Biometrics 57:114); tests "
                "and intervals are those of the profile penalised likelihood."
            )
        return (
            f"A ridge penalty of strength {self._result.theta:g} was put on the coefficients of standardised "
            "covariates (Verweij and Van Houwelingen 1994, Stat Med 13:2427), which leaves "
            f"{fixed(self._result.df, 1)} effective degrees of freedom (Gray 1992, JASA 87:942)."
        )

    def _baseline_words(self) -> str:
        result = self._result
        strata = ", ".join(result.strata)
        if result.baseline == "node":
            further = f", further stratified by {strata}" if strata else ""
            same = "; the estimates equal those of the pooled data stratified by cohort."
            return f"Each cohort had a baseline hazard of its own{further}{same}"
        own = f"a baseline hazard in each stratum of {strata}" if strata else "one baseline hazard"
        rounded = ", to which times were rounded" if result.rounded else ""
        same = f"the estimates equal those of the pooled data, exactly for times on a grid of {result.grid:g}"
        return f"All cohorts shared {own}; {same}{rounded}."

    def plot(self, *, terms: Sequence[str] | None = None, ax: Axes | None = None) -> Plot:
        """A forest plot of the hazard ratios; without terms, all.

        Raises
        ------
        StudyError
            For a term that the model does not have.
        """
        return terms_forest(self._result, self.summary, terms, ax=ax)

    def plot_survival(self, people: pd.DataFrame | Mapping[str, Any], *, ax: Axes | None = None) -> Plot:
        """The curves of :meth:`survival` with their bands, named by the rows' labels.

        Raises
        ------
        StudyError
            As :meth:`survival`.
        """
        found = self.survival(people)
        return predicted_plot(predicted_curves(found), time_of(self._result.formula), found, ax=ax)

    @cached_property
    def _result(self) -> CoxResult:
        return read_cox_result(self._plain)

    def _advice(self) -> list[str]:
        """In words, most urgent first."""
        result, found = self._result, list[str]()
        tested = [test for one in result.proportional for test in one.terms]
        least = {test.name: test.p for test in sorted(tested, key=lambda test: -(test.p or 0)) if test.p is not None}
        changing = {name: p for name, p in least.items() if p < _CHANGING}
        for name, p in sorted(changing.items(), key=lambda item: item[1]):
            found.append(
                f"The hazard ratio of {name} changes with time ({_said(p)}): read it as an average over the time "
                "watched, stratify by it or by groups of it (strata()), or fit periods of time apart."
            )
        if result.events < _EVENTS_PER_TERM * result.df:
            found.append(
                f"{count(result.events)} events for {result.df} coefficients are few (fewer than {_EVENTS_PER_TERM} "
                "each): intervals are too narrow and estimates too far from 1; take fewer terms."
            )
        if result.aliased:
            found.append(
                f"{', '.join(result.aliased)}: no coefficient, since {_compared(result)} it does not vary or is a "
                "combination of earlier terms." + (_BY_OTHERS if result.baseline == "node" else "")
            )
        if result.penalty == "ridge":
            found.append(
                "The ridge draws coefficients towards zero: their intervals are not about what they estimate; it "
                "serves prediction rather than tests. Proportional hazards are not tested under a penalty."
            )
        if result.penalty == "firth":
            found.append("Proportional hazards are not tested under a penalty; fit the model without it for that.")
        return found or ["No sign against proportional hazards, and enough events for the coefficients."]

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"coefficients": self._coefficients, "tests": self._tests_table, "proportional": self._proportional}

    def _coefficients(self) -> TableData:
        result = self._result
        rows = tuple(coefficient_row(term, ratio_shown=True) for term in result.terms)
        return TableData(self.title, coefficient_columns(result), rows, self._notes())

    def _notes(self) -> tuple[str, ...]:
        result, nodes = self._result, len(self.provenance.get("nodes", ()))
        seen = f"n = {count(result.n)}, {count(result.events)} events"
        notes = [seen + (f", at {nodes} nodes." if nodes else ".")]
        if result.baseline == "node":
            notes.append("Each node has a baseline hazard of its own, which stays there.")
        else:
            rounded = "; others were rounded to it" if result.rounded else ""
            notes.append(f"One baseline hazard for all nodes, exact for times on a grid of {result.grid:g}{rounded}.")
        if result.strata:
            notes.append(f"Further stratified by {', '.join(result.strata)}.")
        if result.covariance_kind == "robust":
            notes.append(f"Robust standard errors over {count(result.clusters)} clusters.")
        if result.penalty == "firth":
            notes.append("Firth's penalty; tests and intervals are those of the profile penalised likelihood.")
        if result.penalty == "ridge":
            effective = f"{fixed(result.df, 1)} effective degrees of freedom"
            notes.append(f"Ridge penalty, θ = {result.theta:g} on standardised columns; {effective}.")
        if result.aliased:
            said = f"{', '.join(result.aliased)}: constant {_compared(result)}, or a combination of others"
            notes.append(f"Aliased, without a coefficient: {said}." + (_BY_OTHERS if result.baseline == "node" else ""))
        if result.concordance is not None:
            notes.append(_ranked(result.concordance))
        notes += [f"Knots of {said}." for said in result.knots]
        notes += [f"Levels that nobody has, left out: {said}." for said in result.dropped_levels]
        return tuple(notes)

    def _tests_table(self) -> TableData:
        rows = tuple(
            Row(test.name.capitalize(), (significant(test.statistic, 5), _degrees(test.df), p_value(test.p)))
            for test in self._result.tests
        )
        return TableData(f"{self.title}: all coefficients zero", ("Test", "χ²", "df", "p"), rows, self._notes())

    def _proportional(self) -> TableData:
        rows = []
        for one in self._result.proportional:
            rows.append(Row(f"Against {'log time' if one.time == 'log' else 'time'}"))
            rows += [
                Row(test.name, (significant(test.statistic, 4), count(test.df), p_value(test.p)), 1)
                for test in (*one.terms, one.whole)
            ]
        return TableData(f"{self.title}: proportional hazards", ("Term", "χ²", "df", "p"), tuple(rows), ())


def _ranked(found: Concordance) -> str:
    if found.scope == "node":
        return f"Concordance within nodes: {fixed(found.value, 3)}."
    error = "" if found.se is None else f" (SE {fixed(found.se, 3)})"
    uno = "" if found.uno is None else f"; Uno's: {fixed(found.uno, 3)} (SE {fixed(found.uno_se, 3)})"
    return (
        f"Concordance over all nodes: {fixed(found.value, 3)}{error}, counted in classes of the predictor, which leave "
        f"{fixed(found.lower, 3)} to {fixed(found.upper, 3)} open{uno}."
    )


def _degrees(df: float) -> str:
    """Degrees of freedom; effective ones are no whole number."""
    return count(int(df)) if df == int(df) else fixed(df, 2)


def _compared(result: CoxResult) -> str:
    return "within nodes" if result.baseline == "node" else "among people at risk together"


def _said(p: float) -> str:
    return f"p = {p_value(p)}".replace("= <", "< ")
