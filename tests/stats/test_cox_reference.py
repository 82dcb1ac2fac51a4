"""Hazard ratios, errors and tests against R's survival (cox_facts.R says with which calls), lifelines and others."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cox_cases import fit, table
from lifelines import CoxPHFitter
from sksurv.linear_model import CoxPHSurvivalAnalysis
from statsmodels.duration.hazard_regression import PHReg

from hansa.stats.cox.baseline import predicted

FACTS: dict[str, dict[str, Any]] = {
    fact["name"]: fact for fact in json.loads((Path(__file__).parent / "cox_facts.json").read_text())
}

_COLON = "Surv(time, status) ~ rx + age + sex + nodes"
_HEART = "Surv(start, stop, event) ~ age + year + surgery + transplant"
_SHORT = "Surv(start, stop, event) ~ age + year + transplant"
MODELS: dict[str, dict[str, Any]] = {
    "colon": {"formula": _COLON},
    "colon breslow": {"formula": _COLON, "ties": "breslow"},
    "colon strata": {"formula": "Surv(time, status) ~ rx + age + nodes + strata(differ)"},
    "colon robust": {"formula": "Surv(time, status) ~ rx + age + nodes", "robust": True},
    "colon interaction": {
        "formula": "Surv(time, status) ~ rx*sex + ns(age, knots=(50, 65), boundary=(30, 80))",
    },
    "heart": {"formula": _HEART},
    "heart breslow": {"formula": _HEART, "ties": "breslow"},
    "heart sampling": {"formula": _SHORT, "weights": "wt", "weights_type": "sampling"},
    "heart cluster": {"formula": f"{_SHORT} + cluster(id)"},
    "bladder": {"formula": "Surv(start, stop, event) ~ rx + number + size + strata(enum) + cluster(id)"},
    "veteran offset": {"formula": "Surv(time, status) ~ trt + celltype + age + offset(-0.03 * karno)"},
    "rotterdam": {"formula": "Surv(dtime, death) ~ age + meno + size + grade + nodes + log(er + 1) + hormon"},
    "rotterdam frequency": {
        "formula": "Surv(dtime, death) ~ age + nodes + hormon",
        "weights": "copies",
        "weights_type": "frequency",
    },
}
_POOLED = ("colon", "colon breslow", "colon strata", "bladder", "veteran offset", "rotterdam", "rotterdam frequency")
MODELS |= {f"pooled {name}": {**MODELS[name], "baseline": "pooled"} for name in _POOLED}
MODELS["pooled bladder"]["formula"] = "Surv(start, stop, event) ~ rx + number + size + strata(enum)"
MODELS |= {
    "pooled colon robust": {**MODELS["colon robust"], "baseline": "pooled"},
    "pooled colon strata robust": {**MODELS["colon strata"], "ties": "breslow", "robust": True, "baseline": "pooled"},
    "pooled rotterdam sampling": {
        "formula": "Surv(dtime, death) ~ age + nodes + hormon",
        "weights": "wt",
        "weights_type": "sampling",
        "baseline": "pooled",
    },
}
MODELS["pooled colon node"] = {"formula": "Surv(time, status) ~ rx + age + node", "baseline": "pooled"}


def data_of(name: str) -> str:
    first = name.removeprefix("pooled ").split(maxsplit=1)[0]
    return "bladder2" if first == "bladder" else first


def in_r(name: str) -> str:
    """How R names a column."""
    if name.startswith("ns("):
        return f"ns(age, knots = c(50, 65), Boundary.knots = c(30, 80)){name[-1]}"
    return name.replace("[", "").replace("]", "")


def test_every_reference_model_is_compared() -> None:
    assert set(MODELS) == set(FACTS)


@pytest.mark.parametrize("name", MODELS)
def test_coefficients_errors_and_tests_are_those_of_r(name: str) -> None:
    found, fact = fit(data_of(name), **MODELS[name]), FACTS[name]
    assert {in_r(term.name) for term in found.terms} == set(fact["coef"])
    for term in found.terms:
        assert term.coef == pytest.approx(fact["coef"][in_r(term.name)], rel=1e-8), term.name
        assert term.se == pytest.approx(fact["se"][in_r(term.name)], rel=1e-8), term.name
        assert term.exponentiated == pytest.approx(math.exp(fact["coef"][in_r(term.name)]), rel=1e-8)
    assert (found.null_loglik, found.loglik) == pytest.approx(tuple(fact["loglik"]), rel=1e-10)
    assert (found.n, found.events) == (fact["n"], fact["events"])
    assert found.aic == pytest.approx(fact["aic"], rel=1e-10)
    by_name = {test.name: test.statistic for test in found.tests}
    if found.baseline == "node":
        assert by_name["score"] == pytest.approx(fact["score"], rel=1e-8)
    assert by_name["Wald"] == pytest.approx(fact["wald"], rel=1e-2)  # R prints it in few digits
    if fact["naive"]:
        assert found.covariance_kind == "robust"
        assert list(found.model_errors) == pytest.approx(fact["naive"], rel=1e-8)
    assert found.concordance is not None
    if found.baseline == "node":  # else R compares people of different nodes as well
        assert found.concordance.value == pytest.approx(fact["concordance"], rel=1e-10)


@pytest.mark.parametrize("time", ["identity", "log"])
@pytest.mark.parametrize("name", MODELS)
def test_proportional_hazards_are_tested_as_by_cox_zph(name: str, time: str) -> None:
    found = fit(data_of(name), **MODELS[name])
    fact = FACTS[name][time]
    (tests,) = [one for one in found.proportional if one.time == time]
    expected = list(fact.values())
    assert len(tests.terms) == len(expected) - 1
    for test, row in zip((*tests.terms, tests.whole), expected, strict=True):
        assert test.statistic == pytest.approx(row["chisq"], rel=1e-7)
        assert test.df == row["df"]
        assert test.p == pytest.approx(row["p"], rel=1e-6)


def test_lifelines_fits_the_same() -> None:
    data = table("rotterdam")
    found = fit("rotterdam", formula="Surv(dtime, death) ~ age + nodes + meno")
    peer = CoxPHFitter().fit(
        data[["dtime", "death", "age", "nodes", "meno", "node"]],
        "dtime",
        "death",
        strata=["node"],
        fit_options={"precision": 1e-14},
    )
    assert [term.coef for term in found.terms] == pytest.approx(peer.params_.tolist(), rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(peer.standard_errors_.tolist(), rel=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_statsmodels_fits_the_same(ties: str) -> None:
    data = table("colon")
    found = fit("colon", formula="Surv(time, status) ~ age + sex + nodes", ties=ties)
    names = ["age", "sex", "nodes"]
    peer = PHReg(data["time"], data[names].to_numpy(float), status=data["status"], strata=data["node"], ties=ties).fit(
        disp=0
    )
    assert [term.coef for term in found.terms] == pytest.approx(peer.params.tolist(), rel=1e-7)


def test_one_node_alone_is_the_fit_of_scikit_survival() -> None:
    data = table("rotterdam")
    names = ["age", "nodes", "meno"]
    found = fit("rotterdam", np.zeros(len(data), dtype=np.int64), formula="Surv(dtime, death) ~ age + nodes + meno")
    outcome = np.array(
        list(zip(data["death"] == 1, data["dtime"], strict=True)), dtype=[("event", "?"), ("time", "<f8")]
    )
    peer = CoxPHSurvivalAnalysis(ties="efron", tol=1e-14, n_iter=200).fit(data[names], outcome)
    assert [term.coef for term in found.terms] == pytest.approx(peer.coef_.tolist(), rel=1e-7)


# --- survival -----------------------------------------------------------------------------------------------

PREDICTED = json.loads((Path(__file__).parent / "cox_survival_facts.json").read_text())


@pytest.mark.parametrize("fact", PREDICTED, ids=lambda fact: fact["name"])
def test_predicted_survival_is_that_of_survfit(fact: dict[str, Any]) -> None:
    found = fit("colon", formula=_COLON, ties=fact["name"], baseline="pooled")
    (hazard,) = found.baseline_hazards
    assert found.covariance_terms == ("rx[Lev]", "rx[Lev+5FU]", "age", "sex", "nodes")
    people = np.array([[0.0, 0, 40, 1, 1], [0.0, 1, 70, 0, 8]])
    coef = np.array([term.coef for term in found.terms], dtype=np.float64)
    cumulated, error = predicted(hazard, coef, np.array(found.covariance), people)
    at = np.searchsorted(fact["time"], [point.time for point in hazard.points], side="right") - 1
    assert len(at) > 20
    np.testing.assert_allclose(np.exp(-cumulated).T, np.array(fact["survival"])[at], rtol=1e-9)
    np.testing.assert_allclose(error.T, np.array(fact["error"])[at], rtol=1e-8)
