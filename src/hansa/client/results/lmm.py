"""A linear mixed model as a researcher holds it: coefficients, variances between clusters, advice, words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from hansa.client.results.checks import Checks
from hansa.client.results.coefficients import INTERCEPT, covariance_frame, terms_forest, terms_frame
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, count, estimate, fixed, p_value, significant
from hansa.stats.glm.result import Term, Test
from hansa.stats.lmm.compared import nested
from hansa.stats.lmm.result import Correlation, LmmResult, Variance
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["LmmFit"]

_LIKELIHOODS = {"REML": "restricted maximum likelihood", "ML": "maximum likelihood"}
_FEW_CLUSTERS = 30
_FEW_DF = 10
_CLOSE = 0.95


class LmmFit(View):
    """A linear mixed model over all cohorts.

    ``summary`` has a row per term: ``coef``, ``se``, ``df`` (Satterthwaite's), ``t``, ``p``, ``lower``, ``upper``. The
    numbers of an aliased term are not-a-number.
    """

    @property
    def title(self) -> str:
        """Likelihood and formula."""
        return f"Linear mixed model ({self._result.method}): {self._result.formula}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per term, unrounded."""
        frame = terms_frame(self._plain)
        frame.insert(2, "df", self._plain["dfs"])
        return frame.astype("float64")

    @cached_property
    def variances(self) -> pd.DataFrame:
        """``variance`` and ``sd`` of each random effect between clusters, and of the residuals."""
        import pandas as pd

        result = self._result
        rows = {one.name: (one.variance, one.sd) for one in result.variances}
        rows["residual"] = (result.residual_variance, result.residual_sd)
        return pd.DataFrame.from_dict(rows, orient="index", columns=["variance", "sd"]).rename_axis("effect")

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """The correlation of each pair of random effects."""
        import pandas as pd

        rows = [(one.first, one.second, one.correlation) for one in self._result.correlations]
        return pd.DataFrame(rows, columns=["first", "second", "correlation"]).set_index(["first", "second"])

    @property
    def icc(self) -> float | None:
        """The share of the variance that lies between clusters, for a random intercept alone."""
        return self._result.icc

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """The covariance of the coefficients that are not aliased."""
        return covariance_frame(self._plain)

    def compare(self, other: LmmFit) -> Test:
        """The likelihood-ratio test against a nested model on the same people, whichever is the smaller.

        Raises
        ------
        MethodError
            When the two are not nested, or restricted likelihoods of other fixed parts.
        """
        small, large = sorted((self._result, other._result), key=lambda result: result.parameters)
        return nested(small, large)

    def check(self) -> Checks:
        """What a reader should know before the numbers are used, with the variances."""
        return Checks(self.variances, tuple(self._advice()))

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        result, nodes = self._result, len(self.provenance.get("nodes", ()))
        effects = ", ".join(one.name for one in result.variances)
        group = "cohorts" if result.group == "node" else f"{result.group} within cohorts"
        return (
            f"We fitted a linear mixed model (Laird and Ware 1982, Biometrics 38:963) of {result.formula}"
            + (f" over {nodes} cohorts" if nodes else "")
            + f" by {_LIKELIHOODS[result.method]}, to {count(result.n)} observations in {count(result.clusters)} "
            f"clusters ({group}), with random effects {effects}"
            + (", correlated" if result.correlations else "")
            + ". The likelihood is profiled as in lme4 (Bates et al. 2015, J Stat Softw 67(1)), and the estimates "
            "equal those of the pooled data. Tests and intervals are those of Student's t with Satterthwaite's degrees "
            "of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110; Kuznetsova et al. 2017, J Stat Softw 82(13)). "
            f"Only masked sums over clusters left the cohorts (Hansa {__version__}; method lmm, version 1)."
        )

    def plot(self, *, terms: Sequence[str] | None = None, ax: Axes | None = None) -> Plot:
        """A forest plot of the coefficients; without terms, all but the intercept.

        Raises
        ------
        StudyError
            For a term that the model does not have.
        """
        return terms_forest(self._result, self.summary, terms, ax=ax)

    @cached_property
    def _result(self) -> LmmResult:
        known = {one.name for one in dataclasses.fields(LmmResult)}  # a newer minor version may have more
        plain = {name: value for name, value in self._plain.items() if name in known}
        return LmmResult(
            **plain
            | {
                "terms": tuple(Term(**one) for one in plain["terms"]),
                "variances": tuple(Variance(**one) for one in plain["variances"]),
                "correlations": tuple(Correlation(**one) for one in plain["correlations"]),
            }
        )

    def _advice(self) -> list[str]:
        """In words, most urgent first."""
        result, found = self._result, list[str]()
        if result.singular:
            found.append(
                "The fit is singular: a random effect, or a combination of them, does not vary between clusters. The "
                "coefficients stand; leave random slopes out until the variances are above zero."
            )
        found += [
            f"{one.first} and {one.second} of clusters are correlated by {fixed(one.correlation, 2)}: the data hardly "
            "tell them apart; take the slope's variable about its mean, or leave the slope out."
            for one in result.correlations
            if not result.singular and one.correlation is not None and abs(one.correlation) > _CLOSE
        ]
        if result.clusters < _FEW_CLUSTERS:
            found.append(
                f"{count(result.clusters)} clusters say little of variances between them (fewer than {_FEW_CLUSTERS}); "
                "intervals rest on few degrees of freedom."
            )
        few = [
            term.name
            for term, df in zip(result.terms, result.dfs, strict=True)
            if df is not None and df < _FEW_DF and term.name != INTERCEPT
        ]
        if few:
            found.append(
                f"{', '.join(few)}: fewer than {_FEW_DF} degrees of freedom, where Satterthwaite's approximation is "
                "rough."
            )
        if result.method == "ML":
            found.append("Under ML the variances are too small by what the coefficients take up; REML corrects for it.")
        if result.aliased:
            found.append(f"{', '.join(result.aliased)}: no coefficient, a combination of earlier terms.")
        return found or ["The random effects vary, and the clusters are enough for them."]

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"coefficients": self._coefficients, "variances": self._variances_table}

    def _coefficients(self) -> TableData:
        result = self._result
        heads = ("Term", "Coefficient", "SE", f"{100 * result.level:g}% CI", "df", "t", "p")
        rows = tuple(_row(term, df) for term, df in zip(result.terms, result.dfs, strict=True))
        return TableData(self.title, heads, rows, self._notes())

    def _variances_table(self) -> TableData:
        result = self._result
        rows = [Row(one.name, (significant(one.variance), significant(one.sd))) for one in result.variances]
        rows.append(Row("Residual", (significant(result.residual_variance), significant(result.residual_sd))))
        return TableData(f"{self.title}: variances", ("Effect", "Variance", "SD"), tuple(rows), self._notes())

    def _notes(self) -> tuple[str, ...]:
        result, nodes = self._result, len(self.provenance.get("nodes", ()))
        seen = f"n = {count(result.n)} in {count(result.clusters)} clusters"
        notes = [seen + (f", at {nodes} nodes." if nodes else ".")]
        notes.append(f"{result.method} criterion {significant(result.criterion, 6)}; AIC {significant(result.aic, 6)}.")
        if result.icc is not None:
            notes.append(f"Intraclass correlation {fixed(result.icc, 3)}.")
        notes += [
            f"Correlation of {one.first} and {one.second}: "
            f"{BLANK if one.correlation is None else fixed(one.correlation, 3)}."
            for one in result.correlations
        ]
        if result.singular:
            notes.append("The fit is singular: some random effect does not vary.")
        if result.aliased:
            notes.append(f"Aliased, without a coefficient: {', '.join(result.aliased)}.")
        notes += [f"Knots of {said}." for said in result.knots]
        notes += [f"Levels that nobody has, left out: {said}." for said in result.dropped_levels]
        return tuple(notes)


def _row(term: Term, df: float | None) -> Row:
    if term.coef is None or df is None:
        return Row(term.name, (BLANK,) * 6)
    middle, bounds = estimate(term.coef, term.lower, term.upper).rstrip(")").split(" (")
    return Row(
        term.name, (middle, significant(term.se), bounds, fixed(df, 1), fixed(term.statistic, 2), p_value(term.p))
    )
