"""Lines between nodes and hub: cut, silent, slow, doubled, shuffled; by WebSocket; over a cluster of servers."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from network_daemons import NAMES, Running, founded, now, serving, up

from hansa.engine.link import Link
from hansa.engine.server import NatsServer, ServerSettings, server_config, start_server
from hansa.engine.subjects import hub_permissions, node_permissions
from hansa.errors import Unreachable
from hansa.store import NodeStore
from hansa.testing.messaging import free_port
from hansa.testing.network import NetworkLeague
from hansa.testing.wire import BadLine, bad_line

# The client library leaves the sockets of attempts that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FAR = "zurich"


def serves_at(folders: NetworkLeague, node: str, *servers: str) -> None:
    """Let a node use these messaging servers in place of the charter's; its steps stay in this process, to be quick."""
    file = folders.node(node).path / "node.toml"
    listed = ", ".join(f'"{server}"' for server in servers)
    text = file.read_text().replace("servers = []", f"servers = [{listed}]")
    file.write_text(text.replace("isolate = true", "isolate = false"))
    assert folders.node(node).config.servers == servers


def charged(running: Running, node: str, study: str) -> int:
    stored = NodeStore(running.folders.node(node).store).study(study)
    assert stored is not None
    return stored.rounds_used


def one_charge(running: Running, study: str) -> None:
    """Every node was charged, and each as often as the others."""
    charges = {charged(running, node, study) for node in NAMES}
    assert len(charges) == 1
    assert charges != {0}


def at_first_round(running: Running, node: str, action: Callable[[], object]) -> threading.Thread:
    """Do something as soon as a node has answered one more round; the study it is about has others to come."""
    return running.folders.at_first_answer(node, action)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[Running, BadLine]]:
    """A league with a bad line to one node."""
    folders = founded(tmp_path / "league")
    with bad_line(folders.hub.config.messaging_port) as line:
        serves_at(folders, FAR, f"tls://127.0.0.1:{line.port}")
        with serving(folders) as running:
            yield running, line


def test_a_link_that_is_cut_and_heals_costs_only_time(far: tuple[Running, BadLine]) -> None:
    running, line = far

    def cut_for_a_while() -> None:
        line.cut()
        time.sleep(1.5)
        line.heal()

    study = running.submit()
    thread = at_first_round(running, FAR, cut_for_a_while)
    found = study.run("risk").plain
    thread.join()
    one_charge(running, study.study.id)
    assert found == running.submit().run("risk").plain


def test_a_silent_link_is_a_lost_node_and_the_run_says_whose(far: tuple[Running, BadLine]) -> None:
    running, line = far
    study = running.submit()
    thread = at_first_round(running, FAR, line.hold)
    with pytest.raises(Unreachable, match=FAR) as caught:
        study.run("risk")
    thread.join()
    assert "share away" in caught.value.why
    line.release()
    assert running.submit().run("age").provenance["nodes"] == list(NAMES), "and it is back"


def test_a_slow_link_gives_the_same_numbers(far: tuple[Running, BadLine]) -> None:
    running, line = far
    line.delay = 0.1
    study = running.submit()
    found = study.run("age").plain
    one_charge(running, study.study.id)
    line.delay = 0.0
    assert found == running.submit().run("age").plain


def test_frames_that_come_twice_and_in_any_order_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, order = Link.publish, random.Random(5)

    def shuffled(self: Link, subject: str, frames: Iterable[bytes], **reply: Any) -> None:
        doubled = list(frames) * 2
        order.shuffle(doubled)
        plain(self, subject, doubled, **reply)

    with up(tmp_path / "league") as running:
        with monkeypatch.context() as patch:
            patch.setattr(Link, "publish", shuffled)
            patch.setattr("hansa.engine.messaging.FRAME_BYTES", 600)
            study = running.submit()
            found = study.run("risk").plain
        one_charge(running, study.study.id)
        assert found == running.submit().run("risk").plain
        for node in NAMES:
            ledger = NodeStore(running.folders.node(node).store).ledger()
            left = [(one.run, one.round, one.array) for one in ledger if one.study == study.study.id]
            assert left
            assert len(left) == len(set(left)), "nothing left twice"


# --- other ways to the same league ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*ClientWSTimeout:DeprecationWarning")  # how the client library calls aiohttp
def test_a_node_behind_a_web_proxy_joins_by_websocket(tmp_path: Path) -> None:
    folders = founded(tmp_path / "league")
    port = free_port()
    settings = folders.hub.path / "hub.toml"
    settings.write_text(f"websocket_port = {port}\n" + settings.read_text())
    serves_at(folders, FAR, f"wss://127.0.0.1:{port}")
    with serving(folders) as running:
        assert running.submit().run("age").provenance["nodes"] == list(NAMES)


@contextlib.contextmanager
def cluster(folders: NetworkLeague) -> Iterator[dict[int, NatsServer]]:
    """Three messaging servers of one cluster that know the league's members, by port."""
    charter = folders.hub.charter(now=now()).charter
    users = {m.nkey: node_permissions(charter.league, m.name) for m in charter.members if m.role == "node"}
    users[folders.hub.keys.nkey("messaging")[1]] = hub_permissions(charter.league)
    ports, inner, tls = [free_port() for _ in range(3)], [free_port() for _ in range(3)], folders.hub.tls
    routes = tuple(f"nats://127.0.0.1:{port}" for port in inner)
    made = {}
    for port, own in zip(ports, inner, strict=True):
        settings = ServerSettings(
            "127.0.0.1", port, None, tls.certificate, tls.key, tls.authority, cluster=(own, routes)
        )
        made[port] = start_server(
            server_config(settings, users), folders.folder / f"nats-{port}", ports=[("127.0.0.1", port)]
        )
    try:
        yield made
    finally:
        for server in made.values():
            server.stop()


def test_one_server_of_a_cluster_can_be_lost_in_the_middle(tmp_path: Path) -> None:
    folders = founded(tmp_path / "league")
    with cluster(folders) as servers:
        addresses = [f"tls://127.0.0.1:{port}" for port in servers]
        charter = folders.hub.charter(now=now()).charter
        changed = {"servers": tuple(addresses), "charter_version": charter.charter_version + 1}
        folders.hub.publish(charter.model_copy(update=changed), now=now())
        for node in NAMES:
            serves_at(folders, node, *addresses)
        with serving(folders) as running:
            study = running.submit()
            used = running.daemons[FAR]._link._client.connected_url
            assert used is not None
            thread = at_first_round(running, FAR, servers[int(used.netloc.rsplit(":", 1)[1])].stop)
            found = study.run("risk").plain
            thread.join()
            one_charge(running, study.study.id)
            assert found == running.submit().run("risk").plain
