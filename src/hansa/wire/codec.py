"""Deterministic CBOR (RFC 8949, section 4.2), with arrays as RFC 8746 typed arrays.

What decodes is exactly what a Hansa encoder would have written: another encoding of the same value, an
unknown tag, a map with a key that is not text, or trailing bytes are refused, so that a signature over bytes
is a signature over one meaning. Nothing but plain values can come out; there is nothing to execute.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any, Never

import cbor2
import numpy as np
from numpy.typing import NDArray

from hansa.errors import ProtocolError

__all__ = ["MAX_BYTES", "SCALARS", "decode", "encode"]

MAX_BYTES = 2**31
_MAX_DEPTH = 32
SCALARS = frozenset({type(None), bool, int, float, str, bytes})
"""Types that stand for themselves."""
_MULTI_DIMENSIONAL = 40  # RFC 8746, section 3.1.1: row-major array
_TYPED: dict[int, str] = {71: "<u8", 79: "<i8", 86: "<f8"}  # RFC 8746, section 2.1: little-endian typed arrays
_MEANINGFUL = (0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags that cbor2 makes something of (dates, regular expressions, references): none of it is a plain value."""
_TAG_OF: dict[str, int] = {"u8": 71, "i8": 79, "f8": 86}


def encode(value: Any) -> bytes:
    """The one encoding of a plain value: None, booleans, integers, floats, text, bytes, lists, maps, arrays.

    Raises
    ------
    ProtocolError
        For any other type.

    Examples
    --------
    >>> encode({"b": 1, "a": [True, None]}).hex()
    'a2616182f5f6616201'
    """
    return cbor2.dumps(_tagged(value, 0), canonical=True)


def decode(data: bytes) -> Any:
    """The value of one encoding.

    Raises
    ------
    ProtocolError
        If the bytes are not the deterministic encoding of a plain value.
    """
    if len(data) > MAX_BYTES:
        raise ProtocolError("a message is too large", why=f"at most {MAX_BYTES} bytes are read")
    try:
        tagged = _decoder(data).decode()
        canonical = cbor2.dumps(tagged, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as fault:
        raise ProtocolError("a message is not CBOR", why=type(fault).__name__) from None
    if canonical != data:
        raise ProtocolError("a message is not in the deterministic encoding", why="RFC 8949, section 4.2")
    return _plain(tagged, 0)


def _decoder(data: bytes) -> cbor2.CBORDecoder:
    """Few bytes can cost much to read (keys that collide, or are maps; patterns to compile): all are refused."""
    return cbor2.CBORDecoder(
        io.BytesIO(data),
        semantic_decoders=dict.fromkeys(_MEANINGFUL, _meaningless),
        max_depth=_MAX_DEPTH + 4,  # an array is a tag around a list around a tag
        strict_hashable_types=True,
    )


def _meaningless(_value: Any, _immutable: bool) -> Never:
    raise ValueError("not a plain value")


def _tagged(value: Any, depth: int) -> Any:
    if type(value) in SCALARS:
        return value
    if depth > _MAX_DEPTH:
        raise ProtocolError("a message is nested too deeply")
    if isinstance(value, np.ndarray):
        return _array_tag(value)
    # Most items are scalars, which need no call of their own: this is a round's most frequent work.
    if isinstance(value, list | tuple):
        return [item if type(item) in SCALARS else _tagged(item, depth + 1) for item in value]
    if isinstance(value, dict | Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ProtocolError("a map's keys are text")
        return {key: item if type(item) in SCALARS else _tagged(item, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise ProtocolError(f"a {type(value).__name__} does not cross the wire", why="only plain values do")


def _array_tag(array: NDArray[Any]) -> cbor2.CBORTag:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    if kind not in _TAG_OF:
        raise ProtocolError(f"an array of {array.dtype} does not cross the wire", why="64-bit numbers do")
    body = np.ascontiguousarray(array, dtype=_TYPED[_TAG_OF[kind]]).tobytes()
    return cbor2.CBORTag(_MULTI_DIMENSIONAL, [list(array.shape), cbor2.CBORTag(_TAG_OF[kind], body)])


def _plain(value: Any, depth: int) -> Any:
    if type(value) in SCALARS:
        return value
    if depth > _MAX_DEPTH:
        raise ProtocolError("a message is nested too deeply")
    if isinstance(value, cbor2.CBORTag):
        return _array(value)
    if type(value) is dict:
        if not all(isinstance(key, str) for key in value):
            raise ProtocolError("a map's keys are text")
        return {key: item if type(item) in SCALARS else _plain(item, depth + 1) for key, item in value.items()}
    if type(value) is list:
        return [item if type(item) in SCALARS else _plain(item, depth + 1) for item in value]
    raise ProtocolError("a message holds what is not a plain value")


def _array(tag: cbor2.CBORTag) -> NDArray[Any]:
    match tag.tag, tag.value:
        case 40, [[*shape], cbor2.CBORTag() as typed] if typed.tag in _TYPED and isinstance(typed.value, bytes):
            sizes = [size for size in shape if isinstance(size, int) and not isinstance(size, bool) and size >= 0]
            if len(sizes) == len(shape) and math.prod(sizes) * 8 == len(typed.value):
                return np.frombuffer(typed.value, dtype=_TYPED[typed.tag]).reshape(sizes)
    raise ProtocolError("an array's tag, shape and bytes do not belong together", why="RFC 8746, section 3.1.1")
