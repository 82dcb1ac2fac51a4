"""How messages travel between the hub and its nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

__all__ = ["InProcess", "Transport"]


class Transport(Protocol):
    """Carries sealed messages to nodes and their sealed answers back."""

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Each named node's answer. Blocks until all have answered."""
        ...


class InProcess:
    """The embedded engine: every node is a function in this process; the bytes are those of the network."""

    def __init__(self, nodes: Mapping[str, Callable[[bytes], bytes]]) -> None:
        self._nodes = dict(nodes)

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Ask the nodes one after the other."""
        return {name: self._nodes[name](message) for name, message in messages.items()}
