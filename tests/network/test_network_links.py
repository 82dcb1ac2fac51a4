"""Lines between nodes and hub: cut, silent, slow, doubled, shuffled; by WebSocket; over a cluster of servers."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from network_daemons import ASKED, NAMES, Running, founded, now, serving, up

from hansa.cli.demo.network import largest_difference
from hansa.cli.main import hansa as command_line
from hansa.client.study_file import read_study
from hansa.embedded.local import local
from hansa.engine.link import Link
from hansa.engine.server import _binary
from hansa.errors import Unreachable
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.store import NodeStore
from hansa.testing.messaging import free_port
from hansa.testing.network import NetworkLeague
from hansa.testing.wire import BadLine, bad_line

# The client library leaves the sockets of attempts that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FAR = "zurich"
HUB_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "hub.md"
OPERATOR = re.compile(r"^```text file=nats.conf\n(.*?)^```", re.MULTILINE | re.DOTALL)


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


def embedded(analysis: str) -> Any:
    """The same question's result without any line."""
    league = local(heart(), heart_dictionary(), heart_policies())
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study(ASKED, **{**fields, "cohorts": NAMES})).run(analysis).plain


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


class Mixed:
    """All frames of all links, each twice, in the order that chance gives them every few milliseconds."""

    def __init__(self) -> None:
        self._plain, self._order, self._lock = Link.publish, random.Random(5), threading.Lock()
        self._waiting: list[tuple[Link, str, bytes, str]] = []
        self.mixed = 0

    def publish(self, link: Link, subject: str, frames: Iterable[bytes], *, reply: str = "") -> None:
        with self._lock:
            self._waiting.extend(2 * [(link, subject, frame, reply) for frame in frames])

    @contextlib.contextmanager
    def mixing(self) -> Iterator[None]:
        over = threading.Event()

        def mix() -> None:
            while not over.wait(0.005):
                self._mix()
            self._mix()

        mixer = threading.Thread(target=mix)
        mixer.start()
        try:
            yield
        finally:
            over.set()
            mixer.join()

    def _mix(self) -> None:
        with self._lock:
            taken, self._waiting = self._waiting, []
        self.mixed += len({subject for _, subject, _, _ in taken}) > 1
        self._order.shuffle(taken)
        for link, subject, frame, reply in taken:
            self._plain(link, subject, [frame], reply=reply)


def test_frames_that_come_twice_and_in_any_order_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Mixed()
    with up(tmp_path / "league") as running:

        def publish(self: Link, subject: str, frames: Iterable[bytes], *, reply: str = "") -> None:
            line.publish(self, subject, frames, reply=reply)

        with line.mixing(), monkeypatch.context() as patch:
            patch.setattr(Link, "publish", publish)
            patch.setattr("hansa.engine.messaging.FRAME_BYTES", 600)
            study = running.submit()
            found = study.run("risk").plain
        assert line.mixed > 10, "messages overtook each other"
        one_charge(running, study.study.id)
        assert largest_difference(found, embedded("risk")) == 0.0
        for node in NAMES:
            ledger = NodeStore(running.folders.node(node).store).ledger()
            left = [(one.run, one.round, one.array) for one in ledger if one.study == study.study.id]
            assert left
            assert len(left) == len(set(left)), "nothing left twice"


# --- other ways to the same league ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*ClientWSTimeout:DeprecationWarning")  # how the client library calls aiohttp
def test_a_node_behind_a_web_proxy_joins_by_websocket(tmp_path: Path) -> None:
    port = free_port()
    folders = founded(tmp_path / "league", websocket_port=port)
    assert [address[:3] for address in folders.hub.charter(now=now()).charter.servers] == ["tls", "wss"]
    serves_at(folders, FAR, f"wss://127.0.0.1:{port}")
    with serving(folders) as running:
        study = running.submit()
        found = study.run("age")
        assert found.provenance["nodes"] == list(NAMES)
        one_charge(running, study.study.id)
        used = [running.daemons[name]._link._client.connected_url for name in NAMES]
        assert [url.scheme for url in used if url] == ["tls", "tls", "tls", "wss"]
    assert largest_difference(found.plain, embedded("age")) == 0.0


def operated(folders: NetworkLeague, name: str, port: int, inner: Mapping[str, int]) -> subprocess.Popen[bytes]:
    """A server of a cluster, as docs/howto/hub.md has it: the hub's command writes one file, the operator the other."""
    folder = folders.folder / name
    where = ["--host", "127.0.0.1", "--listen", "127.0.0.1", "--port", str(port)]
    command = ["hub", "messaging-config", str(folder), "--folder", str(folders.hub.path), *where]
    said = CliRunner().invoke(command_line, command, catch_exceptions=False).output
    assert "another place" not in said
    text = OPERATOR.findall(HUB_PAGE.read_text(encoding="utf-8"))[0]
    text = text.replace("server_name: nats1", f"server_name: {name}")
    text = text.replace("0.0.0.0:6222", f"127.0.0.1:{inner[name]}")
    for server, own in inner.items():
        text = text.replace(f"{server}.example.org:6222", f"127.0.0.1:{own}")
    (folder / "nats.conf").write_text(text, encoding="utf-8")
    with (folder / "nats.log").open("wb") as log:
        return subprocess.Popen([_binary(), "-c", "nats.conf"], cwd=folder, stdout=log, stderr=log)


@contextlib.contextmanager
def cluster(
    folders: NetworkLeague, ports: Mapping[str, int], inner: Mapping[str, int]
) -> Iterator[dict[int, subprocess.Popen[bytes]]]:
    """Messaging servers of one cluster, by the port for parties; ``inner`` are those for each other."""
    made = {port: operated(folders, name, port, inner) for name, port in ports.items()}
    try:
        for name in ports:
            log, ends = folders.folder / name / "nats.log", time.monotonic() + 20
            while "Server is ready" not in (said := log.read_text()) or said.count("Route") < len(ports) - 1:
                assert time.monotonic() < ends, log.read_text()
                time.sleep(0.05)
        yield made
    finally:
        for process in made.values():
            process.kill()
            process.wait()


def test_one_server_of_a_cluster_can_be_lost_in_the_middle(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("nats1", "nats2", "nats3")}
    folders = founded(tmp_path / "league", servers=[f"tls://127.0.0.1:{port}" for port in ports.values()])
    with cluster(folders, ports, {name: free_port() for name in ports}) as servers, serving(folders) as running:
        study = running.submit()
        used = running.daemons[FAR]._link._client.connected_url
        assert used is not None
        lost = int(used.netloc.rsplit(":", 1)[1])
        thread = at_first_round(running, FAR, servers[lost].kill)
        found = study.run("risk")
        thread.join()
        one_charge(running, study.study.id)
        now_used = running.daemons[FAR]._link._client.connected_url
        assert now_used is not None
        assert now_used.netloc != used.netloc
    assert largest_difference(found.plain, embedded("risk")) == 0.0


def test_a_stranger_is_no_server_of_the_cluster(tmp_path: Path) -> None:
    port, own = free_port(), free_port()
    folders = founded(tmp_path / "league", servers=[f"tls://127.0.0.1:{port}"])
    with cluster(folders, {"nats1": port}, {"nats1": own}):
        member, stranger = (ssl.create_default_context(cafile=str(folders.hub.tls.authority)) for _ in range(2))
        member.load_cert_chain(folders.folder / "nats1" / "server.pem", folders.folder / "nats1" / "server.key")
        with knocks(own, member) as line:
            assert line.recv(4) == b"INFO"
        # In TLS 1.3 the server's word on the missing certificate comes after the handshake.
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"), knocks(own, stranger) as line:
            line.recv(4)


def knocks(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection(("127.0.0.1", port)) as line:
        return context.wrap_socket(line, server_hostname="127.0.0.1")
