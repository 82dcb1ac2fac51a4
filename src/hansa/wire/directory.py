"""The federation's directory: whose key is good for what, as the charter's root vouches for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hansa.errors import SignatureInvalid
from hansa.model import Party
from hansa.wire.envelope import Keys
from hansa.wire.keys import Certificate, CertificatePurpose, key_id, verify_chain

__all__ = ["Directory", "read_directory"]


@dataclass(frozen=True)
class Directory:
    """Certified keys by purpose; only what a chain to the charter's root vouches for is in it.

    ``parties`` are the organisations that researchers ask for, as the charter names them; empty where one caller
    holds all keys and may ask for anybody.
    """

    keys: Mapping[str, Keys]
    parties: Mapping[str, Party] = field(default_factory=dict)

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
    late: bool = False,
) -> Directory:
    """Verify every chain and collect its leaf; ``revoked`` are key ids that the charter has withdrawn.

    With ``late``, chains that are revoked or not valid now are left out, the others stand: one member's expired
    certificate does not stop a league.

    Raises
    ------
    SignatureInvalid
        If a chain does not lead to the root, or contains a revoked key.
    """
    keys: dict[str, dict[bytes, tuple[str, bytes]]] = {}
    for chain in chains:
        try:
            leaf = _leaf(chain, root=root, now=now, revoked=revoked)
        except SignatureInvalid:
            if not late:
                raise
            continue
        keys.setdefault(leaf.purpose, {})[key_id(leaf.public_key)] = (leaf.subject, leaf.public_key)
    return Directory(keys)


def _leaf(chain: Sequence[Certificate], *, root: bytes, now: dt.datetime, revoked: frozenset[bytes]) -> Certificate:
    leaf = verify_chain(chain, root=root, now=now)
    if any(key_id(certificate.public_key) in revoked for certificate in chain):
        raise SignatureInvalid("a certificate was revoked", field=leaf.subject)
    return leaf
