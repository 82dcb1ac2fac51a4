"""A custodian's folder: ``node.toml``, keys, charter, policy and store.

node.toml       what is set: name, data, policy, consent, limits, facts
policy.yaml     the custodian's policy
charter.cbor    the league's charter, the newest version seen
keys/           secrets, readable by their owner only
node.db         the store: studies, decisions, ledger, history, audit
"""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field

from hansa.errors import PolicyError, StoreError
from hansa.governance import Policy, read_policy
from hansa.model import Party, Value, read_value
from hansa.model.toml import to_toml
from hansa.wire.charter import JoinRequest, KnownCharter, read_charter
from hansa.wire.envelope import seal
from hansa.wire.keyring import Keyring
from hansa.wire.keys import certify

__all__ = ["Compute", "Limits", "NodeConfig", "NodeFolder", "found_node", "join_request"]

_DAYS = 365
_SKEW = dt.timedelta(hours=1)


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
        StoreError
            If it is not there.
        PolicyError
            If it is no TOML, or a field does not fit.
        """
        file = self.path / "node.toml"
        if not file.exists():
            raise StoreError(
                "this is no node's folder", why="it has no node.toml", fix="hansa node init", field=str(file)
            )
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as fault:
            raise PolicyError("node.toml cannot be read", why=str(fault), fix="correct it", field="node.toml") from None
        return read_value(NodeConfig, content, error=PolicyError)

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
        file = self.path / "charter.cbor"
        if not file.exists():
            raise StoreError("this node knows no charter", fix="hansa node init --charter FILE", field=str(file))
        return read_charter(file.read_bytes(), now=now, root=self._root())

    def take_charter(self, sealed: bytes, *, now: dt.datetime) -> KnownCharter:
        """Keep a charter, if it is by the same root and not older; the first one is taken with its root."""
        file = self.path / "charter.cbor"
        after = self.charter(now=now).charter.charter_version if file.exists() else 0
        known = read_charter(sealed, now=now, root=self._root(), after=after)
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_suffix(".new")
        draft.write_bytes(sealed)
        draft.replace(file)
        (self.path / "root.pub").write_text(known.charter.root.hex(), encoding="ascii")
        return known

    def authority(self, charter: KnownCharter) -> Path | None:
        """The file of the league's certificate authority, as TLS needs it; ``None``: no TLS (loopback only)."""
        if not charter.charter.authority:
            return None
        file = self.path / "authority.pem"
        file.write_text(charter.charter.authority, encoding="ascii")
        return file

    def _root(self) -> bytes | None:
        file = self.path / "root.pub"
        return bytes.fromhex(file.read_text(encoding="ascii")) if file.exists() else None


def join_request(name: str, party: Party, keys: Keyring, *, now: dt.datetime) -> bytes:
    """A node's signed request to join: its member key vouches for the keys it works with."""
    member = keys.signer("member", f"{name}, offline")
    publics = {
        "node-sign": keys.signer("sign", name).public,
        "node-agree": keys.agreement("agree").public_key().public_bytes_raw(),
        "witness": keys.signer("witness", name).public,
    }
    leaves = [
        certify(member, name, purpose, public, now=now - _SKEW, days=_DAYS)  # type: ignore[arg-type]  # literals above
        for purpose, public in publics.items()
    ]
    request = JoinRequest(
        name=name,
        role="node",
        party=party,
        member=member.public,
        nkey=keys.nkey("messaging")[1],
        certificates=tuple(leaf.to_bytes() for leaf in leaves),
    )
    return seal(request, member)


def found_node(folder: NodeFolder, config: NodeConfig, policy: Path, charter: bytes, *, now: dt.datetime) -> bytes:
    """A new node's folder: settings, policy, keys, the league's charter; the node's request to join.

    Raises
    ------
    StoreError
        If the folder holds a node already.
    """
    file = folder.path / "node.toml"
    if file.exists():
        raise StoreError("there is a node in this folder already", fix="take another folder", field=str(file))
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.take_charter(charter, now=now)
    read_policy(policy.read_text(encoding="utf-8"))
    (folder.path / "policy.yaml").write_bytes(policy.read_bytes())
    file.write_text(to_toml(config.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    request = join_request(config.name, config.party, folder.keys, now=now)
    (folder.path / "join-request.cbor").write_bytes(request)
    return request
