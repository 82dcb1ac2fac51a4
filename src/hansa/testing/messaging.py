"""A real messaging server on loopback, and links to it, for tests."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hansa.engine.link import Link, LinkSettings
from hansa.engine.server import NatsServer, ServerSettings, server_config, start_server
from hansa.engine.subjects import hub_permissions, node_permissions
from hansa.wire.keyring import Keyring

__all__ = ["Messaging", "free_port", "start_messaging"]


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(eq=False)
class Messaging:
    """A running nats-server that knows a hub and some nodes."""

    league: str
    port: int
    keys: Keyring
    config: str
    folder: Path
    server: NatsServer
    links: list[Link] = field(default_factory=list)

    def link(self, party: str, *, port: int | None = None) -> Link:
        """A connection as one of the parties; through another port, where a proxy stands between."""
        seed = self.keys.nkey(party)[0]
        made = Link(LinkSettings((f"nats://127.0.0.1:{port or self.port}",), party, seed, None))
        self.links.append(made)
        return made

    def restart(self) -> None:
        """End the server and start it again on the same port."""
        self.server.stop()
        self.server = start_server(self.config, self.folder, ports=[("127.0.0.1", self.port)])

    def close(self) -> None:
        """Close every link and end the server."""
        for link in self.links:
            link.close()
        self.server.stop()


def start_messaging(folder: Path, league: str, nodes: Sequence[str]) -> Messaging:
    """A nats-server for a hub and these nodes, with the permissions a league's server has."""
    keys, port = Keyring(None), free_port()
    users = {keys.nkey(node)[1]: node_permissions(league, node) for node in nodes}
    users[keys.nkey("hub")[1]] = hub_permissions(league)
    config = server_config(ServerSettings("127.0.0.1", port), users)
    server = start_server(config, folder, ports=[("127.0.0.1", port)])
    return Messaging(league, port, keys, config, folder, server)
