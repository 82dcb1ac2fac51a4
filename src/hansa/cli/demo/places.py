"""The four hospitals as a reader knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Place", "in_order", "place"]


@dataclass(frozen=True)
class Place:
    """A node's name for people, and its country where the name does not tell it."""

    name: str
    country: str = ""


_PLACES = {
    "cleveland": Place("Cleveland"),
    "budapest": Place("Budapest", "Hungary"),
    "zurich": Place("Zurich", "Switzerland"),
    "long_beach": Place("Long Beach"),
}


def place(node: str) -> Place:
    """The place of a node; a node that is not known here goes by its own name."""
    return _PLACES.get(node, Place(node))


def in_order(nodes: Iterable[str]) -> list[str]:
    """Nodes in the page's order, others behind them by name."""
    order = list(_PLACES)
    return sorted(nodes, key=lambda node: (order.index(node) if node in order else len(order), node))
