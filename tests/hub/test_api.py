"""The hub's interface over a real league: what each address gives, to whom, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_cases import Api, events, make_api, served, working

from hansa.engine.outcome_json import outcome_from_json
from hansa.hub.api import ApiLimits, make_token
from hansa.log import open_checkpoint, parse_verifier_key, verify_consistency, verify_inclusion
from hansa.model import Dictionary
from hansa.wire import Signer
from hansa.wire.charter import read_charter
from hansa.wire.identifiers import new_id

NOWHERE = "019ab3f2-5a00-7c41-8d5e-0c1f2a3b4c5d"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    made = make_api(tmp_path_factory.mktemp("league"))
    made.service.tokens = tmp_path_factory.mktemp("tokens") / "tokens.json"
    with served(made) as running, working(running):
        yield running


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest-api.md"


@pytest.fixture(scope="module")
def study(api: Api) -> str:
    return api.submitted()


@pytest.fixture(scope="module")
def done(api: Api, study: str) -> str:
    run = api.start(study, "model")
    assert api.finished(run)["state"] == "done"
    return run


def token(api: Api, name: str, role: Any) -> str:
    assert api.service.tokens is not None
    return make_token(api.service.tokens, name=name, role=role, now=api.clock(), days=1)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert found["status"] == status
    assert found["title"]
    assert "Traceback" not in answer.text
    return found


def test_what_the_league_offers(api: Api) -> None:
    names = {method["name"] for method in api.ask("GET", "/v1/catalogue").json()["methods"]}
    assert {"glm", "describe"} <= names
    assert Dictionary.model_validate(api.ask("GET", "/v1/dictionary").json()) == api.service.hub.dictionary
    cohorts = api.ask("GET", "/v1/cohorts").json()
    assert [cohort["name"] for cohort in cohorts] == sorted(api.service.hub.cohorts)
    assert all(cohort["state"] == "ready" and cohort["last_heartbeat"] for cohort in cohorts)


def test_the_charter_is_given_as_its_root_signed_it_and_to_nobody_unknown(api: Api) -> None:
    answer = api.ask("GET", "/v1/charter")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/cbor")
    assert read_charter(answer.content, now=api.clock()).charter.league == "heart"
    assert api.ask("GET", "/v1/charter", headers={"Authorization": ""}).status_code == 401


def test_a_submitted_study_is_decided_and_can_be_read(api: Api) -> None:
    study = api.study(title="To be read")
    answer = api.submit(study)
    assert answer.status_code == 201
    assert answer.json()["id"] == study.id
    assert {entry["verdict"] for entry in answer.json()["decisions"].values()} == {"permit"}
    read = api.ask("GET", f"/v1/studies/{study.id}").json()
    assert read["study"]["title"] == "To be read"
    assert read["by"] == "researcher"
    assert read["entries"]
    assert api.ask("GET", f"/v1/studies/{study.id}/decisions").json() == answer.json()["decisions"]


def test_the_same_study_again_is_harmless_and_another_under_its_id_is_a_conflict(api: Api) -> None:
    study = api.study()
    sealed, kind = api.sealed(study), {"Content-Type": "application/cbor"}
    for _ in range(2):
        assert api.ask("POST", "/v1/studies", content=sealed, headers=kind).status_code == 201
    problem(api.submit(study.model_copy(update={"title": "Something else"})), 409, "conflict")
    assert api.ask("GET", f"/v1/studies/{study.id}").json()["study"]["title"] == study.title


def test_a_run_is_queued_followed_and_read(api: Api, study: str) -> None:
    answer = api.ask("POST", f"/v1/studies/{study}/runs", json={"analysis": "table"})
    assert answer.status_code == 202
    run = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/runs/{run}"
    assert "worker" not in answer.json()
    assert api.finished(run)["state"] == "done"
    found = outcome_from_json(api.ask("GET", f"/v1/runs/{run}/result").text)
    assert found.provenance["study"] == study
    assert found.result == api.service.hub.run(study, "table").result


def test_sites_answer_for_themselves(api: Api, study: str) -> None:
    run = api.start(study, "each")
    assert api.finished(run)["state"] == "done"
    found = outcome_from_json(api.ask("GET", f"/v1/runs/{run}/result").text)
    assert [answer.node for answer in found.result] == sorted(api.service.hub.cohorts)


def test_a_failed_run_says_why_with_its_own_status(api: Api, study: str) -> None:
    run = api.start(study, "refused")
    state = api.finished(run)
    assert state["state"] == "failed"
    assert state["error"]["reason"] == "disclosure"
    refused = problem(api.ask("GET", f"/v1/runs/{run}/result"), 403, "refused")
    assert refused["reason"] == "disclosure"


def test_events_are_numbered_notes_between_states_and_end_with_the_run(api: Api, done: str) -> None:
    answer = api.ask("GET", f"/v1/runs/{done}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert json.loads(found[-1]["data"])["state"] == "done"
    numbers = [int(event["id"]) for event in found if event["event"] == "note"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 2
    assert all("at" in json.loads(event["data"]) for event in found if event["event"] == "note")


def test_events_go_on_after_the_last_one_seen(api: Api, done: str) -> None:
    whole = [event for event in events(api.ask("GET", f"/v1/runs/{done}/events").text) if event["event"] == "note"]
    seen = whole[1]["id"]
    rest = api.ask("GET", f"/v1/runs/{done}/events", headers={"Last-Event-ID": seen})
    assert [event for event in events(rest.text) if event["event"] == "note"] == whole[2:]
    problem(api.ask("GET", f"/v1/runs/{done}/events", headers={"Last-Event-ID": "-1; drop"}), 422, "study")


def test_a_run_can_be_cancelled_once_and_again_but_not_when_it_is_over(tmp_path: Path) -> None:
    made = make_api(tmp_path)
    with served(made) as api:  # nobody works, so that the run stays in the queue
        run = api.start(api.submitted(), "table")
        problem(api.ask("GET", f"/v1/runs/{run}/result"), 409, "conflict")
        for _ in range(2):
            assert api.ask("DELETE", f"/v1/runs/{run}").json()["state"] == "cancelled"
        problem(api.ask("GET", f"/v1/runs/{run}/result"), 409, "conflict")
        again = api.start(api.ask("GET", f"/v1/runs/{run}").json()["study"], "table")
        assert again != run
        with working(api):
            assert api.finished(again)["state"] == "done"
        problem(api.ask("DELETE", f"/v1/runs/{again}"), 409, "conflict")


def test_an_unfinished_run_is_given_instead_of_a_second(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        study = api.submitted()
        assert api.start(study, "table") == api.start(study, "table")
        assert api.start(study, "table") != api.start(study, "model")


@contextmanager
def following(api: Api, run: str) -> Iterator[Iterator[str]]:
    """The lines of a run's stream as they come."""
    with (
        httpx.Client(base_url=api.url, timeout=30.0, trust_env=False) as http,
        http.stream("GET", f"/v1/runs/{run}/events", headers=api.access()) as answer,
    ):
        assert answer.status_code == 200
        yield answer.iter_lines()


def test_a_waiting_stream_says_that_it_is_there_and_news_come_at_once(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        run = api.start(api.submitted(), "table")
        with following(api, run) as lines:
            before = list(takewhile(lambda line: line != ": still there", lines))
            api.service.store.note(run, '{"round": 1, "waiting": ["zurich"]}', now=api.clock())
            api.service.store.cancel(run, "researcher", now=api.clock())
            found = events("\n".join([*before, *lines]))
        states = [json.loads(event["data"])["state"] for event in found if "id" not in event]
        assert states == ["queued", "cancelled"]
        assert ["zurich"] in [json.loads(event["data"]).get("waiting") for event in found]


def test_a_stream_ends_with_the_access_that_opened_it(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        run = api.start(api.submitted(), "table")
        with following(api, run) as lines:
            first = next(lines)
            api.clock.ahead = dt.timedelta(minutes=6)
            found = events("\n".join([first, *lines]))
        assert [json.loads(event["data"])["state"] for event in found] == ["queued"]


def test_only_so_many_streams_at_once(tmp_path: Path) -> None:
    limits = ApiLimits(streams=1, poll_seconds=0.02, heartbeat_seconds=0.1)
    with served(make_api(tmp_path), limits) as api:
        run = api.start(api.submitted(), "table")
        with following(api, run) as lines:
            next(lines)
            refused = api.ask("GET", f"/v1/runs/{run}/events")
            problem(refused, 429, "rate")
            assert int(refused.headers["retry-after"]) >= 1
            api.ask("DELETE", f"/v1/runs/{run}")
            list(lines)
        assert api.ask("GET", f"/v1/runs/{run}/events").status_code == 200


def test_another_researchers_study_is_not_there(api: Api, study: str, done: str) -> None:
    gone = [
        api.ask(method, path.format(study=study, run=done), api.bob, **request)
        for method, path, request in (
            ("GET", "/v1/studies/{study}", {}),
            ("GET", "/v1/studies/{study}/decisions", {}),
            ("POST", "/v1/studies/{study}/runs", {"json": {"analysis": "model"}}),
            ("GET", "/v1/runs/{run}", {}),
            ("GET", "/v1/runs/{run}/events", {}),
            ("GET", "/v1/runs/{run}/result", {}),
            ("DELETE", "/v1/runs/{run}", {}),
        )
    ]
    missing = problem(api.ask("GET", f"/v1/studies/{NOWHERE}", api.bob), 404, "not-found")
    for answer in gone:
        problem(answer, 404, "not-found")
    assert gone[0].json() == missing  # the two are not told apart
    assert study not in api.ask("GET", "/v1/studies", api.bob).text


def test_auditors_read_everything_and_change_nothing(api: Api, study: str, done: str) -> None:
    auditor = token(api, "olga", "auditor")
    for path in (
        f"/v1/studies/{study}",
        f"/v1/runs/{done}",
        f"/v1/runs/{done}/result",
        f"/v1/studies/{study}/decisions",
    ):
        assert api.ask("GET", path, auditor).status_code == 200
    assert study in {line["id"] for line in api.ask("GET", "/v1/studies?limit=200", auditor).json()["studies"]}
    problem(api.ask("POST", f"/v1/studies/{study}/runs", auditor, json={"analysis": "model"}), 403, "refused")
    problem(api.ask("DELETE", f"/v1/runs/{done}", auditor), 403, "refused")


def test_stewards_cancel_and_do_not_start(tmp_path: Path) -> None:
    made = make_api(tmp_path / "league")
    made.service.tokens = tmp_path / "tokens.json"
    with served(made) as api:
        run = api.start(api.submitted(), "table")
        steward = token(api, "ines", "steward")
        study = api.ask("GET", f"/v1/runs/{run}", steward).json()["study"]
        problem(api.ask("POST", f"/v1/studies/{study}/runs", steward, json={"analysis": "model"}), 403, "refused")
        assert api.ask("DELETE", f"/v1/runs/{run}", steward).json()["state"] == "cancelled"


def test_a_token_in_a_researchers_name_reads_what_is_theirs(api: Api, study: str) -> None:
    assert api.ask("GET", f"/v1/studies/{study}", token(api, "researcher", "researcher")).status_code == 200
    problem(api.ask("GET", f"/v1/studies/{study}", token(api, "somebody", "researcher")), 404, "not-found")


def test_a_study_is_submitted_by_whoever_signed_it(api: Api) -> None:
    kind = {"Content-Type": "application/cbor"}
    study = api.study()
    refused = api.ask("POST", "/v1/studies", api.bob, content=api.sealed(study), headers=kind)
    assert problem(refused, 403, "refused")["reason"] == "role"
    stranger = api.sealed(study, Signer.new("researcher"))
    problem(api.ask("POST", "/v1/studies", content=stranger, headers=kind), 400, "signature")
    problem(api.ask("GET", f"/v1/studies/{study.id}"), 404, "not-found")


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 64, b"\x85", b'{"study": 1}'])
def test_what_is_no_envelope_is_refused(api: Api, body: bytes) -> None:
    kind = {"Content-Type": "application/cbor"}
    problem(api.ask("POST", "/v1/studies", content=body, headers=kind), 400, "protocol")
    problem(api.ask("POST", "/v1/studies", content=body, headers={"Content-Type": "text/plain"}), 415, "media-type")


def test_an_id_that_cannot_stand_in_an_address_is_refused(api: Api) -> None:
    for hostile in ("../../etc", "a b", "é", "", "x" * 129):
        found = problem(api.submit(api.study(id=hostile)), 422, "study")
        assert found["field"] == "id"


def test_a_cohort_that_is_not_there_is_a_study_error(api: Api) -> None:
    study = api.study().model_copy(update={"cohorts": ("zagreb",)})
    assert problem(api.submit(study), 422, "study")["field"] == "cohorts"


def test_unknown_fields_analyses_and_addresses_are_refused(api: Api, study: str) -> None:
    path = f"/v1/studies/{study}/runs"
    found = problem(api.ask("POST", path, json={"analysis": "model", "now": True}), 422, "study")
    assert found["field"] == "now"
    assert problem(api.ask("POST", path, json={"analysis": "nothing"}), 422, "study")["field"] == "analysis"
    problem(api.ask("POST", path, content=b"{", headers={"Content-Type": "application/json"}), 422, "study")
    problem(api.ask("GET", "/v1/studies?limit=0"), 422, "study")
    problem(api.ask("GET", "/v1/studies?limit=5&order=title"), 422, "study")
    problem(api.ask("GET", "/v1/studies?after=%00"), 422, "study")
    problem(api.ask("GET", "/v1/nothing"), 404, "not-found")
    problem(api.ask("PUT", "/v1/studies"), 405, "protocol")
    secret = "a-value-that-must-not-come-back"
    assert secret not in api.ask("POST", path, json={"analysis": f"1 {secret}"}).text


def test_pages_hold_every_own_study_once(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        own: list[str] = []
        others: list[str] = []
        for number in range(7):
            study = api.study(id=new_id(api.clock()), title=f"Study {number}")
            signer, ids = (api.bob, others) if number % 3 == 0 else (api.ada, own)
            api.service.store.save_study(study.id, api.sealed(study, signer), signer.name)
            ids.append(study.id)
        pages, address = [], "/v1/studies?limit=2"
        while address:
            page = api.ask("GET", address).json()
            pages.append([line["id"] for line in page["studies"]])
            address = page["next"]
        assert [len(page) for page in pages] == [2, 2]
        assert sum(pages, []) == sorted(own)  # noqa: RUF017  # seven of them
        assert [line["id"] for line in api.ask("GET", "/v1/studies", api.bob).json()["studies"]] == sorted(others)


def test_the_log_proves_itself(api: Api, study: str) -> None:
    keys = api.ask("GET", "/v1/log/checkpoint").json()
    first = open_checkpoint(keys["checkpoint"], parse_verifier_key(keys["log_key"]))
    api.submitted()
    second = open_checkpoint(
        api.ask("GET", "/v1/log/checkpoint").json()["checkpoint"], parse_verifier_key(keys["log_key"])
    )
    assert second.size > first.size
    sizes = {"first": first.size, "second": second.size}
    grown = api.ask("GET", "/v1/log/consistency", params=sizes).json()
    proof = [bytes.fromhex(digest) for digest in grown["proof"]]
    verify_consistency(first.size, first.root, second.size, second.root, proof)
    index = api.ask("GET", f"/v1/studies/{study}").json()["entries"][0]
    found = api.ask("GET", f"/v1/log/entries/{index}/proof", params={"size": second.size}).json()
    path = [bytes.fromhex(digest) for digest in found["proof"]]
    verify_inclusion(bytes.fromhex(found["leaf"]), index, second.size, path, second.root)


def test_proofs_of_what_is_not_there_are_refused(api: Api) -> None:
    problem(api.ask("GET", "/v1/log/entries/99999999/proof"), 404, "not-found")
    problem(api.ask("GET", "/v1/log/entries/-1/proof"), 422, "study")
    problem(api.ask("GET", f"/v1/log/entries/{2**70}/proof"), 422, "study")
    problem(api.ask("GET", "/v1/log/consistency?first=2&second=1"), 404, "not-found")
    problem(api.ask("GET", "/v1/log/consistency?first=1&second=99999999"), 404, "not-found")
    problem(api.ask("GET", "/v1/log/consistency?first=0&second=1"), 422, "study")


def test_health_is_open_and_tells_whether_messaging_is_there(tmp_path: Path) -> None:
    made = make_api(tmp_path)
    with served(made) as api:
        nobody = {"Authorization": ""}
        assert api.ask("GET", "/healthz", headers=nobody).json() == {"status": "ok"}
        assert api.ask("GET", "/readyz", headers=nobody).status_code == 200
        made.service.messaging = False
        unready = api.ask("GET", "/readyz", headers=nobody)
        assert (unready.status_code, unready.json()) == (503, {"store": True, "messaging": False})
        problem(api.ask("GET", "/metrics"), 404, "not-found")


def test_a_hub_without_its_store_is_not_ready(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        (tmp_path / "hub.db").rename(tmp_path / "elsewhere.db")
        unready = api.ask("GET", "/readyz")
        assert (unready.status_code, unready.json()) == (503, {"store": False, "messaging": True})
        assert api.ask("GET", "/healthz").status_code == 200


def test_too_many_requests_of_one_identity_wait_and_others_do_not(tmp_path: Path) -> None:
    limits = ApiLimits(rate=0.05, burst=3)  # slow, so that a busy machine earns no fourth request
    with served(make_api(tmp_path), limits) as api:
        answers = [api.ask("GET", "/v1/catalogue") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        problem(answers[-1], 429, "rate")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert api.ask("GET", "/v1/catalogue", api.bob).status_code == 200
        api.clock.ahead += dt.timedelta(seconds=20.1)
        assert api.ask("GET", "/v1/catalogue").status_code == 200


def test_a_body_that_is_too_large_is_refused_announced_or_not(tmp_path: Path) -> None:
    with served(make_api(tmp_path), ApiLimits(body_bytes=1000)) as api:
        kind = {"Content-Type": "application/cbor"}
        problem(api.ask("POST", "/v1/studies", content=b"x" * 1001, headers=kind), 413, "too-large")
        parts = (b"x" * 100 for _ in range(20))
        problem(api.ask("POST", "/v1/studies", content=parts, headers=kind), 413, "too-large")
        problem(api.ask("POST", "/v1/studies", content=b"x" * 999, headers=kind), 400, "protocol")


def test_a_body_that_lies_about_its_length_gets_no_further(tmp_path: Path) -> None:
    with served(make_api(tmp_path), ApiLimits(body_bytes=1000)) as api:
        host, port = api.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5.0) as link:
            link.sendall(b"POST /v1/studies HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
            assert b" 413 " in link.recv(4096).split(b"\r\n")[0]


def test_answers_are_kept_nowhere(api: Api) -> None:
    for path in ("/v1/catalogue", "/v1/nothing", "/healthz"):
        headers = api.ask("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_what_goes_wrong_inside_stays_inside(tmp_path: Path) -> None:
    made = make_api(tmp_path)
    with served(made) as api:

        def broken() -> Any:
            raise RuntimeError("a secret total: 42")

        made.service.seen = broken  # type: ignore[method-assign]  # for this test only
        answer = api.ask("GET", "/v1/cohorts")
        problem(answer, 500, "error")
        assert "42" not in answer.text
        assert "RuntimeError" not in answer.text


def test_the_description_is_complete(api: Api) -> None:
    description = api.ask("GET", "/v1/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(description)
    assert set(description["components"]["securitySchemes"]) == {"assertion", "bearer"}
    for path, methods in description["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            if path.startswith("/v1"):
                assert operation["security"]
                assert "application/problem+json" in operation["responses"]["401"]["content"]


def test_the_page_names_every_address(api: Api) -> None:
    paths = api.ask("GET", "/v1/openapi.json").json()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"`((?:GET|POST|DELETE) /[a-z0-9/{}]+)`", PAGE.read_text(encoding="utf-8"))) == there
