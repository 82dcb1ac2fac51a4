"""67 dialysis centres as 67 nodes: the pooled model; of a small centre nothing; what is held back, and by which rule.

Carvalho MS et al. (2003), International Journal for Quality in Health Care 15:189; the data are those of SurvSet.
"""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from SurvSet.data import SurvLoader

import hansa
from hansa.client.results.sites import SitesView
from hansa.model import Analysis

# R 4.2, survival 3.5-3: coxph(Surv(time, event) ~ num_age + strata(fac_center), control = coxph.control(eps = 1e-14))
IN_R = 0.03528312880632542
AGE = {"formula": "Surv(time, event) ~ age"}


@pytest.fixture(scope="module")
def centres() -> dict[str, pd.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its pickles name modules of an older numpy
        found = SurvLoader().load_dataset(ds_name="Dialysis")["df"]
    found = found.rename(columns={"num_age": "age"})
    return {
        f"c{int(code):02d}": rows[["time", "event", "age"]].reset_index(drop=True)
        for code, rows in found.groupby(found["fac_center"].cat.codes)
    }


@pytest.fixture(scope="module")
def league(centres: dict[str, pd.DataFrame]) -> hansa.LocalLeague:
    return hansa.local(centres)


def test_all_centres_contribute_to_one_model_however_small(
    league: hansa.LocalLeague, centres: dict[str, pd.DataFrame]
) -> None:
    assert sum(len(rows) < 10 for rows in centres.values()) == 3
    fit = league.cox(AGE["formula"])
    assert fit.provenance["nodes"] == sorted(centres)
    assert fit.plain["n"] == sum(map(len, centres.values())) == 6805
    assert fit.summary.loc["age", "coef"] == pytest.approx(IN_R, rel=1e-8)
    assert fit.held_back["rule"].tolist() == ["times of a node"]


def test_a_small_centre_gives_nothing_of_its_own_and_the_result_says_by_which_rule(
    league: hansa.LocalLeague, centres: dict[str, pd.DataFrame]
) -> None:
    sites = league.submit(league.study({"q": Analysis(method="cox", arguments=AGE, sites=True)})).run("q")
    assert isinstance(sites, SitesView)
    held = sites.held_back.set_index("what")
    for name, rows in centres.items():
        line = f"estimate of {name}"
        if len(rows) < 10:
            assert held.loc[line, "rule"] == "release of a site"
            assert held.loc[line, "why"] == "the answer would tell too much about few people"
        if len(rows) < 10 or 0 < rows["event"].sum() < 5:
            assert name not in sites.views
        assert (line in held.index) is (name not in sites.views)


def test_the_total_without_a_small_centre_is_refused_for_it_would_tell_of_that_centre(
    league: hansa.LocalLeague, centres: dict[str, pd.DataFrame]
) -> None:
    smallest = min(centres, key=lambda name: len(centres[name]))
    others = Analysis(method="cox", arguments=AGE, nodes=tuple(sorted(set(centres) - {smallest})))
    with pytest.raises(hansa.Refused) as refused:
        league.submit(league.study({"q": others})).run("q")
    assert refused.value.reason == "disclosure"
