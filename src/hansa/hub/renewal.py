"""The hub's own certificates for another year, and new keys where the old ones may be known to others.

The log's key stays. It is what the log is known by: nodes cosign checkpoints of this key only, and every proof names
it. Whoever steals it still cannot rewrite the log, because a node cosigns only what extends what it has seen.
"""

from __future__ import annotations

import datetime as dt

from hansa.errors import StoreError
from hansa.hub.authority import certificate_end, server_files
from hansa.hub.config import HubFolder, own_request
from hansa.wire.charter import KnownCharter, first_end
from hansa.wire.renewal import prepare_keys

__all__ = ["first_ends", "renew_hub"]

_WORKING = ("sign", "agree", "messaging")


def renew_hub(folder: HubFolder, *, new_keys: bool, now: dt.datetime) -> KnownCharter:
    """A new version of the charter with the hub's certificates renewed; the servers' TLS certificate is made anew.

    Raises
    ------
    StoreError
        If the charter's root, the hub's member key or the TLS authority's key is not in its place; nothing is changed
        then.
    """
    config = folder.config
    folder.root_key()
    if not (folder.path / "tls" / "authority.key").exists():
        raise StoreError(
            "the key of the league's TLS authority is not here",
            why="only with it can the servers' certificate be renewed",
            fix="put it back as tls/authority.key for as long as you need it",
            field="authority.key",
        )
    prepare_keys(folder.keys, _WORKING, new=new_keys)
    server_files(folder.path / "tls", [config.host, "localhost"], now=now)
    return folder.admit(own_request(folder, config, now=now), now=now)


def first_ends(folder: HubFolder, known: KnownCharter) -> dict[str, dt.datetime]:
    """When each member's first certificate ends; for the hub, the servers' TLS certificate counts too."""
    ends = {member.name: first_end(member) for member in known.charter.members}
    tls = folder.tls.certificate
    if tls.exists() and "hub" in ends:
        ends["hub"] = min(ends["hub"], certificate_end(tls))
    return ends
