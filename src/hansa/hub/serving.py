"""The hub's REST interface, served over TLS in a thread of the hub daemon."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from hansa.errors import Unreachable
from hansa.hub.api import ApiLimits, CohortSeen, OidcSettings, make_app
from hansa.hub.config import HubFolder
from hansa.hub.coordinator import Hub
from hansa.hub.opening import OpenHub
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Method
from hansa.store import HubStore
from hansa.wire.directory import Directory

__all__ = ["ApiServer", "LiveService"]

_START_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class LiveService:
    """The running hub behind the interface (:class:`hansa.hub.api.ApiService`); ``current`` is the hub as it is now."""

    folder: HubFolder
    current: Callable[[], OpenHub]
    clock: Callable[[], dt.datetime]

    @property
    def name(self) -> str:
        """The league: the audience of signed assertions."""
        return self.current().charter.charter.league

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.current().hub

    @property
    def store(self) -> HubStore:
        """Its store."""
        return self.current().store

    @property
    def methods(self) -> Mapping[str, Method]:
        """The catalogue."""
        return catalogue()

    @property
    def directory(self) -> Directory:
        """The charter's keys, as they are now."""
        return self.current().charter.directory

    @property
    def charter(self) -> bytes:
        """The newest charter, as the root signed it."""
        return self.current().charter.sealed

    @property
    def tokens(self) -> Path:
        """The file of personal tokens."""
        return self.folder.path / "tokens.json"

    @property
    def oidc(self) -> OidcSettings | None:
        """The identity provider of ``hub.toml``."""
        return self.folder.config.oidc

    def seen(self) -> Sequence[CohortSeen]:
        """Every cohort, with its last heartbeat."""
        endpoint = self.current().endpoint
        pulses = endpoint.pulses()
        return [self._seen(node, pulses[node].at if node in pulses else None) for node in self.hub.cohorts]

    def connected(self) -> bool:
        """Whether the messaging server is reached now."""
        return self.current().link.connected

    def _seen(self, node: str, at: float | None) -> CohortSeen:
        if at is None:
            return CohortSeen(node, "lost", None)
        heard = self.clock() - dt.timedelta(seconds=time.monotonic() - at)
        state = self.current().endpoint.pulses()[node].state
        return CohortSeen(node, state if self.current().endpoint.present(node) else "lost", heard)


class ApiServer:
    """The interface, listening."""

    def __init__(self, service: LiveService, *, limits: ApiLimits | None = None) -> None:
        config, tls = service.folder.config, service.folder.tls
        self._tls = tls
        app = make_app(service, clock=service.clock, limits=limits or ApiLimits())
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.api_port,
                ssl_certfile=str(tls.certificate),
                ssl_keyfile=str(tls.key),
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises
        ------
        Unreachable
            If the port cannot be had.
        """
        self._thread.start()
        ends = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > ends:
                raise Unreachable("the API did not start", why="its port may be taken", fix="see api_port in hub.toml")
            time.sleep(0.02)

    def load_certificate(self) -> None:
        """Take up a renewed certificate; connections that stand are left alone."""
        context = self._server.config.ssl
        assert context is not None
        context.load_cert_chain(self._tls.certificate, self._tls.key)

    def stop(self) -> None:
        """Finish open requests, and end."""
        self._server.should_exit = True
        self._thread.join(10.0)
