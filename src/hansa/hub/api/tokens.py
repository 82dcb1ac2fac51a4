"""Personal access tokens: 32 random bytes each.

Only their SHA-256 is kept, in a file that its owner alone reads.
"""

from __future__ import annotations

import base64
import datetime as dt
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hansa.errors import HansaError, StoreError, StudyError
from hansa.hub.api.identity import Identity, Role
from hansa.model import Value

__all__ = ["PersonalToken", "find_token", "list_tokens", "make_token", "revoke_token"]

_PREFIX = "hansa_"
_FORMAT = "hansa-tokens/1"


class PersonalToken(Value):
    """What is kept of a token."""

    id: str
    name: str
    role: Role
    sha256: str
    expires: dt.datetime


def make_token(path: Path, *, name: str, role: Role, now: dt.datetime, days: int = 90) -> str:
    """Make a token for a person; its text is shown this once and kept nowhere.

    Raises
    ------
    StudyError
        If the name is empty or the lifetime is not 1 to 366 days.
    StoreError
        If the file cannot be written, or others may read it.
    """
    if not name or not 1 <= days <= 366:
        raise StudyError("a token has a name and lives for 1 to 366 days", fix="give both", field="days")
    text = _PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    kept = PersonalToken(
        id=secrets.token_hex(6), name=name, role=role, sha256=_digest(text), expires=now + dt.timedelta(days=days)
    )
    with _locked(path):
        _write(path, [*list_tokens(path), kept])
    return text


def revoke_token(path: Path, token_id: str) -> bool:
    """Withdraw a token by its id; whether there was one. It is refused from the next request on."""
    with _locked(path):
        known = list_tokens(path)
        left = [token for token in known if token.id != token_id]
        if len(left) < len(known):
            _write(path, left)
        return len(left) < len(known)


def list_tokens(path: Path) -> tuple[PersonalToken, ...]:
    """Every token that is kept, expired ones too; of a file that is not there, none.

    Raises
    ------
    StoreError
        If the file cannot be read, or others than its owner may.
    """
    if not path.exists():
        return ()
    try:
        if path.stat().st_mode & 0o077:
            raise _unreadable("others than its owner may read it", "chmod 600")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise _unreadable("it has another format", "make it with hansa's own command")
        return tuple(PersonalToken.model_validate(entry) for entry in content["tokens"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise _unreadable(type(fault).__name__, "restore it, or remove it and make new tokens") from None


def find_token(path: Path, text: str, *, now: dt.datetime) -> Identity | None:
    """Whose token this is, if it is known and has not expired."""
    digest = _digest(text)
    found = None
    for token in list_tokens(path):
        # All are compared, in constant time: how long it takes says nothing about which one nearly fits.
        if hmac.compare_digest(token.sha256, digest) and now < token.expires:
            found = Identity(token.name, token.role, token.expires)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, tokens: Sequence[PersonalToken]) -> None:
    content = {"format": _FORMAT, "tokens": [token.model_dump(mode="json") for token in tokens]}
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as fault:
        fresh.unlink(missing_ok=True)
        raise _unreadable(type(fault).__name__, "give a folder that can be written") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, whichever process it is in."""
    try:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise _unreadable(type(fault).__name__, "give a folder that can be written") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unreadable(why: str, fix: str) -> HansaError:
    return StoreError("the file of access tokens cannot be used", why=why, fix=fix, field="tokens")
