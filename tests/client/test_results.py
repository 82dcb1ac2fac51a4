from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from client_cases import HOSTILE, answers, crosstab, description, flow, glm, study, table1, validation

from hansa.client.results import (
    CrosstabView,
    Description,
    FlowView,
    GlmFit,
    HistogramView,
    MetaView,
    SitesView,
    Table1View,
    ValidationView,
    View,
    read_outcome,
    read_sites,
)
from hansa.engine import Outcome, SiteAnswer
from hansa.errors import NotEstimable, Refused, StudyError


def outcome(plain: Any, **provenance: Any) -> Outcome:
    return cast("Outcome", SimpleNamespace(result=plain, provenance=provenance, proof=None))


def seen(plain: dict[str, Any]) -> Any:
    return read_outcome(outcome(plain, nodes=["a", "b", "c"]), study(), "question")


def sites(found: list[SiteAnswer] | None = None) -> SitesView:
    view = read_sites(found or answers(), study(sites=True), "question")
    assert isinstance(view, SitesView)
    return view


# --- every view ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        (glm(), GlmFit),
        (description(), Description),
        (table1(), Table1View),
        (crosstab(), CrosstabView),
        (flow(), FlowView),
        (validation(), ValidationView),
        ({"schema": "glm/1.7", **{k: v for k, v in glm().items() if k != "schema"}}, GlmFit),
        ({"schema": "glm/2.0", "terms": []}, View),
        ({"schema": "somebody.else/1.0", "x": 1}, View),
    ],
)
def test_a_result_is_read_by_its_schema_and_major_version(plain: dict[str, Any], kind: type[View]) -> None:
    view = seen(plain)
    assert type(view) is kind
    assert view.schema == plain["schema"]
    assert repr(view)
    assert view._repr_html_().startswith("<table")


def test_a_view_does_not_change_through_its_plain_copy() -> None:
    view = seen(glm())
    view.plain["terms"][0]["coef"] = 99.0
    assert view.plain["terms"][0]["coef"] == -3.8
    with pytest.raises(TypeError):
        view.provenance["nodes"] = []


def test_an_unknown_kind_of_table_names_those_there_are() -> None:
    with pytest.raises(StudyError, match="coefficients, fit"):
        seen(glm()).table("forest")


def test_a_plain_view_has_no_picture_and_says_so() -> None:
    with pytest.raises(StudyError, match="no picture"):
        seen({"schema": "other/1.0"}).plot()


# --- models -------------------------------------------------------------------------------------------------


def test_a_logistic_fit_shows_odds_ratios() -> None:
    summary = seen(glm()).summary
    assert list(summary.columns) == [
        *("coef", "se", "z", "p", "lower", "upper"),
        *("odds_ratio", "or_lower", "or_upper"),
    ]
    assert summary.index.name == "term"
    assert summary.loc["age", "odds_ratio"] == pytest.approx(math.exp(0.066))
    assert summary.loc["age", "or_lower"] == pytest.approx(math.exp(0.066 - 1.959964 * 0.0087), rel=1e-6)


def test_a_gaussian_fit_has_t_values_and_no_ratios() -> None:
    view = seen(glm(family="gaussian", ratio=None))
    assert list(view.summary.columns) == ["coef", "se", "t", "p", "lower", "upper"]
    assert view.table().columns == ("Term", "Coefficient", "SE", "95% CI", "t", "p")


def test_an_aliased_term_is_blank_and_explained() -> None:
    view = seen(glm({"(Intercept)": (1.0, 0.1), "age": (0.1, 0.01), "again": (None, 0.0)}))
    assert view.summary.loc["again"].isna().all()
    assert view.aliased == ("again",)
    assert view.table().rows[2].cells == ("–",) * 6
    assert "again" in view.table().notes[1]


def test_wald_and_likelihood_ratio_tests() -> None:
    large, small = seen(glm(loglik=-500.0, df=856)), seen(glm(loglik=-501.5, df=857))
    assert large.wald("age").statistic == pytest.approx((0.066 / 0.0087) ** 2)
    assert large.compare(small).statistic == pytest.approx(3.0)
    assert large.compare(small) == small.compare(large)


def test_the_picture_of_a_fit_leaves_the_intercept_out() -> None:
    view = seen(glm())
    assert list(view.plot().data.index) == ["age", "sex[female]"]
    assert list(view.plot(terms=["(Intercept)"]).data.index) == ["(Intercept)"]
    with pytest.raises(StudyError, match="no term nothing"):
        view.plot(terms=["nothing"])


def test_a_validation_asks_the_node_with_frozen_coefficients_and_the_fit_s_population() -> None:
    asked: dict[str, Any] = {}

    def resubmit(analyses: dict[str, Any]) -> Any:
        asked.update(analyses)
        return SimpleNamespace(run=lambda name: name)

    submitted = study(population="age > 40")
    vars(submitted)["resubmit"] = resubmit
    fit = read_outcome(outcome(glm()), submitted, "question")
    assert str(fit.validate(on="zurich")) == "validation"
    analysis = asked["validation"]
    assert (analysis.method, analysis.nodes, analysis.sites) == ("validate", ("zurich",), True)
    assert analysis.population == "age > 40"
    assert analysis.arguments["model"]["coefficients"]["age"] == 0.066


def test_a_fit_with_intercepts_of_nodes_cannot_be_validated() -> None:
    with pytest.raises(StudyError, match="predicts nobody's risk"):
        seen({**glm(), "node": "intercepts"}).validate(on="zurich")


# --- descriptions -------------------------------------------------------------------------------------------


def test_a_description_has_a_row_per_variable_and_group() -> None:
    view = seen(description())
    assert list(view.summary.columns) == ["n", "missing", "mean", "sd", "p5", "p25", "p50", "p75", "p95"]
    assert list(view.summary.index) == [("age", "all"), ("age", "a"), ("age", "b")]
    assert view.summary.loc[("age", "b")].isna().all()
    assert view.error_bounds.loc[("age", "all"), "p50"] == 0.5


def test_without_groups_variables_alone_are_the_index() -> None:
    view = seen(description(by=None))
    assert list(view.summary.index) == ["age"]
    assert view.levels.loc[("stage", "i"), "percent"] == 60.0


def test_a_blank_count_blanks_its_group_s_percentages() -> None:
    levels = seen(description()).levels
    assert levels.xs("b", level="group")["percent"].isna().all()
    assert levels.loc[("stage", "a", "(missing)"), "n"] == 0
    notes = seen(description()).table("levels").notes
    assert notes[0].startswith("– withheld")
    assert "7 people whose arm is not known" in notes[-1]


def test_a_quantile_that_is_not_known_to_its_last_digit_is_marked() -> None:
    cells = seen(description(by=None)).table().rows[0].cells
    assert cells[:4] == ("100", "0", "55.0", "10.0")
    assert cells[4] == "~42"
    assert cells[6] == "55"  # half a year either way rounds to no other whole year


def test_table_one_reads_like_a_paper_s() -> None:
    view = seen(table1())
    assert view.table().columns == (
        *("Characteristic", "All (n = 400)", "arm = a (n = 250)", "arm = b (n = 150)"),
        "SMD",
    )
    assert view.summary.loc[("Pressure, mmHg", "Mean (SD)")].tolist() == ["132.0 (18.0)", "132.0 (18.0)", "–", ""]
    assert view.summary.loc[("Pressure, mmHg", "Median (quartiles)")].iloc[0] == "130 (120–140.5)"
    assert view.summary.loc[("sex, n (%)", "male")].tolist() == ["300 (75.0)", "200 (80.0)", "–", ""]
    assert view.summary.loc[("sex, n (%)", ""), "SMD"] == "–"
    assert view.differences["bp"] == 0.234
    assert math.isnan(view.differences["sex"])


def test_a_table_one_of_one_group_has_no_love_plot() -> None:
    with pytest.raises(StudyError, match="no groups"):
        seen({**table1(), "by": None}).plot()


# --- counts -------------------------------------------------------------------------------------------------


def test_a_crosstab_has_margins_and_a_test() -> None:
    view = seen(crosstab())
    assert view.summary.loc["total", "total"] == 920
    assert view.summary.loc["male", "true"] == 459
    assert view.table().notes == ("χ² = 86.9 on 1 df, p < 0.001; Cramer's V = 0.31.",)


def test_blank_cells_stay_blank_everywhere() -> None:
    view = seen(crosstab(blank=True))
    assert view.summary.loc["male", ["false", "true"]].isna().all()
    assert view.row_percents.isna().all(axis=None)
    assert "No test: a cell is blank." in view.table().notes
    assert "459" not in view._repr_html_()


def test_edges_of_a_histogram_are_not_shown_to_the_last_bit() -> None:
    plain = {
        "schema": "histogram/1.0",
        "variable": "age",
        "label": "",
        "unit": "",
        "n": 30,
        "merged": 1,
        "edges": [18.0, 20.733333333333334, 26.2],
        "counts": [10, 20],
    }
    view = seen(plain)
    assert isinstance(view, HistogramView)
    assert [row.label for row in view.table().rows] == ["18 to below 20.73", "20.73 to below 26.2"]
    assert view.summary["upper"].tolist() == [20.733333333333334, 26.2]


def test_a_flow_withholds_both_numbers_of_a_stage() -> None:
    view = seen(flow())
    assert view.summary["remaining"].isna().tolist() == [False, False, True, False]
    assert view.table().rows[2].cells == ("–", "–")
    drawn = " ".join(text.get_text() for text in view.plot().axes.texts)
    assert drawn.count("number withheld") == 2
    assert "Not: chol known" not in drawn


# --- penalised models ---------------------------------------------------------------------------------------


def penalised() -> dict[str, Any]:
    """Wald's interval of ``age`` is (0.049, 0.083); that of the profile is given another."""
    plain = glm()
    profile = {
        "statistic": 62.3,
        "lower": 0.01,
        "upper": 0.09,
        "exponentiated_lower": 1.01,
        "exponentiated_upper": 1.09,
    }
    terms = [{**one, **profile} for one in plain["terms"]]
    return {**plain, "terms": terms, "wald_terms": plain["terms"], "statistic_kind": "chi2", "penalty": "firth"}


def test_a_penalised_fit_shows_the_profile_and_keeps_wald_s_tests_beside_it() -> None:
    view = seen(penalised())
    assert isinstance(view, GlmFit)
    assert [view.summary.loc["age", name] for name in ("chi2", "lower", "or_upper")] == [62.3, 0.01, 1.09]
    assert view.wald_summary.loc["age", "lower"] == pytest.approx(0.066 - 1.96 * 0.0087, abs=1e-4)
    assert view.wald_summary.loc["age", "z"] == pytest.approx(0.066 / 0.0087)
    assert view.table().columns[-2] == "χ²"
    assert any("Firth's penalty" in note for note in view.table().notes)
    assert "Penalised log-likelihood" in [row.label for row in view.table("fit").rows]
    assert view.wald("age").name == "Wald"


def test_a_negative_binomial_fit_says_its_theta_and_the_test_against_poisson() -> None:
    more = {"theta": 2.807, "theta_se": 0.5012, "overdispersion_statistic": 126.6, "overdispersion_p": 1e-29}
    view = seen({**glm(ratio="rate ratio", family="negative binomial"), "statistic_kind": "z", **more})
    assert "θ = 2.81 (SE 0.501); against Poisson χ² = 126.60, p < 0.001." in view.table().notes
    assert view.fit["theta"] == 2.807
    assert "theta" not in seen(glm()).fit.index


def test_without_a_penalty_the_summary_is_wald_s() -> None:
    view = seen(glm())
    assert view.wald_summary is view.summary
    assert "Log-likelihood" in [row.label for row in view.table("fit").rows]


# --- sites --------------------------------------------------------------------------------------------------


def test_sites_that_gave_nothing_are_listed_with_the_reason() -> None:
    view = sites()
    assert view.title.endswith("2 of 4")
    summary = view.summary
    assert summary.loc[("long_beach", ""), "reason"] == ("refused: the answer would tell too much about few people")
    assert str(summary.loc[("zurich", ""), "reason"]).startswith("not estimable: no finite estimate")
    assert np.isnan(summary["coef"].loc["zurich"]).all()
    assert summary.loc[("budapest", "age"), "coef"] == 0.04
    assert summary["coef"].dtype == "float64"


def test_pooling_takes_the_sites_that_have_the_term() -> None:
    pooled = sites().pooled("age")
    assert (pooled.plain["used"], pooled.plain["asked"]) == (2, 4)
    weights = {"budapest": 1 / 0.017**2, "cleveland": 1 / 0.015**2}
    expected = (0.04 * weights["budapest"] + 0.06 * weights["cleveland"]) / sum(weights.values())
    assert pooled.summary.loc["fixed effect", "estimate"] == pytest.approx(expected)
    assert "2 of 4 sites" in pooled.table().notes[0]
    assert str(pooled.summary.loc["long_beach", "reason"]).startswith("refused")


def test_a_site_whose_model_lacks_the_term_is_listed() -> None:
    pooled = sites().pooled("bp")
    assert pooled.plain["used"] == 1
    assert pooled.summary.loc["budapest", "reason"] == "not estimable: this site's model lacks the term"
    assert pooled.heterogeneity is None
    assert pooled.plot().data is not None


def test_the_forest_by_site_draws_ratios_and_says_who_is_missing() -> None:
    plot = sites().plot()
    assert plot.axes.get_xscale() == "log"
    assert plot.axes.get_xlabel() == "Odds ratio of age"
    drawn = [text.get_text() for text in plot.axes.texts]
    assert "refused: the answer would tell too much about few people" in drawn
    assert "1.04 (1.01–1.08)" in drawn


def test_a_term_that_no_site_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(StudyError, match=r"age, bp, \(Intercept\)"):
        sites().pooled("nothing")


def test_sites_that_all_refuse_still_make_a_view() -> None:
    view = sites([SiteAnswer("a", None, refused="disclosure"), SiteAnswer("b", None, refused="policy")])
    assert view.summary["reason"].tolist()[1] == "refused: the node's rules do not permit it"
    with pytest.raises(StudyError, match="no site has an estimate"):
        view.plot()


def test_hostile_names_of_sites_are_text() -> None:
    named = [SiteAnswer(HOSTILE, glm()), SiteAnswer("b", glm()), SiteAnswer("c", None, refused=HOSTILE)]
    view = sites(named)
    pooled = view.pooled("age")
    for html in (view._repr_html_(), pooled._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
    assert "<script" not in pooled.plot()._repr_svg_()


# --- validation ---------------------------------------------------------------------------------------------


def test_a_validation_at_one_site_is_shown_as_itself() -> None:
    view = read_sites([SiteAnswer("zurich", validation())], study("validate", sites=True), "question")
    assert isinstance(view, ValidationView)
    assert list(view.summary.index) == ["intercept", "slope", "observed_expected", "auroc"]
    assert view.summary.loc["auroc", "upper"] == 0.84
    assert view.auroc_bound == 0.004
    assert view.table().notes[1] == "AUROC is known to within 0.0040."
    assert "a few people" in view.table().notes[2]
    assert len(view.plot().data) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (SiteAnswer("zurich", None, refused="disclosure"), Refused),
        (SiteAnswer("zurich", {"schema": "not-estimable/1.0", "what": "x", "why": "", "fix": ""}), NotEstimable),
    ],
)
def test_a_single_validation_without_an_answer_is_an_error(answer: SiteAnswer, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_sites([answer], study("validate", sites=True), "question")


def test_slopes_of_several_validations_are_pooled_about_one() -> None:
    found = [SiteAnswer(name, validation()) for name in ("a", "b", "c")]
    view = read_sites(found, study("validate", sites=True), "question")
    assert isinstance(view, SitesView)
    pooled = view.pooled("slope")
    assert isinstance(pooled, MetaView)
    assert pooled.summary.loc["random effects", "estimate"] == pytest.approx(0.9)
    assert np.asarray(pooled.plot().axes.lines[0].get_xdata()).tolist() == [1.0, 1.0]
    assert pooled.title == "Estimate of slope: 3 of 3 sites"
