"""A connection that is refused, or not vouched for, says so; and it comes back by itself when it may."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hansa.engine.link import Link, LinkSettings, NotAdmitted, NotVouchedFor
from hansa.engine.server import NatsServer, ServerSettings, server_config, start_server
from hansa.engine.subjects import hub_permissions, node_permissions
from hansa.errors import Unreachable
from hansa.hub.authority import make_authority, server_files
from hansa.testing.messaging import free_port
from hansa.wire.keyring import Keyring

# As in test_engine_reconnecting.py: what the client library leaves of attempts that were refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NOW = dt.datetime.now(dt.UTC)


@dataclass(eq=False)
class Messaging:
    """A messaging server over TLS, which lets in whom it is told to."""

    settings: ServerSettings
    keys: Keyring
    server: NatsServer

    def lets_in(self, *parties: str) -> None:
        self.server.reload(config(self.settings, self.keys, parties))

    def link(self, party: str, *, seconds: float = 5.0, authority: Path | None = None) -> Link:
        chosen = authority or self.settings.authority
        address = (f"tls://127.0.0.1:{self.settings.port}",)
        return Link(LinkSettings(address, party, self.keys.nkey(party)[0], chosen, connect_seconds=seconds))


def config(settings: ServerSettings, keys: Keyring, parties: tuple[str, ...]) -> str:
    allowed = {"hub": hub_permissions("l"), "a": node_permissions("l", "a")}
    return server_config(settings, {keys.nkey(party)[1]: allowed[party] for party in parties})


@pytest.fixture
def messaging(tmp_path: Path) -> Iterator[Messaging]:
    make_authority(tmp_path / "tls", "l", now=NOW)
    files = server_files(tmp_path / "tls", ["127.0.0.1"], now=NOW)
    settings = ServerSettings("127.0.0.1", free_port(), None, files.certificate, files.key, files.authority)
    keys = Keyring(None)
    server = start_server(config(settings, keys, ("hub", "a")), tmp_path / "nats", ports=[("127.0.0.1", settings.port)])
    yield Messaging(settings, keys, server)
    server.stop()


def until(reached: Callable[[], bool], *, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_party_that_is_not_let_in_is_told_apart_from_a_server_that_is_not_there(
    messaging: Messaging, tmp_path: Path
) -> None:
    messaging.lets_in("hub")
    until(lambda: "Reloaded server configuration" in messaging.server.log.read_text())
    with pytest.raises(NotAdmitted, match="does not let this party in"):
        messaging.link("a", seconds=1.0)
    make_authority(tmp_path / "other", "l", now=NOW)
    with pytest.raises(NotVouchedFor, match="not vouched for"):
        messaging.link("hub", seconds=1.0, authority=tmp_path / "other" / "authority.pem")
    messaging.server.stop()
    with pytest.raises(Unreachable, match="cannot be reached") as caught:
        messaging.link("hub", seconds=1.0)
    assert type(caught.value) is Unreachable


def test_a_link_that_is_refused_says_so_asks_less_and_less_often_and_comes_back(messaging: Messaging) -> None:
    link, hub, heard = messaging.link("a"), messaging.link("hub"), list[bytes]()
    link.subscribe("hansa.l.ask.a", lambda _subject, _reply, data: heard.append(data))
    assert link.state == "connected"
    messaging.lets_in("hub")
    until(lambda: link.state == "refused")
    time.sleep(2.0)
    refusals = messaging.server.log.read_text().count("authentication error")
    assert 1 <= refusals <= 4, "two seconds at five a second would be ten"
    messaging.lets_in("hub", "a")
    until(lambda: link.state == "connected")
    hub.publish("hansa.l.ask.a", [b"welcome back"])
    until(lambda: heard == [b"welcome back"])
    link.close()
    hub.close()


def test_a_link_whose_client_has_given_up_is_made_anew(messaging: Messaging) -> None:
    """The library closes for good where it reads the refusal before the connection ends."""
    link, hub, heard = messaging.link("a"), messaging.link("hub"), list[bytes]()
    link.subscribe("hansa.l.ask.a", lambda _subject, _reply, data: heard.append(data))
    before = link._client
    asyncio.run_coroutine_threadsafe(before._process_err("'Authorization Violation'"), link._loop).result(5)
    until(lambda: before.is_closed and link.connected and bool(link._client._subs))
    hub.publish("hansa.l.ask.a", [b"still here"])
    until(lambda: heard == [b"still here"])
    link.close()
    hub.close()


def test_a_messaging_server_that_is_away_is_lost_and_not_refused(messaging: Messaging) -> None:
    link = messaging.link("a")
    messaging.server.stop()
    until(lambda: link.state == "lost")
    link.close()
