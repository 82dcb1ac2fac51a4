"""Witness cosignatures (c2sp.org/tlog-cosignature, ``cosignature/v1``).

A witness states: at this time, this is the largest tree of this log that I have seen, and it only appends to
every one I saw before. Readers who ask for enough witnesses are safe from a log that shows different people
different histories.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import LogError
from hansa.log.checkpoint import Checkpoint, open_checkpoint
from hansa.log.note import (
    COSIGNATURE_V1,
    Note,
    NoteSignature,
    VerifierKey,
    format_signature,
    parse_note,
    signature_by,
    verifier_key,
    verify_ed25519,
)
from hansa.log.tree import verify_consistency

__all__ = ["Cosigned", "Witnessed", "cosign", "cosignature_message", "verify_cosignatures", "witness_key"]

_SIGNATURE_SIZE = 64
_TIMESTAMP = struct.Struct(">Q")
_MAX_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness has to keep, and what it then hands out.

    ``checkpoint`` must be stored, in the transaction that read the last one, before ``line`` leaves.
    """

    checkpoint: Checkpoint
    line: str


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A verified cosignature: whose, and its time in POSIX seconds by the witness's clock."""

    name: str
    time: int


def witness_key(name: str, key: Ed25519PrivateKey) -> VerifierKey:
    """The verifier key of a witness.

    The signed message does not contain the witness's name, so a key must serve one witness only.
    """
    return verifier_key(name, key, algorithm=COSIGNATURE_V1)


def cosignature_message(text: str, time: int) -> bytes:
    r"""The bytes that a witness signs (tlog-cosignature, "Ed25519 signed message").

    Parameters
    ----------
    text : str
        The checkpoint's note text, with its final newline.
    time : int
        POSIX seconds.

    Examples
    --------
    >>> cosignature_message("log\n", 1679315147)
    b'cosignature/v1\ntime 1679315147\nlog\n'
    """
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign(
    last: Checkpoint | None,
    note: str,
    proof: Sequence[bytes],
    *,
    log_key: VerifierKey,
    name: str,
    key: Ed25519PrivateKey,
    time: int,
) -> Cosigned:
    """Cosign a checkpoint that extends the last one, or refuse.

    Parameters
    ----------
    last : Checkpoint or None
        The largest checkpoint this witness has cosigned for this log; None only before the first.
    note : str
        The log's new signed checkpoint.
    proof : sequence of bytes
        The consistency proof from ``last`` (empty from None, from size 0 and between equal sizes).
    log_key : VerifierKey
        The log's key.
    name, key
        The witness's name and private key.
    time : int
        Now, in POSIX seconds.

    Raises
    ------
    LogError
        When the checkpoint is not the log's own, is smaller than the last, or is inconsistent with it.
    """
    new = open_checkpoint(note, log_key)
    _check_time(time)
    _check_extends(last, new, proof)
    text = parse_note(note).text
    signature = _TIMESTAMP.pack(time) + key.sign(cosignature_message(text, time))
    return Cosigned(new, format_signature(NoteSignature(name, witness_key(name, key).key_id, signature)))


def verify_cosignatures(note: Note, keys: Sequence[VerifierKey]) -> tuple[Witnessed, ...]:
    """The witnesses among those known who cosigned a checkpoint.

    Lines of unknown keys are passed over. The log's own signature is not verified here.

    Parameters
    ----------
    note : Note
        The checkpoint with its signature lines.
    keys : sequence of VerifierKey
        The known witnesses; no public key may stand twice, under whatever names.

    Raises
    ------
    LogError
        When a known witness's cosignature does not verify (the error names it), or ``keys`` are unfit.
    """
    if len({key.public_key for key in keys}) != len(keys):
        raise LogError("a witness is listed twice", why="two keys are the same", field="witness_keys")
    if any(key.algorithm != COSIGNATURE_V1 for key in keys):
        raise LogError("a key is not a witness's key", why="its signature type is not 4", field="witness_keys")
    signed = [(key, signature_by(note, key)) for key in keys]
    return tuple(
        Witnessed(key.name, _verify(note.text, key, signature)) for key, signature in signed if signature is not None
    )


def _verify(text: str, key: VerifierKey, signature: bytes) -> int:
    if len(signature) != _TIMESTAMP.size + _SIGNATURE_SIZE:
        raise LogError(f"the cosignature of {key.name} does not verify", why="its length is wrong", field="witnesses")
    time = int(_TIMESTAMP.unpack_from(signature)[0])
    _check_time(time)
    verify_ed25519(key, signature[_TIMESTAMP.size :], cosignature_message(text, time))
    return time


def _check_time(time: int) -> None:
    if not 0 <= time <= _MAX_TIME:
        raise LogError("a cosignature's time is out of range", why="POSIX seconds below 2**63", field="time")


def _check_extends(last: Checkpoint | None, new: Checkpoint, proof: Sequence[bytes]) -> None:
    if last is None:
        if proof:
            raise LogError("a first checkpoint comes without a proof", field="consistency_proof")
        return
    if last.origin != new.origin:
        raise LogError(
            "the checkpoint is about another log",
            why="its origin is not that of the last one",
            field="checkpoint.origin",
        )
    if new.size < last.size:
        raise LogError(
            "the log was rolled back",
            why="the checkpoint is smaller than one already cosigned",
            fix="submit a checkpoint at least as large as the last one",
            field="checkpoint.size",
        )
    verify_consistency(last.size, last.root, new.size, new.root, proof)
