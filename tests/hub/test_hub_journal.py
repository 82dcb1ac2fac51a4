"""The hub's journal replays to the result, and shows every input that the plan did not ask for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hansa.embedded.local import LocalLeague, local
from hansa.engine import JournalEntry, replay, request_digest
from hansa.errors import ProtocolError, SignatureInvalid, StudyError
from hansa.model import Analysis, Study
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Request
from hansa.stats.plain import to_plain
from hansa.stats.question import Question, read_question
from hansa.testing import submit_bytes, synthetic_cohorts
from hansa.wire import Signer, decode, encode

ANALYSES = {
    "describe": Analysis(method="describe", arguments={"variables": ["marker"]}),
    "table": Analysis(method="table1", arguments={"variables": ["age", "sex"], "by": "ill"}),
    "cross": Analysis(method="crosstab", arguments={"row": "sex", "column": "ill"}),
    "correlation": Analysis(method="correlation", arguments={"variables": ["age", "marker"]}),
    "flow": Analysis(method="flow", arguments={"stages": ["known: marker"]}),
    "model": Analysis(method="glm", arguments={"formula": "ill ~ age", "family": "binomial"}),
}


@pytest.fixture(scope="module")
def league() -> LocalLeague:
    cohorts = synthetic_cohorts()
    return local(cohorts.frames, cohorts.dictionary)


@pytest.fixture(scope="module")
def study(league: LocalLeague) -> Study:
    asked = league.study(ANALYSES)
    league.submit(asked)
    return asked


def journal(league: LocalLeague, study: Study, name: str) -> tuple[Any, Question, list[JournalEntry]]:
    outcome = league.hub.run(study.id, name)
    entries = [JournalEntry(*row) for row in league.hub._store.totals(outcome.provenance["journal"])]
    return outcome, read_question(study, name, league.dictionary, catalogue()), entries


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_a_run_replays_to_its_result(league: LocalLeague, study: Study, name: str) -> None:
    outcome, question, entries = journal(league, study, name)
    assert len(entries) == outcome.provenance["requests"] > 0
    assert json.loads(json.dumps(to_plain(replay(question, entries)))) == json.loads(json.dumps(outcome.result))
    again = league.hub.replay(study.id, name, outcome.provenance["run"])
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(outcome.result))


@pytest.mark.parametrize("name", ["describe", "model"])
def test_an_input_that_the_plan_did_not_ask_for_is_proved(league: LocalLeague, study: Study, name: str) -> None:
    _, question, entries = journal(league, study, name)
    step = question.method.steps[0]
    forged = replace(entries[1], request=request_digest(step, Request({}), {"beta": np.ones(1)}))
    with pytest.raises(ProtocolError, match="request 1"):
        replay(question, [entries[0], forged, *entries[2:]])


def test_a_changed_total_shows_in_what_the_plan_asks_next(league: LocalLeague, study: Study) -> None:
    _, question, entries = journal(league, study, "describe")
    totals = decode(entries[1].totals)
    changed = replace(entries[1], totals=encode({**totals, "first": totals["first"] + 1.0}))
    with pytest.raises(ProtocolError, match="request 2"):
        replay(question, [entries[0], changed, *entries[2:]])


@pytest.mark.parametrize("name", ["describe", "model"])
def test_a_journal_cut_short_is_no_run(league: LocalLeague, study: Study, name: str) -> None:
    _, question, entries = journal(league, study, name)
    with pytest.raises(ProtocolError, match="ends before"):
        replay(question, entries[:-1])


def test_entries_in_another_order_are_no_run(league: LocalLeague, study: Study) -> None:
    _, question, entries = journal(league, study, "describe")
    with pytest.raises(ProtocolError, match="request 0"):
        replay(question, entries[::-1])


def test_the_same_question_again_is_the_stored_answer(league: LocalLeague, study: Study) -> None:
    first = league.hub.run(study.id, "describe")
    before = {name: len(node.context.store.ledger()) for name, node in league.nodes.items()}
    second = league.hub.run(study.id, "describe")
    assert second.result == first.result
    assert second.provenance["run"] == first.provenance["run"]
    assert before == {name: len(node.context.store.ledger()) for name, node in league.nodes.items()}


def test_the_hub_takes_no_study_that_no_researcher_signed(league: LocalLeague, study: Study) -> None:
    for signer in (Signer.new("researcher"), league.keys.hub, *league.keys.nodes.values()):
        with pytest.raises(SignatureInvalid):
            league.hub.submit(submit_bytes(league, study, signer=signer))


def test_an_unknown_study_or_analysis_is_a_study_error(league: LocalLeague, study: Study) -> None:
    with pytest.raises(StudyError):
        league.hub.run("unknown", "describe")
    with pytest.raises(StudyError):
        league.hub.run(study.id, "unknown")


def test_a_cohort_that_the_league_does_not_have_is_a_study_error(league: LocalLeague, study: Study) -> None:
    elsewhere = study.model_copy(update={"id": "elsewhere", "cohorts": (*study.cohorts, "zagreb")})
    with pytest.raises(StudyError):
        league.submit(elsewhere)


def test_log_entries_are_commitments_that_do_not_repeat(league: LocalLeague, study: Study) -> None:
    store = league.hub._store
    leaves = [store.node(0, index) for index in range(store.log_size)]
    assert len(set(leaves)) == len(leaves)
    salts = [store.entry(index)[2] for index in range(store.log_size)]
    assert len(set(salts)) == len(salts)
    assert all(len(salt) >= 16 for salt in salts)
    assert all(study.id.encode() not in leaf for leaf in leaves)
