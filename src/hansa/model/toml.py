"""Settings as TOML text (toml.io, 1.0.0): what a settings file is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["to_toml"]


def to_toml(content: Mapping[str, Any]) -> str:
    """Plain values and one level of tables, as :mod:`tomllib` reads them again.

    Examples
    --------
    >>> print(to_toml({"name": "zurich", "limits": {"seconds": 5.0}, "servers": ["a"]}))
    name = "zurich"
    servers = ["a"]
    <BLANKLINE>
    [limits]
    seconds = 5.0
    <BLANKLINE>
    """
    plain = [f"{_key(name)} = {_value(value)}" for name, value in content.items() if not isinstance(value, Mapping)]
    tables = [
        "\n".join(["", f"[{_key(name)}]", *(f"{_key(field)} = {_value(one)}" for field, one in value.items())])
        for name, value in content.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([*plain, *tables]) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    # A basic string of TOML and a string of JSON escape alike, but for one control character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
