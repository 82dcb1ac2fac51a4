"""A real messaging server on loopback, and links to it, for tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hansa.engine.link import Link, LinkSettings
from hansa.engine.messaging import HubEndpoint, NodeEndpoint, Timing
from hansa.engine.server import NatsServer, ServerSettings, server_config, start_server
from hansa.engine.subjects import hub_permissions, node_permissions
from hansa.wire.keyring import Keyring

__all__ = ["Messaging", "OverMessaging", "free_port", "start_messaging"]

_SOON = Timing(heartbeat=0.1, lost=5.0, again=0.5)


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
    nodes: tuple[str, ...]
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
    return Messaging(league, port, keys, config, folder, server, tuple(nodes))


class OverMessaging:
    """Nodes of this process behind a real messaging server: what :class:`hansa.engine.InProcess` is without one.

    One suite of tests runs over both.
    """

    def __init__(self, nodes: Mapping[str, Callable[[bytes], bytes]], folder: Path) -> None:
        secrets = {name: name.encode().ljust(32, b".")[:32] for name in nodes}
        self.messaging = start_messaging(folder, "contract", tuple(nodes))
        self._nodes = [
            NodeEndpoint(self.messaging.link(name), "contract", name, secrets[name], handle, timing=_SOON)
            for name, handle in nodes.items()
        ]
        self._hub = HubEndpoint(self.messaging.link("hub"), "contract", secrets, timing=_SOON)

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Every node's answer, over the server."""
        return self._hub.ask(messages)

    def close(self) -> None:
        """End nodes, hub and server."""
        for node in self._nodes:
            node.close()
        self.messaging.close()
