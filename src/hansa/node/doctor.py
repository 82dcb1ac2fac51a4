"""Is this node fit to serve? Each check says what it saw, or how to put it right."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from hansa.engine.link import NotAdmitted
from hansa.errors import HansaError, PolicyError, StoreError, Unreachable
from hansa.node.config import NodeFolder, working_keys
from hansa.node.opening import check_data, open_link
from hansa.store import NodeStore
from hansa.wire.renewal import SOON

__all__ = ["Check", "examine"]

_ROOM = 1 << 30
_PATIENCE = 4.0


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
        "certificates": lambda: _certificates(folder, now),
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
    for name in ("sign", "agree", "witness", "epoch", "messaging"):
        if not folder.keys.holds(name):  # to ask for it would make another
            raise StoreError("a key is gone", fix="restore it from the backup", field=f"{name}.key")
        folder.keys.secret(name)
    member = "the member key too" if folder.keys.holds("member") else "the member key is kept elsewhere"
    return f"readable by their owner only; {member}"


def _charter(folder: NodeFolder, now: dt.datetime) -> str:
    known, name = folder.charter(now=now), folder.config.name
    known.member(name)
    known.directory.public_key("hub-agree", "hub")
    for purpose, key in working_keys(name, folder.keys):
        if known.directory.public_key(purpose, name) != key:  # it raises: expired, revoked, or this clock is wrong
            raise PolicyError(
                "the charter names other keys of this node than are in its folder",
                why="its keys were renewed: its members have not admitted it again, or that charter is not here yet",
                fix="send them join-request.cbor; once they have admitted it, start the node",
                field="keys",
            )
    return f"{known.charter.league}, version {known.charter.charter_version}, {len(known.charter.members)} members"


def _certificates(folder: NodeFolder, now: dt.datetime) -> str:
    ends = folder.certificates_end(now=now)
    if ends is None:
        raise PolicyError("this node has no certificates yet", fix="ask the charter's members to admit it")
    if ends - now < SOON:
        raise PolicyError(
            f"the first certificate ends on {ends:%d %B %Y}",
            why="from then on this node is not heard",
            fix="hansa node renew, and have the request admitted before that day",
        )
    return f"valid until {ends:%d %B %Y}"


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
    from hansa.node.dask.cluster import describe  # noqa: PLC0415  # needs the optional package distributed

    return f"steps run on {describe(config.compute.dask)}"


def _messaging(folder: NodeFolder, now: dt.datetime) -> str:
    """A second connection, as the node itself makes it: that a port is open says little."""
    try:
        link = open_link(folder, folder.charter(now=now), seconds=_PATIENCE)
    except NotAdmitted as fault:
        raise Unreachable("this node is not admitted (any more)", why=fault.why, fix=fault.fix) from None
    link.close()
    return "this node is let in"
