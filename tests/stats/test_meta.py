from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import NotEstimable, StudyError
from hansa.stats.meta.combine import meta_analysis
from hansa.stats.plain import to_plain

# Made by meta_facts.R with metafor 3.8-1 (its threshold lowered to 1e-15, so that it has all digits).
FACTS = json.loads((Path(__file__).parent / "meta_facts.json").read_text())
RANDOM = [fact for fact in FACTS if fact["method"] in ("REML", "DL")]
EGGER = [fact for fact in FACTS if fact["method"] == "Egger"]
FIXED = [fact for fact in FACTS if fact["method"] == "FE"]


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("fact", RANDOM, ids=lambda fact: f"{fact['name']}-{fact['method']}-{fact['test']}")
def test_random_effects_equal_metafor(fact: dict[str, Any]) -> None:
    found = meta_analysis(
        fact["estimates"],
        fact["standard_errors"],
        method=fact["method"],
        knapp_hartung=fact["test"] == "adhoc",
    )
    assert found.random is not None
    assert found.heterogeneity is not None
    assert found.heterogeneity.tau2 == close(fact["tau2"])
    assert found.heterogeneity.tau2_se == close(fact["tau2_se"])
    assert (found.heterogeneity.q, found.heterogeneity.p) == (close(fact["q"]), close(fact["q_p"]))
    assert found.heterogeneity.i2 == pytest.approx(fact["i2"], rel=1e-8, abs=1e-9)  # metafor stops just above 0
    assert found.heterogeneity.h2 == close(fact["h2"])
    assert (found.random.estimate, found.random.se) == (close(fact["b"]), close(fact["se"]))
    assert (found.random.lower, found.random.upper) == (close(fact["lower"]), close(fact["upper"]))
    assert found.random.p == close(fact["p"])
    assert [site.random_weight for site in found.sites] == [close(weight) for weight in fact["weights"]]
    if len(found.sites) > 2:
        assert found.prediction == (close(fact["pi_lower"]), close(fact["pi_upper"]))
        assert found.prediction_df == fact["pi_df"]


@pytest.mark.parametrize("fact", RANDOM, ids=lambda fact: f"{fact['name']}-{fact['method']}-{fact['test']}")
def test_leaving_one_site_out_equals_metafor_on_the_others(fact: dict[str, Any]) -> None:
    found = meta_analysis(
        fact["estimates"], fact["standard_errors"], method=fact["method"], knapp_hartung=fact["test"] == "adhoc"
    )
    assert [one.name for one in found.influence] == [site.name for site in found.sites][: len(fact["without"])]
    for one, left in zip(found.influence, fact["without"], strict=True):
        effect = one.without
        assert (effect.estimate, effect.se) == (close(left["estimate"]), close(left["se"]))
        assert (effect.lower, effect.upper) == (close(left["lower"]), close(left["upper"]))
        assert effect.p == close(left["p"])
        assert one.without_tau2 == close(left["tau2"])
        assert one.without_i2 == pytest.approx(left["i2"], rel=1e-8, abs=1e-9)  # as above
        assert one.without_q_p == close(left["q_p"])
        assert one.distance == close((fact["b"] - left["estimate"]) ** 2 / fact["se"] ** 2)


@pytest.mark.parametrize("fact", FIXED, ids=lambda fact: fact["name"])
def test_the_fixed_effect_equals_metafor(fact: dict[str, Any]) -> None:
    found = meta_analysis(fact["estimates"], fact["standard_errors"])
    assert (found.fixed.estimate, found.fixed.se) == (close(fact["b"]), close(fact["se"]))
    assert (found.fixed.lower, found.fixed.upper) == (close(fact["lower"]), close(fact["upper"]))
    assert found.fixed.p == close(fact["p"])
    assert [site.fixed_weight for site in found.sites] == [close(weight) for weight in fact["weights"]]


@pytest.mark.parametrize("fact", FIXED, ids=lambda fact: fact["name"])
def test_each_site_against_the_others_equals_metafor(fact: dict[str, Any]) -> None:
    found = meta_analysis(fact["estimates"], fact["standard_errors"])
    if len(found.sites) < 3:
        assert found.influence == ()
        return
    assert [one.difference for one in found.influence] == [close(value) for value in fact["difference"]]
    assert [one.se for one in found.influence] == [close(value) for value in fact["difference_se"]]
    assert [one.statistic for one in found.influence] == [close(value) for value in fact["difference_z"]]
    assert [one.p_adjusted for one in found.influence] == [close(value) for value in fact["holm"]]
    assert [one.q for one in found.influence] == [close(value) for value in fact["q_parts"]]
    assert found.heterogeneity is not None
    assert sum(one.q for one in found.influence) == close(found.heterogeneity.q)


@pytest.mark.parametrize("fact", EGGER, ids=lambda fact: fact["name"])
def test_egger_s_test_equals_metafor(fact: dict[str, Any]) -> None:
    found = meta_analysis(fact["estimates"], fact["standard_errors"]).funnel
    assert found.reason == ""
    assert (found.slope, found.se) == (close(fact["slope"]), close(fact["se"]))
    assert (found.statistic, found.df, found.p) == (close(fact["t"]), fact["df"], close(fact["p"]))
    assert (found.limit, found.limit_lower, found.limit_upper) == (
        close(fact["limit"]),
        close(fact["limit_lower"]),
        close(fact["limit_upper"]),
    )


def test_below_ten_sites_there_is_no_egger_test_and_the_reason_is_said() -> None:
    y, s = EGGER[0]["estimates"], EGGER[0]["standard_errors"]
    nine, ten = (meta_analysis(y[:k], s[:k]).funnel for k in (9, 10))
    assert (nine.slope, nine.limit, ten.reason) == (None, None, "")
    assert nine.reason == "Egger's test needs 10 sites (Sterne et al. 2011); 9 gave an estimate"


def test_sites_of_one_precision_have_no_egger_test() -> None:
    found = meta_analysis([0.1 * site for site in range(12)], [0.2] * 12).funnel
    assert found.slope is None
    assert "all alike" in found.reason


def test_estimates_on_a_line_of_their_errors_are_a_certain_asymmetry() -> None:
    errors = [0.5, 0.25, 0.75, 1.0, 0.125, 0.5, 0.25, 0.75, 1.0, 0.125]
    found = meta_analysis([2 * error for error in errors], errors).funnel
    assert found.slope == pytest.approx(2.0)
    assert found.limit == pytest.approx(0.0, abs=1e-12)
    assert found.p is not None
    assert found.p < 1e-12


def test_a_site_without_estimate_is_listed_with_its_reason_and_not_used() -> None:
    found = meta_analysis(
        [0.1, None, 0.3, math.nan],
        [0.1, None, 0.2, 0.1],
        names=["a", "b", "c", "d"],
        reasons=["", "refused", "", ""],
    )
    assert (found.used, found.asked) == (2, 4)
    assert [site.reason for site in found.sites] == ["", "refused", "", "not estimable"]
    alone = meta_analysis([0.1, 0.3], [0.1, 0.2])
    assert found.random == alone.random


def test_one_site_has_a_fixed_effect_only() -> None:
    found = meta_analysis([0.4], [0.1])
    assert found.fixed.estimate == pytest.approx(0.4)
    assert found.random is None
    assert found.heterogeneity is None


def test_two_sites_give_no_prediction() -> None:
    found = meta_analysis([0.4, 0.5], [0.1, 0.1])
    assert (found.prediction, found.prediction_df, found.influence) == (None, None, ())


def test_no_site_is_not_estimable() -> None:
    with pytest.raises(NotEstimable):
        meta_analysis([None], [None])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"standard_errors": [0.1]}, "standard_errors"),
        ({"standard_errors": [0.1, 0.0]}, "standard_errors"),
        ({"method": "PM"}, "method"),
        ({"level": 1.0}, "level"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as error:
        meta_analysis(**{"estimates": [0.1, 0.2], "standard_errors": [0.1, 0.2], **arguments})
    assert error.value.field == field


SITES = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 3)), min_size=2, max_size=8)


@given(SITES, st.sampled_from(["REML", "DL"]))
def test_effects_lie_among_the_estimates_and_weights_add_up(sites: list[tuple[float, float]], method: Any) -> None:
    estimates, errors = zip(*sites, strict=True)
    found = meta_analysis(estimates, errors, method=method)
    assert found.random is not None
    assert found.heterogeneity is not None
    assert found.heterogeneity.tau2 >= 0
    assert min(estimates) - 1e-9 <= found.random.estimate <= max(estimates) + 1e-9
    assert sum(site.random_weight or 0 for site in found.sites) == pytest.approx(100)


@given(SITES)
def test_the_knapp_hartung_interval_is_never_narrower_than_the_normal_one(sites: list[tuple[float, float]]) -> None:
    estimates, errors = zip(*sites, strict=True)
    with_factor, without = (meta_analysis(estimates, errors, knapp_hartung=use) for use in (True, False))
    assert with_factor.random is not None
    assert without.random is not None
    assert with_factor.random.se >= without.random.se * (1 - 1e-12)


@given(SITES)
def test_reml_is_a_stationary_point_or_zero(sites: list[tuple[float, float]]) -> None:
    y, s = (np.array(values) for values in zip(*sites, strict=True))
    found = meta_analysis(y.tolist(), s.tolist())
    assert found.heterogeneity is not None
    tau2 = found.heterogeneity.tau2
    if tau2 > 0:
        w = 1 / (s**2 + tau2)
        P = np.diag(w) - np.outer(w, w) / w.sum()
        score = y @ P @ P @ y - np.trace(P)
        assert abs(score) <= 1e-6 * np.trace(P)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 3)), min_size=3, max_size=8), st.randoms())
def test_influence_goes_with_the_site_and_not_with_its_place(sites: list[tuple[float, float]], random: Any) -> None:
    order = random.sample(range(len(sites)), len(sites))
    found, shuffled = (
        meta_analysis([sites[i][0] for i in places], [sites[i][1] for i in places], names=[str(i) for i in places])
        for places in (range(len(sites)), order)
    )
    others = {one.name: one for one in shuffled.influence}
    for one in found.influence:
        other = others[one.name]
        assert one.difference == pytest.approx(other.difference, rel=1e-9, abs=1e-9)
        assert one.q == pytest.approx(other.q, rel=1e-7, abs=1e-9)
        assert one.without.estimate == pytest.approx(other.without.estimate, rel=1e-6, abs=1e-6)
        assert one.p <= one.p_adjusted <= 1


def test_the_result_is_plain() -> None:
    assert to_plain(meta_analysis([0.1, 0.2, None], [0.1, 0.2, None]))["schema"] == "meta/1.1"
