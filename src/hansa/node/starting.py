"""A node's first connection: the hub may come up later than its nodes, and a node may wait to be admitted."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable

from hansa.engine.link import NotAdmitted
from hansa.engine.logs import log_event
from hansa.errors import Unreachable
from hansa.node.config import NodeFolder
from hansa.node.daemon import REFUSED, NodeDaemon
from hansa.wire.folder import write_status

__all__ = ["start_node"]

_PAUSE = 0.3
_LONGEST_PAUSE = 10.0


def start_node(
    folder: NodeFolder, *, clock: Callable[[], dt.datetime], wait: float, refused: Callable[[NotAdmitted], object]
) -> NodeDaemon:
    """The daemon, once it is let in.

    A messaging server that cannot be reached is tried for ``wait`` seconds. One that refuses this node is tried for
    ever, less and less often: whoever admits the node need not know when it was started. ``refused`` is told once.

    Raises
    ------
    Unreachable
        If no messaging server is reached in that time.
    DataError, StoreError, PolicyError
        As :class:`hansa.node.daemon.NodeDaemon`.
    """
    ends, pause, told = time.monotonic() + wait, _PAUSE, False
    while True:
        try:
            return NodeDaemon(folder, clock=clock)
        except NotAdmitted as fault:
            if not told:
                log_event("connection refused", level="warning", node=folder.config.name)
                refused(fault)
            told, pause = True, min(2 * pause, _LONGEST_PAUSE)
            status = {"state": REFUSED, "pid": os.getpid(), "at": clock().isoformat(timespec="seconds")}
            write_status(folder.path, {**status, "connected": False})
        except Unreachable:
            if not told and time.monotonic() > ends:
                raise
        time.sleep(pause)
