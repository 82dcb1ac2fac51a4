"""What the folders of a hub, a node and a researcher have in common: settings, pinned charter, status.

charter.cbor    the league's charter, the newest version seen
root.pub        the root's public key, as it was agreed first
authority.pem   the charter's TLS authority, as a file for the TLS library
status.json     what a daemon wrote last
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hansa.errors import PolicyError, StoreError
from hansa.model import Value, read_value
from hansa.model.toml import to_toml
from hansa.wire.charter import KnownCharter, read_charter

__all__ = [
    "authority_file",
    "keep_charter",
    "kept_charter",
    "pinned_root",
    "read_settings",
    "read_status",
    "replace_file",
    "write_settings",
    "write_status",
]

Settings = TypeVar("Settings", bound=Value)

_CHARTER = "charter.cbor"
_STATUS = "status.json"


def read_settings(file: Path, kind: type[Settings], *, fix: str) -> Settings:
    """What a TOML file says; ``fix`` is the command that makes such a folder.

    Raises
    ------
    StoreError
        If the file is not there.
    PolicyError
        If it is no TOML, or a field does not fit.
    """
    if not file.exists():
        raise StoreError(f"there is no {file.name} in this folder", fix=fix, field=str(file))
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise PolicyError(f"{file.name} cannot be read", why=str(fault), fix="correct it", field=file.name) from None
    return read_value(kind, content, error=PolicyError)


def write_settings(file: Path, settings: Value) -> None:
    """Write settings as TOML, as :func:`read_settings` reads them.

    Raises
    ------
    StoreError
        If the file is there: settings are changed by hand, never overwritten.
    """
    if file.exists():
        raise StoreError(f"there is {file.name} in this folder already", fix="take another folder", field=str(file))
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(to_toml(settings.model_dump(mode="json", exclude_none=True)), encoding="utf-8")


def replace_file(file: Path, content: bytes) -> None:
    """Whole or not at all: whoever reads it meanwhile sees the old content or the new."""
    draft = file.with_name(f".{file.name}.new")
    draft.write_bytes(content)
    draft.replace(file)


def pinned_root(folder: Path) -> bytes | None:
    """The root's public key that was agreed first; ``None`` before that."""
    file = folder / "root.pub"
    return bytes.fromhex(file.read_text(encoding="ascii")) if file.exists() else None


def kept_charter(folder: Path, *, now: dt.datetime, fix: str) -> KnownCharter:
    """The newest charter seen, verified against the root that was agreed first.

    Raises
    ------
    StoreError
        If there is none; ``fix`` is the command that brings one.
    """
    file, root = folder / _CHARTER, pinned_root(folder)
    if root is None or not file.exists():
        raise StoreError("this folder has no charter", fix=fix, field=str(file))
    return read_charter(file.read_bytes(), now=now, root=root)


def keep_charter(folder: Path, known: KnownCharter) -> None:
    """Keep a charter that was verified, and with the first one its root."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(folder / _CHARTER, known.sealed)
    replace_file(folder / "root.pub", known.charter.root.hex().encode())


def authority_file(folder: Path, known: KnownCharter) -> Path | None:
    """The charter's TLS authority as a file; ``None``: no TLS (loopback only)."""
    if not known.charter.authority:
        return None
    file, content = folder / "authority.pem", known.charter.authority.encode("ascii")
    if not file.exists() or file.read_bytes() != content:
        replace_file(file, content)
    return file


def write_status(folder: Path, status: Mapping[str, object]) -> None:
    """Keep what a daemon says of itself. On a full disk ``at`` stands still, and the daemon goes on."""
    with suppress(OSError):
        replace_file(folder / _STATUS, json.dumps(status).encode())


def read_status(folder: Path) -> dict[str, object] | None:
    """What the daemon wrote last; ``None`` where it never ran."""
    file = folder / _STATUS
    if not file.exists():
        return None
    found: dict[str, object] = json.loads(file.read_text(encoding="utf-8"))
    return found
