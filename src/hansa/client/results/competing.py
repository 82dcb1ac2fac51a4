"""Competing risks as a researcher holds them: cumulative incidence by group and cause, Gray's tests, a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.plots.incidence import IncidenceLine, incidence_plot
from hansa.client.plots.survival import RiskRow
from hansa.client.results.curves import last_shown, test_words, time_of
from hansa.client.results.held_back import HeldBack, of_incidence
from hansa.client.results.view import View
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import count, fixed, p_value, significant
from hansa.errors import StudyError
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["CompetingView"]

_COLUMNS = ("at_risk", "left", "events", "incidence", "se", "lower", "upper")
_AT_RISK = "At risk: people still watched after that time and without any of the events."
_ENDS = (
    "Shown are times by which, since the one before, 5 had any of the events and 10 left, "
    "and of each cause none or at least 5."
)


class CompetingView(View):
    """Cumulative incidence by Aalen and Johansen over all cohorts, and Gray's tests between groups.

    ``summary`` has a row per group, cause and shown time: ``at_risk`` (people still at risk after it), ``left`` and
    ``events`` of the cause up to it, ``incidence``, ``se``, ``lower``, ``upper``.
    """

    def _held_back(self) -> Iterable[HeldBack]:
        return of_incidence(self._plain)

    @property
    def title(self) -> str:
        """The formula."""
        return f"Competing risks: {self._plain['formula']}"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per group, cause and shown time, unrounded."""
        import pandas as pd

        rows, places = [], []
        for group, curve, risk, point in self._points():
            places.append((group["group"], curve["cause"], point["time"]))
            rows.append({**risk, **point})
        index = pd.MultiIndex.from_tuples(places, names=["group", "cause", "time"])
        return pd.DataFrame(rows, index=index, columns=list(_COLUMNS)).astype("float64")

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Gray's test of each cause between the groups: ``statistic``, ``df``, ``p``; no rows for one group."""
        import pandas as pd

        rows = {one["cause"]: {name: one["test"][name] for name in ("statistic", "df", "p")} for one in self._compared}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "df", "p"]).rename_axis("cause")

    def at(self, time: float) -> pd.DataFrame:
        """Each group's incidence of each cause at the last shown time up to this one, with that time.

        Raises
        ------
        StudyError
            When nothing is shown up to then.
        """
        return last_shown(self.summary, time)

    def plot(self, *, ax: Axes | None = None) -> Plot:
        """The curves of each cause and group with their bands, and under them the people still at risk.

        Raises
        ------
        StudyError
            When no curve may be shown.
        """
        groups = [group for group in self._plain["groups"] if group["risk"]]
        lines = [
            _line(place, number, curve, group["group"] if len(groups) > 1 else None)
            for place, group in enumerate(groups)
            for number, curve in enumerate(group["curves"])
            if curve["points"]
        ]
        if not lines:
            raise StudyError("no curve may be shown", why="too few people have the events", fix="merge groups")
        time = time_of(self._plain["formula"])
        return incidence_plot(lines, [_risk(group) for group in groups], time, self._drawn, self.summary, ax=ax)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        plain, nodes = self._plain, len(self.provenance.get("nodes", ()))
        people = sum(group["people"] or 0 for group in plain["groups"])
        said = [
            f"Cumulative incidence of {_listed(plain['causes'])} as competing risks in {count(people)} people"
            + (f" of {nodes} cohorts" if nodes else "")
            + " was estimated by the method of Aalen and Johansen (1978, Scand J Stat 5:141) with errors of the "
            f"infinitesimal jackknife and {plain['interval']} intervals at {100 * plain['level']:g}%, exactly for "
            f"times on a grid of {plain['grid']:g}.",
        ]
        if self._compared:
            stratified = f", stratified by {', '.join(plain['strata'])}" if plain["strata"] else ""
            said.append(
                f"Groups were compared by Gray's test (1988, Ann Stat 16:1141; rho {plain['rho']:g}){stratified}."
            )
        said.append(
            "Only masked sums of counts left the cohorts; incidences are shown where at least 5 events and 10 people, "
            "and of each cause none or at least 5 events, lie between two times "
            f"(Hansa {__version__}; method competing_risks, version 1)."
        )
        return " ".join(said)

    def _points(self) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]:
        """Group, curve, who is at risk, and point."""
        for group in self._plain["groups"]:
            for curve in group["curves"]:
                for place, point in enumerate(curve["points"]):
                    yield group, curve, group["risk"][place], point

    @property
    def _compared(self) -> list[Mapping[str, Any]]:
        return list(self._plain["compared"])

    @property
    def _told(self) -> tuple[str, ...]:
        return tuple(f"Gray's test of {one['cause']}: {test_words(one['test'])}." for one in self._compared)

    @property
    def _drawn(self) -> tuple[str, ...]:
        return (*self._told, "Points are exact; between two of them the curve rises from one to the other.")

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"incidence": self._incidence, "tests": self._tests_table}

    def _incidence(self) -> TableData:
        level = f"{100 * self._plain['level']:g}% CI"
        rows, last = [], None
        for group, curve, risk, point in self._points():
            if last is not curve:
                last = curve
                people, events = count(group["people"]), count(curve["events"])
                rows.append(Row(f"{curve['cause']}, {group['group']} (n = {people}, {events} events)"))
            rows.append(_point_row(risk, point))
        columns = ("Time", "Still at risk", "Events", f"Incidence ({level})", "SE")
        return TableData(self.title, columns, tuple(rows), self._notes())

    def _notes(self) -> tuple[str, ...]:
        notes = [_AT_RISK, _ENDS, f"Exact for times on a grid of {self._plain['grid']:g}."]
        if self._plain["rounded"]:
            notes.append("Times that were not on the grid were rounded to it.")
        empty = [
            f"{curve['cause']}, {group['group']}"
            for group in self._plain["groups"]
            for curve in group["curves"]
            if not curve["points"]
        ]
        if empty:
            notes.append(f"Too few people or events to be shown: {'; '.join(empty)}.")
        return (*notes, *self._told)

    def _tests_table(self) -> TableData:
        if not self._compared:
            raise StudyError("no groups are compared", fix="name a grouping variable", field="kind")
        rows = tuple(_test_row(one["cause"], one["test"]) for one in self._compared)
        return TableData(f"{self.title}: Gray's tests", ("Cause", "χ²", "df", "p"), rows, ())


def _risk(group: Mapping[str, Any]) -> RiskRow:
    return RiskRow(
        group=group["group"],
        people=group["people"],
        times=tuple(point["time"] for point in group["risk"]),
        at_risk=tuple(point["at_risk"] for point in group["risk"]),
    )


def _line(place: int, number: int, curve: Mapping[str, Any], group: str | None) -> IncidenceLine:
    """A cause's points; before its first event its bounds are none, and lie on it."""
    points = curve["points"]
    return IncidenceLine(
        place=place,
        cause=number,
        label=curve["cause"] if group is None else f"{curve['cause']}, {group}",
        times=tuple(point["time"] for point in points),
        incidence=tuple(point["incidence"] for point in points),
        lower=tuple(point["incidence"] if point["lower"] is None else point["lower"] for point in points),
        upper=tuple(point["incidence"] if point["upper"] is None else point["upper"] for point in points),
    )


def _point_row(risk: Mapping[str, Any], point: Mapping[str, Any]) -> Row:
    shown = fixed(point["incidence"], 3)
    if point["lower"] is not None:
        shown += f" ({fixed(point['lower'], 3)} to {fixed(point['upper'], 3)})"
    cells = (count(risk["at_risk"]), count(point["events"]), shown, significant(point["se"]))
    return Row(f"{point['time']:g}", cells, 1)


def _test_row(cause: str, test: Mapping[str, Any]) -> Row:
    return Row(cause, (significant(test["statistic"], 4), count(test["df"]), p_value(test["p"])))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
