"""The meta-analysis in the researcher's hands: influence, funnel, one stage beside two, and what is not combined."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from client_cases import HOSTILE, glm, study

from hansa.client.results import GlmFit, MetaView, SitesView, StagesView, read_sites
from hansa.engine import SiteAnswer
from hansa.errors import StudyError

ERRORS = (0.57, 0.44, 0.64, 0.14, 0.22, 0.08, 0.47, 0.06, 0.24, 0.27, 0.11)
MIDDLES = (-0.89, -1.59, -1.35, -1.44, -0.22, -0.79, -1.62, 0.01, -0.47, -1.37, -0.34)


def sites(k: int, *, refused: tuple[str, ...] = (), **changes: Any) -> SitesView:
    found = [
        SiteAnswer(f"s{place}", {**glm({"(Intercept)": (0.1, 1.0), "age": (MIDDLES[place], ERRORS[place])}), **changes})
        for place in range(k)
    ]
    found += [SiteAnswer(name, None, refused="disclosure") for name in refused]
    return cast("SitesView", read_sites(found, study(sites=True), "question"))


def pooled_fit(n: int, **changes: Any) -> GlmFit:
    plain = {**glm({"age": (-0.5, 0.05)}, n=n), "node": "intercepts", **changes}
    return GlmFit(plain, None, study(), "question")


def test_influence_has_a_row_per_site_and_names_the_odd_one() -> None:
    found = sites(11, refused=("zurich",)).pooled("age")
    assert list(found.influence.index) == [f"s{place}" for place in range(11)]
    assert found.influence["q"].sum() == pytest.approx(found.plain["heterogeneity"]["q"])
    assert found.influence["z"].abs().idxmax() == "s7"
    assert np.all(found.influence["lower"].to_numpy() < found.influence["without"].to_numpy())
    rows = found.table("influence").rows
    assert rows[7].label == "s7"
    assert rows[7].cells[2] == "<0.001"


def test_the_prediction_interval_says_its_degrees_of_freedom() -> None:
    assert "Prediction interval: Student's t with 9 degrees of freedom." in sites(11).pooled("age").table().notes
    assert "Prediction interval: Student's t with 1 degree of freedom." in sites(3).pooled("age").table().notes
    assert not any("Prediction" in note for note in sites(2).pooled("age").table().notes)


def test_below_three_sites_there_is_no_influence_and_it_says_why() -> None:
    found = sites(2).pooled("age")
    assert found.influence.empty
    assert "The influence of a site needs three sites." in found.table("influence").notes
    with pytest.raises(StudyError, match="needs three sites"):
        found.plot("influence")
    assert len(found.plot("funnel").data) == 2


def test_each_plot_comes_with_its_data() -> None:
    found = sites(11, refused=("zurich",)).pooled("age")
    assert found.plot().data.equals(found.summary)
    assert found.plot("influence").data.equals(found.influence)
    funnel = found.plot("funnel")
    assert funnel.data["se"].tolist() == list(ERRORS)
    points = next(line for line in funnel.axes.lines if line.get_marker() == "o")
    assert np.asarray(points.get_xdata()).tolist() == list(MIDDLES)
    assert funnel.axes.get_ylim()[1] == 0
    assert funnel.axes.get_xlabel() == "Odds ratio of age"


def test_egger_s_line_is_drawn_from_ten_sites_on_and_otherwise_the_reason_stands_below() -> None:
    many, few = sites(10).pooled("age"), sites(9).pooled("age")
    assert len(many.plot("funnel").axes.lines) == len(few.plot("funnel").axes.lines) + 1
    assert many.egger["df"] == 8
    assert few.egger["p"] is None
    said = " ".join(text.get_text() for text in few.plot("funnel").figure.texts)
    assert "Egger's test needs 10 sites" in said
    drawn = next(line for line in many.plot("funnel").axes.lines if line.get_color() == "#D55E00")
    assert np.asarray(drawn.get_xdata())[0] == pytest.approx(many.egger["limit"])


def test_an_unknown_plot_is_refused_with_those_there_are() -> None:
    with pytest.raises(StudyError, match="forest, influence, funnel"):
        sites(3).pooled("age").plot("bubble")


def test_hostile_names_are_text_in_every_plot() -> None:
    named = [SiteAnswer(HOSTILE + str(k), glm({"age": (0.1 * k, 0.1)})) for k in range(3)]
    found = cast("SitesView", read_sites(named, study(sites=True), "question")).pooled("age")
    assert "<script" not in found.plot("influence")._repr_svg_()
    assert "<script" not in found.table("influence").to_html()


# --- one stage and two --------------------------------------------------------------------------------------


def test_one_stage_stands_beside_two() -> None:
    found = sites(4).stages(pooled_fit(4 * 860))
    assert isinstance(found, StagesView)
    assert found.summary.index.get_level_values("way").tolist() == ["one_stage", "multivariate", "fixed", "random"]
    assert found.summary.loc[("age", "one_stage"), "estimate"] == -0.5
    together = sites(4).pooled("age").plain["random"]
    assert found.summary.loc[("age", "random"), "estimate"] == together["estimate"]
    row = found.differences.loc["age"]
    assert row["difference"] == pytest.approx(row[["by_likelihood", "by_other_terms", "by_heterogeneity"]].sum())
    assert [line.label for line in found.table().rows][:2] == ["age", "One stage"]
    assert f"age: {row['explanation']}." in found.table().notes
    assert len(found.plot().data) == 4
    assert found.plot(term="age").axes.get_xlabel() == "Odds ratio of age"
    with pytest.raises(StudyError, match="there is no term bp"):
        found.plot(term="bp")


def test_the_plot_of_stages_says_why_a_way_of_estimating_is_missing() -> None:
    drawn = sites(1, refused=("zurich",)).stages(pooled_fit(900)).plot()
    assert "a single site has no random effects" in [text.get_text() for text in drawn.axes.texts]


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (pooled_fit(4 * 860, node="common"), "one intercept for all nodes"),
        (pooled_fit(4 * 860, formula="disease ~ age"), "not the same model"),
        (pooled_fit(4 * 860, link="probit"), "not the same model"),
        (pooled_fit(4 * 860 + 5), "not of the same people"),
        (pooled_fit(4 * 860 - 5), "not of the same people"),
    ],
)
def test_unlike_models_are_not_put_side_by_side(fit: GlmFit, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        sites(4).stages(fit)


def test_with_a_site_missing_one_stage_may_have_more_people() -> None:
    found = sites(4, refused=("zurich",)).stages(pooled_fit(4 * 860 + 5))
    assert found.plain["absent"] == ["zurich"]
    assert "in one stage alone: zurich" in str(found.differences.loc["age", "explanation"])


# --- what is not one quantity -------------------------------------------------------------------------------


def with_facts(name: str, facts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**glm({name: (0.5, 0.1)}), "facts": facts, **changes}


@pytest.mark.parametrize("name", ["ns(age, df=3)1", "poly(age, 2)2", "sex[female]:bs(age, df=4)1"])
def test_terms_of_bases_that_each_site_made_itself_are_not_combined(name: str) -> None:
    own = [SiteAnswer(f"s{k}", with_facts(name, {"quantiles(age)": {"knots": [40.0 + k]}})) for k in range(3)]
    with pytest.raises(StudyError, match="knots"):
        cast("SitesView", read_sites(own, study(sites=True), "question")).pooled(name)
    same = [SiteAnswer(f"s{k}", with_facts(name, {"levels(sex)": {"present": [k > 0, True]}})) for k in range(3)]
    assert cast("SitesView", read_sites(same, study(sites=True), "question")).pooled(name).plain["used"] == 3


def test_a_site_without_the_reference_level_has_other_contrasts_and_is_left_out() -> None:
    full = glm({"cp[b]": (0.5, 0.1), "cp[c]": (0.9, 0.1), "age": (0.1, 0.1)})
    without_reference = {**glm({"cp[c]": (0.4, 0.1), "age": (0.1, 0.1)}), "dropped_levels": ["cp: a"]}
    without_other = {**glm({"cp[c]": (0.9, 0.1), "age": (0.1, 0.1)}), "dropped_levels": ["cp: b"]}
    found = [SiteAnswer("full", full), SiteAnswer("odd", without_reference), SiteAnswer("less", without_other)]
    view = cast("SitesView", read_sites(found, study(sites=True), "question"))
    pooled = view.pooled("cp[c]")
    assert isinstance(pooled, MetaView)
    assert pooled.summary.loc["odd", "reason"] == "not comparable: nobody at this site has the reference level a of cp"
    assert pooled.plain["used"] == 2
    assert view.pooled("age").plain["used"] == 3
    one = GlmFit({**full, "node": "intercepts", "n": 3 * 860}, None, study(), "question")
    assert view.stages(one).plain["no_multivariate"].startswith("odd has no estimate of cp[b], cp[c]")
