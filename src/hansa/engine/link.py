"""One connection to the messaging server (NATS), on an event loop in a thread of its own.

Connections go outward only, over TLS with the federation's certificate authority or over WebSocket with TLS;
the server knows the party by its nkey (an Ed25519 key of its own, which signs the server's challenge).
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import AuthorizationError, UnexpectedEOF
from nats.errors import Error as NatsError

from hansa.errors import Unreachable

__all__ = ["Link", "LinkSettings", "LinkState", "NotAdmitted", "NotVouchedFor", "Received"]

T = TypeVar("T")

Received = Callable[[str, str, bytes], None]
"""Called with subject, reply subject and data, on the link's own thread: it must not block."""

LinkState = Literal["connected", "refused", "lost"]
"""``refused``: the messaging server is reached, and does not let this party in."""

_PENDING_BYTES = 1 << 30
_WAIT = 0.2
_LONGEST_WAIT = 10.0
_ENOUGH = 3  # refusals of a first connection; fewer may be a server that takes up new users just now
_HUNG_UP = (BrokenPipeError, ConnectionResetError, UnexpectedEOF)


class NotAdmitted(Unreachable):
    """The messaging server is reached, and does not let this party in."""


class NotVouchedFor(Unreachable):
    """What answers has a certificate that the league's authority did not sign, or for another name."""


@dataclass(frozen=True)
class LinkSettings:
    """How to reach the messaging server, and as whom.

    Attributes
    ----------
    servers : tuple of str
        ``tls://host:port`` or ``wss://host:port``; the others of a cluster are tried when one is lost.
    name : str
        For the server's own monitoring.
    seed : str
        The nkey seed. Never shown.
    credentials : Path, optional
        A ``.creds`` file (JWT and seed) in place of the seed: for servers whose operator issues JWTs.
    authority : Path or None
        The federation's certificate authority (PEM); ``None`` leaves TLS off, which only tests on loopback do.
    connect_seconds : float
        How long the first connection may take: over TLS, and again by WebSocket, where both are listed.
    ping_seconds : float
        How often the server is asked whether it is there. After the third without an answer the link connects anew: a
        connection that a firewall has forgotten is otherwise silent for minutes, and nobody says so.
    """

    servers: tuple[str, ...]
    name: str
    seed: str = field(repr=False)
    authority: Path | None
    connect_seconds: float = 10.0
    credentials: Path | None = None
    ping_seconds: float = 5.0


class Link:
    """An open connection. It reconnects by itself; what is published meanwhile is kept in a small buffer.

    Raises
    ------
    Unreachable
        If no server of the list lets this party in within ``connect_seconds``; :class:`NotAdmitted` and
        :class:`NotVouchedFor` where that is known to be the reason.
    """

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link {settings.name}", daemon=True)
        self._thread.start()
        self._client = Client()
        self._closing = False
        self._wanted: list[tuple[str, Received]] = []
        self._fault: Exception | None = None
        self._refusals = 0
        self._was_in = False
        try:
            self._run(self._connect(), seconds=settings.connect_seconds * len(_kinds(settings.servers)))
        except (TimeoutError, NatsError, OSError, Late) as fault:
            self._stop()
            raise _unreachable(self._fault or fault) from None

    @property
    def connected(self) -> bool:
        """Whether the connection stands now."""
        return self._client.is_connected

    @property
    def state(self) -> LinkState:
        """Whether the connection stands now, and if not, whether that is because this party is not let in."""
        if self.connected:
            return "connected"
        return "refused" if _is_refusal(self._fault) else "lost"

    def publish(self, subject: str, frames: Iterable[bytes], *, reply: str = "") -> None:
        """Send frames, each as soon as it is made; they leave in order. Does not wait for anyone to receive them."""
        self._later(self._publish(subject, frames, reply))

    def subscribe(self, subject: str, received: Received) -> None:
        """Call ``received`` for everything that comes on a subject."""
        self._wanted.append((subject, received))
        self._run(self._listen(subject, received), seconds=self._settings.connect_seconds)
        self._run(self._client.flush(), seconds=self._settings.connect_seconds)

    def close(self) -> None:
        """Send what is still waiting, and leave. A second time does nothing."""
        if self._closing:
            return
        self._closing = True
        if self.connected:
            with suppress(TimeoutError, NatsError, Late):  # it may break just now
                self._run(self._client.drain(), seconds=5.0)
        self._stop()

    async def _connect(self) -> None:
        """Over TLS where a server is reached so, else by WebSocket: one client of the library knows one kind only."""
        *first, last = _kinds(self._settings.servers)
        for servers in first:
            with suppress(TimeoutError, NatsError, OSError):  # the other kind is left
                await asyncio.wait_for(self._connect_to(servers), self._settings.connect_seconds)
                return
            left, self._client = self._client, Client()
            await left.close()
        await self._connect_to(last)

    async def _connect_to(self, servers: Sequence[str]) -> None:
        tls, credentials = None, self._settings.credentials
        if self._settings.authority is not None:
            tls = ssl.create_default_context(cafile=str(self._settings.authority))
        await self._client.connect(
            servers=list(servers),
            name=self._settings.name,
            tls=tls,
            user_credentials=None if credentials is None else str(credentials),  # goes before the seed
            nkeys_seed_str=self._settings.seed or None,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_WAIT,  # type: ignore[arg-type]  # seconds; fractions work
            connect_timeout=2,
            ping_interval=self._settings.ping_seconds,  # type: ignore[arg-type]  # as above
            error_cb=self._told,
            reconnected_cb=self._back,
            closed_cb=functools.partial(self._given_up, self._client),
            pending_size=8 << 20,
        )
        await self._back()

    async def _listen(self, subject: str, received: Received) -> None:
        async def arrived(message: Msg) -> None:
            received(message.subject, message.reply, message.data)

        await self._client.subscribe(subject, cb=arrived, pending_bytes_limit=_PENDING_BYTES)

    async def _told(self, fault: Exception) -> None:
        """The client reports faults here, and waits for this before it tries again: longer, each time it is refused."""
        # A server that refuses may hang up before its word is read: that is no news.
        if not (_is_refusal(self._fault) and isinstance(fault, _HUNG_UP)):
            self._fault = fault
        if _is_refusal(self._fault):
            self._refusals += 1
            if self._refusals == _ENOUGH and not self._was_in:
                raise fault  # out of the first connection, whose maker decides
            await asyncio.sleep(min(_WAIT * 2.0 ** min(self._refusals, 10), _LONGEST_WAIT))

    async def _back(self) -> None:
        self._was_in = True
        self._fault, self._refusals = None, 0

    async def _given_up(self, client: Client) -> None:
        """The client closes for good if it reads that it is refused before the connection ends; a link does not."""
        if self._closing or client is not self._client or client.is_connected:
            return
        self._fault = self._client.last_error or self._fault
        self._client = Client()
        await self._connect()
        for subject, received in self._wanted:
            await self._listen(subject, received)

    async def _publish(self, subject: str, frames: Iterable[bytes], reply: str) -> None:
        with suppress(NatsError):  # lost on the way: whoever waits for an answer asks again
            for frame in frames:
                await self._client.publish(subject, frame, reply=reply)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closing:
            work.close()  # as lost on the way
            return
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self, work: Coroutine[Any, Any, T], *, seconds: float) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result(seconds)
        except Late:
            waiting.cancel()
            raise

    def _stop(self) -> None:
        self._closing = True

        async def end() -> None:
            # The library writes what is left to a connection that may be gone, each time in another way.
            with suppress(AttributeError, NatsError, OSError, TimeoutError):
                await asyncio.wait_for(self._client.close(), 2.0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=2.0)

        with suppress(Late, NatsError, OSError):  # the thread ends all the same
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()


def _kinds(servers: Sequence[str]) -> list[list[str]]:
    """The addresses of each kind: TLS, then WebSocket."""
    by_socket = [server for server in servers if server.startswith("ws")]
    kinds = [[server for server in servers if server not in by_socket], by_socket]
    return [kind for kind in kinds if kind]


def _is_refusal(fault: Exception | None) -> bool:
    return isinstance(fault, AuthorizationError) or "authorization violation" in str(fault).lower()


def _unreachable(fault: Exception) -> Unreachable:
    """The last fault in words; the client's own say nothing about what to do."""
    if _is_refusal(fault):
        return NotAdmitted(
            "the messaging server does not let this party in",
            why="the charter does not name its keys: it is not admitted yet, was revoked, or has made new keys",
            fix="ask the league's members to admit it",
            field="servers",
        )
    if isinstance(fault, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(fault):
        return NotVouchedFor(
            "the messaging server's certificate is not vouched for",
            why="another authority than the league's signed it, it has expired, or it is for another name",
            fix="check the address; if it is right, do not go on, and ask the hub's operator",
            field="servers",
        )
    return Unreachable(
        "the messaging server cannot be reached",
        why=type(fault).__name__,
        fix="check its address, the firewall and whether the hub runs",
        field="servers",
    )
