"""Views of what the embedded league really answers, on the heart data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hansa.client.proof import verify_proof
from hansa.client.results import GlmFit, MetaView, SitesView, ValidationView, View
from hansa.embedded.local import LocalLeague, local
from hansa.examples import heart, heart_dictionary

COMPLETE = ("exang", "max_heart_rate")
FORMULA = "disease ~ age + sex + resting_bp"


@pytest.fixture(scope="module")
def league() -> LocalLeague:
    return local(heart(), heart_dictionary())


@pytest.fixture(scope="module")
def views(league: LocalLeague) -> dict[str, View]:
    found = {
        "describe": league.describe(["age", "resting_bp", "sex"], by="disease"),
        "table1": league.table1(["age", "sex"], by="disease"),
        "crosstab": league.crosstab("sex", "disease"),
        "histogram": league.histogram("age"),
        "correlation": league.correlation(["age", "resting_bp", "max_heart_rate"]),
        "flow": league.flow(["age >= 40", "known: resting_bp"]),
        "fit": league.glm(FORMULA, family="binomial", complete=COMPLETE),
        "sites": league.sites(FORMULA, family="binomial", complete=COMPLETE),
    }
    return {**found, "pooled": found["sites"].pooled("age")}


NAMES = ("describe", "table1", "crosstab", "histogram", "correlation", "flow", "fit", "sites", "pooled")


@pytest.mark.parametrize("name", NAMES)
def test_every_result_has_summary_picture_tables_and_proof(views: dict[str, View], name: str, tmp_path: Path) -> None:
    view = views[name]
    assert not view.summary.empty
    assert view.plot().save(tmp_path / "picture.png", dpi=50).stat().st_size > 1000
    table = view.table()
    assert table.to_html()
    assert table.to_latex()
    assert table.to_csv()
    assert table.to_word(tmp_path / "table.docx").exists()
    assert json.loads(view.to_json())["schema"]
    assert verify_proof(view.proof_json()).nodes


def test_the_issue_s_p_value_stands_in_the_summary(views: dict[str, View]) -> None:
    assert views["fit"].summary.loc["resting_bp", "p"] == pytest.approx(0.119, abs=0.001)


def test_sites_and_their_meta_analysis(views: dict[str, View]) -> None:
    found, pooled = views["sites"], views["pooled"]
    assert isinstance(found, SitesView)
    assert isinstance(pooled, MetaView)
    assert set(found.views) | set(found.reasons) == set(heart())
    assert pooled.plain["asked"] == 4
    assert pooled.plain["used"] == len(found.views)


def test_a_model_is_validated_at_the_hospital_that_it_has_not_seen() -> None:
    league = local(heart(), heart_dictionary())
    fit = league.glm("disease ~ age + sex", family="binomial", nodes=("cleveland", "long_beach", "zurich"))
    assert isinstance(fit, GlmFit)
    found = fit.validate(on="budapest")
    assert isinstance(found, ValidationView)
    assert found.provenance["nodes"] == ["budapest"]
    assert 0.5 < found.plain["auroc"]["value"] < 0.9
    assert found.curve["n"].sum() == found.plain["n"]
