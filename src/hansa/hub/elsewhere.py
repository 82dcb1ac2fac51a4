"""What a messaging server needs that the hub does not start itself: a member of a consortium's cluster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hansa.engine.server import ServerSettings
from hansa.hub.authority import server_files
from hansa.hub.config import HubFolder

__all__ = ["unnamed", "write_server"]


def write_server(
    hub: HubFolder,
    out: Path,
    hosts: Sequence[str],
    *,
    listen: str,
    port: int,
    websocket_port: int | None,
    now: dt.datetime,
) -> None:
    """Write ``hansa.conf`` (users, permissions, TLS), certificate, key and authority into the folder ``out``.

    A certificate that is there already stays, so that only ``hansa.conf`` changes as members come and go. Its paths
    are relative: nats-server is started in that folder.
    """
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (out / "server.pem").exists():
        server_files(hub.tls.authority.parent, hosts, now=now, out=out)
    (out / "authority.pem").write_bytes(hub.tls.authority.read_bytes())
    settings = ServerSettings(
        listen, port, websocket_port, Path("server.pem"), Path("server.key"), Path("authority.pem")
    )
    (out / "hansa.conf").write_text(hub.server_config(hub.charter(now=now).charter, settings), encoding="utf-8")


def unnamed(hub: HubFolder, hosts: Sequence[str], *, now: dt.datetime) -> bool:
    """Whether the charter names no messaging server at any of these hosts, so that nobody looks there.

    Nodes may still name it in their ``node.toml``.
    """
    named = {urlsplit(server).hostname for server in hub.charter(now=now).charter.servers}
    return not named & set(hosts)
