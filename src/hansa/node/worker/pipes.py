"""Plain values through pipes: eight bytes of length, then deterministic CBOR. Never pickle."""

from __future__ import annotations

import os
import select
import time
from typing import Any

from hansa.errors import ProtocolError
from hansa.wire.codec import MAX_BYTES, decode, encode

__all__ = ["receive", "send"]

_LENGTH = 8
_PIECE = 1 << 20


def send(pipe: int, value: Any, until: float | None = None) -> None:
    """Write one value, all of it by ``until`` (on the monotonic clock) at the latest.

    Raises
    ------
    TimeoutError, BrokenPipeError
        If nobody reads it in time, or ever will.
    """
    body = encode(value)
    left = memoryview(len(body).to_bytes(_LENGTH, "big") + body)
    while left:
        _wait(pipe, select.POLLOUT, until)
        left = left[os.write(pipe, left[:_PIECE]) :]


def receive(pipe: int, until: float | None = None) -> Any:
    """Read one value.

    Raises
    ------
    TimeoutError, EOFError
        If it does not come in time, or ever.
    ProtocolError
        If what comes is no plain value.
    """
    length = int.from_bytes(_read(pipe, _LENGTH, until), "big")
    if length > MAX_BYTES:
        raise ProtocolError("a message is too large", why=f"at most {MAX_BYTES} bytes are read")
    return decode(_read(pipe, length, until))


def _read(pipe: int, length: int, until: float | None) -> bytes:
    found = bytearray()
    while len(found) < length:
        _wait(pipe, select.POLLIN, until)
        piece = os.read(pipe, min(_PIECE, length - len(found)))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def _wait(pipe: int, event: int, until: float | None) -> None:
    poller = select.poll()
    poller.register(pipe, event)
    left = None if until is None else max(0.0, until - time.monotonic()) * 1000
    if not poller.poll(left):
        raise TimeoutError
