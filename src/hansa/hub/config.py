"""The hub's folder: ``hub.toml``, keys, certificates, charter and store.

hub.toml        what is set: league, addresses, database, workers
charter.cbor    the league's charter, signed by its root
keys/           secrets, readable by their owner only (the charter's root among them until it is moved offline)
tls/            the league's certificate authority and the servers' certificate
hub.db          the store, where no database address is given
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pydantic import Field

from hansa.engine.server import ServerSettings, server_config
from hansa.engine.subjects import hub_permissions, node_permissions
from hansa.errors import StoreError
from hansa.hub.api.oidc import OidcSettings
from hansa.hub.authority import ServerFiles, make_authority, server_files
from hansa.model import Dictionary, Party, Value
from hansa.wire.charter import (
    Charter,
    JoinRequest,
    KnownCharter,
    Leaf,
    admit,
    key_ids,
    read_charter,
    request_to_join,
    sign_charter,
)
from hansa.wire.folder import keep_charter, kept_charter, pinned_root, read_settings, write_settings
from hansa.wire.keyring import Keyring
from hansa.wire.keys import Signer

__all__ = ["HubConfig", "HubFolder", "found_league", "own_request"]


class HubConfig(Value):
    """``hub.toml``.

    Attributes
    ----------
    league : str
        The league's name: one word of letters, digits, - and _.
    party : Party
        Who runs the hub.
    host : str
        The name or address under which nodes and researchers reach it.
    messaging_port, websocket_port, api_port : int
        Where it listens. Without a WebSocket port there is no WebSocket.
    servers : tuple of str
        Addresses of messaging servers that run already; empty: the hub starts its own.
    credentials : str
        A ``.creds`` file (relative to the folder), where the operator of ``servers`` issues JWTs.
    database : str
        Empty: SQLite in the folder; else ``postgresql://...``.
    workers : int
        Processes that run plans.
    wait_seconds : float
        How long a run waits for a lost node to come back before it goes on without, or stops.
    lost_seconds : float
        How long a node's heartbeat may fail before the node is lost.
    lease_seconds : float
        How long after a plan process has died another takes its job over.
    """

    league: str
    party: Party
    host: str
    messaging_port: int = 4222
    websocket_port: int | None = None
    api_port: int = 8443
    servers: tuple[str, ...] = ()
    credentials: str = ""
    database: str = ""
    workers: int = Field(default=2, ge=1)
    wait_seconds: float = Field(default=20.0, ge=0)
    lost_seconds: float = Field(default=8.0, gt=0)
    lease_seconds: float = Field(default=30.0, ge=1)
    min_nodes: int = Field(default=3, ge=3)
    metrics_port: int | None = None
    oidc: OidcSettings | None = None


class HubFolder:
    """The hub's folder, opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = Keyring(path / "keys")

    @property
    def config(self) -> HubConfig:
        """What ``hub.toml`` says.

        Raises
        ------
        StoreError, PolicyError
            As :func:`hansa.wire.folder.read_settings`.
        """
        return read_settings(self.path / "hub.toml", HubConfig, fix="hansa hub init")

    @property
    def database(self) -> str:
        """The store's address."""
        return self.config.database or f"sqlite:///{self.path / 'hub.db'}"

    @property
    def credentials(self) -> Path | None:
        """The ``.creds`` file, if the messaging servers want one."""
        return self.path / self.config.credentials if self.config.credentials else None

    @property
    def tls(self) -> ServerFiles:
        """The servers' certificate."""
        folder = self.path / "tls"
        return ServerFiles(folder / "server.pem", folder / "server.key", folder / "authority.pem")

    def charter(self, *, now: dt.datetime) -> KnownCharter:
        """The charter as it stands, verified.

        Raises
        ------
        StoreError
            If there is none.
        """
        return kept_charter(self.path, now=now, fix="hansa hub init")

    def publish(self, charter: Charter, *, now: dt.datetime) -> KnownCharter:
        """Sign a new version of the charter and keep it."""
        root = self.root_key()
        known = read_charter(sign_charter(charter, root), now=now, root=root.public)
        keep_charter(self.path, known)
        return known

    def admit(self, request: JoinRequest, *, now: dt.datetime) -> KnownCharter:
        """The charter with a new member, as its members have agreed."""
        charter = self.charter(now=now).charter
        return self.publish(admit(charter, request, self.root_key(), now=now), now=now)

    def root_key(self) -> Signer:
        """The charter's root, once the league is founded; it is often somewhere else.

        Raises
        ------
        StoreError
            If it is not in its place: it is never made anew.
        """
        file = self.path / "keys" / "charter.key"
        if pinned_root(self.path) is not None and not file.exists():
            raise StoreError(
                "the charter's root key is not here",
                why="it is kept offline, and only with it are members admitted or revoked",
                fix=f"put it back as {file} for as long as you need it",
                field="charter.key",
            )
        return self.keys.signer("charter", "charter")

    def revoke(self, name: str, *, now: dt.datetime) -> KnownCharter:
        """The charter without a member, whose keys are good for nothing from then on."""
        known = self.charter(now=now)
        gone = known.member(name)
        members = tuple(member for member in known.charter.members if member.name != name)
        changed = {
            "members": members,
            "revoked": tuple(sorted({*known.charter.revoked, *key_ids(gone)})),
            "charter_version": known.charter.charter_version + 1,
        }
        return self.publish(known.charter.model_copy(update=changed), now=now)

    def server_settings(self) -> ServerSettings:
        """Where the hub's own messaging server listens."""
        config, tls = self.config, self.tls
        return ServerSettings(
            config.host, config.messaging_port, config.websocket_port, tls.certificate, tls.key, tls.authority
        )

    def server_config(self, charter: Charter, settings: ServerSettings | None = None) -> str:
        """A messaging server's configuration (its own by default): the members, each with its own subjects."""
        users = {
            member.nkey: node_permissions(charter.league, member.name)
            for member in charter.members
            if member.role == "node"
        }
        users[self.keys.nkey("messaging")[1]] = hub_permissions(charter.league)
        return server_config(settings or self.server_settings(), users)


def found_league(folder: HubFolder, config: HubConfig, dictionary: Dictionary, *, now: dt.datetime) -> KnownCharter:
    """A new league: root key, certificate authority, the hub's own keys, and the first charter.

    Raises
    ------
    StoreError
        If the folder holds a hub already.
    """
    write_settings(folder.path / "hub.toml", config)
    authority = make_authority(folder.path / "tls", config.league, now=now)
    server_files(folder.path / "tls", [config.host, "localhost"], now=now)
    charter = Charter(
        league=config.league,
        charter_version=0,
        root=folder.keys.signer("charter", "charter").public,
        servers=config.servers or _own_servers(config),
        api=f"https://{config.host}:{config.api_port}",
        authority=authority.read_text(encoding="ascii"),
        min_nodes=config.min_nodes,
        dictionary=dictionary.model_dump_json().encode(),
        members=(),
    )
    folder.publish(charter, now=now)
    return folder.admit(own_request(folder, config, now=now), now=now)


def _own_servers(config: HubConfig) -> tuple[str, ...]:
    found = [f"tls://{config.host}:{config.messaging_port}"]
    if config.websocket_port is not None:
        found.append(f"wss://{config.host}:{config.websocket_port}")
    return tuple(found)


def own_request(folder: HubFolder, config: HubConfig, *, now: dt.datetime) -> JoinRequest:
    """The hub's own request to join, by its member key, for the keys that it works with and the log's."""
    keys, origin = folder.keys, f"{config.league}/log"
    leaves: tuple[Leaf, ...] = (
        ("hub", "hub", keys.signer("sign", "hub").public),
        ("hub", "hub-agree", keys.agreement("agree").public_key().public_bytes_raw()),
        (origin, "log", keys.signer("log", origin).public),
    )
    nkey = keys.nkey("messaging")[1]
    return request_to_join("hub", "hub", config.party, keys, leaves=leaves, now=now, nkey=nkey)[0]
