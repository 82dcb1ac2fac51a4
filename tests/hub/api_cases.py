"""A real embedded league behind the real interface, on loopback: real hub, nodes, store and worker."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from hansa.embedded.local import LocalLeague, local
from hansa.examples import heart, heart_dictionary
from hansa.hub.api import ApiLimits, CohortSeen, OidcSettings, make_app
from hansa.hub.config import HubConfig, HubFolder, found_league
from hansa.hub.coordinator import Hub
from hansa.hub.jobs import Worker
from hansa.model import Analysis, Party, Study
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Method
from hansa.store import HubStore
from hansa.wire import Signer, key_id, seal
from hansa.wire.access import grant_access
from hansa.wire.directory import Directory
from hansa.wire.messages import StudySubmitted

HUB = "the heart league"
ANALYSES = {
    "model": Analysis(method="glm", arguments={"formula": "disease ~ age", "family": "binomial"}),
    "table": Analysis(method="describe", arguments={"variables": ["age"]}),
    "refused": Analysis(
        method="glm", arguments={"formula": "disease ~ age", "family": "binomial"}, population="age > 200"
    ),
    "each": Analysis(method="describe", arguments={"variables": ["age"]}, sites=True),
}


class Clock:
    """The present time, which a test can move."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead


@dataclass(eq=False)
class Service:
    """What the interface stands on here."""

    league: LocalLeague
    directory: Directory
    charter: bytes
    tokens: Path | None = None
    oidc: OidcSettings | None = None
    messaging: bool = True
    name: str = HUB
    methods: Mapping[str, Method] = field(default_factory=catalogue)

    @property
    def hub(self) -> Hub:
        return self.league.hub

    @property
    def store(self) -> HubStore:
        return self.league.hub._store

    def seen(self) -> Sequence[CohortSeen]:
        now = dt.datetime.now(dt.UTC)
        return [CohortSeen(name, "ready", now) for name in self.league.hub.cohorts]

    def connected(self) -> bool:
        return self.messaging


@dataclass(eq=False)
class Api:
    """A served league: ``ada`` is its certified researcher, ``bob`` another."""

    service: Service
    clock: Clock
    bob: Signer
    url: str = ""

    @property
    def ada(self) -> Signer:
        return self.service.league.keys.researcher

    def study(self, **fields: Any) -> Study:
        return self.service.league.study(fields.pop("analyses", ANALYSES), **fields)

    def sealed(self, study: Study, signer: Signer | None = None) -> bytes:
        return seal(StudySubmitted(study=study.model_dump_json().encode()), signer or self.ada)

    def access(self, who: Signer | str | None = None) -> dict[str, str]:
        if isinstance(who, str):
            return {"Authorization": f"Bearer {who}"}
        text = grant_access(who or self.ada, audience=HUB, now=self.clock())
        return {"Authorization": f"Hansa {text}"}

    def ask(self, method: str, path: str, who: Signer | str | None = None, **request: Any) -> httpx.Response:
        headers = {**self.access(who), **request.pop("headers", {})}
        with httpx.Client(base_url=self.url, timeout=30.0, trust_env=False) as http:
            return http.request(method, path, headers=headers, **request)

    def submit(self, study: Study) -> httpx.Response:
        return self.ask("POST", "/v1/studies", content=self.sealed(study), headers={"Content-Type": "application/cbor"})

    def submitted(self, **fields: Any) -> str:
        study = self.study(**fields)
        answer = self.submit(study)
        assert answer.status_code == 201, answer.text
        return study.id

    def start(self, study: str, analysis: str) -> str:
        answer = self.ask("POST", f"/v1/studies/{study}/runs", json={"analysis": analysis})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def finished(self, run: str) -> dict[str, Any]:
        for _ in range(600):
            state: dict[str, Any] = self.ask("GET", f"/v1/runs/{run}").json()
            if state["state"] not in ("queued", "running"):
                return state
            time.sleep(0.05)
        raise AssertionError("the run did not end")


def make_api(folder: Path) -> Api:
    """A league in a folder, and another researcher whom only the interface's directory knows."""
    league = local(heart(), heart_dictionary(), store=folder)
    bob = Signer.new("bob")
    keys = league.keys.directory.keys
    researchers = {**keys["researcher"], key_id(bob.public): ("bob", bob.public)}
    charter = HubFolder(folder / "founded")
    charter.path.mkdir()
    config = HubConfig(league="heart", party=Party(name="the hub"), host="127.0.0.1")
    sealed = found_league(charter, config, heart_dictionary(), now=dt.datetime.now(dt.UTC)).sealed
    return Api(Service(league, Directory({**keys, "researcher": researchers}), sealed), Clock(), bob)


FAST = ApiLimits(rate=1000.0, burst=10_000, poll_seconds=0.02, heartbeat_seconds=0.1)


@contextmanager
def served(api: Api, limits: ApiLimits = FAST) -> Iterator[Api]:
    """The interface of a league, on a free port of this machine."""
    app = make_app(api.service, clock=api.clock, limits=limits)
    with serving(app) as url:
        yield _at(api, url)


@contextmanager
def serving(app: Any, **settings: Any) -> Iterator[str]:
    """Any app, on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="critical", ws="none", lifespan="off", timeout_graceful_shutdown=1, **settings
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        scheme = "https" if settings else "http"
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10.0)
        listening.close()


@contextmanager
def working(api: Api) -> Iterator[None]:
    """A worker that claims jobs and runs them."""
    stopping = threading.Event()
    worker = Worker(api.service.hub, api.service.store, "worker", api.clock)
    thread = threading.Thread(target=worker.run, args=(stopping,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30.0)


def _at(api: Api, url: str) -> Api:
    return replace(api, url=url)


def events(text: str) -> list[dict[str, str]]:
    """The server-sent events of a whole stream; comments, which may come at any time, are none."""
    said = "\n".join(line for line in text.split("\n") if not line.startswith(":"))
    blocks = (block.strip("\n") for block in said.split("\n\n"))
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if block]
