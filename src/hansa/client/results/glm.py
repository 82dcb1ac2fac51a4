"""A fitted model: coefficients with their intervals, tests, forest plot, validation elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.results.coefficients import (
    coefficient_columns,
    coefficient_row,
    covariance_frame,
    terms_forest,
    terms_frame,
)
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import count, fixed, p_value, significant
from hansa.model import Analysis
from hansa.stats.glm.result import GlmResult, Term, Test, likelihood_ratio, wald
from hansa.stats.validation.plan import frozen

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["GlmFit"]

_FIT = (
    *("n", "df_residual", "deviance", "null_deviance", "loglik", "aic", "bic", "dispersion"),
    *("pseudo_r2", "deviance_r2", "lr_statistic", "lr_df", "lr_p", "iterations"),
)
_COUNTS = ("theta", "theta_se", "overdispersion_statistic", "overdispersion_p")


class GlmFit(View):
    """A generalised linear model over all cohorts.

    ``summary`` has a row per term: ``coef``, ``se``, ``z``, ``t`` or ``chi2``, ``p``, ``lower``, ``upper`` and, where
    exp(coef) means something, the ratio by its name (``odds_ratio``) with ``or_lower`` and ``or_upper``. The
    numbers of an aliased term are not-a-number.
    """

    @property
    def title(self) -> str:
        """Family, link and formula."""
        return f"{self._result.family} ({self._result.link}): {self._result.formula}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per term, unrounded."""
        return terms_frame(self._plain)

    @cached_property
    def wald_summary(self) -> pd.DataFrame:
        """The summary with Wald's tests and intervals, also where ``summary`` has those of a profile."""
        if not self._plain.get("wald_terms"):
            return self.summary
        return terms_frame({**self._plain, "terms": self._plain["wald_terms"], "statistic_kind": "z"})

    @cached_property
    def fit(self) -> pd.Series[Any]:
        """Numbers of the whole model: people, deviance, likelihood, information criteria."""
        import pandas as pd

        more = [name for name in _COUNTS if self._plain.get(name) is not None]
        return pd.Series({name: self._plain[name] for name in (*_FIT, *more)}, dtype="float64", name="value")

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """The covariance of the coefficients that are not aliased."""
        return covariance_frame(self._plain)

    @property
    def knots(self) -> tuple[str, ...]:
        """The knots of each spline, in words."""
        return self._result.knots

    @property
    def aliased(self) -> tuple[str, ...]:
        """The terms that are combinations of earlier ones, and so have no coefficient."""
        return self._result.aliased

    def wald(self, *terms: str) -> Test:
        """The test that all these terms are zero; ``cp`` stands for all of ``cp[...]``."""
        return wald(self._result, terms)

    def compare(self, other: GlmFit) -> Test:
        """The likelihood-ratio test against a nested model on the same people, whichever is the smaller."""
        small, large = sorted((self._result, other._result), key=lambda result: -result.df_residual)
        return likelihood_ratio(small, large)

    def validate(self, on: str | Sequence[str]) -> View:
        """Calibration and discrimination of this model, its coefficients frozen, at other nodes.

        Each node gives its own numbers as a release. The population is that of the fit.

        Parameters
        ----------
        on : str or sequence of str
            One node, or several.

        Raises
        ------
        StudyError
            When the model is not logistic, or its intercepts stayed at the nodes.
        Refused, NotEstimable
            When the only node asked gives no answer.
        """
        nodes = (on,) if isinstance(on, str) else tuple(on)
        population = self._study.study.analyses[self._analysis].population
        asked = Analysis(
            method="validate",
            arguments={"model": frozen(self._plain), "level": self._result.level},
            population=population,
            nodes=nodes,
            sites=True,
        )
        return self._study.resubmit({"validation": asked}).run("validation")

    def plot(self, *, terms: Sequence[str] | None = None, ax: Axes | None = None) -> Plot:
        """A forest plot of the coefficients, or of their ratios; without terms, all but the intercept.

        Raises
        ------
        StudyError
            For a term that the model does not have.
        """
        return terms_forest(self._result, self.summary, terms, ax=ax)

    @cached_property
    def _result(self) -> GlmResult:
        """The result as its own type; fields that a newer minor version added are left aside."""
        known = {field.name for field in dataclasses.fields(GlmResult)}
        fields = {name: value for name, value in self._plain.items() if name in known}
        terms, wald_terms = (tuple(Term(**one) for one in fields.get(name, ())) for name in ("terms", "wald_terms"))
        tuples = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return GlmResult(**{**fields, **tuples, "terms": terms, "wald_terms": wald_terms})

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"coefficients": self._coefficients, "fit": self._fit_table}

    def _coefficients(self) -> TableData:
        result = self._result
        rows = tuple(coefficient_row(term, ratio_shown=result.ratio is not None) for term in result.terms)
        return TableData(self.title, coefficient_columns(result), rows, self._notes())

    def _notes(self) -> tuple[str, ...]:
        result = self._result
        nodes = len(self.provenance.get("nodes", ()))
        notes = [f"n = {count(result.n)}" + (f" at {nodes} nodes." if nodes else ".")]
        if result.node == "intercepts":
            notes.append("Each node has an intercept of its own, which stays there.")
        if result.theta is not None:
            test = f"χ² = {fixed(result.overdispersion_statistic, 2)}, p = {p_value(result.overdispersion_p)}"
            said = f"θ = {significant(result.theta)} (SE {significant(result.theta_se)}); against Poisson {test}."
            notes.append(said.replace("p = <", "p < "))
        if result.penalty == "firth":
            notes.append("Firth's penalty; tests and intervals are those of the profile penalised likelihood.")
        if result.covariance_kind != "model":
            notes.append(f"Standard errors: {result.covariance_kind} sandwich.")
        if result.aliased:
            notes.append(f"Aliased, without a coefficient: {', '.join(result.aliased)}.")
        notes += [f"Knots of {said}." for said in result.knots]
        notes += [f"Levels that nobody has, left out: {said}." for said in result.dropped_levels]
        return tuple(notes)

    def _fit_table(self) -> TableData:
        words = {
            "n": "Observations",
            "df_residual": "Residual degrees of freedom",
            "deviance": "Deviance",
            "null_deviance": "Null deviance",
            "loglik": "Log-likelihood",
            "aic": "AIC",
            "bic": "BIC",
            "dispersion": "Dispersion",
            "pseudo_r2": "McFadden's pseudo-R²",
            "lr_statistic": "Likelihood-ratio χ² of the whole model",
            "lr_df": "Its degrees of freedom",
        }
        if self._result.penalty:
            words["loglik"] = "Penalised log-likelihood"
        whole = {"n", "df_residual", "lr_df"}
        rows = [
            Row(said, (count(self._plain[name]) if name in whole else significant(self._plain[name], 5),))
            for name, said in words.items()
        ]
        rows.append(Row("Its p", (p_value(self._plain["lr_p"]),)))
        return TableData(self.title, ("Quantity", "Value"), tuple(rows), self._notes())
