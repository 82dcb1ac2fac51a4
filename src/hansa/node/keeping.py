"""Which questions' arrays stay ready: those of the one asked last, and of others as far as there is room.

Nobody tells a node that a run has ended, and one run's design matrix may fill half the memory.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Keeping", "Kept"]


class Keeping(Protocol):
    """The rows of a question, with arrays that can be made again."""

    @property
    def kept_bytes(self) -> int:
        """What its arrays take."""
        ...

    def forget(self) -> None:
        """Let go of the arrays."""
        ...


@dataclass(eq=False)
class Kept:
    """The questions of a node, in the order in which their arrays were built last; ``room`` in bytes."""

    room: int = 1 << 29
    _order: list[weakref.ref[Keeping]] = field(default_factory=list)

    def make_room(self, rows: Keeping) -> None:
        """Before ``rows`` builds its arrays: the newest of the others stay, as many as there is room for."""
        others = [one for known in self._order if (one := known()) is not None and one is not rows]
        taken = 0
        for one in reversed(others):
            taken += one.kept_bytes
            if taken > self.room:
                one.forget()
        self._order = [weakref.ref(one) for one in (*others, rows)]
