"""Signed envelopes: a body's bytes, its type and version, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

from pydantic import ConfigDict

from hansa.errors import ProtocolError, SignatureInvalid
from hansa.model import Value, read_value
from hansa.wire.codec import SCALARS, decode, encode
from hansa.wire.keys import Signer, key_id, verify_signature

__all__ = ["Envelope", "Keys", "Message", "open_message", "payload_of", "peek", "seal"]


class Message(Value):
    """The base of every body that crosses the wire; ``kind`` and ``version`` (major.minor) name its schema."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @classmethod
    @cache
    def kind(cls) -> str:
        """The type's name on the wire: the class's name in lower case, words apart."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).strip("-")

    @classmethod
    def version(cls) -> str:
        """The schema's major.minor."""
        return "1.0"


M = TypeVar("M", bound=Message)

Keys = Mapping[bytes, tuple[str, bytes]]
"""Known keys: key id to (name, raw public key). Only certified keys are ever put here."""


@dataclass(frozen=True)
class Envelope:
    """An envelope before its signature is checked."""

    kind: str
    version: str
    sender: bytes
    payload: bytes
    signature: bytes


def payload_of(message: Message) -> bytes:
    """The bytes of a message's body, which its signature covers."""
    return encode(dict(_fields(message)))


def seal(message: Message, signer: Signer) -> bytes:
    """The signed envelope of a message."""
    payload = payload_of(message)
    context = f"hansa/{message.kind()}/{message.version().split('.', maxsplit=1)[0]}"
    signature = signer.sign(context, payload)
    return encode([message.kind(), message.version(), key_id(signer.public), payload, signature])


@lru_cache(maxsize=1)  # whoever dispatches a message peeks at it, and whoever opens it does so again
def peek(data: bytes) -> Envelope:
    """The envelope's parts, unverified: only to find out which message to open.

    Raises
    ------
    ProtocolError
        If the bytes are no envelope.
    """
    match decode(data):
        case [str(kind), str(version), bytes(sender), bytes(payload), bytes(signature)]:
            return Envelope(kind, version, sender, payload, signature)
    raise ProtocolError("a message is no signed envelope")


def open_message(data: bytes, expected: type[M], keys: Keys, *, sender: str | None = None) -> tuple[str, M]:
    """Verify an envelope and read its body: (the sender's name, the message).

    Raises
    ------
    SignatureInvalid
        If the key is unknown, another's than ``sender``'s, or the signature does not verify.
    ProtocolError
        If the type, version or body is not what is expected.
    """
    envelope = peek(data)
    if envelope.sender not in keys:
        raise SignatureInvalid("a message is signed with an unknown key", why="no certificate vouches for it")
    name, public_key = keys[envelope.sender]
    major = expected.version().split(".", maxsplit=1)[0]
    if envelope.kind != expected.kind() or envelope.version.split(".", maxsplit=1)[0] != major:
        raise ProtocolError(f"a {expected.kind()} of version {major} was expected, and another message came")
    verify_signature(public_key, f"hansa/{expected.kind()}/{major}", envelope.payload, envelope.signature)
    if sender is not None and name != sender:
        raise SignatureInvalid("a message is signed by another party than it should be")
    body = decode(envelope.payload)
    if not isinstance(body, dict):
        raise ProtocolError("a message's body is no map")
    return name, _read(expected, body)


def _read(expected: type[M], body: dict[str, Any]) -> M:
    try:
        return read_value(expected, body)
    except Exception as fault:
        raise ProtocolError(f"a {expected.kind()} cannot be read", why=getattr(fault, "field", "")) from None


def _fields(message: Message) -> Mapping[str, Any]:
    return {name: _plain(getattr(message, name)) for name in type(message).model_fields}


def _plain(value: Any) -> Any:
    if type(value) in SCALARS:
        return value
    if isinstance(value, Value):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
