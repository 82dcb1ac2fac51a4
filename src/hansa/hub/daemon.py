"""The hub daemon: messaging server, API, and the processes that run plans, until it is told to stop.

It watches the charter: when members admit or revoke somebody, the messaging server takes up the new users, and
every node is shown the new charter.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from hansa.engine.logs import log_event
from hansa.engine.metrics import serve_metrics
from hansa.engine.server import NatsServer, start_server
from hansa.errors import HansaError, Unreachable
from hansa.hub.config import HubFolder
from hansa.hub.metrics import CountedApi, HubMetrics, plan_environment
from hansa.hub.opening import OpenHub, open_hub
from hansa.hub.renewal import first_ends
from hansa.hub.serving import LiveService
from hansa.wire import open_message, seal
from hansa.wire.charter import KnownCharter
from hansa.wire.folder import write_status
from hansa.wire.messages import CharterShown, CharterTaken

__all__ = ["HubDaemon"]

_WATCH = 0.5
_DRAIN = 20.0


@dataclass(eq=False)
class HubDaemon:
    """One running hub. ``start`` brings everything up, ``close`` takes it down again."""

    folder: HubFolder
    clock: Callable[[], dt.datetime]
    open: OpenHub = field(init=False)
    _server: NatsServer | None = field(init=False, default=None)
    _workers: list[subprocess.Popen[bytes]] = field(init=False, default_factory=list)
    _stopping: threading.Event = field(init=False, default_factory=threading.Event)
    _metrics: HubMetrics = field(init=False)
    _api: CountedApi = field(init=False)
    _started: ExitStack = field(init=False, default_factory=ExitStack)

    def start(self) -> None:
        """Messaging server, connection, plan processes, and the charter's watch.

        Raises
        ------
        Unreachable
            If the messaging server does not start or answer.
        StoreError
            If the store cannot be opened.
        """
        with ExitStack() as started:
            self._bring_up(started)
            self._started = started.pop_all()
        log_event("hub serving")

    def _bring_up(self, started: ExitStack) -> None:
        """One thing after the other; ``started`` takes down what is up, in the opposite order."""
        config = self.folder.config
        charter = self.folder.charter(now=self.clock())
        self._metrics = HubMetrics(self.folder.path / "metrics", self.folder.database, self.clock)
        started.callback(self._metrics.close)
        if config.metrics_port is not None:
            started.callback(serve_metrics(config.metrics_port, self._metrics.registry).close)
        if not config.servers:
            self._start_messaging(charter)
            started.callback(self._stop_messaging)
        self.open = open_hub(self.folder, clock=self.clock)
        started.callback(self._leave)
        started.callback(self.write_status)
        started.callback(self._end_workers)
        self._workers.extend(self._start_worker(number) for number in range(config.workers))
        self._api = CountedApi(LiveService(self.folder, lambda: self.open, self.clock), self._metrics)
        self._api.start()
        started.callback(self._api.stop)
        watcher = threading.Thread(target=self._watch, name="charter", daemon=True)
        watcher.start()
        started.callback(watcher.join)
        started.callback(self._stopping.set)

    def close(self) -> None:
        """Let plan processes finish their job, then end everything that was started here."""
        self._started.close()
        log_event("hub stopped")

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(_DRAIN)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def write_status(self) -> None:
        """Keep what ``hansa hub status`` shows."""
        pulses = self.open.endpoint.pulses()
        version = self.open.charter.charter.charter_version
        nodes = {
            node: "present" if self.open.endpoint.present(node, charter=version) else "absent"
            for node in self.open.hub.cohorts
        }
        self._metrics.beats({node: state == "present" for node, state in nodes.items()})
        self._metrics.certified(first_ends(self.folder, self.open.charter))
        content = {
            "state": "stopped" if self._stopping.is_set() else "serving",
            "pid": os.getpid(),
            "at": self.clock().isoformat(timespec="seconds"),
            "processes": self.pids,
            "nodes": {node: "never heard" if node not in pulses else state for node, state in nodes.items()},
        }
        write_status(self.folder.path, content)

    @property
    def pids(self) -> dict[str, int]:
        """The processes started here."""
        found = {f"worker-{number}": worker.pid for number, worker in enumerate(self._workers)}
        return found if self._server is None else {**found, "messaging": self._server.pid}

    def _start_messaging(self, charter: KnownCharter) -> None:
        config = self.folder.config
        text = self.folder.server_config(charter.charter)
        ports = [(config.host, config.messaging_port)]
        self._server = start_server(text, self.folder.path / "messaging", ports=ports)

    def _stop_messaging(self) -> None:
        if self._server is not None:
            self._server.stop()

    def _leave(self) -> None:
        self.open.close()  # the one that stands then: the watch opens another with each charter

    def _start_worker(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hansa.hub.worker", str(self.folder.path), f"worker-{number}"]
        return subprocess.Popen(command, env=plan_environment(self._metrics.folder))  # noqa: S603  # this interpreter, this package

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH):
            self._follow_charter()
            self._show_charter()
            self._follow_workers()
            self._follow_messaging()

    def _follow_charter(self) -> None:
        """Take up a newer charter from the folder."""
        try:
            known = self.folder.charter(now=self.clock())
        except (HansaError, OSError):
            return  # half a change by hand: the last good charter stands
        current = self.open.charter
        newer = known.charter.charter_version > current.charter.charter_version
        if not newer and known.directory.keys == current.directory.keys:
            return  # neither a new version, nor a certificate that expired meanwhile
        if self._server is not None:
            self._server.reload(self.folder.server_config(known.charter))
        with suppress(Unreachable):  # a messaging server of others does not know new keys yet: tried at the next look
            before, self.open = self.open, open_hub(self.folder, clock=self.clock)
            before.close()
            self._api.load_certificate()

    def _show_charter(self) -> None:
        """Show the charter to nodes that do not have it yet."""
        version = self.open.charter.charter.charter_version
        signer = self.folder.keys.signer("sign", "hub")
        for node in self.open.hub.cohorts:
            endpoint = self.open.endpoint
            if not endpoint.present(node) or endpoint.present(node, charter=version):
                continue
            sealed = seal(CharterShown(charter=self.open.charter.sealed), signer)
            try:
                answer = self.open.endpoint.ask({node: sealed})[node]
                keys = self.open.charter.directory.of("node-sign")
                open_message(answer, CharterTaken, keys, sender=node)
            except HansaError:
                continue  # it is asked again at the next look

    def _follow_workers(self) -> None:
        """A plan process that died is replaced; its job goes on from the journal."""
        for number, worker in enumerate(self._workers):
            if worker.poll() is not None and not self._stopping.is_set():
                log_event("plan process replaced", level="warning")
                self._workers[number] = self._start_worker(number)

    def _follow_messaging(self) -> None:
        """The hub's own messaging server, if it died, is started again; everybody reconnects by itself."""
        if self._server is not None and not self._server.running and not self._stopping.is_set():
            with suppress(Unreachable):  # tried again at the next look
                self._start_messaging(self.open.charter)
                log_event("messaging server restarted", level="warning")
