"""A researcher's folder: who asks, with which key, in which league."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from hansa.model import Party, Value
from hansa.wire import Signer, seal
from hansa.wire.charter import KnownCharter, Leaf, read_charter, request_to_join
from hansa.wire.folder import authority_file, keep_charter, kept_charter, read_settings, replace_file, write_settings
from hansa.wire.keyring import Keyring
from hansa.wire.renewal import prepare_keys, take_charter

__all__ = ["Identity", "found_identity", "open_identity", "renew_identity", "take_newer_charter"]

_FILE = "identity.toml"
_FIX = "hansa identity init"


class _Settings(Value):
    """``identity.toml``."""

    name: str
    party: Party


@dataclass(frozen=True, eq=False)
class Identity:
    """Who asks: name, organisation, signing key, and the league's charter as it was agreed."""

    name: str
    party: Party
    signer: Signer
    charter: KnownCharter
    authority: Path | None


def found_identity(folder: Path, name: str, party: Party, charter: bytes, *, now: dt.datetime) -> bytes:
    """A new researcher's folder; the signed request to join.

    Raises
    ------
    StoreError
        If the folder holds an identity already.
    """
    known = read_charter(charter, now=now)
    write_settings(folder / _FILE, _Settings(name=name, party=party))
    keep_charter(folder, known)
    return _write_request(folder, name, party, now=now)


def renew_identity(folder: Path, *, new_keys: bool, now: dt.datetime) -> bytes:
    """A new request to join, by the same member key, for another year; with ``new_keys``, for a new signing key.

    Raises
    ------
    StoreError
        If the folder holds no identity, or the member key is not in its place.
    """
    settings = read_settings(folder / _FILE, _Settings, fix=_FIX)
    prepare_keys(Keyring(folder / "keys"), ["sign"], new=new_keys)
    return _write_request(folder, settings.name, settings.party, now=now)


def take_newer_charter(folder: Path, sealed: bytes, *, now: dt.datetime) -> KnownCharter:
    """Keep a newer charter in a researcher's folder (see :func:`hansa.wire.renewal.take_charter`)."""
    settings = read_settings(folder / _FILE, _Settings, fix=_FIX)
    return take_charter(folder, sealed, name=settings.name, now=now, fix=_FIX)


def _write_request(folder: Path, name: str, party: Party, *, now: dt.datetime) -> bytes:
    keys = Keyring(folder / "keys")
    leaves: tuple[Leaf, ...] = ((name, "researcher", keys.signer("sign", name).public),)
    sealed = seal(*request_to_join(name, "researcher", party, keys, leaves=leaves, now=now))
    replace_file(folder / "join-request.cbor", sealed)
    return sealed


def open_identity(folder: str | Path, *, now: dt.datetime) -> Identity:
    """The identity of a folder.

    Raises
    ------
    StoreError
        If there is none.
    SignatureInvalid
        If the charter in it is not by the root that was agreed first.
    """
    home = Path(folder)
    settings = read_settings(home / _FILE, _Settings, fix=_FIX)
    charter = kept_charter(home, now=now, fix=_FIX)
    signer = Keyring(home / "keys").signer("sign", settings.name)
    return Identity(settings.name, settings.party, signer, charter, authority_file(home, charter))
