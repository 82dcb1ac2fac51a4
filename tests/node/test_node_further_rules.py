"""Rules of the gate that came late: each refuses, and the attack passes where the rule is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hansa
from hansa.embedded.local import LocalLeague
from hansa.errors import Refused, StudyError
from hansa.model import Analysis
from hansa.stats.contract import Request
from hansa.testing import hub_run

NODES = ("a", "b", "c")


def cohort(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 120
    x = np.repeat([1, 0], [40, 80])
    y = np.concatenate([np.repeat([1, 0], [37, 3]), np.repeat([1, 0], [40, 40])])
    age = rng.integers(30, 80, n).astype(float)
    return pd.DataFrame({"x": x == 1, "y": y == 1, "age": age, "z": rng.standard_normal(n)})


@pytest.fixture
def league() -> LocalLeague:
    return hansa.local({node: cohort(seed) for seed, node in enumerate(NODES)})


def without(monkeypatch: pytest.MonkeyPatch, *rules: str) -> None:
    for rule in rules:
        monkeypatch.setattr(rule, lambda *_: ())


def sites(league: LocalLeague) -> dict[str, str]:
    reasons: dict[str, str] = league.sites("y ~ x", family="binomial").reasons
    return reasons


def test_a_sites_own_four_cells_are_counted(league: LocalLeague, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(sites(league)) == set(NODES), "three people with x lack y: the four counts follow from coef and se"
    without(monkeypatch, "hansa.node.site.judge_cross")
    assert not sites(league)


def test_a_cut_column_in_another_coding_is_refused(league: LocalLeague, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused):
        league.glm("z ~ I((age > 55) + 1)")
    without(monkeypatch, "hansa.privacy.rules._combinations")
    assert league.glm("z ~ I((age > 55) + 1)").plain["n"] == 360


def test_a_round_does_not_reach_beyond_the_questions_variables(
    league: LocalLeague, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> Any:
        study = league.study({"q": Analysis(method="describe", arguments={"variables": ["z"]})})
        league.submit(study)
        run, question = hub_run(league, study, "q")
        step = next(step for step in question.method.steps if step.name == "describe.sums")
        arguments = {"variables": ["age"], "by": None, "ranks": 10}
        return run.sum(step, Request(arguments), {"centre": np.zeros(1), "scale": np.ones(1)})

    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.reason == "protocol"
    monkeypatch.setattr("hansa.node.run.NodeRun._check_reads", lambda *_: None)
    assert ask()["n"].sum() == 360


def test_the_sets_of_a_study_are_compared_before_its_first_answer(
    league: LocalLeague, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first() -> Any:
        fields = {"method": "glm", "arguments": {"formula": "z ~ age", "family": "gaussian"}}
        oldest = max(frame["age"].max() for frame in map(cohort, range(3)))
        both = {"all": fields, "few": {**fields, "population": f"age < {oldest}"}}
        return league.submit(league.study(both)).run("all")

    with pytest.raises(Refused) as caught:
        first()
    assert caught.value.reason == "disclosure"
    monkeypatch.setattr("hansa.node.rounds.Rounds._declared", lambda *_: ())
    assert first().plain["n"] == 360


def test_who_was_refused_often_is_referred_to_people(league: LocalLeague) -> None:
    for node in league.nodes.values():
        node.context.settings = replace(node.context.settings, refusals=1)
    with pytest.raises(Refused):
        league.describe(["z"], population="age > 78.5 and z > 1.5")
    with pytest.raises(Refused) as caught:
        league.describe(["age"])
    assert caught.value.reason == "policy"
    findings = [finding for decision in league.decisions.values() for finding in decision.findings]
    assert {finding.verdict for finding in findings if finding.rule == "earlier_refusals"} == {"refer"}


def test_an_analysis_uses_only_the_variables_that_its_study_declares(league: LocalLeague) -> None:
    study = league.study({"q": Analysis(method="describe", arguments={"variables": ["z"]})}, variables=("age",))
    with pytest.raises(StudyError, match="does not declare"):
        league.submit(study)


def test_a_tally_that_leaves_stands_in_the_ledger_even_if_the_answer_is_refused(league: LocalLeague) -> None:
    with pytest.raises(Refused):
        league.describe(["z"], population="age > 78.5 and z > 1.5")
    (entry,) = league.nodes["a"].context.store.ledger()
    assert (entry.array, entry.disclosure) == ("tally of people", "protected")
