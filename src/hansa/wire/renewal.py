"""What the renewals of hub, nodes and researchers have in common: the member key stays, working keys may be replaced.

The member key is what a party is known by: it vouches for the others. Certificates last a year; a request by the same
member key replaces them, and the keys that they named before and do not name now are revoked with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from hansa.errors import PolicyError, StoreError
from hansa.wire.charter import KnownCharter, read_charter
from hansa.wire.folder import keep_charter, kept_charter
from hansa.wire.keyring import Keyring

__all__ = ["SOON", "prepare_keys", "take_charter"]

SOON = dt.timedelta(days=30)
"""A certificate that ends within this time should be renewed now."""


def prepare_keys(keys: Keyring, working: Sequence[str], *, new: bool) -> None:
    """Make sure that the member key is there; where ``new`` keys are wanted, delete the working ones.

    Raises
    ------
    StoreError
        If the member key is not in its place: another would belong to another member.
    """
    if not keys.holds("member"):
        raise StoreError(
            "the member key is not here",
            why="only it can vouch for renewed keys, and it is never made anew",
            fix="put it back as keys/member.key",
            field="member.key",
        )
    if new:
        keys.forget(*working)


def take_charter(folder: Path, sealed: bytes, *, name: str, now: dt.datetime, fix: str) -> KnownCharter:
    """Keep a charter that was brought by hand: by the root agreed first, not older, and with this member in it.

    Raises
    ------
    SignatureInvalid
        If another root signed it.
    PolicyError
        If it is older than the one kept, or does not name the member.
    StoreError
        If the folder has joined no league; ``fix`` is the command that joins one.
    """
    kept = kept_charter(folder, now=now, fix=fix).charter
    known = read_charter(sealed, now=now, root=kept.root, after=kept.charter_version)
    if name not in {member.name for member in known.charter.members}:
        raise PolicyError(
            f"this charter has no member called {name}",
            why="its members have not admitted it, or have revoked it",
            fix="ask them; the charter kept here stands",
            field="members",
        )
    keep_charter(folder, known)
    return known
