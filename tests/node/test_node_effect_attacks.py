"""Attacks by causal contrasts. Each is refused, and passes once the rule that stops it is taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_node_gate import Attack, refused, without

from hansa.embedded.local import LocalLeague, local
from hansa.errors import HansaError, Refused
from hansa.model import Analysis
from hansa.stats.contract import Request
from hansa.testing import hub_run, synthetic_cohorts


def league(*, arms: int = 4, untreated: int = 4) -> LocalLeague:
    """Four nodes of 100 people, of which the first ``arms`` treat half, and those after ``untreated`` everybody.

    One person of 99 is at aachen.
    """
    frames: dict[str, pd.DataFrame] = {}
    cohorts = synthetic_cohorts().with_person("aachen", age=99, marker=321.5, sex="female", ill=True, smoking="none")
    for place, (node, frame) in enumerate(cohorts.frames.items()):
        random = np.random.default_rng([7, place])
        half = (random.random(len(frame)) < 0.5) & (place < arms)
        given = half | (frame["age"] > 90) | (place >= untreated)
        frames[node] = frame.drop(columns="pressure").assign(given=given)
    return local(frames)


def contrast(outcome: str = "marker", treatment: str = "given", adjust: str = "age", **fields: Any) -> Attack:
    return lambda lg: lg.effect(outcome, treatment, adjust, **fields).plain


def derived(expression: str) -> dict[str, Any]:
    return {"z": {"expression": expression, "type": "boolean"}}


ATTACKS: dict[str, tuple[str, Attack]] = {
    "one person treated": ("exposures history", contrast(treatment="z", derive=derived("age > 90"))),
    "one person with the outcome": ("exposures history", contrast("z", adjust="marker", derive=derived("age > 90"))),
    "a term of one person": ("exposures history", contrast(adjust="age + I(age > 90)")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_contrast_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(ATTACKS[name][1], league()) == "disclosure"


@pytest.mark.parametrize("name", ATTACKS)
def test_it_would_pass_without_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, attack = ATTACKS[name]
    for rule in (*rules.split(), "nodes"):
        without(monkeypatch, rule)
    try:
        assert attack(league()) is not None
    except Refused:
        raise
    except HansaError:
        return  # it went through the gate, and the algebra had its own objection


def test_treated_people_of_one_node_are_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(contrast(), league(arms=1)) == "disclosure"
    without(monkeypatch, "nodes")
    assert contrast()(league(arms=1)) is not None


def _posed(
    lg: LocalLeague,
    step: str,
    alpha: list[float],
    beta: list[float] | None = None,
    estimator: str = "weighting",
    *,
    term: str = "age",
    within: bool = False,
) -> Any:
    """A hub that asks a step of an honest study with models of its own; ``beta`` is that of both arms."""
    asked = {"outcome": "ill", "treatment": "given", "adjust": "age"}
    study = lg.study({"q": Analysis(method="effect", arguments={**asked, "estimator": estimator})})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    facts = {"levels(given)": {"present": [True, True]}}
    common = {"facts": facts, "weights": None, "node": "common", "mix": None}
    logistic = {"family": "binomial", "link": "logit", "response_scale": 1.0, "response_centre": 0.0}
    score = {"formula": f"given ~ {term}", **logistic, "scale": [1.0, 0.03125], "centre": [0.0, 50.0]}
    outcome = {"formula": "ill ~ given * (age)", **logistic, "scale": [1.0, 1.0, 0.03125, 0.03125], "centre": [0.0] * 4}
    arguments = {
        "propensity": {**common, **score},
        "outcome": {**common, **outcome},
        "estimand": "ATE",
        "estimator": estimator,
        "within": within,
    }
    steps = {one.name: one for one in question.method.steps}
    inputs = {"alpha": np.array(alpha), "beta": np.array([beta or [0.0, 0.0]] * 2)}
    if step == "effect.equations":
        inputs["mu"] = np.zeros(2)
    return run.sum(steps[step], Request(arguments), inputs)


HONEST = [0.0, 0.1]
CHOSEN: dict[str, tuple[str, list[float], list[float], str]] = {
    "balance by weights": ("effect.balance", [3.5, -7.0], HONEST, "weighting"),
    "outcomes by weights": ("effect.outcomes", [3.5, -7.0], HONEST, "weighting"),
    "equations by weights": ("effect.equations", [3.5, -7.0], HONEST, "weighting"),
    "outcomes by the mean of one person": ("effect.outcomes", HONEST, [-56.0, 40.0], "standardisation"),
    "equations by the mean of one person": ("effect.equations", HONEST, [-56.0, 40.0], "standardisation"),
    "equations by the curvature of one person": ("effect.equations", HONEST, [-61.25, 40.0], "aipw"),
}


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("name", CHOSEN)
def test_models_that_one_person_dominates_are_refused_and_would_pass(
    name: str, within: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, alpha, beta, estimator = CHOSEN[name]
    assert _posed(league(), step, HONEST, HONEST, estimator, within=within) is not None
    assert refused(lambda lg: _posed(lg, step, alpha, beta, estimator, within=within), league()) == "disclosure"
    without(monkeypatch, "exposures")
    assert _posed(league(), step, alpha, beta, estimator, within=within) is not None


def test_untreated_people_of_one_node_are_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(contrast(), league(arms=4, untreated=1)) == "disclosure"
    without(monkeypatch, "nodes")
    assert contrast()(league(arms=4, untreated=1)) is not None


@pytest.mark.parametrize("step", ["effect.balance", "effect.outcomes", "effect.equations"])
def test_a_propensity_model_of_one_person_beside_an_honest_outcome_model_is_refused_and_would_pass(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attack(lg: LocalLeague) -> Any:
        return _posed(lg, step, [0.0, 0.0], term="exp(age - 95)")

    assert refused(attack, league()) == "disclosure"
    without(monkeypatch, "exposures")
    without(monkeypatch, "nodes")
    assert attack(league()) is not None


def test_refusals_of_a_method_say_one_thing_whatever_the_data_are() -> None:
    """Among what it says is what a treatment constant within nodes asks for."""
    too_few, constant = league(), league(arms=0, untreated=1)
    told = [
        _told(too_few, contrast(treatment="z", derive=derived("age > 90"))),
        _told(constant, contrast()),
        _told(constant, lambda lg: lg.cox("Surv(age, ill) ~ given").plain),
        _told(too_few, lambda lg: lg.cox("Surv(age, ill) ~ z", derive=derived("marker > 300")).plain),
    ]
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert all("constant within nodes" in one and "control_arm" in one for one in told)


def _told(lg: LocalLeague, asked: Attack) -> str:
    with pytest.raises(Refused) as refusal:
        asked(lg)
    assert refusal.value.reason == "disclosure"
    return str(refusal.value)
