"""The subjects of a league on its messaging server, and who may use which.

A party's permissions name its own subjects and nothing else: a node reads what is for it and writes its own
answers and heartbeat; it can reach nothing at another node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hansa.errors import PolicyError

__all__ = ["Permissions", "alive", "answers", "asks", "hub_permissions", "node_permissions", "session_answers"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Permissions:
    """Subjects that a party may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def asks(league: str, node: str) -> str:
    """Where a node is asked."""
    return f"hansa.{_word(league)}.ask.{_word(node)}"


def answers(league: str, node: str, session: str) -> str:
    """Where a node answers one session of the hub."""
    return f"hansa.{_word(league)}.answer.{_word(node)}.{_word(session)}"


def session_answers(league: str, session: str) -> str:
    """All answers to one session of the hub."""
    return f"hansa.{_word(league)}.answer.*.{_word(session)}"


def alive(league: str, node: str) -> str:
    """A node's heartbeat; ``*`` for all nodes."""
    return f"hansa.{_word(league)}.alive.{node if node == '*' else _word(node)}"


def node_permissions(league: str, node: str) -> Permissions:
    """What a node may do.

    Examples
    --------
    >>> node_permissions("heart", "zurich").subscribe
    ('hansa.heart.ask.zurich',)
    """
    return Permissions((f"hansa.{_word(league)}.answer.{_word(node)}.*", alive(league, node)), (asks(league, node),))


def hub_permissions(league: str) -> Permissions:
    """What the hub may do."""
    return Permissions((f"hansa.{_word(league)}.ask.*",), (f"hansa.{_word(league)}.answer.*.*", alive(league, "*")))


def _word(name: str) -> str:
    """A name as one token of a subject: no dots, wildcards or spaces."""
    if not _NAME.fullmatch(name):
        raise PolicyError(
            "a name cannot stand in a subject of the messaging server",
            fix="use letters, digits, - and _, at most 64",
            field=name if len(name) < 80 else "",
        )
    return name
