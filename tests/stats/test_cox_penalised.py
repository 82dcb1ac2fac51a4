"""Cox models with Firth's and the ridge penalty: R's numbers (cox_penalised_facts.R), any split, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cox_cases import columns, fit, fit_to
from descriptive_cases import described
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.cox.result import CoxResult, read_cox_result
from hansa.stats.plain import to_plain

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "cox_penalised_facts.json").read_text())
RIDGE = {fact["name"]: fact for fact in FACTS["ridge"]}
FIRTH = {fact["name"]: fact for fact in FACTS["firth"]}

_VETERAN = "Surv(time, status) ~ trt + karno + diagtime + age"
RIDGED: dict[str, dict[str, Any]] = {
    "veteran": {"formula": _VETERAN, "theta": 3},
    "colon": {"formula": "Surv(time, status) ~ age + sex + nodes + extent", "theta": 20, "ties": "breslow"},
    "heart": {"formula": "Surv(start, stop, event) ~ age + year + surgery + transplant", "theta": 5},
    "pooled veteran": {"formula": _VETERAN, "theta": 3, "baseline": "pooled"},
}
FIRTHED: dict[str, dict[str, Any]] = {
    "veteran": {"formula": "Surv(time, status) ~ trt + karno + age"},
    "veteran breslow": {"formula": "Surv(time, status) ~ trt + karno + age", "ties": "breslow"},
    "heart": {"formula": "Surv(start, stop, event) ~ age + surgery + transplant"},
}


def ridge(name: str) -> CoxResult:
    return fit(name.removeprefix("pooled ").split(maxsplit=1)[0], penalty="ridge", **RIDGED[name])


def firth(name: str) -> CoxResult:
    return fit(name.split(maxsplit=1)[0], penalty="firth", **FIRTHED[name])


@pytest.mark.parametrize("name", RIDGED)
def test_a_ridge_is_that_of_r(name: str) -> None:
    found, fact = ridge(name), RIDGE[name]
    assert set(RIDGED) == set(RIDGE)
    assert [term.coef for term in found.terms] == pytest.approx(list(fact["coef"].values()), rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(fact["se"], rel=1e-8)
    assert list(found.model_errors) == pytest.approx(fact["se2"], rel=1e-8)
    assert [found.null_loglik, found.loglik] == pytest.approx(fact["loglik"], rel=1e-10)
    assert found.df == pytest.approx(fact["df"], rel=1e-8)
    assert found.aic == pytest.approx(2 * fact["df"] - 2 * fact["loglik"][1], rel=1e-9)
    (test,) = found.tests
    assert test.statistic == pytest.approx(2 * np.diff(fact["loglik"])[0], rel=1e-8)
    assert test.df == found.df
    assert found.proportional == ()


@pytest.mark.parametrize("name", FIRTHED)
def test_firths_penalised_likelihood_has_its_peak_tests_and_intervals_where_r_finds_them(name: str) -> None:
    found, fact = firth(name), FIRTH[name]
    assert set(FIRTHED) == set(FIRTH)
    assert [term.coef for term in found.terms] == pytest.approx(list(fact["coef"].values()), rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(fact["se"], rel=1e-8)
    assert [found.null_loglik, found.loglik] == pytest.approx(fact["loglik"], rel=1e-10)
    assert [term.statistic for term in found.terms] == pytest.approx(fact["chi2"], rel=1e-7)
    assert [term.lower for term in found.terms] == pytest.approx(fact["lower"], rel=1e-6)
    assert [term.upper for term in found.terms] == pytest.approx(fact["upper"], rel=1e-6)
    assert [term.se for term in found.wald_terms] == [term.se for term in found.terms]
    assert found.aic is None


@given(st.integers(1, 6), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_any_split_gives_the_same(nodes: int, random: Any) -> None:
    values, variables, _ = columns("veteran")
    strata = np.arange(len(values["time"])) % 2
    given_ = {**values, "part": strata.astype(float)}
    known = {**variables, **described(Variable(name="part", type="category", levels=("a", "b")))}
    # one person's node is all of a stratum's, so that every split has the strata that the pooled data have
    owner = np.array([random.randrange(nodes) for _ in range(2)])[strata]
    for more in ({"penalty": "ridge", "theta": 4}, {"penalty": "firth"}):
        asked = {"formula": "Surv(time, status) ~ trt + karno + strata(part)", **more}
        apart = fit_to(given_, known, owner, **asked)
        pooled = fit_to(given_, known, np.zeros_like(owner), **asked)
        for name in ("coef", "se", "lower", "upper"):
            assert [getattr(term, name) for term in apart.terms] == pytest.approx(
                [getattr(term, name) for term in pooled.terms], rel=1e-8, abs=1e-10
            )


def _separated() -> tuple[dict[str, Any], Any]:
    """Everybody with the marker dies before anybody without it."""
    n = 60
    marker = (np.arange(n) < 25).astype(float)
    values = {"time": np.arange(n) + 1.0, "dead": np.ones(n), "marker": marker, "x": np.cos(np.arange(n) * 1.7)}
    kinds = [("time", "integer"), ("dead", "boolean"), ("marker", "boolean"), ("x", "number")]
    return values, described(*(Variable(name=name, type=kind) for name, kind in kinds))


def test_where_the_likelihood_grows_without_end_firths_does_not() -> None:
    values, variables = _separated()
    owner, formula = np.zeros(60, dtype=np.int64), "Surv(time, dead) ~ marker + x"
    with pytest.raises(NotEstimable, match="marker"):
        fit_to(values, variables, owner, formula=formula)
    found = fit_to(values, variables, owner, formula=formula, penalty="firth").terms[0]
    assert found.coef is not None
    assert found.lower is not None
    assert 3 < found.coef < 10
    assert found.lower > 1


def test_a_ridge_estimates_columns_that_are_copies_of_each_other() -> None:
    values, variables, owner = columns("veteran")
    copied = {**values, "again": values["karno"]}
    known = {**variables, **described(Variable(name="again", type="number"))}
    formula = "Surv(time, status) ~ karno + again"
    assert fit_to(copied, known, owner, formula=formula).aliased == ("again",)
    one, other = fit_to(copied, known, owner, formula=formula, penalty="ridge", theta=2).terms
    assert one.coef == pytest.approx(other.coef, rel=1e-6)


def test_a_weak_ridge_is_nearly_no_penalty_and_a_strong_one_leaves_nothing() -> None:
    plain = fit("veteran", formula=_VETERAN)
    weak, strong = (fit("veteran", formula=_VETERAN, penalty="ridge", theta=theta) for theta in (1e-9, 1e9))
    assert [term.coef for term in weak.terms] == pytest.approx([term.coef for term in plain.terms], rel=1e-6)
    assert strong.df < 1e-5
    assert all(abs(term.coef or 0.0) < 1e-4 for term in strong.terms)


def test_plain_values_lead_back_to_the_result() -> None:
    found = firth("veteran")
    assert read_cox_result(to_plain(found)) == found


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"penalty": "lasso"}, "penalty"),
        ({"penalty": "ridge"}, "theta"),
        ({"penalty": "ridge", "theta": 0}, "theta"),
        ({"penalty": "ridge", "theta": True}, "theta"),
        ({"theta": 1.0}, "theta"),
        ({"penalty": "firth", "theta": 1.0}, "theta"),
        ({"penalty": "firth", "baseline": "pooled"}, "baseline"),
        ({"penalty": "firth", "robust": True}, "penalty"),
        ({"penalty": "ridge", "theta": 1, "weights": "age", "weights_type": "sampling"}, "penalty"),
    ],
)
def test_what_a_penalty_does_not_go_with_is_refused(more: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as refused:
        fit("veteran", formula=_VETERAN, **more)
    assert refused.value.field == field
