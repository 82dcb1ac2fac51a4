"""Coefficients, errors, tests and fit against R (glm_facts.R says with which calls)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from glm_cases import HERE, data, fit

FACTS: dict[str, dict[str, Any]] = {fact["name"]: fact for fact in json.loads((HERE / "glm_facts.json").read_text())}

XG, SITES = "x + g", {"node": "intercepts"}
MODELS: dict[str, dict[str, Any]] = {
    "gaussian": {"formula": f"level ~ {XG}"},
    "gaussian log": {"formula": f"level ~ {XG}", "link": "log"},
    "gaussian inverse": {"formula": f"level ~ {XG}", "link": "inverse"},
    "gaussian precision": {"formula": f"level ~ {XG}", "weights": "precision", "weights_type": "precision"},
    "gaussian no intercept": {"formula": "level ~ g + x - 1"},
    "gaussian squares": {"formula": "level ~ dose + I(dose^2) + year"},
    "gaussian interaction": {"formula": "level ~ x*g"},
    "gaussian spline": {"formula": "level ~ ns(x, knots=(-0.5, 0.5), boundary=(-2, 2))"},
    "gaussian poly": {"formula": "level ~ poly(year, 3) + x"},
    "gaussian sites": {"formula": f"level ~ {XG}", **SITES},
    "logit": {"formula": f"yes ~ {XG}"},
    "logit frequency": {"formula": f"yes ~ {XG}", "weights": "copies", "weights_type": "frequency"},
    "gaussian frequency": {"formula": f"level ~ {XG}", "weights": "copies", "weights_type": "frequency"},
    "probit": {"formula": f"yes ~ {XG}", "link": "probit"},
    "cloglog": {"formula": f"yes ~ {XG}", "link": "cloglog"},
    "log binomial": {"formula": "yes ~ g", "link": "log"},
    "logit sites": {"formula": f"yes ~ {XG}", **SITES},
    "logit no intercept": {"formula": "yes ~ 0 + x + year"},
    "poisson": {"formula": f"events ~ {XG}"},
    "poisson offset": {"formula": f"events ~ {XG} + offset(log(time))"},
    "poisson identity": {"formula": "events ~ g + time", "link": "identity"},
    "poisson identity no intercept": {"formula": "events ~ 0 + time", "link": "identity"},
    "poisson sites": {"formula": f"events ~ {XG} + offset(log(time))", **SITES},
    "gamma": {"formula": "cost ~ g"},
    "gamma log": {"formula": f"cost ~ {XG}", "link": "log"},
    "gamma identity": {"formula": "cost ~ g", "link": "identity"},
    "gamma log precision": {
        "formula": f"cost ~ {XG}",
        "link": "log",
        "weights": "precision",
        "weights_type": "precision",
    },
    "gamma log sites": {"formula": f"cost ~ {XG}", "link": "log", **SITES},
    "gamma sites": {"formula": "cost ~ g", **SITES},
    "aliased": {"formula": "level ~ x + I(2 * x + 1) + g"},
}


def family_of(name: str) -> str:
    families = {"logit": "binomial", "probit": "binomial", "cloglog": "binomial", "log": "binomial"}
    first = name.split(maxsplit=1)[0]
    return "gaussian" if first == "aliased" else families.get(first, first)


def in_r(name: str) -> str:
    """How R names a column."""
    for level in "abc":
        name = name.replace(f"g[{level}]", f"g{level}")
    return name.replace("dose ^ 2", "dose^2")


def by_r(fact: dict[str, float | None], name: str) -> float | None:
    if name.startswith("ns("):
        place = int(name[-1]) - 1
        return [value for key, value in fact.items() if key.startswith("ns(")][place]
    return fact[in_r(name)]


def test_every_reference_model_is_compared() -> None:
    assert set(MODELS) == set(FACTS)


@pytest.mark.parametrize("name", MODELS)
def test_coefficients_errors_and_tests_are_those_of_r(name: str) -> None:
    columns, sites = data()
    fact, result = FACTS[name], fit(columns, sites, family=family_of(name), **MODELS[name])
    assert result.terms
    for term in result.terms:
        expected = by_r(fact["coef"], term.name)
        if expected is None:
            assert term.coef is None
            assert term.name in result.aliased
            continue
        assert term.coef == pytest.approx(expected, rel=1e-8, abs=1e-12)
        assert term.se == pytest.approx(by_r(fact["se"], term.name), rel=1e-8)
        p = by_r(fact["p"], term.name)
        assert p is not None
        if p > 1e-300:
            assert term.p_log == pytest.approx(math.log(p), rel=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_deviance_likelihood_and_criteria_are_those_of_r(name: str) -> None:
    columns, sites = data()
    fact, result = FACTS[name], fit(columns, sites, family=family_of(name), **MODELS[name])
    found = {
        "deviance": result.deviance,
        "df": result.df_residual,
        "aic": result.aic,
        "bic": result.bic,
        "loglik": result.loglik,
        "dispersion": result.dispersion,
    }
    if result.node == "common":  # with sites R's null model has one intercept, ours one for each
        found |= {"null_deviance": result.null_deviance, "df_null": result.df_null}
    if name == "poisson identity no intercept":
        found.pop("null_deviance")  # a mean of zero
        assert result.null_deviance is None
    assert found == pytest.approx({key: fact[key] for key in found}, rel=1e-9)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("name", [name for name in MODELS if "HC0" in FACTS[name]])
def test_sandwich_errors_are_those_of_r(name: str, kind: str) -> None:
    columns, sites = data()
    result = fit(columns, sites, family=family_of(name), covariance=kind, **MODELS[name])
    assert result.covariance_kind == kind
    for term in result.terms:
        assert term.se == pytest.approx(by_r(FACTS[name][kind], term.name), rel=1e-8)


def test_intercepts_of_nodes_have_a_null_model_of_intercepts_alone() -> None:
    columns, sites = data()
    result = fit(columns, sites, family="poisson", **MODELS["poisson sites"])
    events, time = columns["events"], columns["time"]
    null = 0.0
    for site in range(5):
        y, t = events[sites == site], time[sites == site]
        mu = t * y.sum() / t.sum()
        null += 2 * float(np.sum(np.where(y > 0, y * np.log(np.maximum(y, 1) / mu), 0) - (y - mu)))
    assert result.null_deviance == pytest.approx(null, rel=1e-10)
    assert result.df_null == 235
