"""Results as plain values: what is logged, signed, sent and shown.

A plan returns a frozen dataclass of text, numbers, booleans, ``None``, tuples and further such dataclasses;
its ``schema`` ("glm/1.1") names what the fields mean, by major and minor version.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from hansa.errors import MethodError

__all__ = ["Result", "to_plain"]


@dataclasses.dataclass(frozen=True)
class Result:
    """The base of every plan's result."""

    schema: ClassVar[str] = ""


def to_plain(value: Any) -> Any:
    """A result as nested dictionaries and lists; not-a-number and infinity become ``None``.

    Raises
    ------
    MethodError
        For a value that is not plain.

    Examples
    --------
    >>> to_plain((1, float("nan"), "a"))
    [1, None, 'a']
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        schema = getattr(value, "schema", "")
        return {"schema": schema, **fields} if schema else fields
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    raise MethodError(f"a result holds a {type(value).__name__}", why="results are plain values")
