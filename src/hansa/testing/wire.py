"""A bad line: a proxy between a party and its messaging server that cuts, holds and delays what passes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

__all__ = ["BadLine", "bad_line"]

_PIECE = 65_536
_GLANCE = 0.02


class BadLine:
    """Bytes between everybody who connects to ``port`` and one server, on loopback.

    ``delay`` (seconds) holds back each piece on its way; the order of bytes stays.
    """

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._forgotten: set[socket.socket] = set()
        self._whole = threading.Event()
        self._flows = threading.Event()
        self._closed = False
        self._whole.set()
        self._flows.set()
        threading.Thread(target=self._accept, name="bad line", daemon=True).start()

    def cut(self) -> None:
        """End every connection, and let in no other."""
        self._whole.clear()
        self._end_all()

    def heal(self) -> None:
        """Let connections in again."""
        self._whole.set()

    def hold(self) -> None:
        """Swallow nothing and deliver nothing: connections stand, and are silent."""
        self._flows.clear()

    def release(self) -> None:
        """Deliver what was held, and go on."""
        self._flows.set()

    def forget(self) -> None:
        """As a firewall that was restarted: connections that stand are silent for ever, new ones are let through."""
        self._forgotten.update(self._open)

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._flows.set()
        self._listening.close()
        self._end_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listening socket is closed
            while True:
                near, _ = self._listening.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            if not self._whole.is_set():
                raise ConnectionRefusedError
            far = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            near.close()
            return
        self._open.extend((near, far))
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if source in self._forgotten:
                    continue
                while not self._flows.wait(_GLANCE) and self._whole.is_set():
                    pass
                time.sleep(self.delay)
                sink.sendall(piece)
        for end in (source, sink):
            _end(end)

    def _end_all(self) -> None:
        while self._open:
            _end(self._open.pop())


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextlib.contextmanager
def bad_line(target: int) -> Iterator[BadLine]:
    """A bad line to a port of loopback, while the block lasts."""
    line = BadLine(target)
    try:
        yield line
    finally:
        line.close()
