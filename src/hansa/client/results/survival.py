"""Survival curves as a researcher holds them: points, medians, restricted means, a test, a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots.survival import CurveLine, survival_plot
from hansa.client.results.curves import last_shown, test_words, time_of
from hansa.client.results.held_back import HeldBack, of_curves
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import BLANK, count, estimate, fixed, p_value, significant
from hansa.errors import StudyError
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["SurvivalView"]

_COLUMNS = (
    *("at_risk", "events", "left", "survival", "se", "lower", "upper"),
    *("cumulative_hazard", "cumulative_hazard_se"),
)
_AT_RISK = "At risk: people still watched after that time, who had entered before it and not left up to it."
_ENDS = "Shown are times by which, since the one before, 5 had the event and 10 left."


class SurvivalView(View):
    """Kaplan-Meier and Nelson-Aalen curves over all cohorts.

    ``summary`` has a row per group and shown time: ``at_risk`` (people still at risk after it), ``events`` and
    ``left`` up to it, ``survival``, ``se``, ``lower``, ``upper``, ``cumulative_hazard`` and its error.
    """

    def _held_back(self) -> Iterable[HeldBack]:
        return of_curves(self._plain)

    @property
    def title(self) -> str:
        """The curves' formula."""
        return f"Survival: {self._plain['formula']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per group and shown time, unrounded."""
        import pandas as pd

        rows = [(group["group"], point) for group in self._groups for point in group["points"]]
        index = pd.MultiIndex.from_tuples([(name, point["time"]) for name, point in rows], names=["group", "time"])
        return pd.DataFrame([point for _, point in rows], index=index, columns=list(_COLUMNS)).astype("float64")

    @cached_property
    def medians(self) -> pd.DataFrame:
        """Per group the interval of shown times in which half are left, and those in which the bounds cross a half."""
        import pandas as pd

        rows = {
            group["group"]: {
                f"{name}_{end}": None if group[name] is None else group[name][place]
                for name in ("median", "median_lower", "median_upper")
                for place, end in enumerate(("after", "by"))
            }
            for group in self._groups
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("group").astype("float64")

    @cached_property
    def restricted_means(self) -> pd.DataFrame:
        """Mean survival up to ``tau``, and each group's difference from the first."""
        import pandas as pd

        differences = {one["group"]: one for one in self._plain["differences"]}
        rows = {}
        for group in self._groups:
            mean, other = group["restricted_mean"] or {}, differences.get(group["group"], {})
            rows[group["group"]] = {
                **{name: mean.get(name) for name in ("value", "se", "lower", "upper")},
                "difference": other.get("value"),
                **{f"difference_{name}": other.get(name) for name in ("se", "lower", "upper", "p")},
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("group").astype("float64")

    @property
    def tau(self) -> float | None:
        """Up to when restricted means are taken: the last time that may be shown of all groups together."""
        found = self._plain["tau"]
        return None if found is None else float(found)

    @property
    def test(self) -> Mapping[str, Any] | None:
        """The test that all groups have one hazard: ``name``, ``statistic``, ``df``, ``p``; ``None`` for one group."""
        found = self._plain["compared"]
        return None if found is None else dict(found["test"])

    def at(self, time: float) -> pd.DataFrame:
        """Each group's curve at the last shown time up to this one, with that time.

        Raises
        ------
        StudyError
            When nothing is shown up to then.
        """
        return last_shown(self.summary, time)

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The curves with their bands, and under them the people still at risk.

        Raises
        ------
        StudyError
            When no group has a curve that may be shown.
        """
        lines = [_line(group) for group in self._groups if group["points"]]
        if not lines:
            raise StudyError("no curve may be shown", why="too few people have the event", fix="merge groups")
        return survival_plot(lines, time_of(self._plain["formula"]), self._drawn, self.summary, ax=ax)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        plain, nodes = self._plain, len(self.provenance.get("nodes", ()))
        people = sum(group["people"] or 0 for group in self._groups)
        events = sum(group["events"] or 0 for group in self._groups)
        said = [
            f"Survival of {count(people)} people with {count(events)} events"
            + (f" in {nodes} cohorts" if nodes else "")
            + " was estimated by the Kaplan-Meier method (1958, JASA 53:457) with Greenwood's errors and "
            f"{plain['interval']} intervals at {100 * plain['level']:g}%, exactly for times on a grid of "
            f"{plain['grid']:g}.",
        ]
        if plain["compared"] is not None:
            stratified = f", stratified by {', '.join(plain['strata'])}" if plain["strata"] else ""
            said.append(f"Groups were compared by the {plain['compared']['test']['name']} test{stratified}.")
        if plain["tau"] is not None:
            said.append(f"Restricted mean survival was taken up to {plain['tau']:g}.")
        said.append(
            "Only masked sums of counts left the cohorts; curves are shown where at least 5 events and 10 people lie "
            f"between two times (Hansa {__version__}; method survival, version 1)."
        )
        return " ".join(said)

    @property
    def _groups(self) -> list[Mapping[str, Any]]:
        return list(self._plain["groups"])

    @property
    def _drawn(self) -> tuple[str, ...]:
        test = self.test
        said = [] if test is None else [f"{test['name'].capitalize()} test: {test_words(test)}."]
        return (*said, "Points are exact; between two of them the curve falls from one to the other.")

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"curves": self._curves, "medians": self._medians, "means": self._means, "test": self._test_table}

    def _curves(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        rows = []
        for group in self._groups:
            rows.append(Row(f"{group['group']} (n = {count(group['people'])}, {count(group['events'])} events)"))
            rows += [_point_row(point) for point in group["points"]]
        columns = ("Time", "Still at risk", "Events", f"Survival ({level})", "SE")
        return TableData(self.title, columns, tuple(rows), self._notes())

    def _notes(self) -> tuple[str, ...]:
        notes = [_AT_RISK, _ENDS, f"Exact for times on a grid of {self._plain['grid']:g}."]
        if self._plain["rounded"]:
            notes.append("Times that were not on the grid were rounded to it.")
        empty = [group["group"] for group in self._groups if not group["points"]]
        if empty:
            notes.append(f"Too few people or events to be shown: {', '.join(empty)}.")
        test = self.test
        if test is not None:
            notes.append(f"{test['name'].capitalize()} test: {test_words(test)}.")
        return tuple(notes)

    def _medians(self) -> TableData:
        rows = tuple(
            Row(group["group"], tuple(_between(group[name]) for name in ("median", "median_lower", "median_upper")))
            for group in self._groups
        )
        columns = ("Group", "Median in", "Lower bound in", "Upper bound in")
        notes = ("Half of the people are left at a time after the first and up to the second.", _ENDS)
        return TableData(f"{self.title}: median survival", columns, rows, notes)

    def _means(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        differences = {one["group"]: one for one in self._plain["differences"]}
        rows = tuple(_mean_row(group, differences.get(group["group"])) for group in self._groups)
        columns = ("Group", f"Mean ({level})", f"Difference from the first ({level})", "p")
        tau = BLANK if self.tau is None else f"{self.tau:g}"
        return TableData(f"{self.title}: mean survival up to {tau}", columns, rows, ())

    def _test_table(self) -> TableData:
        compared = self._plain["compared"]
        if compared is None:
            raise StudyError("there is one group only", fix="name a grouping variable", field="kind")
        rows = tuple(
            Row(group["group"], (count(seen) if seen == 0 or seen >= 5 else BLANK, significant(expected, 4)))
            for group, seen, expected in zip(self._groups, compared["observed"], compared["expected"], strict=True)
        )
        test = compared["test"]
        notes = (f"{test['name'].capitalize()} test: {test_words(test)}.",)
        return TableData(f"{self.title}: events", ("Group", "Observed", "Expected"), rows, notes)


def _line(group: Mapping[str, Any]) -> CurveLine:
    """A group's points; where a curve has fallen to nothing its bounds are none, and lie on it."""
    points = group["points"]
    return CurveLine(
        group=group["group"],
        people=group["people"],
        times=tuple(point["time"] for point in points),
        survival=tuple(point["survival"] for point in points),
        lower=tuple(point["survival"] if point["lower"] is None else point["lower"] for point in points),
        upper=tuple(point["survival"] if point["upper"] is None else point["upper"] for point in points),
        at_risk=tuple(point["at_risk"] for point in points),
    )


def _point_row(point: Mapping[str, Any]) -> Row:
    shown = (
        f"{fixed(point['survival'], 3)}"
        if point["lower"] is None
        else f"{fixed(point['survival'], 3)} ({fixed(point['lower'], 3)} to {fixed(point['upper'], 3)})"
    )
    cells = (count(point["at_risk"]), count(point["events"]), shown, significant(point["se"]))
    return Row(f"{point['time']:g}", cells, 1)


def _mean_row(group: Mapping[str, Any], difference: Mapping[str, Any] | None) -> Row:
    mean = group["restricted_mean"]
    first = BLANK if mean is None else estimate(mean["value"], mean["lower"], mean["upper"])
    if difference is None:
        return Row(group["group"], (first, "", ""))
    second = estimate(difference["value"], difference["lower"], difference["upper"])
    return Row(group["group"], (first, second, p_value(difference["p"])))


def _between(ends: Any) -> str:
    return BLANK if ends is None else f"{ends[0]:g} to {ends[1]:g}"
