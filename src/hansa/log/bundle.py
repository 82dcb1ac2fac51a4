"""Proof bundles: entries, their proofs, and the signed checkpoint, in one file that is checked offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hansa.errors import LogError
from hansa.log.checkpoint import Checkpoint, open_checkpoint
from hansa.log.leaf import commit
from hansa.log.note import VerifierKey, add_signatures, parse_note
from hansa.log.tree import HashReader, inclusion_proof, leaf_hash, verify_inclusion
from hansa.log.witness import Witnessed, verify_cosignatures

__all__ = ["LogEntry", "ProofBundle", "ProvedEntry", "VerifiedBundle", "make_bundle", "verify_bundle"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry as its owner keeps it: what :func:`~hansa.log.leaf.commit` took, and its leaf's index."""

    kind: str
    payload: bytes
    salt: bytes
    index: int


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """An entry with the inclusion proof of its leaf, from the leaf upwards."""

    entry: LogEntry
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProofBundle:
    """Entries, the log's signed checkpoint, and witness lines without newlines; nothing is verified yet."""

    checkpoint: str
    witnesses: tuple[str, ...]
    entries: tuple[ProvedEntry, ...]


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle proves: these entries are in this log at this checkpoint, which these witnesses saw."""

    checkpoint: Checkpoint
    witnesses: tuple[Witnessed, ...]
    entries: tuple[LogEntry, ...]


def make_bundle(
    entries: Sequence[LogEntry],
    *,
    nodes: HashReader,
    checkpoint: str,
    log_key: VerifierKey,
    witnesses: Sequence[str] = (),
) -> ProofBundle:
    """Prove entries under a signed checkpoint.

    Parameters
    ----------
    entries : sequence of LogEntry
        What to prove.
    nodes : HashReader
        The log's hashes.
    checkpoint : str
        The signed checkpoint, at least as large as the last entry's index + 1.
    log_key : VerifierKey
        The log's key.
    witnesses : sequence of str
        Cosignature lines, without newlines.

    Raises
    ------
    LogError
        When the checkpoint is not the log's, or too small for an entry.
    """
    size = open_checkpoint(checkpoint, log_key).size
    proved = tuple(ProvedEntry(entry, inclusion_proof(nodes, entry.index, size)) for entry in entries)
    return ProofBundle(checkpoint, tuple(witnesses), proved)


def verify_bundle(
    bundle: ProofBundle, log_key: VerifierKey, witness_keys: Sequence[VerifierKey], witnesses_needed: int
) -> VerifiedBundle:
    """Verify everything in a bundle; it needs no network and no clock.

    Parameters
    ----------
    bundle : ProofBundle
        As received.
    log_key : VerifierKey
        The log's key, got from elsewhere (the charter), never from the bundle's sender.
    witness_keys : sequence of VerifierKey
        The witnesses that the reader accepts; the log itself is none.
    witnesses_needed : int
        How many of them must have cosigned. With 0 the log alone is trusted not to show others another
        history.

    Returns
    -------
    VerifiedBundle
        Only when all of it verifies.

    Raises
    ------
    LogError
        Naming the entry (``entries.2``, counted from 0) or the key whose signature failed.
    """
    _check_witness_rule(log_key, witness_keys, witnesses_needed)
    checkpoint = open_checkpoint(bundle.checkpoint, log_key)
    witnessed = parse_note(add_signatures(bundle.checkpoint, bundle.witnesses))
    witnesses = verify_cosignatures(witnessed, witness_keys)
    if len(witnesses) < witnesses_needed:
        raise LogError(
            "too few witnesses cosigned the checkpoint",
            why=f"{witnesses_needed} are needed, {len(witnesses)} of those known signed",
            fix="ask the log for more cosignatures on this checkpoint",
            field="witnesses",
        )
    _check_entries(bundle.entries, checkpoint)
    return VerifiedBundle(checkpoint, witnesses, tuple(proved.entry for proved in bundle.entries))


def _check_witness_rule(log_key: VerifierKey, witness_keys: Sequence[VerifierKey], needed: int) -> None:
    if not 0 <= needed <= len(witness_keys):
        raise LogError(
            "the number of witnesses needed cannot be met",
            why="it lies between 0 and the number of known witnesses",
            field="witnesses_needed",
        )
    if log_key.public_key in {key.public_key for key in witness_keys}:
        raise LogError("the log cannot witness itself", why="its key is among the witnesses", field="witness_keys")


def _check_entries(entries: Sequence[ProvedEntry], checkpoint: Checkpoint) -> None:
    if not entries:
        raise LogError("the bundle proves nothing", why="it holds no entry", field="entries")
    if len({proved.entry.index for proved in entries}) != len(entries):
        raise LogError("a leaf is listed twice", why="each entry has a leaf of its own", field="entries")
    for position, proved in enumerate(entries):
        _check_entry(position, proved, checkpoint)


def _check_entry(position: int, proved: ProvedEntry, checkpoint: Checkpoint) -> None:
    entry = proved.entry
    try:
        leaf = leaf_hash(commit(entry.kind, entry.payload, entry.salt))
        verify_inclusion(leaf, entry.index, checkpoint.size, proved.proof, checkpoint.root)
    except LogError as error:
        raise LogError(
            f"entry {position} is not proved to be in the log",
            why=f"{error.what}; kind, payload, salt, index or proof differ from what was logged",
            fix="ask the sender for this entry and its proof again",
            field=f"entries.{position}",
        ) from error
