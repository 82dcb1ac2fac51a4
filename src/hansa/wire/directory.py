"""The federation's directory: whose key is good for what, as the charter's root vouches for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hansa.errors import SignatureInvalid
from hansa.wire.envelope import Keys
from hansa.wire.keys import Certificate, CertificatePurpose, key_id, verify_chain

__all__ = ["Directory", "read_directory"]


@dataclass(frozen=True)
class Directory:
    """Certified keys by purpose; only what a chain to the charter's root vouches for is in it."""

    keys: Mapping[str, Keys]

    def of(self, purpose: CertificatePurpose) -> Keys:
        """The keys that may sign for this purpose."""
        return self.keys.get(purpose, {})

    def public_key(self, purpose: CertificatePurpose, name: str) -> bytes:
        """The raw public key of a named party.

        Raises
        ------
        SignatureInvalid
            If nobody of that name is certified for the purpose.
        """
        for known, public in self.of(purpose).values():
            if known == name:
                return public
        raise SignatureInvalid(f"nobody called {name} is certified as {purpose}", fix="ask for its certificate")


def read_directory(
    chains: Iterable[Sequence[Certificate]],
    *,
    root: bytes,
    now: dt.datetime,
    revoked: frozenset[bytes] = frozenset(),
) -> Directory:
    """Verify every chain and collect its leaf; ``revoked`` are key ids that the charter has withdrawn.

    Raises
    ------
    SignatureInvalid
        If a chain does not lead to the root, or contains a revoked key.
    """
    keys: dict[str, dict[bytes, tuple[str, bytes]]] = {}
    for chain in chains:
        leaf = verify_chain(chain, root=root, now=now)
        if any(key_id(certificate.public_key) in revoked for certificate in chain):
            raise SignatureInvalid("a certificate was revoked", field=leaf.subject)
        keys.setdefault(leaf.purpose, {})[key_id(leaf.public_key)] = (leaf.subject, leaf.public_key)
    return Directory(keys)
