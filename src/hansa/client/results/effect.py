"""A causal contrast as a researcher holds it: contrasts, potential means, balance, advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.results.causal import balance_frame, balance_plot, balance_table, emulated, missing_trial, unbalanced
from hansa.client.results.checks import Checks
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import count, estimate, p_value
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["EffectView"]

_WHOM = {"ATE": "everybody", "ATT": "the treated", "ATO": "the overlap of the arms"}
_HOW = {
    "weighting": "weighting by the propensity score (Hajek)",
    "standardisation": "standardisation of an outcome model fitted in each arm",
    "aipw": "augmented inverse-probability weighting (doubly robust)",
}
_BETWEEN = {
    "common": "One propensity model is common to all cohorts: differences between cohorts that go with treatment are "
    "not adjusted for.",
    "intercepts": "The propensity model has an intercept in each cohort, so that people are weighted to be alike "
    "within cohorts; cohorts in which all or none are treated take no part in the contrast.",
}
_FEW = 0.5


class EffectView(View):
    """A contrast of the treated and the untreated over all cohorts.

    ``summary`` has a row per contrast: ``value``, ``se`` (of ratios that of the logarithm), ``lower``, ``upper``,
    ``p``, and for the risk ratio ``e_value`` and ``e_value_bound``.
    """

    @property
    def title(self) -> str:
        """What is contrasted."""
        plain = self._plain
        return f"{plain['estimand']} of {plain['treatment']} on {plain['outcome']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per contrast, unrounded."""
        return self._frame("contrasts", "name")

    @cached_property
    def means(self) -> pd.DataFrame:
        """The mean potential outcome in each arm."""
        return self._frame("means", "arm")

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Each term's standardised mean difference, ``unweighted`` and ``weighted``."""
        return balance_frame(self._plain["balance"])

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The love plot: sizes of the differences before and after weighting; ``.data`` has them with their signs."""
        return balance_plot(self._plain["balance"], ax=ax)

    def check(self) -> Checks:
        """Whether the weights balance the arms and rest on enough people, with advice."""
        plain = self._plain
        advice = unbalanced(plain["balance"])
        advice += [
            f"The weights of the {arm} rest on few of them: arms hardly overlap. Narrow the population, or take ATO."
            for arm in ("untreated", "treated")
            if plain[f"effective_{arm}"] < _FEW * plain[arm]
        ]
        advice = advice or ["The weighted arms are balanced, and the weights rest on many people."]
        advice += missing_trial(self._study.study)
        return Checks(self.balance, advice)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        plain, nodes = self._plain, len(self.provenance.get("nodes", ()))
        return (
            f"The effect of {plain['treatment']} on {plain['outcome']} in {_WHOM[plain['estimand']]} "
            f"({plain['estimand']}) was estimated in {count(plain['n'])} people"
            + (f" in {nodes} cohorts" if nodes else "")
            + f", {count(plain['treated'])} of them treated, by {_HOW[plain['estimator']]}, adjusted for "
            f"{plain['adjust']}. Errors are those of the stacked estimating equations (Lunceford and Davidian 2004, "
            "Stat Med 23:2937), which allow for the estimated models. Only masked sums left the cohorts "
            f"(Hansa {__version__}; method effect, version 1). " + _BETWEEN[plain["node"]] + emulated(self._study.study)
        )

    def _frame(self, field: str, key: str) -> pd.DataFrame:
        import pandas as pd  # see view

        return pd.DataFrame(self._plain[field]).set_index(key).astype("float64")

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"contrasts": self._contrasts, "means": self._means, "balance": self._balanced}

    def _contrasts(self) -> TableData:
        rows = tuple(Row(row["name"], (_interval(row), p_value(row["p"]))) for row in self._plain["contrasts"])
        note = _BETWEEN[self._plain["node"]]
        return TableData(self.title, ("Contrast", f"Value ({100 * self._plain['level']:g}% CI)", "p"), rows, (note,))

    def _means(self) -> TableData:
        rows = tuple(Row(row["arm"], (count(self._plain[row["arm"]]), _interval(row))) for row in self._plain["means"])
        return TableData(f"{self.title}: potential outcomes", ("Arm", "n", "Mean"), rows, ())

    def _balanced(self) -> TableData:
        return balance_table(self.title, self._plain["balance"])


def _interval(row: Mapping[str, Any]) -> str:
    return estimate(row["value"], row["lower"], row["upper"])
