"""Firth's penalty against brglm2 and the definition of logistf's tests and intervals (firth_facts.R has the calls)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from descriptive_cases import described
from glm_cases import HERE, VARIABLES, data, fit
from numpy.typing import NDArray

from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.glm.result import GlmResult

FACTS: dict[str, dict[str, Any]] = {fact["name"]: fact for fact in json.loads((HERE / "firth_facts.json").read_text())}
MODELS: dict[str, dict[str, Any]] = {
    "logit": {"formula": "yes ~ x + g"},
    "offset": {"formula": "yes ~ x + g + offset(log(time))"},
    "no intercept": {"formula": "yes ~ 0 + x + year"},
    "frequency": {"formula": "yes ~ x + g", "weights": "copies", "weights_type": "frequency"},
    "quasi": {"formula": "yes ~ x + g"},
    "few": {"formula": "yes ~ x + dose"},
    "endometrial": {"formula": "HG ~ NV + PI + EH"},
}
ENDOMETRIAL = described(
    *(Variable(name=name, type="number") for name in ("PI", "EH")),
    *(Variable(name=name, type="number", range=(0, 1)) for name in ("NV", "HG")),
)


def rows(name: str) -> tuple[dict[str, FloatArray], NDArray[np.int64], dict[str, Variable]]:
    columns, sites = data()
    if name == "endometrial":
        found = {
            key: np.array(values, dtype=np.float64) for key, values in FACTS["endometrial data"]["columns"].items()
        }
        return found, np.arange(79) % 4, ENDOMETRIAL
    if name == "quasi":
        columns = {**columns, "yes": np.where(columns["g"] == 2, 1.0, columns["yes"])}
    if name == "few":
        columns = {key: column[::10] for key, column in columns.items()}
        columns = {**columns, "yes": (columns["x"] > 0.1).astype(float)}
        sites = sites[::10]
    return columns, sites, VARIABLES


def penalised(name: str, **changes: Any) -> GlmResult:
    columns, sites, variables = rows(name)
    return fit(columns, sites, variables, family="binomial", penalty="firth", **{**MODELS[name], **changes})


def in_r(name: str) -> str:
    return name.replace("[", "").replace("]", "")


def test_every_reference_model_is_compared() -> None:
    assert set(MODELS) == set(FACTS) - {"endometrial data"}


@pytest.mark.parametrize("name", MODELS)
def test_estimates_tests_and_profile_intervals_are_those_of_the_reference(name: str) -> None:
    result, facts = penalised(name), FACTS[name]["terms"]
    assert [in_r(term.name) for term in result.terms] == list(facts)
    for term in result.terms:
        fact = facts[in_r(term.name)]
        assert term.coef == pytest.approx(fact["coef"], rel=1e-8)
        assert term.se == pytest.approx(fact["se"], rel=1e-8)
        assert term.statistic == pytest.approx(fact["chisq"], rel=1e-8, abs=1e-10)
        assert term.p == pytest.approx(fact["p"], rel=1e-8)
        assert (term.lower, term.upper) == pytest.approx((fact["lower"], fact["upper"]), rel=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_penalised_likelihoods_are_those_of_the_reference(name: str) -> None:
    result, fact = penalised(name), FACTS[name]
    assert result.loglik == pytest.approx(fact["loglik"], rel=1e-10)
    assert result.null_loglik == pytest.approx(fact["null_loglik"], rel=1e-10)
    assert result.lr_statistic == pytest.approx(2 * (fact["loglik"] - fact["null_loglik"]), rel=1e-8)
    assert (result.aic, result.bic, result.pseudo_r2) == (None, None, None)


def test_the_published_estimates_of_the_endometrial_study_are_found() -> None:
    """Heinze & Schemper (2002), table II: neovasculization, where maximum likelihood is infinite."""
    term = penalised("endometrial").by_name["NV"]
    assert (term.coef, term.lower, term.upper) == pytest.approx((2.93, 0.61, 7.85), abs=0.005)
