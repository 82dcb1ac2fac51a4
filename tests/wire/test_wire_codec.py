"""One encoding for each value, and nothing else decodes."""

from __future__ import annotations

import math
import pickle
import struct
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hansa.errors import ProtocolError
from hansa.testing import BAD_PAYLOADS
from hansa.wire import decode, encode

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.binary()
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
arrays = hnp.arrays(
    st.sampled_from([np.dtype("<f8"), np.dtype("<i8"), np.dtype("<u8")]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return type(left) is type(right) and bool(left == right)


@given(plain)
def test_a_plain_value_comes_back(value: Any) -> None:
    assert same(decode(encode(value)), value)


@given(arrays)
def test_an_array_comes_back_in_type_shape_and_bits(array: np.ndarray[Any, Any]) -> None:
    found = decode(encode({"a": array}))["a"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_the_order_of_a_map_does_not_change_its_bytes(value: dict[str, int]) -> None:
    assert encode(dict(reversed(value.items()))) == encode(value)


@given(st.binary(max_size=200))
@example(b"\xd8\x23\x62((")
@example(b"\xd8\x1e\x82\x01\x00")
@example(b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\xd9\x01\x04\x44\x00\x00\x00\x00")
@example(b"\xd8\x24\x61a")
def test_arbitrary_bytes_are_one_encoding_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except ProtocolError:
        return
    assert encode(value) == data


@given(plain, st.binary(min_size=1, max_size=8))
def test_trailing_bytes_are_refused(value: Any, more: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(encode(value) + more)


@given(plain.filter(lambda value: len(encode(value)) > 1))
def test_a_message_cut_short_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError):
        decode(encode(value)[:-1])


@pytest.mark.parametrize("name", [name for name in BAD_PAYLOADS if name not in ("no map", "a pickle in CBOR")])
def test_bytes_that_no_encoder_writes_are_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        decode(BAD_PAYLOADS[name])


def test_a_pickle_inside_stays_bytes() -> None:
    found = decode(BAD_PAYLOADS["a pickle in CBOR"])["study"]
    assert isinstance(found, bytes)
    with pytest.raises(AssertionError, match="executed"):
        pickle.loads(found)


@pytest.mark.parametrize(
    "data",
    [b"\x18\x01", b"\x19\x00\x01", b"\x5f\x41a\xff", b"\x9f\x01\xff", b"\xfb" + struct.pack(">d", 1.5)],
    ids=["long integer", "longer integer", "text in pieces", "open list", "long float"],
)
def test_another_encoding_of_the_same_value_is_refused(data: bytes) -> None:
    assert cbor2.loads(data) is not None
    with pytest.raises(ProtocolError, match="deterministic"):
        decode(data)


def test_nesting_ends_at_the_same_depth_both_ways() -> None:
    value: Any = 0
    for _ in range(200):
        value = [value]
    with pytest.raises(ProtocolError, match="deeply"):
        encode(value)
    with pytest.raises(ProtocolError):
        decode(b"\x81" * 200 + b"\x00")


@pytest.mark.parametrize(
    "value",
    [{1: 2}, {"a": object()}, {"a", "b"}, np.array(["x"]), np.zeros(2, np.float32), np.array([None]), 1j],
    ids=["key", "object", "set", "text array", "narrow array", "object array", "complex"],
)
def test_what_is_not_plain_is_not_encoded(value: Any) -> None:
    with pytest.raises(ProtocolError):
        encode(value)


@pytest.mark.parametrize(
    ("tag", "shape", "size"),
    [(86, [2], 8), (86, [-1], 8), (86, [True], 8), (85, [2], 8), (86, ["1"], 8), (86, 1, 8), (86, [2**70], 8)],
)
def test_an_arrays_tag_shape_and_bytes_belong_together(tag: int, shape: object, size: int) -> None:
    forged = cbor2.CBORTag(40, [shape, cbor2.CBORTag(tag, bytes(size))])
    with pytest.raises(ProtocolError):
        decode(cbor2.dumps(forged, canonical=True))


def test_a_decoded_array_cannot_be_written_to() -> None:
    found = decode(encode(np.zeros(3)))
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1.0
