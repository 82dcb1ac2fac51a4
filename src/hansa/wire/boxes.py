"""Encryption between two parties of the federation: what the messaging server carries, it cannot read.

Hub and node each hold a certified X25519 key. Both derive one secret from the two keys (X25519, RFC 7748; HKDF,
RFC 5869); every message has a key of its own, drawn from the secret by a random 16-byte id, and is cut into
frames that AES-256-GCM (NIST SP 800-38D) protects one by one. A frame is bound to its direction, its place and the
number of frames, so that none can be turned round, reordered, left out or added.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from hansa.errors import ProtocolError

__all__ = ["Frame", "close_box", "open_frame", "pair_secret", "read_frame"]

_MAGIC = b"H1"
_ID = 16
_HEADER = len(_MAGIC) + _ID + 8


@dataclass(frozen=True)
class Frame:
    """One piece of a message on its way: number ``index`` of ``count``, still encrypted."""

    id: bytes
    index: int
    count: int
    body: memoryview


def pair_secret(own: X25519PrivateKey, peer: bytes, *, league: str) -> bytes:
    """The secret of two parties in one league, 32 bytes; the same for both.

    Raises
    ------
    ProtocolError
        If the peer's key is no X25519 key, or of small order.

    Examples
    --------
    >>> one, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    >>> publics = [key.public_key().public_bytes_raw() for key in (one, other)]
    >>> pair_secret(one, publics[1], league="l") == pair_secret(other, publics[0], league="l")
    True
    """
    try:
        agreed = own.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise ProtocolError("a party's agreement key is not usable", fix="ask for its certificate anew") from None
    return HKDF(hashes.SHA256(), 32, salt=b"hansa/box/1", info=league.encode()).derive(agreed)


def close_box(secret: bytes, direction: str, data: bytes, *, frame_bytes: int, head: bytes = b"") -> Iterator[bytes]:
    """The encrypted frames of ``head`` and ``data``, one by one; ``direction`` says from whom to whom.

    Examples
    --------
    >>> frames = close_box(bytes(32), "hub>a", b"hello", frame_bytes=2)
    >>> [open_frame(bytes(32), "hub>a", read_frame(frame)) for frame in frames]
    [b'he', b'll', b'o']
    """
    message = os.urandom(_ID)
    cipher = _cipher(secret, message)
    parts = _cut(head, data, frame_bytes)
    bound, count = _bound(direction, len(parts)), len(parts).to_bytes(4, "big")
    for index, part in enumerate(parts):
        yield b"".join((_MAGIC, message, index.to_bytes(4, "big"), count, cipher.encrypt(_nonce(index), part, bound)))


def _cut(head: bytes, data: bytes, size: int) -> list[bytes | memoryview]:
    """Pieces of ``size`` bytes; long data are not copied."""
    first = size - len(head)
    if len(data) <= first:
        return [head + data]
    view = memoryview(data)
    rest = [view[start : start + size] for start in range(first, len(data), size)]
    return [head + data[:first], *rest]


def read_frame(data: bytes) -> Frame:
    """A frame's parts, not yet verified.

    Raises
    ------
    ProtocolError
        If the bytes are no frame.
    """
    index, count = (
        int.from_bytes(data[_HEADER - 8 : _HEADER - 4], "big"),
        int.from_bytes(data[_HEADER - 4 : _HEADER], "big"),
    )
    if len(data) < _HEADER or not data.startswith(_MAGIC) or index >= count:
        raise ProtocolError("what came over the network is no frame of a message")
    return Frame(data[len(_MAGIC) : len(_MAGIC) + _ID], index, count, memoryview(data)[_HEADER:])


def open_frame(secret: bytes, direction: str, frame: Frame) -> bytes:
    """What a frame holds.

    Raises
    ------
    ProtocolError
        If it is not from the other holder of the secret, or was changed, moved or turned round.
    """
    try:
        return _cipher(secret, frame.id).decrypt(_nonce(frame.index), frame.body, _bound(direction, frame.count))
    except InvalidTag:
        raise ProtocolError("a frame does not open", why="it was changed, or is not from whom it should be") from None


def _cipher(secret: bytes, message: bytes) -> AESGCM:
    return AESGCM(HKDFExpand(hashes.SHA256(), 32, info=message).derive(secret))


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")


def _bound(direction: str, count: int) -> bytes:
    return count.to_bytes(4, "big") + direction.encode()
