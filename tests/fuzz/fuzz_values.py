"""A message's body with one thing changed: every field, at every depth, by every kind of plain value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["FEW_JSON_KINDS", "FEW_KINDS", "JSON_KINDS", "KINDS", "changes"]

_DEEP: Any = 0
for _ in range(20):
    _DEEP = [_DEEP]

JSON_KINDS: dict[str, Any] = {
    "nothing": None,
    "true": True,
    "minus one": -1,
    "two to the 64": 2**64,
    "two to the 2000": 2**2000,
    "a half": 0.5,
    "no number": float("nan"),
    "infinity": float("inf"),
    "empty text": "",
    "text": "x",
    "a control character": "\x00",
    "long text": "a" * 20_000,
    "an empty list": [],
    "a list": [1, "x", None],
    "an empty map": {},
    "a map": {"x": 1},
    "nested": _DEEP,
}
"""What JSON can hold, or what Python's JSON writes."""

KINDS: dict[str, Any] = {
    **JSON_KINDS,
    "bytes": bytes(32),
    "no bytes": b"",
    "floats": np.zeros((2, 3)),
    "not finite floats": np.array([np.nan, np.inf]),
    "signed lanes": np.zeros((2, 3), dtype="<i8"),
    "lanes": np.zeros((2, 3), dtype="<u8"),
    "no lanes": np.zeros((2, 0), dtype="<u8"),
    "many axes": np.zeros((1,) * 30),
}
"""What the codec can carry."""
FEW_JSON_KINDS = {
    name: JSON_KINDS[name] for name in ("nothing", "two to the 2000", "no number", "text", "a map", "a list", "nested")
}
FEW_KINDS = {name: KINDS[name] for name in ("nothing", "minus one", "no number", "text", "a map", "floats")}
"""For what is played many times: one of each sort."""


def changes(value: Any, kinds: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """(what was changed, the changed value), one change at a time."""
    if place:
        yield from ((f"{place} is {name}", kind) for name, kind in kinds.items())
    if isinstance(value, dict):
        yield f"{place} has one more", {**value, "more": 1}
        for name, item in value.items():
            yield f"{place}.{name} is missing", {key: one for key, one in value.items() if key != name}
            for what, changed in changes(item, kinds, f"{place}.{name}"):
                yield what, {**value, name: changed}
    if isinstance(value, list):
        yield from _changed_list(value, kinds, place)


def _changed_list(value: list[Any], kinds: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    if value:
        yield f"{place} lacks its last", value[:-1]
        yield f"{place} is there twice", [*value, *value]
        yield f"{place} is turned round", value[::-1]
        for what, changed in changes(value[0], kinds, f"{place}.0"):
            yield what, [changed, *value[1:]]
