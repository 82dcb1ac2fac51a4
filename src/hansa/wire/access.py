"""Access to a hub's interface by signature: who asks, of which hub, until when.

The assertion is a bearer credential, good for one request within five minutes at most: whoever holds it may use it if
its owner has not, which is why it travels over TLS only and names the one hub that may accept it. The hub remembers
what was used until it expires.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import os
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Len

from hansa.errors import ProtocolError, SignatureInvalid
from hansa.wire.envelope import Keys, Message, open_message, peek, seal
from hansa.wire.keys import Signer

__all__ = ["ACCESS_SCHEME", "LONGEST_ACCESS", "ApiAccess", "Opened", "grant_access", "open_access"]

ACCESS_SCHEME = "Hansa"
"""The scheme of the ``Authorization`` header."""

LONGEST_ACCESS = dt.timedelta(minutes=5)
"""An assertion that would be valid for longer is refused."""

_USUAL = dt.timedelta(minutes=4)  # leaves a minute for clocks that disagree
_MOST_TEXT = 4096
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


class ApiAccess(Message):
    """Its signer may use the interface of the hub ``audience`` until ``expires`` (UTC milliseconds since 1970)."""

    audience: str
    expires: Annotated[int, Ge(0)]
    nonce: Annotated[bytes, Len(16, 16)]


def grant_access(signer: Signer, *, audience: str, now: dt.datetime, lifetime: dt.timedelta = _USUAL) -> str:
    """The text of a fresh assertion, for ``Authorization: Hansa <text>``.

    Parameters
    ----------
    signer : Signer
        The researcher's certified key.
    audience : str
        The hub's name.
    now : datetime
        UTC.
    lifetime : timedelta
        At most :data:`LONGEST_ACCESS` is accepted; less leaves room for clocks that disagree.

    Examples
    --------
    >>> signer = Signer.new("ada")
    >>> text = grant_access(signer, audience="hub", now=dt.datetime(2026, 11, 22, tzinfo=dt.UTC))
    >>> set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    True
    """
    expires = (now + lifetime - _EPOCH) // _MILLISECOND
    sealed = seal(ApiAccess(audience=audience, expires=expires, nonce=os.urandom(16)), signer)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


@dataclass(frozen=True)
class Opened:
    """A verified assertion: who signed it, until when it is good, and the id under which its use is remembered.

    The id is made of what the signature covers: the same assertion in other clothes is the same.
    """

    name: str
    expires: dt.datetime
    id: bytes


def open_access(text: str, keys: Keys, *, audience: str, now: dt.datetime) -> Opened:
    """Verify an assertion. That it was not used before is for the hub to see to.

    Raises
    ------
    SignatureInvalid
        If no certified key signed it, it is for another hub, it has expired, or it would be valid for too long.
    ProtocolError
        If it is no assertion at all.
    """
    sealed = _bytes(text)
    name, access = open_message(sealed, ApiAccess, keys)
    if access.audience != audience:
        raise SignatureInvalid("the assertion is for another hub", fix="sign one for this hub's name", field="audience")
    left = access.expires - (now - _EPOCH) // _MILLISECOND
    if left <= 0:
        raise SignatureInvalid("the assertion has expired", fix="sign a new one, and check the clock", field="expires")
    lifetime = left * _MILLISECOND if left < 2**40 else dt.timedelta.max
    if lifetime > LONGEST_ACCESS:
        raise SignatureInvalid(
            "the assertion would be valid for too long",
            why="five minutes are the most",
            fix="sign one for less, and check the clock",
            field="expires",
        )
    return Opened(name, now + lifetime, peek(sealed).sender + access.nonce)


def _bytes(text: str) -> bytes:
    fault = ProtocolError("the assertion is no base64url text", fix="sign one with Hansa's own client")
    if len(text) > _MOST_TEXT:
        raise fault
    padded = text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise fault from None
