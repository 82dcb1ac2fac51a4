"""What the interface stands on: the hub, its store, and who may use it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hansa.hub.api.oidc import OidcSettings
from hansa.hub.coordinator import Hub
from hansa.stats.contract import Method
from hansa.store import HubStore
from hansa.wire.directory import Directory

__all__ = ["ApiLimits", "ApiService", "CohortSeen"]


@dataclass(frozen=True)
class CohortSeen:
    """A cohort as the hub sees it now; ``state`` is the node's own word, or ``lost`` without a fresh heartbeat."""

    name: str
    state: str
    last_heartbeat: dt.datetime | None


class ApiService(Protocol):
    """The hub behind the interface, read anew at each request: a newer charter brings another hub and directory."""

    @property
    def name(self) -> str:
        """The hub's name: the audience of signed assertions."""
        ...

    @property
    def hub(self) -> Hub:
        """Takes studies to the nodes, and proves the log."""
        ...

    @property
    def store(self) -> HubStore:
        """Where studies, jobs and the log are."""
        ...

    @property
    def methods(self) -> Mapping[str, Method]:
        """The catalogue."""
        ...

    @property
    def directory(self) -> Directory:
        """Whose keys are certified now: a revocation holds from the next request on."""
        ...

    @property
    def charter(self) -> bytes:
        """The newest charter, as the root signed it."""
        ...

    @property
    def tokens(self) -> Path | None:
        """The file of personal tokens; without one there are none."""
        ...

    @property
    def oidc(self) -> OidcSettings | None:
        """The identity provider that is believed, if any; asked once."""
        ...

    def seen(self) -> Sequence[CohortSeen]:
        """Every cohort, with its last heartbeat."""
        ...

    def connected(self) -> bool:
        """Whether the messaging server is reached now."""
        ...


@dataclass(frozen=True)
class ApiLimits:
    """How much one identity may ask of this process.

    Attributes
    ----------
    rate, burst : float, int
        Requests a second, and how many may come at once.
    body_bytes : int
        The largest body.
    streams : int
        Streams of events open at once.
    poll_seconds, heartbeat_seconds : float
        How often a stream looks for news, and how often it says that it is still there.
    """

    rate: float = 20.0
    burst: int = 100
    body_bytes: int = 1 << 20
    streams: int = 8
    poll_seconds: float = 0.25
    heartbeat_seconds: float = 10.0
