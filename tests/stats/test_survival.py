"""Survival curves against R (survival_facts.R says with which calls) and lifelines; what of them is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cox_cases import columns, table
from descriptive_cases import Columns, FixedPoint, deal, described
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from numpy.typing import NDArray

from hansa.errors import HansaError, MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.plain import to_plain
from hansa.stats.survival import plan as survival
from hansa.stats.survival.curves import Table, curve_of, restricted_mean
from hansa.stats.survival.release import CELL, GROUP, ends_of
from hansa.stats.survival.result import SurvivalResult

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "survival_facts.json").read_text())
CURVES = {fact["name"]: fact for fact in FACTS["curves"]}
TESTS = {fact["name"]: fact for fact in FACTS["tests"]}
MEANS = {fact["name"]: fact for fact in FACTS["means"]}

ARMS = "Surv(time, status) ~ rx"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "colon": ("colon", {"formula": "Surv(time, status) ~ 1"}),
    "colon arms": ("colon", {"formula": ARMS}),
    "colon log-log": ("colon", {"formula": ARMS, "interval": "log-log"}),
    "colon plain": ("colon", {"formula": ARMS, "interval": "plain", "level": 0.9}),
    "heart late": ("heart", {"formula": "Surv(start, stop, event) ~ transplant"}),
}


def ask(name: str, **arguments: Any) -> SurvivalResult:
    """The federated curves of one of R's data sets."""
    values, variables, owners = columns(name)
    if name == "heart":  # its days are whole but for one half; transplant is a group here
        variables = {
            **variables,
            "transplant": Variable(name="transplant", type="category", levels=("0", "1")),
        }
        arguments = {"grid": 0.1, **arguments}
    return curves(values, variables, owners, **arguments)


def curves(values: Columns, variables: Any, owners: NDArray[np.int64], **arguments: Any) -> SurvivalResult:
    return survival.plan(FixedPoint(survival.METHOD, deal(values, variables, owners), variables), arguments)


def of_r(fact: dict[str, Any], group: str) -> dict[str, FloatArray]:
    """R's curve of a group, by the times of its events."""
    rows = [place for place, name in enumerate(fact["points"]["group"]) if name == group]
    wanted = ("time", "survival", "se", "lower", "upper", "hazard", "hazard_se")
    return {name: np.array([fact["points"][name][row] for row in rows], dtype=np.float64) for name in wanted}


@pytest.mark.parametrize("name", MODELS)
def test_every_point_that_is_shown_is_that_of_r(name: str) -> None:
    data, arguments = MODELS[name]
    found, shown = ask(data, **arguments), 0
    for group in found.groups:
        expected = of_r(CURVES[name], group.group)
        for point in group.points:
            at = int(np.searchsorted(expected["time"], point.time, side="right")) - 1
            ours = (point.survival, point.se, point.lower, point.upper, point.cumulative_hazard)
            theirs = [expected[part][at] for part in ("survival", "se", "lower", "upper", "hazard")]
            assert ours == pytest.approx(theirs, rel=1e-10)
            assert point.cumulative_hazard_se == pytest.approx(expected["hazard_se"][at], rel=1e-10)
            shown += 1
    assert shown > (10 if data == "colon" else 2)


WEIGHTED: dict[str, tuple[str, dict[str, Any]]] = {
    "logrank": ("colon", {"formula": ARMS}),
    "peto": ("colon", {"formula": ARMS, "weighting": "fleming-harrington", "rho": 1.0}),
    "half": ("colon", {"formula": ARMS, "weighting": "fleming-harrington", "rho": 0.5}),
    "strata": ("colon", {"formula": f"{ARMS} + strata(differ)"}),
    "veteran": ("veteran", {"formula": "Surv(time, status) ~ celltype", "grid": 1.0}),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_groups_are_compared_as_by_survdiff(name: str) -> None:
    data, arguments = WEIGHTED[name]
    found, fact = ask(data, **arguments).compared, TESTS[name]
    assert found is not None
    assert found.test.statistic == pytest.approx(fact["statistic"], rel=1e-9)
    assert found.test.df == fact["df"]
    if "rho" not in arguments:  # R's expected numbers are weighted too
        assert found.observed == pytest.approx(fact["observed"])
        assert found.expected == pytest.approx(fact["expected"], rel=1e-9)


@pytest.mark.parametrize(
    ("weighting", "named"), [("gehan", "wilcoxon"), ("tarone-ware", "tarone-ware"), ("logrank", None)]
)
def test_weighted_tests_are_those_of_lifelines(weighting: str, named: str | None) -> None:
    data = table("colon")
    found = ask("colon", formula=ARMS, weighting=weighting).compared
    peer = multivariate_logrank_test(data["time"], data["rx"], data["status"], weightings=named)
    assert found is not None
    assert found.test.statistic == pytest.approx(peer.test_statistic, rel=1e-9)


@pytest.mark.parametrize("name", MEANS)
def test_restricted_means_are_those_of_r(name: str) -> None:
    """The algebra itself, at times that are no release."""
    fact = MEANS[name]
    data = table("heart" if name == "late" else "colon")
    if name == "late":
        groups = [data[data["transplant"] == level] for level in (0, 1)]
        parts = [(one["start"] * 10, one["stop"] * 10, one["event"], 0.1) for one in groups]
    else:
        groups = [data] if name == "colon" else [data[data["rx"] == level] for level in ("Obs", "Lev", "Lev+5FU")]
        parts = [(0 * one["time"], one["time"], one["status"], 1.0) for one in groups]
    values = [fact["value"]] if isinstance(fact["value"], float) else fact["value"]
    errors = [fact["se"]] if isinstance(fact["se"], float) else fact["se"]
    for (start, stop, event, unit), value, error in zip(parts, values, errors, strict=True):
        ends = np.rint(stop).astype(int)
        size = int(ends.max()) + 1
        entered, left = (np.bincount(np.rint(one).astype(int), minlength=size) for one in (start, stop))
        counts = Table(entered.astype(float), left.astype(float), np.bincount(ends, event, size).astype(float))
        time: FloatArray = np.arange(size, dtype=np.float64) * unit
        assert restricted_mean(counts, time, float(fact["tau"])) == pytest.approx((value, error), rel=1e-10)


def test_lifelines_draws_the_same_curve() -> None:
    data = table("rotterdam")
    found = ask("rotterdam", formula="Surv(dtime, death) ~ 1").groups[0]
    peer = KaplanMeierFitter().fit(data["dtime"], data["death"])
    times = [point.time for point in found.points]
    assert [point.survival for point in found.points] == pytest.approx(
        peer.survival_function_at_times(times).tolist(), rel=1e-10
    )
    assert found.median is not None
    assert found.median[0] < peer.median_survival_time_ <= found.median[1]


# --- what is shown ------------------------------------------------------------------------------------------

VARIABLES = described(
    Variable(name="time", type="integer"),
    Variable(name="years", type="number"),
    Variable(name="entry", type="integer"),
    Variable(name="dead", type="boolean"),
    Variable(name="g", type="category", levels=("a", "b")),
)


def people(rows: int, seed: int, spread: int) -> dict[str, FloatArray]:
    random = np.random.default_rng(seed)
    time = random.integers(1, spread, rows).astype(np.float64)
    return {
        "time": time,
        "years": time / 365.25,
        "entry": np.floor(time * random.random(rows)),
        "dead": (random.random(rows) < 0.6).astype(np.float64),
        "g": random.integers(0, 2, rows).astype(np.float64),
    }


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 300),
    seed=st.integers(0, 1000),
    spread=st.integers(2, 500),
    late=st.booleans(),
    nodes=st.integers(1, 5),
)
def test_between_shown_times_enough_people_leave_however_they_are_split(
    rows: int, seed: int, spread: int, late: bool, nodes: int
) -> None:
    values = people(rows, seed, spread)
    formula = "Surv(entry, time, dead) ~ g" if late else "Surv(time, dead) ~ g"
    owners = np.random.default_rng(seed).integers(0, nodes, rows)
    found = curves(values, VARIABLES, owners, formula=formula)
    assert to_plain(found) == to_plain(curves(values, VARIABLES, np.zeros(rows, dtype=np.int64), formula=formula))
    for group in found.groups:
        assert group.people is None or group.people == 0 or group.people >= CELL
        before = (0, 0)
        for point in group.points:
            events, left = point.events - before[0], point.left - before[1]
            assert events >= CELL
            assert left >= GROUP
            before = point.events, point.left


def test_a_small_group_shows_nothing() -> None:
    values = people(200, 1, 100)
    values["g"] = (np.arange(200) < 4).astype(np.float64)
    found = curves(values, VARIABLES, np.arange(200) % 3, formula="Surv(time, dead) ~ g")
    small = found.groups[1]
    assert (small.people, small.points, small.median, small.restricted_mean) == (None, (), None, None)


def test_the_ends_do_not_move_with_what_is_asked() -> None:
    """Another tau, interval or test shows the same times, so no two questions tell of the days between them."""
    values, owners = people(400, 3, 300), np.arange(400) % 3
    asked: list[dict[str, Any]] = [{}, {"tau": 77.0}, {"interval": "plain"}, {"weighting": "gehan"}, {"level": 0.5}]
    results = [curves(values, VARIABLES, owners, formula="Surv(time, dead) ~ g", **one) for one in asked]
    assert len({tuple(point.time for group in one.groups for point in group.points) for one in results}) == 1
    taus = {
        curves(values, VARIABLES, owners, formula="Surv(time, dead) ~ g", tau=float(tau)).tau for tau in range(100, 120)
    }
    assert len(taus) < 6


def test_a_curve_that_falls_to_nothing_has_no_error_there() -> None:
    counts = Table(np.zeros(3), np.array([0.0, 10, 10]), np.array([0.0, 10, 10]))
    found = curve_of(counts, np.arange(3.0))
    assert found.survival[-1] == 0
    assert np.isnan(found.error[-1])
    assert ends_of(counts).tolist() == [1, 2]


REFUSED: dict[str, tuple[dict[str, Any], type[HansaError], str]] = {
    "a shifted time": ({"formula": "Surv(time + 1, dead) ~ 1"}, StudyError, "variables of the dictionary"),
    "a rounded time": ({"formula": "Surv(round(time), dead) ~ 1"}, StudyError, "variables of the dictionary"),
    "a number as group": ({"formula": "Surv(time, dead) ~ entry"}, StudyError, "categories and conditions"),
    "no grid": ({"formula": "Surv(years, dead) ~ g"}, StudyError, "grid is needed"),
    "a grid of weeks": ({"formula": "Surv(time, dead) ~ g", "grid": 7}, StudyError, "power of ten"),
    "an offset": ({"formula": "Surv(time, dead) ~ g + offset(entry)"}, StudyError, "offset"),
    "an interaction": ({"formula": "Surv(time, dead) ~ g*I(entry > 3)"}, StudyError, "crossed"),
    "rho for Gehan": ({"formula": "Surv(time, dead) ~ g", "weighting": "gehan", "rho": 1}, StudyError, "no rho"),
    "a rho of the first day alone": (
        {"formula": "Surv(time, dead) ~ g", "weighting": "fleming-harrington", "rho": 1e6},
        StudyError,
        "no such test",
    ),
    "a gamma of the last day alone": (
        {"formula": "Surv(time, dead) ~ g", "weighting": "fleming-harrington", "gamma": 1e6},
        StudyError,
        "no such test",
    ),
    "a grid that is too coarse": ({"formula": "Surv(time, time, dead) ~ g"}, MethodError, "cannot be used"),
    "a grid that is too fine": ({"formula": "Surv(time, dead) ~ g", "grid": 1e-6}, MethodError, "too fine"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_says_why(name: str) -> None:
    arguments, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said) as caught:
        curves(people(60, 2, 80), VARIABLES, np.arange(60) % 3, **arguments)
    assert caught.value.fix or caught.value.field


def test_times_off_the_grid_are_rounded_and_said_to_be() -> None:
    values = people(200, 4, 900)
    found = curves(values, VARIABLES, np.arange(200) % 3, formula="Surv(years, dead) ~ 1", grid=0.01)
    exact = curves(values, VARIABLES, np.arange(200) % 3, formula="Surv(time, dead) ~ 1")
    assert (found.rounded, exact.rounded) == (True, False)
    last = {one.groups[0].points[-1].survival for one in (found, exact)}
    assert max(last) - min(last) < 0.2


def test_nobody_is_no_curve() -> None:
    with pytest.raises(NotEstimable, match="nobody"):
        curves(people(0, 1, 5), VARIABLES, np.zeros(0, dtype=np.int64), formula="Surv(time, dead) ~ 1")
