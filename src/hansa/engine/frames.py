"""Messages in frames: cut for a messaging server that limits their size, put together where they arrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hansa.errors import ProtocolError
from hansa.wire.boxes import open_frame, read_frame

__all__ = ["FRAME_BYTES", "Inbox"]

FRAME_BYTES = 900_000
"""Plain bytes of a frame: below the 1 MiB that every nats-server allows."""

_LIMIT = 2**31
_STALE = 120.0
_MOST_FRAMES = 65_536


@dataclass(eq=False)
class _Partial:
    count: int
    began: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Inbox:
    """Frames from one party, until a message is whole. Frames may come twice and in any order.

    Parameters
    ----------
    secret : bytes
        The secret shared with that party.
    direction : str
        What its frames are bound to.
    head : int
        Bytes that stand before the body: less than one frame.
    limit : int
        Most bytes of messages that are not whole yet.
    clock : callable, optional
        Seconds; messages that do not become whole within two minutes are dropped.

    Examples
    --------
    >>> from hansa.wire.boxes import close_box
    >>> inbox = Inbox(bytes(32), "hub>a")
    >>> one, two = close_box(bytes(32), "hub>a", b"hello", frame_bytes=3)
    >>> inbox.add(two), inbox.add(one)
    (None, (b'', b'hello'))
    """

    def __init__(
        self,
        secret: bytes,
        direction: str,
        *,
        head: int = 0,
        limit: int = _LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret = secret
        self._direction = direction
        self._head = head
        self._limit = limit
        self._clock = clock
        self._partial: dict[bytes, _Partial] = {}

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Head and body of the whole message, if this frame was its last.

        Raises
        ------
        ProtocolError
            If the frame does not open, contradicts an earlier one, or there is too much unfinished.
        """
        frame = read_frame(data)
        part = open_frame(self._secret, self._direction, frame)
        if frame.count == 1:
            return part[: self._head], part[self._head :]
        self._drop_stale()
        held = self._partial.setdefault(frame.id, _Partial(frame.count, self._clock()))
        if frame.count != held.count or frame.count > _MOST_FRAMES:
            raise ProtocolError("the frames of a message contradict each other")
        if frame.index in held.parts:
            return None
        held.parts[frame.index] = part
        held.size += len(part)
        if sum(partial.size for partial in self._partial.values()) > self._limit:
            self._partial.clear()
            raise ProtocolError("too many unfinished messages", why=f"at most {self._limit} bytes are kept")
        if len(held.parts) < held.count:
            return None
        del self._partial[frame.id]
        first = held.parts[0]
        rest = (held.parts[index] for index in range(1, held.count))
        return first[: self._head], b"".join((first[self._head :], *rest))

    def _drop_stale(self) -> None:
        oldest = self._clock() - _STALE
        self._partial = {name: held for name, held in self._partial.items() if held.began >= oldest}
