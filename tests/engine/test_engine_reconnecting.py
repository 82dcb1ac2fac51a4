"""A link to the messaging server: over TLS or by WebSocket, and over connections that nobody says are dead."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hansa.engine.link import Link, LinkSettings
from hansa.engine.server import NatsServer, ServerSettings, server_config, start_server
from hansa.engine.subjects import Permissions
from hansa.errors import Unreachable
from hansa.hub.authority import ServerFiles, make_authority, server_files
from hansa.testing.messaging import free_port
from hansa.testing.wire import bad_line
from hansa.wire.keyring import Keyring

# As in tests/network/test_network_links.py: how the client library calls aiohttp, and leaves failed attempts.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*ClientWSTimeout:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SEED, NKEY = Keyring(None).nkey("party")
EVERYTHING = Permissions((">",), (">",))
HOST = "127.0.0.1"


@dataclass(eq=False)
class Place:
    """A messaging server that listens for both, over TLS."""

    folder: Path
    files: ServerFiles
    port: int
    socket: int
    server: NatsServer

    def restart(self) -> None:
        self.server.stop()
        self.server = started(self.folder, self.files, self.port, self.socket)

    def link(self, *servers: str, seconds: float = 5.0) -> Link:
        return Link(LinkSettings(servers, "party", SEED, self.files.authority, seconds, ping_seconds=0.1))


def started(folder: Path, files: ServerFiles, port: int, socket: int) -> NatsServer:
    settings = ServerSettings(HOST, port, socket, files.certificate, files.key, files.authority)
    return start_server(server_config(settings, {NKEY: EVERYTHING}), folder, ports=[(HOST, port), (HOST, socket)])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    now = dt.datetime.now(dt.UTC)
    make_authority(tmp_path, "league", now=now)
    files, port, socket = server_files(tmp_path, [HOST], now=now), free_port(), free_port()
    made = Place(tmp_path / "nats", files, port, socket, started(tmp_path / "nats", files, port, socket))
    yield made
    made.server.stop()


def comes_back(link: Link, disturb: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether what is published reaches its own subscriber again after a disturbance."""
    arrived: list[bytes] = []
    link.subscribe("here", lambda _subject, _reply, data: arrived.append(data))
    link.publish("here", [b"before"])
    _until(lambda: arrived == [b"before"], 5.0)
    disturb()

    def again() -> bool:
        link.publish("here", [b"after"])
        return b"after" in arrived

    return _until(again, seconds)


def _until(true: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_a_server_that_restarts_is_found_again(place: Place, kind: str) -> None:
    link = place.link(f"{kind}://{HOST}:{place.port if kind == 'tls' else place.socket}")
    assert comes_back(link, place.restart)
    link.close()


def test_of_both_kinds_of_address_whichever_is_reached_is_taken(place: Place) -> None:
    dead, tls, web = free_port(), f"tls://{HOST}:{place.port}", f"wss://{HOST}:{place.socket}"
    for listed in ((web, tls), (f"tls://{HOST}:{dead}", web), (f"wss://{HOST}:{dead}", tls)):
        link = place.link(*listed, seconds=2.0)
        assert link.connected, listed
        link.close()
    with pytest.raises(Unreachable):
        place.link(f"tls://{HOST}:{dead}", f"wss://{HOST}:{dead}", seconds=0.5)


def test_of_both_kinds_tls_is_taken_first(place: Place) -> None:
    with ExitStack() as lines:
        over = {
            kind: lines.enter_context(bad_line(port)) for kind, port in (("tls", place.port), ("wss", place.socket))
        }
        link = place.link(*(f"{kind}://{HOST}:{line.port}" for kind, line in reversed(over.items())))
        over["wss"].cut()
        assert link.connected
        over["tls"].cut()
        assert _until(lambda: not link.connected, 5.0)
        link.close()


def test_a_connection_that_a_firewall_has_forgotten_is_made_anew(tmp_path: Path) -> None:
    port = free_port()
    server = start_server(server_config(ServerSettings(HOST, port), {NKEY: EVERYTHING}), tmp_path, ports=[(HOST, port)])
    with ExitStack() as ends, bad_line(port) as line:
        ends.callback(server.stop)
        link = Link(LinkSettings((f"nats://{HOST}:{line.port}",), "party", SEED, None, ping_seconds=0.1))
        assert comes_back(link, line.forget)
        link.close()
