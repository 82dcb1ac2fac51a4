"""A league of real processes on loopback: a hub with its messaging server, and nodes, over TLS.

Everything goes the way a custodian's and an operator's commands go; only the paths are temporary.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hansa.client.identity import found_identity
from hansa.hub.config import HubConfig, HubFolder, found_league
from hansa.model import Dictionary, Party
from hansa.node.config import NodeConfig, NodeFolder, found_node
from hansa.testing.messaging import free_port
from hansa.wire.charter import read_request
from hansa.wire.folder import read_status

__all__ = ["NetworkLeague", "league_folders", "running"]

_HOST = "127.0.0.1"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(eq=False)
class NetworkLeague:
    """Folders of a hub, nodes and one researcher, and the processes that were started from them."""

    folder: Path
    nodes: tuple[str, ...]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def hub(self) -> HubFolder:
        """The hub's folder."""
        return HubFolder(self.folder / "hub")

    def node(self, name: str) -> NodeFolder:
        """A node's folder."""
        return NodeFolder(self.folder / name)

    @property
    def identity(self) -> Path:
        """The researcher's folder."""
        return self.folder / "researcher"

    def start_hub(self) -> None:
        """Start the hub daemon, and wait until its API answers."""
        self._start("hub", "hub", "serve", "--folder", str(self.folder / "hub"))

    def start_node(self, name: str, *, source: Path | None = None) -> None:
        """Start one node's daemon; of another version, where ``source`` is a folder that holds that package."""
        self._start(name, "node", "serve", "--folder", str(self.folder / name), source=source)

    def start(self) -> None:
        """Start everything."""
        self.start_hub()
        for name in self.nodes:
            self.start_node(name)

    def kill(self, name: str) -> None:
        """End a process as a power cut does."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def freeze(self, name: str) -> None:
        """Stop a process where it stands; it keeps its connections."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def wait_for(self, *names: str, seconds: float = 60.0) -> None:
        """Wait until these daemons say that they serve.

        Raises
        ------
        RuntimeError
            With the end of its output, if one ends before, or takes longer.
        """
        ends = time.monotonic() + seconds
        for name in names or ("hub", *self.nodes):
            while not self._serves(name):
                if self.processes[name].poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"{name} does not serve:\n{self.output(name)[-2000:]}")
                time.sleep(0.05)

    def wait_for_nodes(self, *names: str, seconds: float = 30.0) -> None:
        """Wait until the hub hears these nodes (by default all), and they know its charter."""
        ends = time.monotonic() + seconds
        while True:
            heard = (read_status(self.hub.path) or {}).get("nodes")
            if isinstance(heard, dict) and all(heard.get(name) == "present" for name in names or self.nodes):
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"the hub does not hear every node: {heard}")
            time.sleep(0.05)

    def output(self, name: str) -> str:
        """What a daemon has printed."""
        file = self.folder / f"{name}.out"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def left(self, name: str, disclosure: str = "intermediate") -> int:
        """How many arrays of this class stand in a node's ledger."""
        with contextlib.closing(sqlite3.connect(f"file:{self.node(name).store}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT count(*) FROM ledger WHERE disclosure = ?", (disclosure,))
            return int(rows.fetchone()[0])

    def at_first_answer(self, name: str, action: Callable[[], object]) -> threading.Thread:
        """Do something as soon as a node has answered one more round with values."""
        before = self.left(name)

        def wait_and_act() -> None:
            ends = time.monotonic() + 60
            while self.left(name) == before and time.monotonic() < ends:
                time.sleep(0.001)
            action()

        thread = threading.Thread(target=wait_and_act, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End every process: politely, then by force."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def _serves(self, name: str) -> bool:
        return ": serving" in self.output(name)

    def _start(self, name: str, *command: str, source: Path | None = None) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        file = self.folder / f"{name}.out"
        file.unlink(missing_ok=True)
        with file.open("wb") as out:
            self.processes[name] = subprocess.Popen(  # noqa: S603  # this interpreter, this package
                [sys.executable, "-m", "hansa.cli.main", *command], stdout=out, stderr=out, env=environment
            )


def league_folders(
    folder: Path,
    data: Mapping[str, Path],
    dictionary: Dictionary,
    policies: Mapping[str, Path],
    *,
    requester: Party,
    alone_ok: bool | None = None,
    facts: Mapping[str, Any] | None = None,
    workers: int = 2,
    lost_seconds: float = 3.0,
    wait_seconds: float = 1.0,
    database: str = "",
    **others: Any,
) -> NetworkLeague:
    """Found a league and admit its nodes and one researcher, as members do by request and fingerprint.

    ``alone_ok`` takes the place of the policies' own word, where it is given; ``facts`` are those of every node;
    ``others`` are further settings of the hub.
    """
    config = HubConfig(
        league="test",
        party=Party(name="the hub", owner="itself"),
        host=_HOST,
        messaging_port=free_port(),
        api_port=free_port(),
        lost_seconds=lost_seconds,
        wait_seconds=wait_seconds,
        database=database,
        workers=workers,
        **{"lease_seconds": 4.0, **others},
    )
    made = NetworkLeague(folder, tuple(data))
    charter = found_league(made.hub, config, dictionary, now=_now()).sealed
    requests = [found_identity(made.identity, "researcher", requester, charter, now=_now())]
    for name, source in data.items():
        settings = NodeConfig(
            name=name,
            party=Party(name=name, kind="hospital", owner="itself"),
            data=str(source.resolve()),
            facts=dict(facts or {"consent.register": True}),
        )
        policy = policies[name] if alone_ok is None else _saying(folder, policies[name], alone_ok=alone_ok)
        requests.append(found_node(made.node(name), settings, policy, charter, now=_now()))
    for sealed in requests:
        made.hub.admit(read_request(sealed), now=_now())
    return made


def _saying(folder: Path, policy: Path, *, alone_ok: bool) -> Path:
    """The policy with another word on whether its node's share may be given away."""
    lines = [line for line in policy.read_text(encoding="utf-8").splitlines() if not line.startswith("alone_ok")]
    file = folder / policy.name
    file.write_text("\n".join([*lines, f"alone_ok: {str(alone_ok).lower()}", ""]), encoding="utf-8")
    return file


@contextlib.contextmanager
def running(league: NetworkLeague) -> Iterator[NetworkLeague]:
    """The league, started; whatever happens, all its processes end."""
    try:
        league.start()
        league.wait_for()
        league.wait_for_nodes()
        yield league
    finally:
        league.stop()
