"""Is this node fit to serve? Each check says what it saw, or how to put it right."""

from __future__ import annotations

import datetime as dt
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hansa.errors import HansaError, StoreError
from hansa.node.config import NodeFolder
from hansa.node.opening import check_data
from hansa.store import NodeStore

__all__ = ["Check", "examine"]

_ROOM = 1 << 30


@dataclass(frozen=True)
class Check:
    """One check's outcome in words."""

    name: str
    good: bool
    text: str


def examine(folder: NodeFolder, *, now: dt.datetime) -> list[Check]:
    """All checks of a node's folder; none changes anything."""
    checks: dict[str, Callable[[], str]] = {
        "settings": lambda: folder.config.name,
        "keys": lambda: _keys(folder),
        "charter": lambda: _charter(folder, now),
        "policy": lambda: f"{len(folder.policy.rules)} rules",
        "data": lambda: _data(folder, now),
        "store": lambda: f"{len(NodeStore(folder.store).studies())} studies",
        "disk": lambda: _disk(folder),
        "compute": lambda: _compute(folder),
        "messaging": lambda: _messaging(folder, now),
    }
    return [_outcome(name, check) for name, check in checks.items()]


def _outcome(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except HansaError as error:
        return Check(name, False, str(error))
    except OSError as fault:
        return Check(name, False, f"{type(fault).__name__}. To go on: check the folder and who may read it.")


def _keys(folder: NodeFolder) -> str:
    for name in ("member", "sign", "agree", "witness", "epoch", "messaging"):
        folder.keys.secret(name)
    return "six keys, readable by their owner only"


def _charter(folder: NodeFolder, now: dt.datetime) -> str:
    known = folder.charter(now=now)
    known.member(folder.config.name)
    for purpose in ("node-sign", "node-agree", "witness"):
        known.directory.public_key(purpose, folder.config.name)  # not there: expired, revoked, or this clock is wrong
    return f"{known.charter.league}, version {known.charter.charter_version}, {len(known.charter.members)} members"


def _data(folder: NodeFolder, now: dt.datetime) -> str:
    found = check_data(folder.data, folder.charter(now=now))
    return f"{found.rows} rows, {found.people} people, {found.columns} variables"


def _disk(folder: NodeFolder) -> str:
    free = shutil.disk_usage(folder.path).free
    if free < _ROOM:
        raise StoreError("less than 1 GB is free", why="ledger and history must be written", fix="make room")
    return f"{free >> 30} GB free"


def _compute(folder: NodeFolder) -> str:
    config = folder.config
    if config.compute.dask is None:
        return "steps run in processes apart" if config.isolate else "steps run in the node's own process"
    from hansa.node.cluster import describe  # noqa: PLC0415  # needs the optional package distributed

    return f"steps run on {describe(config.compute.dask)}"


def _messaging(folder: NodeFolder, now: dt.datetime) -> str:
    for server in folder.charter(now=now).charter.servers:
        place = urlsplit(server)
        try:
            with socket.create_connection((place.hostname or "", place.port or 443), timeout=3):
                return server
        except OSError:
            continue
    raise StoreError(
        "no messaging server can be reached",
        why="none of the charter's addresses answers",
        fix="open outgoing connections to them in the firewall, and ask whether the hub runs",
    )
