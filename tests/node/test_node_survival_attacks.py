"""Attacks by survival models. Each is refused, and passes once the rule that stops it is taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_node_gate import Attack, refused, without

from hansa.embedded.local import LocalLeague, local
from hansa.errors import HansaError, Refused
from hansa.harmonise import infer_dictionary
from hansa.model import Analysis
from hansa.stats.contract import Request
from hansa.testing import hub_run, synthetic_cohorts


def frames(events: float = 0.4) -> dict[str, pd.DataFrame]:
    """Four nodes of 100 people with times; one person of 99 at aachen."""
    found = {}
    cohorts = synthetic_cohorts().with_person("aachen", age=99, marker=321.5, sex="female", ill=True, smoking="none")
    for place, (node, frame) in enumerate(cohorts.frames.items()):
        random = np.random.default_rng([7, place])
        days = np.ceil(random.exponential(400, len(frame)))
        dead = random.random(len(frame)) < events
        found[node] = frame.drop(columns="pressure").assign(days=days, dead=np.where(frame["age"] > 90, True, dead))
    return found


def league(events: float = 0.4) -> LocalLeague:
    return local(frames(events))


def _cox(formula: str, **fields: Any) -> Attack:
    return lambda lg: lg.cox(formula, **fields).plain


def derived(expression: str, type_: str = "number") -> dict[str, Any]:
    return {"z": {"expression": expression, "type": type_}}


ATTACKS: dict[str, tuple[str, Attack]] = {
    "an event of one person": ("exposures parameters", _cox("Surv(days, dead and age > 90) ~ marker")),
    "an event of one person, derived": (
        "exposures parameters",
        _cox("Surv(days, z) ~ marker", derive=derived("age > 90", "boolean")),
    ),
    "a covariate of one person": ("exposures", _cox("Surv(days, dead) ~ marker + I(age > 90)")),
    "a stratum of one person": ("exposures history", _cox("Surv(days, dead) ~ marker + strata(age > 90)")),
    "a time that sets one person apart": ("exposures", _cox("Surv(days + 5000 * (age > 90), dead) ~ marker")),
    "a late entry that leaves one person": ("exposures", _cox("Surv(days * (age > 90) / 2, days, dead) ~ marker")),
    "an offset that singles a person out": ("exposures", _cox("Surv(days, dead) ~ marker + offset(20 * (age > 90))")),
    "a weight that singles a person out": (
        "exposures",
        _cox(
            "Surv(days, dead) ~ marker",
            weights="z",
            weights_type="sampling",
            derive={"z": {"expression": "1 + 4999 * (age > 90)", "type": "number", "range": (0.0, 5000.0)}},
        ),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_survival_model_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(ATTACKS[name][1], league()) == "disclosure"


@pytest.mark.parametrize("name", ATTACKS)
def test_a_survival_model_that_singles_a_person_out_would_pass_without_its_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, attack = ATTACKS[name]
    for rule in rules.split():
        without(monkeypatch, rule)
    without(monkeypatch, "nodes")
    try:
        assert attack(league()) is not None
    except Refused:
        raise
    except HansaError:
        return  # it went through the gate, and the algebra had its own objection


def _many_terms(lg: LocalLeague) -> object:
    return lg.cox("Surv(days, dead) ~ marker + age + sex + I(marker^2) + I(age^2) + marker:age").plain


def test_more_coefficients_than_the_events_carry_are_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    few = league(events=0.03)
    assert sum(int(frame["dead"].sum()) for frame in frames(0.03).values()) in range(10, 18)
    without(monkeypatch, "exposures")  # so that nothing else stops it
    without(monkeypatch, "nodes")
    assert refused(_many_terms, few) == "disclosure"
    without(monkeypatch, "parameters")
    assert _many_terms(league(events=0.03)) is not None


# --- chosen inputs ------------------------------------------------------------------------------------------


ASKED: dict[str, Any] = {
    "facts": {},
    "weights": None,
    "scale": [0.03125, 0.03125],
    "time_scale": 2.0**-9,
    "mix": None,
    "ties": "efron",
    "by_node": False,
}
"""What every request of these models says."""


def _posed(lg: LocalLeague) -> Callable[..., Any]:
    """A hub that asks the steps of an honest study with inputs of its own."""
    study = lg.study({"q": Analysis(method="cox", arguments={"formula": "Surv(days, dead) ~ age + marker"})})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    arguments = {
        **ASKED,
        "formula": "Surv(days, dead) ~ age + marker",
        "grid": 1.0,
        "times": 4096,
        "centre": [50 / 32, 200 / 32],
        "offset_centre": 0.0,
        "classes": 2,
        "ranks": 1,
    }
    steps = {step.name: step for step in question.method.steps}

    def ask(step: str, **inputs: Any) -> Any:
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        return run.sum(steps[step], Request(arguments), arrays)

    return ask


INPUTS: dict[str, dict[str, Any]] = {
    "cox.round": {"beta": [8.0, 0.0]},
    "cox.meat": {"beta": [8.0, 0.0]},
    "cox.pairs": {"beta": [8.0, 0.0]},
    "cox.proportional": {"beta": [8.0, 0.0], "centre": [0.0, 0.0], "scale": [1.0, 1.0]},
    "cox.penalty": {"beta": [8.0, 0.0], "inverse": np.eye(2)},
    "cox.risks": {"beta": [8.0, 0.0]},
    "cox.predictors": {"beta": [8.0, 0.0]},
    "cox.ranked": {"beta": [8.0, 0.0], "edges": [0.0], "rank": np.zeros(4096)},
    "cox.moments": {"beta": [8.0, 0.0]},
    "cox.hazards": {
        "beta": [8.0, 0.0],
        "hazard": np.full(4096, 1e-3),
        "tied": np.zeros(4096),
        "counted": np.ones(4096),
        "block": np.zeros(4096),
    },
    "cox.residuals": {"beta": [8.0, 0.0], "hazard": np.full(4096, 1e-3), "tied": np.zeros(4096)},
}


@pytest.mark.parametrize("step", INPUTS)
def test_a_chosen_beta_under_which_one_person_is_the_risk_set_is_refused(step: str) -> None:
    assert refused(lambda lg: _posed(lg)(step, **INPUTS[step]), league()) == "disclosure"


@pytest.mark.parametrize("step", INPUTS)
def test_the_chosen_beta_would_pass_without_the_rule(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "exposures")
    assert _posed(league())(step, **INPUTS[step]) is not None


def _one_death(lg: LocalLeague, step: str) -> object:
    """Hazards that spare none but those who die on one day: one person."""
    first = min(int(frame.loc[frame["dead"], "days"].min()) for frame in frames().values())
    tied = np.zeros(4096)
    tied[first] = 1.0
    chosen = {**INPUTS[step], "beta": [0.0, 0.0], "hazard": np.zeros(4096), "tied": tied}
    return _posed(lg)(step, **chosen)


@pytest.mark.parametrize("step", ["cox.hazards", "cox.residuals"])
def test_hazards_that_tell_of_one_death_are_refused_and_would_pass(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(lambda lg: _one_death(lg, step), league()) == "disclosure"
    without(monkeypatch, "exposures")
    assert _one_death(league(), step) is not None


def test_the_honest_rounds_of_the_same_study_pass() -> None:
    assert _posed(league())("cox.round", beta=[0.0, 0.0])["deviance"] > 0


# --- curves -------------------------------------------------------------------------------------------------


CURVES: dict[str, tuple[str, Attack]] = {
    "a group of one person": ("exposures history", lambda lg: lg.survival("Surv(days, dead) ~ I(age > 90)").plain),
    "an event of one person": ("exposures", lambda lg: lg.survival("Surv(days, dead and age > 90) ~ 1").plain),
    "a stratum of one person": (
        "exposures history",
        lambda lg: lg.survival("Surv(days, dead) ~ sex + strata(age > 90)").plain,
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(CURVES[name][1], league()) == "disclosure"


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_that_singles_a_person_out_would_pass_without_its_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, attack = CURVES[name]
    for rule in (*rules.split(), "nodes", "parameters"):
        without(monkeypatch, rule)
    assert attack(league()) is not None


def test_curves_of_derived_times_are_refused_by_the_node() -> None:
    """The hub knows a derived variable only by its type; the node knows that it is derived."""
    moved = {"z": {"expression": "days + 3", "type": "integer", "range": (0, 9999)}}
    assert refused(lambda lg: lg.survival("Surv(z, dead) ~ 1", derive=moved), league()) == "step"
    assert league().survival("Surv(days, dead) ~ 1").plain["groups"][0]["points"]


def test_daily_counts_are_not_in_the_result() -> None:
    shown = league().survival("Surv(days, dead) ~ sex")
    for group in shown.plain["groups"]:
        ends = [0, *(point["events"] for point in group["points"])]
        assert min(np.diff(ends), default=5) >= 5
    assert len(str(shown.plain)) < 40_000


def test_the_dictionary_of_these_frames_knows_times_and_events() -> None:
    known = infer_dictionary(frames()).by_name
    assert (known["days"].type, known["dead"].type) in {("number", "boolean"), ("integer", "boolean")}


def _one_apart() -> LocalLeague:
    """The marker follows age closely, but for one person of 99."""
    found = frames()
    for node, frame in found.items():
        noise = np.random.default_rng(len(node)).normal(0, 0.01, len(frame))
        found[node] = frame.assign(marker=np.where(frame["age"] > 90, frame["age"] + 40, frame["age"] + noise))
    return local(found)


def _pulled(lg: LocalLeague) -> object:
    across = np.array([1.0, -1.0])
    return _posed(lg)("cox.penalty", beta=[0.0, 0.0], inverse=np.outer(across, across))


def test_a_matrix_under_which_one_person_pulls_is_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(_pulled, _one_apart()) == "disclosure"
    without(monkeypatch, "exposures")
    assert _pulled(_one_apart()) is not None


def test_an_honest_firth_and_ridge_are_answered() -> None:
    lg = league()
    firth = lg.cox("Surv(days, dead) ~ age + marker", penalty="firth")
    ridge = lg.cox("Surv(days, dead) ~ age + marker", penalty="ridge", theta=5)
    assert firth.plain["statistic_kind"] == "chi2"
    assert 0 < ridge.plain["df"] < 2


def _competing(lg: LocalLeague) -> object:
    """A hub that asks a round of an honest Fine-Gray model at a beta of its own."""
    formula = "Surv(days, ended) ~ age + marker"
    study = lg.study({"q": Analysis(method="fine_gray", arguments={"formula": formula, "cause": "dead"})})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    (step,) = [step for step in question.method.steps if step.name == "fine_gray.round"]
    arguments = {**ASKED, "formula": "Surv(days, ended == 'dead') ~ age + marker", "censored": "watched"}
    return run.sum(step, Request(arguments), {"beta": np.array([8.0, 0.0])})


def _competing_league() -> LocalLeague:
    found = {}
    for node, frame in frames().items():
        ended = np.where(frame["dead"], "dead", np.where(np.arange(len(frame)) % 3 == 0, "moved", "watched"))
        found[node] = frame.drop(columns="dead").assign(ended=ended)
    dictionary = infer_dictionary(found)
    variables = [
        one.model_copy(update={"levels": ("watched", "dead", "moved")}) if one.name == "ended" else one
        for one in dictionary.variables
    ]
    return local(found, dictionary.model_copy(update={"variables": tuple(variables)}))


def test_a_chosen_beta_of_a_competing_risk_is_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(_competing, _competing_league()) == "disclosure"
    without(monkeypatch, "exposures")
    assert _competing(_competing_league()) is not None
