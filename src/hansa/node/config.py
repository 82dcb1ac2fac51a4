"""A custodian's folder: ``node.toml``, keys, charter, policy and store.

node.toml       what is set: name, data, policy, consent, limits, facts
policy.yaml     the custodian's policy
charter.cbor    the league's charter, the newest version seen
keys/           secrets, readable by their owner only
node.db         the store: studies, decisions, ledger, history, audit
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from pydantic import Field

from hansa.governance import Policy, read_policy
from hansa.model import Party, Value
from hansa.wire.charter import KnownCharter, Leaf, read_charter, request_to_join
from hansa.wire.envelope import seal
from hansa.wire.folder import keep_charter, kept_charter, pinned_root, read_settings, replace_file, write_settings
from hansa.wire.keyring import Keyring
from hansa.wire.keys import CertificatePurpose
from hansa.wire.renewal import prepare_keys, take_charter

__all__ = ["Compute", "Limits", "NodeConfig", "NodeFolder", "found_node", "join_request", "renew_node", "working_keys"]

_WORKING = ("sign", "agree", "witness", "messaging")


class Limits(Value):
    """What a step may use: megabytes of memory, seconds per request."""

    memory_mb: int = Field(default=2048, ge=256)
    seconds: float = Field(default=600.0, gt=0)


class Compute(Value):
    """Where steps run: on the Dask cluster whose scheduler is at ``dask``; on this machine, where none is named."""

    dask: str | None = Field(default=None, pattern=r"^(tcp|tls)://[^/]+:[0-9]+$")


class NodeConfig(Value):
    """``node.toml``.

    Attributes
    ----------
    name : str
        The node's name in the league.
    party : Party
        Whose node it is.
    data : str
        A path (relative to the folder) to Parquet, CSV or DuckDB, or a ``postgresql://`` address.
    consent : str
        ``"everyone"``, where all people in the data consent to every purpose the policy allows, or the path of a
        CSV file with the columns ``person`` and ``purpose`` (a DUO code; empty for any).
    facts : dict
        What only the node knows (see the policy reference), such as ``"consent.register" = true``.
    servers : tuple of str
        Messaging servers to use in place of the charter's: a leaf server inside the custodian's own network, say.
    credentials : str
        A ``.creds`` file (relative to the folder), where the messaging servers' operator issues JWTs; the node's own
        nkey without one.
    isolate : bool
        Whether steps run in worker processes of their own, without network. Without effect where a cluster is named.
    compute : Compute
        Where steps run.
    """

    name: str
    party: Party
    data: str
    policy: str = "policy.yaml"
    consent: str = "everyone"
    facts: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    compute: Compute = Compute()
    servers: tuple[str, ...] = ()
    credentials: str = ""
    isolate: bool = True
    metrics_port: int | None = None


class NodeFolder:
    """One custodian's folder, opened.

    Raises
    ------
    StoreError
        If there is no ``node.toml``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = Keyring(path / "keys")

    @property
    def config(self) -> NodeConfig:
        """What ``node.toml`` says.

        Raises
        ------
        StoreError, PolicyError
            As :func:`hansa.wire.folder.read_settings`.
        """
        return read_settings(self.path / "node.toml", NodeConfig, fix="hansa node init")

    @property
    def policy(self) -> Policy:
        """The custodian's policy."""
        return read_policy((self.path / self.config.policy).read_text(encoding="utf-8"))

    @property
    def data(self) -> str:
        """Where the data are: an address, or an absolute path."""
        source = self.config.data
        return source if "://" in source else str((self.path / source).resolve())

    @property
    def credentials(self) -> Path | None:
        """The ``.creds`` file, if the messaging servers want one."""
        return self.path / self.config.credentials if self.config.credentials else None

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.path / "node.db"

    def charter(self, *, now: dt.datetime) -> KnownCharter:
        """The newest charter seen, verified against the root that was agreed first.

        Raises
        ------
        StoreError
            If the node has not joined a league yet.
        """
        return kept_charter(self.path, now=now, fix="hansa node init --charter FILE")

    def take_charter(self, sealed: bytes, *, now: dt.datetime) -> KnownCharter:
        """Keep a newer charter (see :func:`hansa.wire.renewal.take_charter`)."""
        return take_charter(self.path, sealed, name=self.config.name, now=now, fix="hansa node init --charter FILE")

    def certificates_end(self, *, now: dt.datetime) -> dt.datetime | None:
        """When this node's first certificate ends, by the charter kept here; ``None`` if that does not name it."""
        return self.charter(now=now).end_of(self.config.name)

    def newer_charter(self, sealed: bytes, *, now: dt.datetime) -> KnownCharter:
        """A charter, if it is by the same root and not older than the one kept; of the first one, at its word."""
        root = pinned_root(self.path)
        after = 0 if root is None else self.charter(now=now).charter.charter_version
        return read_charter(sealed, now=now, root=root, after=after)


def working_keys(name: str, keys: Keyring) -> tuple[tuple[CertificatePurpose, bytes], ...]:
    """The public keys that a node works with, by purpose."""
    return (
        ("node-sign", keys.signer("sign", name).public),
        ("node-agree", keys.agreement("agree").public_key().public_bytes_raw()),
        ("witness", keys.signer("witness", name).public),
    )


def join_request(name: str, party: Party, keys: Keyring, *, now: dt.datetime) -> bytes:
    """A node's signed request to join: its member key vouches for the keys it works with."""
    leaves: list[Leaf] = [(name, purpose, key) for purpose, key in working_keys(name, keys)]
    nkey = keys.nkey("messaging")[1]
    return seal(*request_to_join(name, "node", party, keys, leaves=leaves, now=now, nkey=nkey))


def found_node(folder: NodeFolder, config: NodeConfig, policy: Path, charter: bytes, *, now: dt.datetime) -> bytes:
    """A new node's folder: settings, policy, keys, the league's charter; the node's request to join.

    Raises
    ------
    StoreError
        If the folder holds a node already.
    """
    known = folder.newer_charter(charter, now=now)
    read_policy(policy.read_text(encoding="utf-8"))
    write_settings(folder.path / "node.toml", config)
    keep_charter(folder.path, known)
    (folder.path / "policy.yaml").write_bytes(policy.read_bytes())
    return _write_request(folder, config, now=now)


def renew_node(folder: NodeFolder, *, new_keys: bool, now: dt.datetime) -> bytes:
    """A new request to join, by the same member key, for another year.

    With ``new_keys`` the keys that the node works with are made anew; what it is known by (``member``) and what its
    epochs' decoys are drawn with (``epoch``) stay. It serves again once the charter names the new keys.

    Raises
    ------
    StoreError
        If the member key is not in its place.
    """
    config = folder.config
    prepare_keys(folder.keys, _WORKING, new=new_keys)
    return _write_request(folder, config, now=now)


def _write_request(folder: NodeFolder, config: NodeConfig, *, now: dt.datetime) -> bytes:
    request = join_request(config.name, config.party, folder.keys, now=now)
    replace_file(folder.path / "join-request.cbor", request)
    return request
