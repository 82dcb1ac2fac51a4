"""The charter: the league's members, keys and addresses, signed by its root; and how a party asks to join.

Whoever holds the root's fingerprint can check everything else. A newer charter has a higher version; a party never
goes back to an older one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hansa.errors import PolicyError, SignatureInvalid
from hansa.model import Party, Value
from hansa.wire.codec import decode
from hansa.wire.directory import Directory, read_directory
from hansa.wire.envelope import Message, open_message, peek, seal
from hansa.wire.keyring import Keyring
from hansa.wire.keys import Certificate, CertificatePurpose, Signer, certify, key_id

__all__ = [
    "Charter",
    "JoinRequest",
    "KnownCharter",
    "Leaf",
    "Member",
    "admit",
    "fingerprint",
    "first_end",
    "key_ids",
    "read_charter",
    "read_request",
    "request_to_join",
    "sign_charter",
]

_DAYS = 365
_SKEW = dt.timedelta(hours=1)

Role = Literal["hub", "node", "researcher"]

Leaf = tuple[str, CertificatePurpose, bytes]
"""Of a certificate: whom it names, for what, and the public key."""


class Member(Value):
    """One party of the league: its name in certificates, and the ``nkey`` that lets it into the messaging server."""

    name: str
    role: Role
    party: Party
    nkey: str = ""
    chains: tuple[tuple[bytes, ...], ...] = ()


class Charter(Message):
    """The league as its members agreed it. ``root`` is the key that signs it; ``authority`` that of TLS (PEM)."""

    league: str
    charter_version: int
    root: bytes
    servers: tuple[str, ...]
    api: str
    authority: str
    min_nodes: int
    dictionary: bytes
    members: tuple[Member, ...]
    revoked: tuple[bytes, ...] = ()


class JoinRequest(Message):
    """Who wants to join: the member's offline key, which signs this and vouches for the certificates in it."""

    name: str
    role: Role
    party: Party
    member: bytes
    nkey: str
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class KnownCharter:
    """A charter whose signature was verified, its directory of keys, and the bytes to pass on."""

    charter: Charter
    directory: Directory
    sealed: bytes

    def member(self, name: str) -> Member:
        """The member of this name.

        Raises
        ------
        SignatureInvalid
            If the charter knows none.
        """
        for member in self.charter.members:
            if member.name == name:
                return member
        raise SignatureInvalid(f"the charter has no member called {name}", fix="ask its members to admit it")

    def end_of(self, name: str) -> dt.datetime | None:
        """When the first certificate of a member ends; ``None`` if the charter does not name it."""
        return next((first_end(member) for member in self.charter.members if member.name == name), None)


def sign_charter(charter: Charter, root: Signer) -> bytes:
    """The charter's envelope, signed by the root it names."""
    if charter.root != root.public:
        raise SignatureInvalid("a charter is signed by its own root")
    return seal(charter, root)


def read_charter(sealed: bytes, *, now: dt.datetime, root: bytes | None = None, after: int = 0) -> KnownCharter:
    """Verify a charter and every certificate in it.

    Parameters
    ----------
    sealed : bytes
        As :func:`sign_charter` gave it.
    now : datetime
        Certificates must be valid then.
    root : bytes, optional
        The root's public key, as it is known already. Without it the charter is taken at its word: then its
        fingerprint must be compared by people.
    after : int
        The version known before: an older charter is refused.

    Raises
    ------
    SignatureInvalid
        If a signature or certificate does not verify, or the root is another.
    PolicyError
        If the charter is older than the one known.
    """
    signer = peek(sealed).sender
    trusted = _claimed_root(sealed) if root is None else root
    _, charter = open_message(sealed, Charter, {key_id(trusted): ("charter", trusted)})
    if charter.root != trusted or signer != key_id(trusted):
        raise SignatureInvalid("a charter is signed by its own root", why="this one names another")
    if charter.charter_version < after:
        raise PolicyError("this charter is older than the one known here", fix="ask the hub for the newest")
    chains = [[Certificate.from_bytes(one) for one in chain] for member in charter.members for chain in member.chains]
    directory = read_directory(chains, root=trusted, now=now, revoked=frozenset(charter.revoked), late=True)
    parties = {member.name: member.party for member in charter.members if member.role == "researcher"}
    return KnownCharter(charter, Directory(directory.keys, parties), sealed)


def _claimed_root(sealed: bytes) -> bytes:
    body = decode(peek(sealed).payload)
    claimed = body.get("root") if isinstance(body, dict) else None
    if not isinstance(claimed, bytes):
        raise SignatureInvalid("what should be a charter is none")
    return claimed


def request_to_join(
    name: str, role: Role, party: Party, keys: Keyring, *, leaves: Sequence[Leaf], now: dt.datetime, nkey: str = ""
) -> tuple[JoinRequest, Signer]:
    """A request, and the offline member key that vouches for its keys and signs it."""
    member = keys.signer("member", f"{name}, offline")
    certified = (
        certify(member, subject, purpose, public, now=now - _SKEW, days=_DAYS) for subject, purpose, public in leaves
    )
    certificates = tuple(leaf.to_bytes() for leaf in certified)
    request = JoinRequest(name=name, role=role, party=party, member=member.public, nkey=nkey, certificates=certificates)
    return request, member


def read_request(sealed: bytes) -> JoinRequest:
    """A join request whose sender holds the member key it names.

    Raises
    ------
    SignatureInvalid
        If it is signed by another key than its own.
    """
    body = decode(peek(sealed).payload)
    member = body.get("member") if isinstance(body, dict) else None
    if not isinstance(member, bytes):
        raise SignatureInvalid("what should be a join request is none")
    return open_message(sealed, JoinRequest, {key_id(member): ("member", member)})[1]


def fingerprint(sealed: bytes) -> str:
    """What two people read to each other: 80 bits of SHA-256 over the bytes, in five groups.

    Examples
    --------
    >>> fingerprint(b"request")
    '1f58-b914-5b24-d108-d7ac'
    """
    digest = hashlib.sha256(sealed).hexdigest()[:20]
    return "-".join(digest[first : first + 4] for first in range(0, 20, 4))


def admit(charter: Charter, request: JoinRequest, root: Signer, *, now: dt.datetime) -> Charter:
    """The next version of the charter, with this member in it (in place of an earlier one of its name and key).

    Keys that the earlier one had and this one has not are revoked.

    Raises
    ------
    PolicyError
        If the name belongs to a member with another key (revoke that one first), or a key of the request was revoked.
    """
    certificate = certify(root, f"{request.name}, offline", "member", request.member, now=now - _SKEW, days=_DAYS)
    own = certificate.to_bytes()
    chains = tuple((own, leaf) for leaf in request.certificates)
    leaves = [Certificate.from_bytes(leaf) for leaf in request.certificates]
    _check_leaves(request, leaves)
    _check_not_revoked(charter, [request.member, *(leaf.public_key for leaf in leaves)])
    added = Member(name=request.name, role=request.role, party=request.party, nkey=request.nkey, chains=chains)
    others = tuple(member for member in charter.members if member.name != request.name)
    known = next((member for member in charter.members if member.name == request.name), None)
    if known is not None and not _same_key(known, request):
        raise PolicyError(
            "another member has this name", fix="revoke its keys first, or take another name", field="name"
        )
    replaced = set() if known is None else key_ids(known) - key_ids(added)
    changes = {
        "members": (*others, added),
        "revoked": tuple(sorted({*charter.revoked, *replaced})),
        "charter_version": charter.charter_version + 1,
    }
    return charter.model_copy(update=changes)


def key_ids(member: Member) -> set[bytes]:
    """The ids of all keys that a member's certificates name."""
    return {key_id(Certificate.from_bytes(one).public_key) for chain in member.chains for one in chain}


def first_end(member: Member) -> dt.datetime:
    """When the first of a member's certificates ends: the member is good for nothing whole from then on."""
    return min(Certificate.from_bytes(one).not_after for chain in member.chains for one in chain)


_ROLE_PURPOSES: dict[str, frozenset[str]] = {
    "hub": frozenset({"hub", "hub-agree", "log"}),
    "node": frozenset({"node-sign", "node-agree", "witness"}),
    "researcher": frozenset({"researcher"}),
}


def _check_leaves(request: JoinRequest, leaves: Sequence[Certificate]) -> None:
    """A request certifies its own name, for the purposes of its role, each once."""
    purposes = [leaf.purpose for leaf in leaves]
    right = set(purposes) == _ROLE_PURPOSES[request.role] and len(purposes) == len(set(purposes))
    names = {leaf.subject for leaf in leaves if leaf.purpose != "log"}
    if not right or names != {request.name}:
        raise PolicyError(
            f"the request's certificates are not those of a {request.role} called {request.name}",
            fix="make the request with hansa's own command",
            field="certificates",
        )


def _check_not_revoked(charter: Charter, keys: Sequence[bytes]) -> None:
    """Every party would ignore such a certificate: a member admitted with it could do nothing, and not know why."""
    if any(key_id(key) in charter.revoked for key in keys):
        raise PolicyError(
            "a key of this request was revoked",
            why="it belongs to a member that was revoked, or was replaced by a newer one",
            fix="renew it with --new-keys; a member that was revoked makes a new folder",
            field="certificates",
        )


def _same_key(member: Member, request: JoinRequest) -> bool:
    return all(Certificate.from_bytes(chain[0]).public_key == request.member for chain in member.chains)
