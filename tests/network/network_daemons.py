"""A league over TLS, hub and nodes in this process: clocks, disks, links and answers can be tampered with."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hansa.client.identity import open_identity
from hansa.client.league import League, Submitted
from hansa.client.study_file import read_study
from hansa.engine.messaging import Timing
from hansa.engine.server import NatsServer, start_server
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.hub.opening import OpenHub, open_hub
from hansa.model import Analysis
from hansa.node.daemon import NodeDaemon
from hansa.testing.network import NetworkLeague, league_folders
from hansa.wire import open_message, seal
from hansa.wire.messages import CharterShown, CharterTaken

__all__ = ["ASKED", "NAMES", "QUICK", "Running", "founded", "now", "serving", "up"]

NAMES = tuple(sorted(heart()))
QUICK = Timing(heartbeat=0.1, lost=4.0, again=0.5)
ASKED = {
    "risk": Analysis(method="glm", arguments={"formula": "disease ~ age + resting_bp", "family": "binomial"}),
    "age": Analysis(method="describe", arguments={"variables": ["age"]}),
}


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(eq=False)
class Running:
    """Everything of one league, in this process but for the messaging server."""

    folders: NetworkLeague
    server: NatsServer
    hub: OpenHub
    daemons: dict[str, NodeDaemon] = field(default_factory=dict)

    def start(self, name: str, **off: float) -> NodeDaemon:
        clock = (lambda: now() + dt.timedelta(**off)) if off else now
        self.daemons[name] = NodeDaemon(self.folders.node(name), clock=clock, timing=QUICK)
        return self.daemons[name]

    def league(self, **fields: object) -> League:
        who = open_identity(self.folders.identity, now=now())
        return League(self.hub.hub, signer=who.signer, requester=who.party, clock=now)

    def submit(self, **fields: object) -> Submitted:
        league = self.league()
        asked = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
        return league.submit(league.study(ASKED, **{**asked, "cohorts": NAMES, **fields}))

    def charter_to(self, name: str) -> None:
        sealed = seal(CharterShown(charter=self.hub.charter.sealed), self.folders.hub.keys.signer("sign", "hub"))
        answer = self.hub.endpoint.ask({name: sealed})[name]
        open_message(answer, CharterTaken, self.hub.charter.directory.of("node-sign"), sender=name)


def founded(folder: Path, *, wait_seconds: float = 0.2, **settings: Any) -> NetworkLeague:
    """Folders of a league that loses patience soon, if it is not told otherwise."""
    return league_folders(
        folder,
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
        lost_seconds=4.0,
        wait_seconds=wait_seconds,
        **settings,
    )


@contextlib.contextmanager
def up(folder: Path, **off: dict[str, float]) -> Iterator[Running]:
    """A new league, running; a node's clock may be off."""
    with serving(founded(folder), **off) as running:
        yield running


@contextlib.contextmanager
def serving(folders: NetworkLeague, **off: dict[str, float]) -> Iterator[Running]:
    port = folders.hub.config.messaging_port
    charter = folders.hub.charter(now=now()).charter
    server = start_server(folders.hub.server_config(charter), folders.folder / "nats", ports=[("127.0.0.1", port)])
    running = Running(folders, server, open_hub(folders.hub, clock=now))
    try:
        for name in NAMES:
            running.start(name, **off.get(name, {}))
            running.charter_to(name)
        version = running.hub.charter.charter.charter_version
        while not all(running.hub.endpoint.present(name, charter=version) for name in NAMES):
            time.sleep(0.02)
        yield running
    finally:
        for daemon in running.daemons.values():
            daemon.close()
        running.hub.close()
        server.stop()
