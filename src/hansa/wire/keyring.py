"""Secrets in files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import nkeys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hansa.errors import StoreError
from hansa.wire.keys import Signer

__all__ = ["Keyring"]

_BYTES = 32


class Keyring:
    """The secrets of one party, 32 random bytes each, by name; made when first asked for.

    ``folder=None`` keeps them in memory. Its representation shows no secret.

    Examples
    --------
    >>> ring = Keyring(None)
    >>> ring.signer("sign", "zurich").public == ring.signer("sign", "zurich").public
    True
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[str, bytes] = {}

    def secret(self, name: str) -> bytes:
        """The 32 bytes of this name.

        Raises
        ------
        StoreError
            If the file cannot be read or written, is damaged, or others may read it.
        """
        if self._folder is None:
            return self._held.setdefault(name, secrets.token_bytes(_BYTES))
        return _kept(self._folder / f"{name}.key")

    def holds(self, name: str) -> bool:
        """Whether there is a secret of this name; to look makes none."""
        return name in self._held if self._folder is None else (self._folder / f"{name}.key").exists()

    def forget(self, *names: str) -> None:
        """Delete these secrets, so that each is made anew when it is next asked for.

        A replaced secret is of no use to its owner, and of use to whoever finds it: an agreement key opens what was
        recorded of the traffic.
        """
        for name in names:
            self._held.pop(name, None)
            if self._folder is not None:
                (self._folder / f"{name}.key").unlink(missing_ok=True)

    def signer(self, name: str, party: str) -> Signer:
        """The Ed25519 key of this name, signing for a party."""
        return Signer.from_bytes(party, self.secret(name))

    def signing_key(self, name: str) -> Ed25519PrivateKey:
        """The bare Ed25519 key of this name."""
        return Ed25519PrivateKey.from_private_bytes(self.secret(name))

    def agreement(self, name: str) -> X25519PrivateKey:
        """The X25519 key of this name."""
        return X25519PrivateKey.from_private_bytes(self.secret(name))

    def nkey(self, name: str) -> tuple[str, str]:
        """(seed, public key) of a user of the messaging server, in its own notation."""
        seed = nkeys.encode_seed(self.secret(name), nkeys.PREFIX_BYTE_USER)
        return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()

    def __repr__(self) -> str:
        return f"Keyring({str(self._folder)!r})"


def _kept(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_once(path)
        if path.stat().st_mode & 0o077:
            raise StoreError("others may read a key", fix=f"chmod 600 {path}", field=path.name)
        found = path.read_bytes()
    except OSError as fault:
        raise StoreError(
            "a key cannot be kept", why=type(fault).__name__, fix="check the folder and the disk", field=path.name
        ) from None
    if len(found) != _BYTES:
        raise StoreError("a key is damaged", fix="restore it from the backup", field=path.name)
    return found


def _write_once(path: Path) -> None:
    """Whole or not at all, and never over another: two processes that start at once agree on one key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
