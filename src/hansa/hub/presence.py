"""Which nodes are there, and how long a lost one is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Presence"]

_POLL = 0.1


@dataclass(frozen=True)
class Presence:
    """``present`` says whether a node's heartbeat is fresh; ``patience`` is in seconds."""

    present: Callable[[str], bool]
    patience: float = 20.0

    def wait(self, nodes: Sequence[str]) -> frozenset[str]:
        """Wait for these nodes to come back; those that did not.

        Examples
        --------
        >>> Presence(lambda node: node == "a", patience=0).wait(["a", "b"])
        frozenset({'b'})
        """
        ends = time.monotonic() + self.patience
        while True:
            gone = frozenset(node for node in nodes if not self.present(node))
            if not gone or time.monotonic() >= ends:
                return gone
            time.sleep(_POLL)
