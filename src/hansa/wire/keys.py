"""Key pairs, certificates and their chain: who may sign what, until when.

The charter's root signs the members' offline keys; these sign expiring, purpose-bound certificates
(``node-sign``, ``hub``, ``log``, ``researcher``). A key's id is the SHA-256 of its public key.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from hansa.errors import ProtocolError, SignatureInvalid
from hansa.model import Value
from hansa.wire.codec import decode, encode

__all__ = ["Certificate", "CertificatePurpose", "Signer", "certify", "key_id", "verify_chain", "verify_signature"]

CertificatePurpose = Literal[
    "charter", "member", "node-sign", "node-agree", "witness", "hub", "hub-agree", "log", "researcher"
]

_MAY_ISSUE: dict[str, frozenset[str]] = {
    "charter": frozenset({"charter", "member"}),
    "member": frozenset({"node-sign", "node-agree", "witness", "hub", "hub-agree", "log", "researcher"}),
}


def key_id(public_key: bytes) -> bytes:
    """SHA-256 of the raw public key."""
    return hashlib.sha256(public_key).digest()


@dataclass(frozen=True)
class Signer:
    """A private signing key with the name it signs for. Its representation shows no secret."""

    name: str
    _private: Ed25519PrivateKey

    @classmethod
    def new(cls, name: str) -> Signer:
        """A fresh key from the system's random generator."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, name: str, private: bytes) -> Signer:
        """The key with these 32 raw bytes."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(private))

    @property
    def private_bytes(self) -> bytes:
        """The 32 raw bytes, for an encrypted store only."""
        return self._private.private_bytes_raw()

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, context: str, data: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032) over ``context``, a zero byte and the SHA-256 of the data.

        Ed25519 reads what it signs twice; of long messages it reads their hash.
        """
        return self._private.sign(_signed(context, data))

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, key {key_id(self.public).hex()[:16]})"


def verify_signature(public_key: bytes, context: str, data: bytes, signature: bytes) -> None:
    """Raise :class:`SignatureInvalid` unless the signature is this key's over this context and these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed(context, data))
    except (InvalidSignature, ValueError):
        raise SignatureInvalid("a signature does not verify", why=f"context {context}") from None


def _signed(context: str, data: bytes) -> bytes:
    return context.encode() + b"\x00" + hashlib.sha256(data).digest()


class Certificate(Value):
    """A key, what it may be used for, by whom vouched, and until when."""

    subject: str
    purpose: CertificatePurpose
    public_key: bytes
    issuer: bytes
    not_before: dt.datetime
    not_after: dt.datetime
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """What the issuer signs."""
        fields = self.model_dump(exclude={"signature"}, mode="python")
        return encode({**fields, "not_before": _utc(self.not_before), "not_after": _utc(self.not_after)})

    def to_bytes(self) -> bytes:
        """The certificate for the wire."""
        return encode({**decode(self.signed_bytes()), "signature": self.signature})

    @classmethod
    def from_bytes(cls, data: bytes) -> Certificate:
        """A certificate as it came over the wire, not yet verified.

        Raises
        ------
        ProtocolError
            If the bytes are no certificate.
        """
        try:
            return cls.model_validate(decode(data))
        except ValidationError:
            raise ProtocolError("what should be a certificate is none") from None


def certify(
    issuer: Signer,
    subject: str,
    purpose: CertificatePurpose,
    public_key: bytes,
    *,
    now: dt.datetime,
    days: int,
) -> Certificate:
    """A certificate for ``days`` from ``now`` (UTC)."""
    unsigned = Certificate(
        subject=subject,
        purpose=purpose,
        public_key=public_key,
        issuer=key_id(issuer.public),
        not_before=now,
        not_after=now + dt.timedelta(days=days),
    )
    signature = issuer.sign("hansa/certificate/1", unsigned.signed_bytes())
    return unsigned.model_copy(update={"signature": signature})


def verify_chain(chain: Sequence[Certificate], *, root: bytes, now: dt.datetime) -> Certificate:
    """The leaf of a chain that begins with a certificate signed by the charter's root key.

    Raises
    ------
    SignatureInvalid
        If any link is not signed by the one before, may not issue it, or is not valid now.
    """
    issuer_key, issuer_purpose = root, "charter"
    for certificate in chain:
        verify_signature(issuer_key, "hansa/certificate/1", certificate.signed_bytes(), certificate.signature)
        if certificate.issuer != key_id(issuer_key):
            raise SignatureInvalid("a certificate names another issuer", field=certificate.subject)
        if certificate.purpose not in _MAY_ISSUE.get(issuer_purpose, frozenset()):
            raise SignatureInvalid(
                f"a {issuer_purpose} key cannot vouch for a {certificate.purpose} key", field=certificate.subject
            )
        if not certificate.not_before <= now < certificate.not_after:
            raise SignatureInvalid(
                "a certificate is not valid now",
                why="it has expired or is not yet valid",
                fix="ask the member for a new one, and check the clock",
                field=certificate.subject,
            )
        issuer_key, issuer_purpose = certificate.public_key, certificate.purpose
    if not chain:
        raise SignatureInvalid("a chain of certificates is empty")
    return chain[-1]


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
