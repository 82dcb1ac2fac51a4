"""What the messaging server carries can be neither read nor changed, moved, or turned round."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hansa.engine.frames import Inbox
from hansa.errors import ProtocolError
from hansa.wire.boxes import close_box, open_frame, pair_secret, read_frame

SECRET = bytes(range(32))


def closed(data: bytes, *, frame_bytes: int, head: bytes = b"") -> list[bytes]:
    return list(close_box(SECRET, "ask:a", data, frame_bytes=frame_bytes, head=head))


@given(
    head=st.sampled_from([b"", b"h"]),
    data=st.binary(max_size=400),
    size=st.integers(1, 90),
    order=st.randoms(use_true_random=False),
)
def test_a_message_arrives_whole_in_any_order_and_with_frames_twice(
    head: bytes, data: bytes, size: int, order: object
) -> None:
    frames = closed(data, frame_bytes=size, head=head)
    shuffled = frames * 2
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # random.Random
    inbox = Inbox(SECRET, "ask:a", head=len(head))
    found = [whole for frame in shuffled if (whole := inbox.add(frame)) is not None]
    assert found
    assert all(whole == (head, data) for whole in found)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_a_frame_can_be_changed(place: int, bit: int) -> None:
    frame = bytearray(closed(b"answer 42", frame_bytes=100)[0])
    frame[place % len(frame)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        open_frame(SECRET, "ask:a", read_frame(bytes(frame)))


@pytest.mark.parametrize(("secret", "direction"), [(bytes(32), "ask:a"), (SECRET, "answer:a"), (SECRET, "ask:b")])
def test_a_frame_opens_for_its_receiver_in_its_direction_only(secret: bytes, direction: str) -> None:
    frame = closed(b"x", frame_bytes=10)[0]
    with pytest.raises(ProtocolError, match="does not open"):
        Inbox(secret, direction).add(frame)


def test_nothing_of_the_content_shows() -> None:
    frames = closed(b"cholesterol 240" * 20, frame_bytes=64)
    assert all(b"chol" not in frame for frame in frames)
    assert closed(b"x", frame_bytes=9) != closed(b"x", frame_bytes=9)


def test_a_frame_cannot_take_another_place() -> None:
    one, two = closed(b"abcd", frame_bytes=2)
    swapped = one[:18] + two[18:26] + one[26:]
    with pytest.raises(ProtocolError):
        Inbox(SECRET, "ask:a").add(swapped)


def test_frames_of_two_messages_do_not_mix() -> None:
    one, _ = closed(b"abcd", frame_bytes=2)
    _, other = closed(b"wxyz", frame_bytes=2)
    inbox = Inbox(SECRET, "ask:a")
    assert inbox.add(one) is None
    assert inbox.add(other) is None


@pytest.mark.parametrize("data", [b"", b"H1", b"H2" + bytes(24), b"H1" + bytes(24)])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="no frame"):
        read_frame(data)


def test_unfinished_messages_are_bounded_and_forgotten() -> None:
    now = [0.0]
    inbox = Inbox(SECRET, "ask:a", limit=5, clock=lambda: now[0])
    inbox.add(closed(b"abcdef", frame_bytes=3)[0])
    with pytest.raises(ProtocolError, match="too many unfinished"):
        inbox.add(closed(b"abcdef", frame_bytes=3)[0])
    first, second = closed(b"abcd", frame_bytes=2)
    assert inbox.add(first) is None
    now[0] = 500.0
    assert inbox.add(closed(b"wxyz", frame_bytes=2)[0]) is None
    assert inbox.add(second) is None


def test_both_parties_have_one_secret_and_each_league_its_own() -> None:
    one, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    publics = [key.public_key().public_bytes_raw() for key in (one, other)]
    assert pair_secret(one, publics[1], league="l") == pair_secret(other, publics[0], league="l")
    assert pair_secret(one, publics[1], league="l") != pair_secret(one, publics[1], league="m")


@pytest.mark.parametrize("public", [bytes(32), b"short"])
def test_a_degenerate_key_is_refused(public: bytes) -> None:
    with pytest.raises(ProtocolError, match="not usable"):
        pair_secret(X25519PrivateKey.generate(), public, league="l")
