"""A researcher's calls over the interface give what they give in one process: same results, same errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from api_cases import HUB, Api, make_api, served, working
from click.testing import CliRunner

from hansa.cli.main import hansa
from hansa.client.connect import RemoteLeague
from hansa.client.identity import Identity
from hansa.client.league import League
from hansa.client.proof import proof_text, verify_proof
from hansa.client.remote import Note, RemoteHub
from hansa.errors import HansaError, Refused, StudyError
from hansa.model import Party
from hansa.wire import Signer
from hansa.wire.charter import read_charter


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(make_api(tmp_path_factory.mktemp("league"))) as running, working(running):
        yield running


@pytest.fixture(scope="module")
def hub(api: Api) -> Iterator[RemoteHub]:
    found = remote(api)
    yield found
    found.close()


def remote(api: Api, who: Signer | None = None) -> RemoteHub:
    return RemoteHub(api.url, who or api.ada, audience=HUB, clock=api.clock, patience=5.0)


def asking(api: Api, hub: RemoteHub) -> League:
    return League(hub, signer=api.ada, requester=Party(name="the caller", owner="itself"), clock=api.clock)


def test_a_league_far_away_answers_as_one_in_this_process(api: Api, hub: RemoteHub) -> None:
    far, near = asking(api, hub), api.service.league
    assert far.dictionary == near.dictionary
    assert far.cohorts == near.cohorts
    one = far.glm("disease ~ age + sex", family="binomial")
    other = near.glm("disease ~ age + sex", family="binomial")
    assert one.plain == other.plain
    assert set(far.decisions) == set(far.cohorts)


def test_sites_come_with_their_signatures(api: Api, hub: RemoteHub) -> None:
    study = api.submitted()
    outcome = hub.sites(study, "each")
    assert [answer.node for answer in outcome.result] == list(hub.cohorts)
    assert all(answer.signed for answer in outcome.result)


def test_a_result_proves_itself_with_the_keys(api: Api, hub: RemoteHub) -> None:
    study = api.submitted()
    heard: list[str] = []
    outcome = hub.run(study, "table", progress=heard.append)
    assert any("round 1" in words for words in heard)
    keys = hub.proof_keys()
    report = verify_proof(proof_text(outcome, keys), log_key=keys[0], witness_keys=keys[1])
    assert report.study == study
    assert report.pinned
    changed = replace(outcome, result={**outcome.result, "n": 1})
    with pytest.raises(HansaError):
        verify_proof(proof_text(changed, keys))


def test_a_refused_run_is_the_same_refusal(api: Api, hub: RemoteHub) -> None:
    study = api.submitted()
    with pytest.raises(Refused) as far:
        hub.run(study, "refused")
    with pytest.raises(Refused) as near:
        api.service.hub.run(study, "refused")
    assert far.value.to_dict() == near.value.to_dict()
    assert far.value.reason == "disclosure"


def test_a_run_is_left_and_taken_up_again_from_elsewhere(api: Api, hub: RemoteHub) -> None:
    study = api.submitted()
    started = hub.start(study, "model")
    with closing(hub.watch(started.id)) as news:
        first = next(piece for piece in news if isinstance(piece, Note))
    elsewhere = remote(api)
    assert study in set(elsewhere.studies())
    assert [run.id for run in elsewhere.runs(study)] == [started.id]
    rest = list(elsewhere.watch(started.id, after=first.number))
    assert first.number not in {piece.number for piece in rest if isinstance(piece, Note)}
    assert elsewhere.state(started.id).state == "done"
    assert elsewhere.results(started.id).result == api.service.hub.run(study, "model").result
    assert elsewhere.study(study).id == study
    assert elsewhere.decisions(study) == api.service.hub.decisions(study)
    elsewhere.close()


def test_a_run_of_somebody_else_is_not_there(api: Api, hub: RemoteHub) -> None:
    started = hub.start(api.submitted(), "table")
    other = remote(api, api.bob)
    for asked in (other.state, other.results, other.cancel):
        with pytest.raises(StudyError, match="no such run"):
            asked(started.id)
    with pytest.raises(StudyError, match="no such run"):
        list(other.watch(started.id))
    other.close()
    list(hub.watch(started.id))


def test_a_cancelled_run_ends_for_whoever_follows_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served(make_api(tmp_path_factory.mktemp("idle"))) as api:
        hub = remote(api)
        started = hub.start(api.submitted(), "table")
        states = []
        for news in hub.watch(started.id):
            assert not isinstance(news, Note)
            states.append(news.state)
            if news.state == "queued":
                assert hub.cancel(started.id).over
        assert states == ["queued", "cancelled"]
        with pytest.raises(StudyError, match="cancelled"):
            hub.results(started.id)
        hub.close()


def test_a_stranger_is_not_let_in(api: Api) -> None:
    stranger = remote(api, Signer.new("researcher"))
    with pytest.raises(Refused) as refused:
        stranger.submit(api.sealed(api.study()))
    assert refused.value.reason == "access"
    stranger.close()


def test_an_outcome_comes_over_as_it_was_kept(api: Api, hub: RemoteHub) -> None:
    study = api.submitted()
    run = hub.start(study, "table")
    list(hub.watch(run.id))
    job = api.service.store.job(run.id)
    assert job is not None
    assert hub.results(run.id).provenance == json.loads(job.detail)["provenance"]


def test_commands_say_why_a_run_failed_and_close_what_they_opened(
    api: Api, hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = api.submitted()
    good, bad = hub.start(study, "table"), hub.start(study, "refused")
    for run in (good, bad):
        list(hub.watch(run.id))
    opened: list[RemoteLeague] = []

    def connected(_url: str, _identity: Path) -> RemoteLeague:
        who = Identity(
            "ada", Party(name="the caller"), api.ada, read_charter(api.service.charter, now=api.clock()), None
        )
        opened.append(RemoteLeague(remote(api), who))
        return opened[-1]

    monkeypatch.setattr("hansa.cli.remote._league", connected)
    told = [typed("runs", study), typed("watch", bad.id)]
    for said in told:
        assert re.search(r"failed: .+ To go on: .+ \(refused\)", said)
    assert "table: done\n" in told[0]
    [listed] = [run for run in json.loads(typed("runs", study, "--json")) if run["id"] == bad.id]
    watched = json.loads(typed("watch", bad.id, "--json"))
    for found in (listed, watched):
        assert (found["state"], found["error"]["code"], found["error"]["reason"]) == ("failed", "refused", "disclosure")
        assert found["error"]["fix"]
    assert all(league.remote._link._http.is_closed for league in opened)
    assert len(opened) == 4


def typed(*words: str) -> str:
    return CliRunner().invoke(hansa, ["study", *words, "--identity", "."], catch_exceptions=False).output
