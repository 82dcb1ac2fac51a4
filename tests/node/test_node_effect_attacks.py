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


def league(*, arms: int = 4) -> LocalLeague:
    """Four nodes of 100 people, of which the first ``arms`` treat half; one person of 99 at aachen."""
    frames: dict[str, pd.DataFrame] = {}
    cohorts = synthetic_cohorts().with_person("aachen", age=99, marker=321.5, sex="female", ill=True, smoking="none")
    for place, (node, frame) in enumerate(cohorts.frames.items()):
        random = np.random.default_rng([7, place])
        given = ((random.random(len(frame)) < 0.5) & (place < arms)) | (frame["age"] > 90)
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


def _posed(lg: LocalLeague, step: str, alpha: list[float]) -> Any:
    """A hub that asks a step of an honest study with a propensity model of its own."""
    asked = {"outcome": "marker", "treatment": "given", "adjust": "age"}
    study = lg.study({"q": Analysis(method="effect", arguments={**asked, "estimator": "weighting"})})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    common = {"facts": {"levels(given)": {"present": [True, True]}}, "weights": None, "node": "common", "mix": None}
    score = {"formula": "given ~ age", "family": "binomial", "link": "logit", "scale": [1.0, 0.03125]}
    outcome = {"formula": "marker ~ given * (age)", "family": "gaussian", "link": "identity"}
    arguments = {
        "propensity": {**common, **score, "centre": [0.0, 50.0], "response_scale": 1.0, "response_centre": 0.0},
        "outcome": {**common, **outcome, "scale": [1.0, 1.0, 0.03125, 0.03125], "centre": [0.0] * 4}
        | {"response_scale": 2.0**-8, "response_centre": 0.0},
        "estimand": "ATE",
        "estimator": "weighting",
    }
    steps = {one.name: one for one in question.method.steps}
    inputs = {"alpha": np.array(alpha), "beta": np.zeros((2, 2))}
    if step == "effect.equations":
        inputs["mu"] = np.zeros(2)
    return run.sum(steps[step], Request(arguments), inputs)


@pytest.mark.parametrize("step", ["effect.balance", "effect.outcomes", "effect.equations"])
def test_weights_that_one_person_dominates_are_refused_and_would_pass(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _posed(league(), step, [0.0, 0.1]) is not None
    assert refused(lambda lg: _posed(lg, step, [3.5, -7.0]), league()) == "disclosure"
    without(monkeypatch, "exposures")
    assert _posed(league(), step, [3.5, -7.0]) is not None
