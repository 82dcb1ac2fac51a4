"""The node daemon: it answers the hub over the messaging server until it is told to stop.

What a steward decides with ``hansa node approve|deny|pause|stop-run`` takes effect at the next message, because
every message is checked against the store and the folder as they are then.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from hansa.engine.logs import log_event
from hansa.engine.messaging import NodeEndpoint, Timing
from hansa.engine.metrics import serve_metrics
from hansa.errors import HansaError, PolicyError, ProtocolError, SignatureInvalid
from hansa.node.config import NodeFolder
from hansa.node.metrics import NodeMetrics
from hansa.node.opening import open_link, open_node
from hansa.node.service import Node
from hansa.wire import Message, open_message, peek, seal
from hansa.wire.boxes import pair_secret
from hansa.wire.charter import KnownCharter
from hansa.wire.folder import keep_charter, write_status
from hansa.wire.messages import CharterShown, CharterTaken, Declined

__all__ = ["REFUSED", "NodeDaemon", "is_paused", "pause", "resume"]

REFUSED = "refused by the messaging server"
"""The state of a node that is not admitted, or not any more."""

_PAUSED = "paused"


class NodeDaemon:
    """One running node.

    Raises
    ------
    Unreachable
        If the messaging server does not let it in.
    DataError, StoreError
        As :func:`hansa.node.opening.open_node`.
    """

    def __init__(self, folder: NodeFolder, *, clock: Callable[[], dt.datetime], timing: Timing | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._since = clock()
        self._charter = folder.charter(now=clock())
        self._signer = folder.keys.signer("sign", folder.config.name)
        self._taking = threading.Lock()
        self._own = folder.keys.agreement("agree")
        with ExitStack() as started:
            self._bring_up(started, timing)
            self._started = started.pop_all()
        self.look()
        log_event("node serving", node=folder.config.name)

    def _bring_up(self, started: ExitStack, timing: Timing | None) -> None:
        """One thing after the other; ``started`` takes down what is up, in the opposite order."""
        folder, charter = self._folder, self._charter.charter
        self._link = open_link(folder, self._charter)
        started.callback(self._link.close)
        self.node: Node = open_node(folder, self._charter, clock=self._clock)
        started.callback(self.node.close)
        self._metrics = NodeMetrics(
            self.node.context.store,
            paused=lambda: is_paused(folder.path),
            connected=lambda: self._link.connected,
            expiry=self._expiry,
        )
        if folder.config.metrics_port is not None:
            started.callback(serve_metrics(folder.config.metrics_port, self._metrics.registry).close)
        self._endpoint = NodeEndpoint(
            self._link,
            charter.league,
            folder.config.name,
            self._secret(self._charter),
            self.handle,
            timing=timing,
            charter=lambda: self._charter.charter.charter_version,
            told=self._metrics.answered,
        )
        started.callback(self._endpoint.close)

    def handle(self, data: bytes) -> bytes:
        """Answer one message (see :meth:`hansa.node.service.Node.handle`); never raises."""
        try:
            kind = peek(data).kind
            if kind == CharterShown.kind():
                return self._seal(self._take_charter(data))
        except HansaError as fault:
            return self._seal(Declined(code=fault.code, what=fault.what, fix=fault.fix))
        if is_paused(self._folder.path):
            return self._seal(Declined(code="paused", what="this node is paused", fix="ask its custodian"))
        return self.node.handle(data)

    def close(self) -> None:
        """Finish what is under way, and leave."""
        self._started.close()
        self.write_status("stopped")
        log_event("node stopped", node=self._folder.config.name)

    def look(self) -> None:
        """Take up a charter that was brought by hand, leave out certificates that expired meanwhile; write the status.

        A charter in the folder that cannot be read, or has another dictionary, is taken up at the next start.
        """
        with suppress(HansaError, OSError):
            self._take(self._folder.charter(now=self._clock()))
        self._metrics.beats(self._link.state)
        self.write_status("serving")

    def write_status(self, state: str) -> None:
        """Keep what ``hansa node status`` shows."""
        link = self._link.state
        content = {
            "state": REFUSED if state == "serving" and link == "refused" else state,
            "pid": os.getpid(),
            "since": self._since.isoformat(timespec="seconds"),
            "at": self._clock().isoformat(timespec="seconds"),
            "connected": link == "connected",
            "league": self._charter.charter.league,
            "charter": self._charter.charter.charter_version,
        }
        write_status(self._folder.path, content)

    def _take_charter(self, data: bytes) -> CharterTaken:
        _, shown = open_message(data, CharterShown, self._charter.directory.of("hub"))
        known = self._folder.newer_charter(shown.charter, now=self._clock())
        known.member(self._folder.config.name)
        keep_charter(self._folder.path, known)  # kept even where it is taken up only at the next start
        self._take(known)
        return CharterTaken(charter_version=known.charter.charter_version)

    def _take(self, known: KnownCharter) -> None:
        """Go by a newer charter, which comes from the hub or lies in the folder; of the same one, by its keys of now.

        One that was read from the folder before a newer one came from the hub is left alone.
        """
        with self._taking:
            version = self._charter.charter.charter_version
            if known.charter.charter_version > version:
                self._go_by(known)
            elif known.charter.charter_version == version:
                self.node.context.directory = known.directory

    def _go_by(self, known: KnownCharter) -> None:
        context = self.node.context
        if known.charter.dictionary != self._charter.charter.dictionary:
            raise ProtocolError("the charter has another dictionary", fix="restart this node to read it")
        secret, before = self._secret(known), self._secret(self._charter)
        limits = context.settings.limits.model_copy(update={"min_nodes": known.charter.min_nodes})
        context.settings = replace(context.settings, limits=limits)
        context.directory = known.directory
        context.store.note_event("charter", "", f"version {known.charter.charter_version}")
        self._charter = known
        if secret != before:
            self._endpoint.pair(secret)

    def _secret(self, known: KnownCharter) -> bytes:
        """What this node and the hub of a charter share."""
        try:
            hub = known.directory.public_key("hub-agree", "hub")
        except SignatureInvalid:
            raise PolicyError(
                "the charter kept here certifies no key of the hub",
                why="the hub's certificates have expired, or this clock is wrong",
                fix="ask its operator for the newest charter, then: hansa node charter FILE",
                field="charter.cbor",
            ) from None
        return pair_secret(self._own, hub, league=known.charter.league)

    def _expiry(self) -> float:
        """When this node's first certificate ends; not a number while the charter does not name it."""
        ends = self._charter.end_of(self._folder.config.name)
        return math.nan if ends is None else ends.timestamp()

    def _seal(self, message: Message) -> bytes:
        return seal(message, self._signer)


def pause(folder: Path) -> None:
    """Answer no study's questions until :func:`resume`."""
    (folder / _PAUSED).touch()


def resume(folder: Path) -> None:
    """Answer again."""
    (folder / _PAUSED).unlink(missing_ok=True)


def is_paused(folder: Path) -> bool:
    """Whether the node is paused."""
    return (folder / _PAUSED).exists()
