"""The embedded league's keys: the same chain as a real one's, made anew for each league."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.wire import Certificate, Signer, certify
from hansa.wire.directory import Directory, read_directory
from hansa.wire.keys import CertificatePurpose

__all__ = ["LeagueKeys", "make_keys"]

_DAYS = 365


@dataclass(frozen=True)
class LeagueKeys:
    """All keys of one league. That one process holds them is why it is no security boundary."""

    hub: Signer
    researcher: Signer
    nodes: dict[str, Signer]
    log: Ed25519PrivateKey = field(repr=False)
    witnesses: dict[str, Ed25519PrivateKey] = field(repr=False)
    directory: Directory
    origin: str


def make_keys(nodes: Sequence[str], *, origin: str, now: dt.datetime, secret: Callable[[str], bytes]) -> LeagueKeys:
    """A charter's root, its members' offline keys, and the expiring certificates that these sign.

    ``secret`` gives the 32 private bytes of a key by its name: the same again for a league that is kept.
    """
    root = Signer.from_bytes("charter", secret("charter"))
    log = Ed25519PrivateKey.from_private_bytes(secret("log"))
    hub, researcher = (Signer.from_bytes(name, secret(f"{name}-sign")) for name in ("hub", "researcher"))
    signers = {name: Signer.from_bytes(name, secret(f"node-{name}-sign")) for name in nodes}
    chains = [
        _chain(root, "hub", "hub", hub.public, now),
        _chain(root, origin, "log", log.public_key().public_bytes_raw(), now),
        _chain(root, "researcher", "researcher", researcher.public, now),
        *(_chain(root, name, "node-sign", signer.public, now) for name, signer in signers.items()),
    ]
    directory = read_directory(chains, root=root.public, now=now)
    witnesses = {name: Ed25519PrivateKey.from_private_bytes(secret(f"node-{name}-witness")) for name in nodes}
    return LeagueKeys(hub, researcher, signers, log, witnesses, directory, origin)


def _chain(
    root: Signer, subject: str, purpose: CertificatePurpose, public: bytes, now: dt.datetime
) -> list[Certificate]:
    member = Signer.new(f"{subject}, offline")
    return [
        certify(root, member.name, "member", member.public, now=now, days=_DAYS),
        certify(member, subject, purpose, public, now=now, days=_DAYS),
    ]
