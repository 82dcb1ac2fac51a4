"""Subgroup models equal models on the subgroup's pooled rows, and come with the interaction test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import hansa
from hansa.client.results.subgroups import SubgroupsView
from hansa.embedded.local import LocalLeague
from hansa.errors import StudyError

SIZES = {"a": 260, "b": 180, "c": 210}


def cohort(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.standard_normal(n), "arm": rng.choice(["drug", "placebo"], n)})
    effect = np.where(frame["arm"] == "drug", 1.2, 0.2)
    frame["y"] = effect * frame["x"] + rng.standard_normal(n)
    return frame


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    return {name: cohort(seed, n) for seed, (name, n) in enumerate(SIZES.items())}


@pytest.fixture
def league(frames: dict[str, pd.DataFrame]) -> LocalLeague:
    return hansa.local(frames)


def test_subgroups_equal_the_pooled_models_and_the_interaction_is_tested(
    league: LocalLeague, frames: dict[str, pd.DataFrame]
) -> None:
    found = league.glm("y ~ x", by="arm")
    assert isinstance(found, SubgroupsView)
    pooled = pd.concat(frames.values(), ignore_index=True)
    for level in ("drug", "placebo"):
        rows = pooled[pooled["arm"] == level]
        reference = sm.OLS(rows["y"], sm.add_constant(rows["x"])).fit()
        ours = found.fits[level].summary
        np.testing.assert_allclose(ours["coef"], reference.params, rtol=1e-9)
        np.testing.assert_allclose(ours["se"], reference.bse, rtol=1e-9)
    small = sm.OLS(pooled["y"], _design(pooled, interaction=False)).fit()
    large = sm.OLS(pooled["y"], _design(pooled, interaction=True)).fit()
    _, p, df = large.compare_f_test(small)
    assert found.interaction.df in (1, df)
    assert found.interaction.p < 1e-8
    assert p < 1e-8
    assert list(found.plot(term="x").data["coef"]) == list(found.summary.xs("x", level="term")["coef"])


def _design(pooled: pd.DataFrame, *, interaction: bool) -> pd.DataFrame:
    placebo = (pooled["arm"] == "placebo").astype(float)
    design = pd.DataFrame({"const": 1.0, "x": pooled["x"], "placebo": placebo})
    return design.assign(both=placebo * pooled["x"]) if interaction else design


@pytest.mark.parametrize(
    ("formula", "by"), [("y ~ x", "x"), ("y ~ arm + x", "arm"), ("y ~ x - 1", "arm"), ("y ~ 1", "arm")]
)
def test_what_has_no_subgroups_is_said(league: LocalLeague, formula: str, by: str) -> None:
    with pytest.raises(StudyError):
        league.glm(formula, by=by)


def test_feasibility_counts_people_before_anything_is_committed(league: LocalLeague) -> None:
    study = league.submit(
        league.study(
            {
                "all": {"method": "glm", "arguments": {"formula": "y ~ x", "family": "gaussian"}},
                "drug": {
                    "method": "glm",
                    "arguments": {"formula": "y ~ x", "family": "gaussian"},
                    "population": "arm == 'drug'",
                },
            }
        )
    )
    people = {name: view.plain["stages"][-1]["remaining"] for name, view in study.feasibility().items()}
    assert people["all"] == sum(SIZES.values())
    assert 0 < people["drug"] < people["all"]


def test_a_penalised_model_has_no_subgroups(league: LocalLeague) -> None:
    with pytest.raises(StudyError, match="penalised") as error:
        league.glm("arm ~ x", family="binomial", penalty="firth", by="arm")
    assert error.value.field == "penalty"


def test_further_keywords_are_the_methods_own_arguments_and_wrong_ones_are_named(league: LocalLeague) -> None:
    assert league.correlation(["x", "y"], level=0.9).plain["level"] == 0.9
    with pytest.raises(StudyError, match="widht"):
        league.correlation(["x", "y"], widht=3)
