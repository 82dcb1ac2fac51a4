"""A researcher's folder: who asks, with which key, in which league."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from pathlib import Path

from hansa.errors import PolicyError, StoreError
from hansa.model import Party, Value, read_value
from hansa.model.toml import to_toml
from hansa.wire import Signer, certify, seal
from hansa.wire.charter import JoinRequest, KnownCharter, read_charter
from hansa.wire.keyring import Keyring

__all__ = ["Identity", "found_identity", "open_identity"]

_DAYS = 365
_SKEW = dt.timedelta(hours=1)


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
    file = folder / "identity.toml"
    if file.exists():
        raise StoreError("there is an identity in this folder already", fix="take another folder", field=str(file))
    known = read_charter(charter, now=now)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "charter.cbor").write_bytes(charter)
    (folder / "root.pub").write_text(known.charter.root.hex(), encoding="ascii")
    content = _Settings(name=name, party=party).model_dump(mode="json", exclude_none=True)
    file.write_text(to_toml(content), encoding="utf-8")
    keys = Keyring(folder / "keys")
    member = keys.signer("member", f"{name}, offline")
    public = keys.signer("sign", name).public
    leaf = certify(member, name, "researcher", public, now=now - _SKEW, days=_DAYS)
    request = JoinRequest(
        name=name, role="researcher", party=party, member=member.public, nkey="", certificates=(leaf.to_bytes(),)
    )
    sealed = seal(request, member)
    (folder / "join-request.cbor").write_bytes(sealed)
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
    file = home / "identity.toml"
    if not file.exists():
        raise StoreError("there is no identity in this folder", fix="hansa identity init", field=str(file))
    try:
        settings = read_value(_Settings, tomllib.loads(file.read_text(encoding="utf-8")), error=PolicyError)
    except tomllib.TOMLDecodeError as fault:
        raise PolicyError("identity.toml cannot be read", why=str(fault), fix="correct it", field=file.name) from None
    root = bytes.fromhex((home / "root.pub").read_text(encoding="ascii"))
    charter = read_charter((home / "charter.cbor").read_bytes(), now=now, root=root)
    signer = Keyring(home / "keys").signer("sign", settings.name)
    return Identity(settings.name, settings.party, signer, charter, _authority(home, charter))


def _authority(home: Path, charter: KnownCharter) -> Path | None:
    if not charter.charter.authority:
        return None
    file = home / "authority.pem"
    file.write_text(charter.charter.authority, encoding="ascii")
    return file
