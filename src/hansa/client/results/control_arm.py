"""A control-arm analysis as a researcher holds it: hazard ratio, weighted curves, balance, sensitivity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots.survival import CurveLine, survival_plot
from hansa.client.results.causal import (
    balance_frame,
    balance_plot,
    balance_table,
    emulated,
    missing_trial,
    unbalanced,
)
from hansa.client.results.checks import Checks
from hansa.client.results.curves import last_shown, time_of
from hansa.client.results.held_back import HeldBack, of_arms
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, count, estimate, fixed, p_value, significant
from hansa.errors import StudyError
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["ControlArmView"]

_WHOM = {"ATE": "everybody", "ATT": "the treated", "ATO": "the overlap of the arms"}
_BOUNDS = ("lower", "upper")
_COLUMNS = ("at_risk", "events", "survival", "se", "lower", "upper")
CONFOUNDED = (
    "Treatment and site are confounded where a node holds one arm only: what else differs between sites (care, "
    "calendar time, how events are found) cannot be told from the treatment."
)
_AT_RISK = "People still at risk are counted without their weights; curves are weighted."
_WEIGHTS = "Errors of the hazard ratio and of restricted means allow for the estimated weights; bands of curves do not."


class ControlArmView(View):
    """Treated people of a trial against weighted controls elsewhere.

    ``summary`` has the rows ``hazard ratio``, ``difference`` and ``ratio`` of restricted means: ``value``, ``se`` (of
    ratios that of the logarithm), ``lower``, ``upper``, ``p``, and for the hazard ratio ``e_value`` and
    ``e_value_bound``.
    """

    def _held_back(self) -> Iterable[HeldBack]:
        return of_arms(self._plain)

    @property
    def title(self) -> str:
        """What is contrasted."""
        plain = self._plain
        return f"{plain['estimand']} of {plain['treatment']} on {plain['survival']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per contrast, unrounded."""
        import pandas as pd  # see view

        names = ("value", "se", "lower", "upper", "p", "e_value", "e_value_bound")
        rows = {"hazard ratio": self._ratio, **{f"{one['name']} of means": one for one in self._plain["means"]}}
        found = {key: {name: row.get(name) for name in names} for key, row in rows.items()}
        return pd.DataFrame.from_dict(found, orient="index").rename_axis("contrast").astype("float64")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per arm and shown time: ``at_risk``, ``events``, ``survival``, ``se``, ``lower``, ``upper``."""
        import pandas as pd  # see view

        rows = [(arm["arm"], point) for arm in self._plain["arms"] for point in arm["points"]]
        index = pd.MultiIndex.from_tuples([(arm, point["time"]) for arm, point in rows], names=["arm", "time"])
        return pd.DataFrame([point for _, point in rows], index=index, columns=list(_COLUMNS)).astype("float64")

    @cached_property
    def arms(self) -> pd.DataFrame:
        """One row per arm: ``people``, ``events``, ``effective`` people, and the restricted mean."""
        import pandas as pd  # see view

        rows = {
            arm["arm"]: {
                **{name: arm[name] for name in ("people", "events", "effective")},
                **{f"mean_{name}": value for name, value in (arm["restricted_mean"] or {}).items()},
            }
            for arm in self._plain["arms"]
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm").astype("float64")

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Each term's standardised mean difference, ``unweighted`` and ``weighted``."""
        return balance_frame(self._plain["balance"])

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """By how far an unmeasured confounder's means are ``apart``, its hazard ratio that would explain the result.

        ``estimate`` would move the hazard ratio to 1, ``bound`` the end of its interval.
        """
        import pandas as pd  # see view

        return pd.DataFrame(self._plain["tipping"]).set_index("apart").astype("float64")

    @property
    def tau(self) -> float | None:
        """Up to when restricted means are taken: the last time that may be shown of both arms together."""
        found = self._plain["tau"]
        return None if found is None else float(found)

    def at(self, time: float) -> pd.DataFrame:
        """Each arm's curve at the last shown time up to this one, with that time.

        Raises
        ------
        StudyError
            When nothing is shown up to then.
        """
        return last_shown(self.curves, time)

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The weighted curves with their bands, and under them the people still at risk.

        Raises
        ------
        StudyError
            When no curve may be shown.
        """
        lines = [_line(arm) for arm in self._plain["arms"] if arm["points"]]
        if not lines:
            raise StudyError("no curve may be shown", why="too few people have the event", fix="follow for longer")
        row = self._ratio
        said = f"Hazard ratio {estimate(row['value'], row['lower'], row['upper'])}, {_p(row['p'])}."
        notes = (said, "Treatment and site are confounded where a node holds one arm only.")
        return survival_plot(lines, time_of(f"{self._plain['survival']} ~ 1"), notes, self.curves, ax=ax)

    def plot_balance(self, *, ax: Axes | None = None) -> Plot:
        """The love plot: differences of the arms before and after weighting; ``.data`` has them with their signs."""
        return balance_plot(self._plain["balance"], ax=ax)

    def check(self) -> Checks:
        """Whether the arms are alike and rest on enough people, and how little would explain the result."""
        plain = self._plain
        least = min(arm["people"] for arm in plain["arms"]) / 2
        advice = unbalanced(plain["balance"])
        advice += [
            f"The weights of the {arm['arm']} rest on few of them ({arm['effective']:.0f}): arms hardly overlap. "
            "Narrow the population, or take ATO."
            for arm in plain["arms"]
            if arm["effective"] < least
        ]
        advice = advice or ["The weighted arms are balanced, and the weights rest on many people."]
        advice += [CONFOUNDED, self._explained(), *missing_trial(self._study.study)]
        return Checks(self.balance, advice)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        plain, nodes = self._plain, len(self.provenance.get("nodes", ()))
        controls, treated = plain["arms"]
        mean = "" if self.tau is None else f" Restricted mean survival was taken up to {self.tau:g}."
        return (
            f"Survival of {count(treated['people'])} people with {plain['treatment']} "
            f"({count(treated['events'])} events) was compared with that of {count(controls['people'])} external "
            f"controls ({count(controls['events'])} events)"
            + (f" in {nodes} cohorts" if nodes else "")
            + f", weighted by a logistic propensity model of {plain['adjust']} to be like {_WHOM[plain['estimand']]} "
            f"({plain['estimand']}; effective numbers {treated['effective']:.0f} and {controls['effective']:.0f}; "
            "Austin 2014, Stat Med 33:1242). The hazard ratio is that of a weighted Cox model of the treatment, with "
            f"one baseline hazard for all cohorts ({plain['ties'].capitalize()} ties), exact for times on a grid of "
            f"{plain['grid']:g}; curves are weighted Kaplan-Meier curves.{mean} Errors are those of the stacked "
            "estimating equations and allow for the estimated weights (Lin and Wei 1989, JASA 84:1074; Stefanski and "
            "Boos 2002, Am Stat 56:29); bands of curves take the weights as known. "
            f"{self._explained()} {CONFOUNDED} Only masked sums left the cohorts (Hansa {__version__}; method "
            "control_arm, version 1)." + emulated(self._study.study)
        )

    @property
    def _ratio(self) -> Mapping[str, Any]:
        return dict(self._plain["hazard_ratio"])

    def _explained(self) -> str:
        row = self._ratio
        taken = " (as a risk ratio, since events are common)" if row["common"] else ""
        return (
            f"The E-value of the hazard ratio{taken} is {fixed(row['e_value'], 2)}, and "
            f"{fixed(row['e_value_bound'], 2)} for its interval (VanderWeele and Ding 2017, Ann Intern Med 167:268)."
        )

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {
            "contrasts": self._contrasts,
            "arms": self._arms_table,
            "curves": self._curves_table,
            "balance": lambda: balance_table(self.title, self._plain["balance"]),
            "sensitivity": self._sensitivity_table,
        }

    @property
    def _interval_name(self) -> str:
        return f"{100 * self._plain['level']:g}% CI"

    def _contrasts(self) -> TableData:
        named = [("Hazard ratio", self._ratio)]
        named += [(f"{one['name'].capitalize()} of means to {self.tau:g}", one) for one in self._plain["means"]]
        rows = tuple(
            Row(name, (estimate(row["value"], row["lower"], row["upper"]), p_value(row["p"]))) for name, row in named
        )
        columns = ("Treated against controls", f"Value ({self._interval_name})", "p")
        return TableData(self.title, columns, rows, (CONFOUNDED, self._explained(), _WEIGHTS))

    def _arms_table(self) -> TableData:
        rows = []
        for arm in self._plain["arms"]:
            mean = arm["restricted_mean"]
            shown = BLANK if mean is None else estimate(mean["value"], mean["lower"], mean["upper"])
            cells = (count(arm["people"]), count(arm["events"]), fixed(arm["effective"], 1), shown)
            rows.append(Row(arm["arm"].capitalize(), cells))
        tau = BLANK if self.tau is None else f"{self.tau:g}"
        columns = ("Arm", "n", "Events", "Effective n", f"Mean to {tau} ({self._interval_name})")
        return TableData(f"{self.title}: arms", columns, tuple(rows), ())

    def _curves_table(self) -> TableData:
        rows = []
        for arm in self._plain["arms"]:
            rows.append(Row(f"{arm['arm'].capitalize()} (n = {count(arm['people'])})"))
            rows += [_point_row(point) for point in arm["points"]]
        columns = ("Time", "Still at risk", "Events", f"Survival ({self._interval_name})", "SE")
        return TableData(f"{self.title}: weighted curves", columns, tuple(rows), (_AT_RISK, _WEIGHTS))

    def _sensitivity_table(self) -> TableData:
        rows = tuple(
            Row(f"{one['apart']:g}", (fixed(one["estimate"], 2), fixed(one["bound"], 2)))
            for one in self._plain["tipping"]
        )
        note = (
            "The hazard ratio, per standard deviation, of an unmeasured confounder whose means are so far apart, that "
            "would explain the estimate, or its interval's nearer end, away (Lin et al. 1998, Biometrics 54:948)."
        )
        return TableData(f"{self.title}: tipping points", ("Means apart (SD)", "Estimate", "Interval"), rows, (note,))


def _p(p: float) -> str:
    return f"p = {p_value(p)}".replace("= <", "< ")


def _line(arm: Mapping[str, Any]) -> CurveLine:
    """An arm's points; where a curve has fallen to nothing its bounds are none, and lie on it."""
    points = arm["points"]
    ends = {name: tuple(one["survival"] if one[name] is None else one[name] for one in points) for name in _BOUNDS}
    return CurveLine(
        group=arm["arm"],
        people=arm["people"],
        times=tuple(one["time"] for one in points),
        survival=tuple(one["survival"] for one in points),
        at_risk=tuple(one["at_risk"] for one in points),
        **ends,
    )


def _point_row(point: Mapping[str, Any]) -> Row:
    whole = point["lower"] is None
    ends = "" if whole else f" ({fixed(point['lower'], 3)} to {fixed(point['upper'], 3)})"
    shown = f"{fixed(point['survival'], 3)}{ends}"
    se = BLANK if point["se"] is None else significant(point["se"])
    return Row(f"{point['time']:g}", (count(point["at_risk"]), count(point["events"]), shown, se), 1)
