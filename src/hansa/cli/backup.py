"""``hansa node|hub backup`` and ``restore``: one archive of all that a party must not lose.

The archive is a tar file that only its owner may read: settings, policy, keys, charter, a consistent copy of the
store, and a list of their SHA-256. Data and the register of consent are not in it: an old register would bring back
people who have withdrawn.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import click

from hansa.cli.output import show
from hansa.cli.parties import now
from hansa.errors import StoreError
from hansa.version import __version__

__all__ = ["hub_backup", "hub_restore", "node_backup", "node_restore"]

_FORMAT = "hansa-backup/1"
_LIST = "backup.json"
_SHARED = ("charter.cbor", "root.pub", "keys/*.key")
_NODE = ("node.toml", "join-request.cbor", *_SHARED)
_HUB = ("hub.toml", "tokens.json", "tls/*.pem", "tls/*.key", *_SHARED)
_OUT = click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
_ARCHIVE = click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def _folder_option(kind: str) -> Callable[..., Any]:
    path = click.Path(file_okay=False, path_type=Path)
    return click.option("--folder", type=path, default=Path(kind), show_default=True, help=f"The {kind}'s folder.")


@click.command("backup")
@_folder_option("node")
@_OUT
def node_backup(folder: Path, out: Path) -> None:
    """Write settings, policy, keys, charter and store to OUT, a new file; the node may go on running."""
    from hansa.node.config import NodeFolder  # loaded late: --help must stay instant
    from hansa.store import NodeStore

    home = NodeFolder(folder)
    policy = _inside(folder, home.config.policy)
    with _staged(out) as stage:
        _copy(folder, (*_NODE, policy), stage)
        if home.store.exists():
            store = NodeStore(home.store)
            store.backup(stage / "node.db")
            store.close()
        _pack(stage, "node", out)
    show(f"{out}: node {home.config.name}. It holds keys: keep it as you keep them.")
    show("The data and the register of consent are not in it.")


@click.command("restore")
@_folder_option("node")
@_ARCHIVE
def node_restore(folder: Path, archive: Path) -> None:
    """Make a node's folder again from an ARCHIVE; the folder must be new or empty. The node starts paused."""
    from hansa.node.config import NodeFolder  # loaded late, as above
    from hansa.node.daemon import pause
    from hansa.store import NodeStore

    with _unpacked(archive, "node", folder) as (stage, at):
        home = NodeFolder(stage)
        name = home.config.name
        if home.store.exists():
            store = NodeStore(home.store)
            store.note_event("restored", "", f"from a backup of {at}")
            store.close()
        pause(stage)
    show(f"{folder}: node {name} as of {at}, paused.")
    show("What it answered later is not in its history: see docs/howto/operate.md before `hansa node pause --off`.")


@click.command("backup")
@_folder_option("hub")
@_OUT
def hub_backup(folder: Path, out: Path) -> None:
    """Write settings, keys, charter, certificates and store to OUT, a new file; the hub may go on running."""
    from hansa.hub.config import HubFolder  # loaded late, as above
    from hansa.store import HubStore

    home = HubFolder(folder)
    elsewhere, file = home.config.database, folder / "hub.db"
    with _staged(out) as stage:
        _copy(folder, _HUB, stage)
        if not elsewhere and file.exists():
            _check_key(folder)
            store = HubStore(file, home.keys.secret("store"))
            store.backup(stage / "hub.db")
            store.close()
        _pack(stage, "hub", out)
    show(f"{out}: hub of {home.config.league}. It holds keys: keep it as you keep them.")
    if elsewhere:
        show("The store is not in it, for it is in a database of its own: back that up now, too.")


@click.command("restore")
@_folder_option("hub")
@_ARCHIVE
def hub_restore(folder: Path, archive: Path) -> None:
    """Make a hub's folder again from an ARCHIVE; the folder must be new or empty."""
    from hansa.hub.config import HubFolder  # loaded late, as above

    with _unpacked(archive, "hub", folder) as (stage, at):
        config = HubFolder(stage).config
    show(f"{folder}: hub of {config.league} as of {at}.")
    if config.database:
        show("The store is not in it: restore its database to the same time.")


def _check_key(folder: Path) -> None:
    """The journal's key, which would else be made anew, and open nothing."""
    if not (folder / "keys" / "store.key").exists():
        raise StoreError("the backup was not made", why="the store's key is gone", fix="put keys/store.key back")


def _inside(folder: Path, name: str) -> str:
    """A file's path from the folder; one outside could not be restored to its place."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise StoreError(
            "the backup was not made",
            why="the policy is not in the node's folder",
            fix="move it there",
            field="node.toml: policy",
        )
    return str((folder / name).resolve().relative_to(folder.resolve()))


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder of its owner's only, beside the archive, in which it is put together."""
    if out.exists():
        raise StoreError("the backup was not made", why="the file exists", fix="give a new name", field=str(out))
    with _told("the backup was not made"), tempfile.TemporaryDirectory(dir=out.parent, prefix=".backup.") as stage:
        yield Path(stage)


def _copy(folder: Path, patterns: tuple[str, ...], stage: Path) -> None:
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            place = stage / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def _pack(stage: Path, kind: str, out: Path) -> None:
    """All files of the stage, and the list of them, as a new archive on the disk; half of one is not left."""
    names = [file.relative_to(stage).as_posix() for file in sorted(stage.rglob("*")) if file.is_file()]
    listed = {
        "format": _FORMAT,
        "kind": kind,
        "at": now().isoformat(timespec="seconds"),
        "code": __version__,
        "files": {name: _digest(stage / name) for name in names},
    }
    (stage / _LIST).write_text(json.dumps(listed, indent=2), encoding="utf-8")
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name in (_LIST, *names):
                    tar.add(stage / name, name, recursive=False, filter=_plain)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        out.unlink()
        raise


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file of nobody in particular, for its owner's eyes."""
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member


@contextmanager
def _unpacked(archive: Path, kind: str, folder: Path) -> Iterator[tuple[Path, str]]:
    """The archive's content, verified, and when it was made; it becomes the folder, whole or not at all."""
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(
            "nothing was restored", why="the folder is not empty", fix="take another folder", field=str(folder)
        )
    with _told("nothing was restored"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".restore."))
        try:
            _unpack(archive, stage)
            yield stage, _verified(stage, kind)
            stage.rename(folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _unpack(archive: Path, stage: Path) -> None:
    with tarfile.open(archive, mode="r:") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if not member.isfile() or path.is_absolute() or ".." in path.parts:
                raise tarfile.TarError
            place = stage / path
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            content = tar.extractfile(member)
            assert content is not None
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())


def _verified(stage: Path, kind: str) -> str:
    """When the backup was made, after every file was found as it is listed."""
    listed = json.loads((stage / _LIST).read_text(encoding="utf-8"))
    (stage / _LIST).unlink()
    if listed["format"] != _FORMAT or listed["kind"] != kind:
        raise StoreError("nothing was restored", why=f"this is no backup of a {kind}", fix="take the right archive")
    found = {file.relative_to(stage).as_posix(): _digest(file) for file in stage.rglob("*") if file.is_file()}
    if found != listed["files"]:
        raise StoreError("nothing was restored", why="the archive is damaged", fix="take another copy of it")
    return str(listed["at"])


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError, TypeError) as fault:
        raise StoreError(what, why=type(fault).__name__, fix="check the archive, the folder and the disk") from None
