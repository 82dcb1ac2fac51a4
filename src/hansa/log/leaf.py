"""What a log leaf holds: a salted commitment to an entry, which reveals nothing about it.

Whoever has entry and salt can show that it was logged; who has only the log cannot even confirm a guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from hansa.errors import LogError

__all__ = ["SALT_SIZE", "commit", "new_salt", "open_commitment"]

SALT_SIZE = 32
"""Bytes of a salt."""

_CONTEXT = b"hansa/log-entry/1\n"
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


def new_salt() -> bytes:
    """A fresh random salt. Each entry has its own, and keeps it as secret as itself."""
    return secrets.token_bytes(SALT_SIZE)


def commit(kind: str, payload: bytes, salt: bytes) -> bytes:
    r"""The leaf data of an entry: SHA-256 over context, salt, and both parts with their lengths.

    The message is ``"hansa/log-entry/1\n" || salt || u64(len(kind)) || kind || u64(len(payload)) ||
    payload``, lengths in bytes, big-endian. A commitment binds (collisions of SHA-256) and hides (256 random
    bits).

    Parameters
    ----------
    kind : str
        What the entry is: a lower-case word such as ``release``.
    payload : bytes
        The entry itself, as it was signed.
    salt : bytes
        From :func:`new_salt`, 32 bytes.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    LogError
        When the kind is not such a word or the salt has another length.

    Examples
    --------
    >>> salt = new_salt()
    >>> open_commitment(commit("release", b"entry", salt), "release", b"entry", salt)
    """
    if not _KIND.fullmatch(kind):
        raise LogError("the kind cannot be used", why="it is a lower-case word, up to 64 characters", field="kind")
    if len(salt) != SALT_SIZE:
        raise LogError("the salt has the wrong length", why=f"{SALT_SIZE} bytes are required", field="salt")
    parts = (_with_length(kind.encode()), _with_length(payload))
    return hashlib.sha256(_CONTEXT + salt + b"".join(parts)).digest()


def open_commitment(commitment: bytes, kind: str, payload: bytes, salt: bytes) -> None:
    """Check that a commitment is one to this entry.

    Raises
    ------
    LogError
        When it is not.
    """
    if commit(kind, payload, salt) != commitment:
        raise LogError(
            "the commitment is not one to this entry",
            why="kind, payload or salt differ from what was logged",
            fix="use the entry as it was logged, byte for byte",
            field="commitment",
        )


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part
