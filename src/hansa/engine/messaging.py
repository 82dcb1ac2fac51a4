"""The engine between machines: the hub asks, nodes answer, over a messaging server that neither trusts.

Every request has an id of its own. A node answers it once and keeps the answer, so that a repeated delivery is
harmless and a lost answer can be asked for again. Nodes send heartbeats that name what they are working on: the
hub waits for a busy node, asks again where a request or answer was lost, and gives up a node whose heartbeat has
stopped.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hansa.engine import subjects
from hansa.engine.frames import FRAME_BYTES, Inbox
from hansa.engine.link import Link
from hansa.errors import ProtocolError, Unreachable
from hansa.wire.boxes import close_box
from hansa.wire.codec import decode, encode

__all__ = ["HubEndpoint", "NodeEndpoint", "Pulse", "Timing", "Waiting"]

_ID = 16
_SLOW = 0.5  # seconds after which people want to know who is waited for
_KEPT_ANSWERS = 64
_KEPT_BYTES = 256 << 20


@dataclass(frozen=True)
class Timing:
    """Seconds: between heartbeats; without one until a node is lost; until a request is sent again; for an answer."""

    heartbeat: float = 1.0
    lost: float = 8.0
    again: float = 2.5
    deadline: float = 3600.0


@dataclass(frozen=True)
class Pulse:
    """A node's last heartbeat: when it came (monotonic seconds), which start of the node, and its busy requests.

    ``beat`` counts up within one ``boot``: an old heartbeat that is played again says nothing. ``charter`` is the
    version of the charter that the node knows.
    """

    at: float
    boot: bytes
    beat: int
    busy: frozenset[bytes]
    state: str
    charter: int = 0


Waiting = Callable[[tuple[str, ...]], object]
"""Told which nodes are still being waited for."""


@dataclass(eq=False)
class _Request:
    """One request under way at one node."""

    id: bytes
    data: bytes
    asked: float
    sent: float
    answer: bytes | None = None


class HubEndpoint:
    """The hub's side (:class:`hansa.engine.Transport`). ``secrets`` are those shared with each node."""

    def __init__(
        self,
        link: Link,
        league: str,
        secrets: Mapping[str, bytes],
        *,
        timing: Timing | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self._link = link
        self._league = league
        self._secrets = dict(secrets)
        self._timing = timing or Timing()
        self._waiting = waiting
        self._session = os.urandom(12).hex()
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._open: dict[bytes, _Request] = {}
        self._pulses: dict[str, Pulse] = {}
        self._inboxes = {
            (node, way): Inbox(secret, _direction(node, way), head=head)
            for node, secret in self._secrets.items()
            for way, head in (("answer", _ID), ("alive", 0))
        }
        link.subscribe(subjects.session_answers(league, self._session), self._answered)
        link.subscribe(subjects.alive(league, "*"), self._pulsed)

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Every node's answer.

        Raises
        ------
        Unreachable
            Naming the nodes whose heartbeat has stopped, or that have not answered by the deadline.
        """
        now = time.monotonic()
        requests = {node: _Request(os.urandom(_ID), data, now, now) for node, data in messages.items()}
        with self._changed:
            self._open.update({request.id: request for request in requests.values()})
        try:
            for node, request in requests.items():
                self._send(node, request)
            self._await(requests)
        finally:
            with self._changed:
                for request in requests.values():
                    del self._open[request.id]
        return {node: request.answer for node, request in requests.items() if request.answer is not None}

    def pulses(self) -> Mapping[str, Pulse]:
        """Each node's last heartbeat, of those that ever sent one."""
        with self._changed:
            return dict(self._pulses)

    def present(self, node: str, *, charter: int = 0) -> bool:
        """Whether a node's heartbeat is fresh, and it knows the charter of this version or a later one."""
        soon = self._began + 3 * self._timing.heartbeat
        with self._changed:
            # Just after the start no heartbeat can have come yet.
            while node not in self._pulses and (left := soon - time.monotonic()) > 0:
                self._changed.wait(left)
        pulse = self.pulses().get(node)
        fresh = pulse is not None and time.monotonic() - pulse.at < self._timing.lost
        return fresh and pulse is not None and pulse.state != "stopped" and pulse.charter >= charter

    def _await(self, requests: Mapping[str, _Request]) -> None:
        told: tuple[str, ...] = ()
        while True:
            with self._changed:
                open_ = tuple(node for node, request in requests.items() if request.answer is None)
                if not open_:
                    return
                self._changed.wait(self._timing.heartbeat / 2)
                open_ = tuple(node for node in open_ if requests[node].answer is None)
            if not open_:
                return
            slow = any(time.monotonic() - requests[node].asked > _SLOW for node in open_)
            if self._waiting is not None and slow and open_ != told:
                self._waiting(open_)
                told = open_
            self._look_after({node: requests[node] for node in open_})

    def _look_after(self, requests: Mapping[str, _Request]) -> None:
        now = time.monotonic()
        lost = tuple(node for node, request in requests.items() if self._is_lost(node, request, now))
        if lost:
            raise Unreachable(
                f"{', '.join(lost)} did not answer",
                why="its heartbeat has stopped, or the deadline has passed",
                fix="ask its custodian whether the node runs, then run the analysis again",
                nodes=lost,
            )
        for node, request in requests.items():
            pulse = self._pulses.get(node)
            known_busy = pulse is not None and request.id in pulse.busy
            if now - request.sent > self._timing.again and not known_busy:
                request.sent = now
                self._send(node, request)

    def _is_lost(self, node: str, request: _Request, now: float) -> bool:
        pulse = self._pulses.get(node)
        if pulse is not None and pulse.state == "stopped":
            return True
        last = max(self._began, request.asked if pulse is None else pulse.at)
        return now - last > self._timing.lost or now - request.asked > self._timing.deadline

    def _send(self, node: str, request: _Request) -> None:
        frames = close_box(
            self._secrets[node], _direction(node, "ask"), request.data, frame_bytes=FRAME_BYTES, head=request.id
        )
        reply = subjects.answers(self._league, node, self._session)
        self._link.publish(subjects.asks(self._league, node), frames, reply=reply)

    def _answered(self, subject: str, _reply: str, data: bytes) -> None:
        whole = self._received(subject.split(".")[3], "answer", data)
        if whole is None:
            return
        with self._changed:
            request = self._open.get(whole[0])
            if request is not None and request.answer is None:
                request.answer = whole[1]
                self._changed.notify_all()

    def _pulsed(self, subject: str, _reply: str, data: bytes) -> None:
        node = subject.split(".")[3]
        whole = self._received(node, "alive", data)
        pulse = None if whole is None else _read_pulse(whole[1])
        if pulse is None:
            return
        with self._changed:
            last = self._pulses.get(node)
            if last is None or last.boot != pulse.boot or last.beat < pulse.beat:
                self._pulses[node] = pulse
                self._changed.notify_all()

    def _received(self, node: str, way: str, data: bytes) -> tuple[bytes, bytes] | None:
        """What a frame makes whole. Frames that do not open are noise: whoever waits asks again."""
        if (node, way) not in self._inboxes:
            return None
        try:
            return self._inboxes[node, way].add(data)
        except ProtocolError:
            return None


class NodeEndpoint:
    """A node's side: it answers one request after the other, and says every second that it is there."""

    def __init__(
        self,
        link: Link,
        league: str,
        node: str,
        secret: bytes,
        handle: Callable[[bytes], bytes],
        *,
        timing: Timing | None = None,
        charter: Callable[[], int] = lambda: 0,
        told: Callable[[bytes, bytes, float], None] = lambda _asked, _answer, _seconds: None,
    ) -> None:
        self._charter = charter
        self._told = told
        self._link = link
        self._league = league
        self._node = node
        self.pair(secret)
        self._handle = handle
        self._timing = timing or Timing()
        self._boot = os.urandom(8)
        self._beats = 0
        self._lock = threading.Lock()
        self._busy: set[bytes] = set()
        self._done = _Answers()
        self._stopping = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"node {node}")
        link.subscribe(subjects.asks(league, node), self._asked)
        self._heart = threading.Thread(target=self._beat, name=f"heart {node}", daemon=True)
        self._heart.start()

    def pair(self, secret: bytes) -> None:
        """Speak under another secret from now on: the hub has a new key."""
        self._secret, self._inbox = secret, Inbox(secret, _direction(self._node, "ask"), head=_ID)

    def close(self) -> None:
        """Finish what is under way, take nothing new, and leave. A second time does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._worker.shutdown(wait=True)
        self._pulse("stopped")
        self._heart.join(self._timing.heartbeat + 1)
        self._link.close()

    def _asked(self, _subject: str, reply: str, data: bytes) -> None:
        try:
            whole = self._inbox.add(data)
        except ProtocolError:
            return  # noise: the hub's own frames open
        if whole is None or self._stopping.is_set():
            return
        request, asked = whole
        with self._lock:
            known = self._done.get(request)
            fresh = known is None and request not in self._busy
            if fresh:
                self._busy.add(request)
        if known is not None:
            self._reply(reply, request, known)
        elif fresh:
            self._worker.submit(self._work, request, asked, reply)

    def _work(self, request: bytes, data: bytes, reply: str) -> None:
        began = time.monotonic()
        answer = self._handle(data)
        seconds = time.monotonic() - began
        with self._lock:
            self._done.keep(request, answer)
            self._busy.discard(request)
        self._reply(reply, request, answer)
        self._told(data, answer, seconds)  # nobody waits for it

    def _reply(self, reply: str, request: bytes, answer: bytes) -> None:
        frames = close_box(
            self._secret, _direction(self._node, "answer"), answer, frame_bytes=FRAME_BYTES, head=request
        )
        self._link.publish(reply, frames)

    def _beat(self) -> None:
        while not self._stopping.is_set():
            self._pulse("serving")
            self._stopping.wait(self._timing.heartbeat)

    def _pulse(self, state: str) -> None:
        with self._lock:
            self._beats += 1
            content = encode(
                {
                    "boot": self._boot,
                    "beat": self._beats,
                    "busy": sorted(self._busy),
                    "state": state,
                    "charter": self._charter(),
                }
            )
        frames = close_box(self._secret, _direction(self._node, "alive"), content, frame_bytes=FRAME_BYTES)
        self._link.publish(subjects.alive(self._league, self._node), frames)


@dataclass(eq=False)
class _Answers:
    """The last answers a node gave, in case one was lost on the way."""

    kept: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)

    def get(self, request: bytes) -> bytes | None:
        return self.kept.get(request)

    def keep(self, request: bytes, answer: bytes) -> None:
        self.kept[request] = answer
        while len(self.kept) > 1 and (
            len(self.kept) > _KEPT_ANSWERS or sum(map(len, self.kept.values())) > _KEPT_BYTES
        ):
            self.kept.popitem(last=False)


def _direction(node: str, way: str) -> str:
    return f"{way}:{node}"


def _read_pulse(data: bytes) -> Pulse | None:
    try:
        content = decode(data)
    except ProtocolError:
        return None
    match content:
        case {"boot": bytes(boot), "beat": int(beat), "busy": list(busy), "state": str(state), "charter": int(charter)}:
            known = frozenset(item for item in busy if isinstance(item, bytes))
            return Pulse(time.monotonic(), boot, beat, known, state, charter)
    return None
