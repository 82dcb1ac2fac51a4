"""C2SP checkpoints (c2sp.org/tlog-checkpoint): a log's size and root, as a note signed by the log.

Hansa makes the specification's recommendation a rule: the log's key carries the log's origin as its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import LogError
from hansa.log.canonical import decode_base64, encode_base64
from hansa.log.note import VerifierKey, open_note, sign_note
from hansa.log.tree import EMPTY_ROOT, HASH_SIZE, MAX_TREE_SIZE

__all__ = [
    "Checkpoint",
    "checkpoint_text",
    "open_checkpoint",
    "parse_checkpoint_text",
    "sign_checkpoint",
]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINE = re.compile(r"[^\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's state: all that a reader needs to check proofs against.

    Parameters
    ----------
    origin : str
        The log's unique name, a URL without schema such as ``hub.example.org/log``.
    size : int
        The number of leaves.
    root : bytes
        The Merkle root over them, 32 bytes.
    extensions : tuple of str
        Further lines that the log signs; no proof covers what they say.

    Raises
    ------
    LogError
        When a part cannot stand in a checkpoint, or a log without leaves has another root than the fixed one.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(_LINE.fullmatch(line) for line in (self.origin, *self.extensions)):
            raise _malformed("a line is empty or contains a control character", "origin")
        if not 0 <= self.size <= MAX_TREE_SIZE:
            raise _malformed(f"a size lies between 0 and {MAX_TREE_SIZE}", "size")
        if len(self.root) != HASH_SIZE:
            raise _malformed(f"a root has {HASH_SIZE} bytes", "root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise _malformed("a log without leaves has one fixed root", "root")


def checkpoint_text(checkpoint: Checkpoint) -> str:
    r"""The note text of a checkpoint.

    Examples
    --------
    >>> checkpoint_text(Checkpoint("hub.example.org/log", 0, EMPTY_ROOT))
    'hub.example.org/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n'
    """
    root = encode_base64(checkpoint.root)
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    return "".join(line + "\n" for line in lines)


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read the note text of a checkpoint. It says nothing about who wrote it.

    Raises
    ------
    LogError
        When the text has another form, however slightly.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "":
        raise _malformed("origin, size and root are required, each line ended by a newline", "text")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise _malformed("the size is not a decimal number without leading zeros", "size")
    digest = decode_base64(root, field="checkpoint.root", length=HASH_SIZE)
    return Checkpoint(origin, int(size), digest, tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note, signed by the log.

    A log must never sign two checkpoints of which one does not extend the other.

    Raises
    ------
    LogError
        When the origin cannot be a key's name (white space, ``+``).
    """
    return sign_note(checkpoint_text(checkpoint), name=checkpoint.origin, key=key)


def open_checkpoint(note: str, log_key: VerifierKey) -> Checkpoint:
    """Verify the log's signature on a checkpoint and read it.

    Parameters
    ----------
    note : str
        The signed note; signatures of others, witnesses for example, are not looked at.
    log_key : VerifierKey
        The log's key, named by the log's origin.

    Raises
    ------
    LogError
        When the note is malformed, is not signed by this log, or is about another one.

    Examples
    --------
    >>> from hansa.log.note import verifier_key
    >>> key = Ed25519PrivateKey.generate()
    >>> note = sign_checkpoint(Checkpoint("hub.example.org/log", 0, EMPTY_ROOT), key)
    >>> open_checkpoint(note, verifier_key("hub.example.org/log", key)).size
    0
    """
    checkpoint = parse_checkpoint_text(open_note(note, [log_key]).text)
    if checkpoint.origin != log_key.name:
        raise LogError(
            "the checkpoint is about another log",
            why="its origin is not the name of the key that signed it",
            field="checkpoint.origin",
        )
    return checkpoint


def _malformed(why: str, part: str) -> LogError:
    return LogError("this is not a checkpoint", why=why, field=f"checkpoint.{part}")
