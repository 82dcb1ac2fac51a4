"""The client of a hub's interface against a server that misbehaves: cut links, odd answers, wrong certificates."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hansa.client.remote import Note, RemoteHub, RunState
from hansa.errors import (
    HansaError,
    LogError,
    NotEstimable,
    ProtocolError,
    Refused,
    SignatureInvalid,
    StudyError,
    Unreachable,
)
from hansa.hub.authority import make_authority, server_files
from hansa.wire import Signer, key_id
from hansa.wire.access import open_access

NOW = dt.datetime(2026, 11, 22, 10, 15, tzinfo=dt.UTC)
ADA = Signer.new("ada")
RUN = {"id": "r1", "study": "s1", "analysis": "model", "by": "ada", "queued": "2026-11-22T10:15:00Z", "error": None}


@dataclass(frozen=True)
class Answer:
    """What the server says next; ``None`` as body closes the link without a word."""

    body: str | None
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


class Served:
    """A server that gives prepared answers, the last one for ever, and remembers what it was asked."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        left = list(answers)
        owner = self

        class Answers(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                self.rfile.read(length)
                owner.asked.append((f"{self.command} {self.path}", dict(self.headers)))
                answer = left.pop(0) if len(left) > 1 else left[0]
                if answer.body is not None:
                    body = answer.body.encode()
                    self.send_response(answer.status)
                    self.send_header("Content-Type", answer.kind)
                    self.send_header("Content-Length", str(answer.length or len(body)))
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                self.close_connection = True

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the library's names

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True
        self.port = self.server.server_port

    def start(self) -> None:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


Serve = Callable[..., tuple[Served, RemoteHub]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    open_things: list[Any] = []

    def serving(*answers: Answer, patience: float = 5.0, who: Signer | str = ADA) -> tuple[Served, RemoteHub]:
        server = Served(answers)
        server.start()
        hub = RemoteHub(
            f"http://127.0.0.1:{server.port}", who, audience="a league", patience=patience, clock=lambda: NOW
        )
        open_things.extend((hub, server))
        return server, hub

    yield serving
    for thing in open_things:
        thing.close()


def run(state: str) -> Answer:
    return Answer(json.dumps({**RUN, "state": state}))


def problem(code: str, status: int, **fields: str) -> Answer:
    content = {"title": "no", "detail": "because", "fix": "do this", "field": "here", "code": code, **fields}
    return Answer(json.dumps(content), status, "application/problem+json")


def stream(*events: str, **answer: Any) -> Answer:
    return Answer("".join(events), kind="text/event-stream", **answer)


def note(number: int) -> str:
    fields = {"at": "2026-11-22T10:15:03Z", "round": number, "step": "glm.irls", "waiting": ["zurich"]}
    return f"id: {number}\nevent: note\ndata: {json.dumps(fields)}\n\n"


def state(name: str) -> str:
    return f"event: state\ndata: {json.dumps({**RUN, 'state': name})}\n\n"


def test_every_request_is_signed_anew_for_this_hub(serve: Serve) -> None:
    server, hub = serve(run("done"))
    hub.state("r1")
    hub.state("r1")
    texts = [headers["Authorization"] for _, headers in server.asked]
    assert len(set(texts)) == 2
    for text in texts:
        scheme, _, assertion = text.partition(" ")
        keys = {key_id(ADA.public): ("ada", ADA.public)}
        opened = open_access(assertion, keys, audience="a league", now=NOW)
        assert (scheme, opened.name) == ("Hansa", "ada")
        assert opened.expires <= NOW + dt.timedelta(minutes=5)


def test_a_token_is_sent_as_it_is(serve: Serve) -> None:
    server, hub = serve(run("done"), who="hansa_abc")
    hub.state("r1")
    assert server.asked[0][1]["Authorization"] == "Bearer hansa_abc"


def test_a_cut_stream_is_taken_up_after_the_last_note(serve: Serve) -> None:
    half = note(3)[:20]
    server, hub = serve(
        stream(state("running"), note(1), note(2), half, length=5000),
        Answer(None),
        stream(": still there\n\n", state("running"), note(3)),
        stream(state("done")),
    )
    news = list(hub.watch("r1"))
    assert [piece.number for piece in news if isinstance(piece, Note)] == [1, 2, 3]
    assert isinstance(news[-1], RunState)
    assert news[-1].state == "done"
    assert [headers["Last-Event-ID"] for _, headers in server.asked] == ["0", "2", "2", "3"]


def test_a_note_reads_in_words(serve: Serve) -> None:
    _, hub = serve(stream(note(1), 'id: 2\nevent: note\ndata: {"at": "", "text": "all are back"}\n\n', state("done")))
    words = [piece.words for piece in hub.watch("r1") if isinstance(piece, Note)]
    assert words == ["round 1: glm.irls, waiting for zurich", "all are back"]


def test_a_stream_that_has_to_wait_waits(serve: Serve) -> None:
    busy = Answer(problem("rate", 429).body, 429, "application/problem+json", {"Retry-After": "0"})
    server, hub = serve(busy, stream(state("done")))
    assert len(list(hub.watch("r1"))) == 1
    assert len(server.asked) == 2


def test_a_hub_that_always_says_wait_is_not_asked_for_ever(serve: Serve) -> None:
    busy = Answer(problem("rate", 429, reason="rate").body, 429, "application/problem+json", {"Retry-After": "0"})
    server, hub = serve(busy)
    with pytest.raises(Refused) as refused:
        hub.state("r1")
    assert refused.value.reason == "rate"
    with pytest.raises(Refused):
        list(hub.watch("r1"))
    assert len(server.asked) < 50


def test_a_quiet_stream_that_says_it_is_there_is_not_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = stream(state("running"), *([": still there\n\n"] * 3))
    passed = iter(range(0, 10_000, 4))  # every look at the watch finds four seconds gone
    server, hub = serve(quiet, quiet, quiet, stream(state("done")), patience=5.0)
    monkeypatch.setattr("hansa.client.remote_link.time.monotonic", lambda: float(next(passed)))
    assert len(list(hub.watch("r1"))) == 4
    assert len(server.asked) == 4


def test_a_stream_of_a_run_that_is_not_there_is_an_error(serve: Serve) -> None:
    server, hub = serve(problem("not-found", 404))
    with pytest.raises(StudyError, match="no"):
        list(hub.watch("r1"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("data", ["[]", "{", "7", "nonsense"])
def test_an_event_that_cannot_be_read_is_a_protocol_error(serve: Serve, data: str) -> None:
    _, hub = serve(stream(f"event: state\ndata: {data}\n\n"))
    with pytest.raises(ProtocolError):
        list(hub.watch("r1"))


def test_a_request_is_repeated_when_the_hub_was_reached_before(serve: Serve) -> None:
    proxy = Answer("<html>", 502, "text/html")
    server, hub = serve(run("running"), Answer(None), proxy, run("done"))
    assert hub.state("r1").state == "running"
    assert hub.state("r1").state == "done"
    assert len(server.asked) == 4


def test_a_request_that_is_told_to_wait_waits(serve: Serve) -> None:
    busy = Answer(problem("rate", 429).body, 429, "application/problem+json", {"Retry-After": "0"})
    server, hub = serve(busy, busy, run("done"))
    assert hub.state("r1").over
    assert len(server.asked) == 3


def test_patience_ends(serve: Serve) -> None:
    _, hub = serve(run("running"), Answer(None), patience=0.3)
    hub.state("r1")
    with pytest.raises(Unreachable, match="cannot be reached"):
        hub.state("r1")
    with pytest.raises(Unreachable):
        list(hub.watch("r1"))


def test_a_hub_that_was_never_reached_is_given_up_at_once(serve: Serve) -> None:
    server, hub = serve(Answer(None), patience=60)
    with pytest.raises(Unreachable):
        hub.state("r1")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("study", 422, StudyError),
        ("not-found", 404, StudyError),
        ("conflict", 409, StudyError),
        ("signature", 400, SignatureInvalid),
        ("too-large", 413, ProtocolError),
        ("media-type", 415, ProtocolError),
        ("not-estimable", 422, NotEstimable),
        ("log", 409, LogError),
        ("unreachable", 503, Unreachable),
        ("from-a-later-version", 418, HansaError),
    ],
)
def test_the_hubs_errors_come_back_as_they_are(serve: Serve, code: str, status: int, kind: type[HansaError]) -> None:
    server, hub = serve(problem(code, status))
    with pytest.raises(HansaError) as raised:
        hub.results("r1")
    assert type(raised.value) is kind
    fault = raised.value
    assert (fault.what, fault.why, fault.fix, fault.field) == ("no", "because", "do this", "here")
    assert len(server.asked) == 1


@pytest.mark.parametrize(("code", "status", "reason"), [("refused", 403, "disclosure"), ("access", 401, "access")])
def test_refusals_keep_their_reason(serve: Serve, code: str, status: int, reason: str) -> None:
    _, hub = serve(problem(code, status, reason=reason))
    with pytest.raises(Refused) as refused:
        hub.results("r1")
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html>", 404, "text/html"),
        Answer("{", 400, "application/problem+json"),
        Answer("[]", 400, "application/problem+json"),
        Answer("{}", 400, "application/problem+json"),
        Answer("", 302, "text/html", {"Location": "http://elsewhere.example.org/"}),
        Answer("no JSON"),
        Answer('{"state": "done"}'),
        Answer("[]"),
        Answer("7"),
    ],
)
def test_what_is_no_hub_is_a_protocol_error(serve: Serve, answer: Answer) -> None:
    server, hub = serve(answer)
    with pytest.raises(ProtocolError):
        hub.state("r1")
    assert len(server.asked) == 1


def test_results_that_are_none_are_a_protocol_error(serve: Serve) -> None:
    _, hub = serve(Answer('{"schema": "outcome/2.0"}'))
    with pytest.raises(ProtocolError):
        hub.results("r1")


@pytest.mark.parametrize("url", ["http://hub.example.org", "ftp://127.0.0.1", "hub.example.org:8443", ""])
def test_a_hub_is_reached_over_https_only(url: str) -> None:
    with pytest.raises(StudyError, match="HTTPS"):
        RemoteHub(url, ADA, audience="a league")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    now = dt.datetime.now(dt.UTC)
    make_authority(tmp_path, "a league", now=now)
    files = server_files(tmp_path, ["127.0.0.1"], now=now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = Served([run("done")])
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    server.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that leaves is expected
    server.start()
    yield f"https://127.0.0.1:{server.port}", files.authority
    server.close()


def test_a_hub_that_the_authority_vouches_for_is_believed(tls: tuple[str, Path]) -> None:
    hub = RemoteHub(tls[0], ADA, audience="a league", authority=tls[1])
    assert hub.state("r1").state == "done"
    hub.close()


def test_a_hub_that_nobody_vouches_for_is_not_told_anything(tls: tuple[str, Path], tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other", "another league", now=dt.datetime.now(dt.UTC))
    for authority in (None, other):
        hub = RemoteHub(tls[0], ADA, audience="a league", authority=authority, patience=60)
        with pytest.raises(Unreachable, match="certificate"):
            hub.state("r1")
        hub.close()
    named = RemoteHub(tls[0].replace("127.0.0.1", "localhost"), ADA, audience="a league", authority=tls[1])
    with pytest.raises(Unreachable, match="certificate"):
        named.state("r1")
    named.close()
