"""The hub's log: salted commitments in a Merkle tree, checkpoints witnessed by the nodes, proofs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import LogError, ProtocolError, Unreachable
from hansa.hub.rounds import Exchange
from hansa.log import (
    Checkpoint,
    HashReader,
    LogEntry,
    ProofBundle,
    VerifierKey,
    add_signatures,
    consistency_proof,
    format_verifier_key,
    make_bundle,
    parse_note,
    parse_verifier_key,
    root_hash,
    sign_checkpoint,
    verifier_key,
    verify_cosignatures,
)
from hansa.store import HubStore
from hansa.wire.messages import CheckpointBefore, CheckpointCosigned, CheckpointShown, Declined

__all__ = ["HubLog"]


class _ReadOnce:
    """Hashes of complete subtrees, which never change: proofs under one checkpoint share most of them."""

    def __init__(self, reader: HashReader) -> None:
        self.node = functools.cache(reader.node)


class HubLog:
    """Appends events and proves them. ``origin`` names the log in its checkpoints."""

    def __init__(self, store: HubStore, *, origin: str, key: Ed25519PrivateKey, exchange: Exchange) -> None:
        self._store = store
        self._origin = origin
        self._key = key
        self._exchange = exchange

    @property
    def verifier(self) -> VerifierKey:
        """The key that checkpoints are verified with."""
        return verifier_key(self._origin, self._key)

    def append(self, kind: str, payload: bytes, study: str = "") -> int:
        """Commit to an event, of a study or of none; its index."""
        return self._store.append(kind, payload, study)

    def prove(self, entries: Sequence[int], witnesses: Mapping[str, str]) -> ProofBundle:
        """Proofs of these entries under a fresh checkpoint that the witnesses (verifier keys by name) have cosigned."""
        size, nodes = self._store.log_size, _ReadOnce(self._store)
        note = sign_checkpoint(Checkpoint(self._origin, size, root_hash(nodes, size)), self._key)
        lines = [line for node, key in witnesses.items() if (line := self._cosigned(node, key, note, size))]
        kept = [LogEntry(*self._store.entry(index), index) for index in entries]
        return make_bundle(kept, nodes=nodes, checkpoint=note, log_key=self.verifier, witnesses=lines)

    def _cosigned(self, node: str, key: str, note: str, size: int) -> str | None:
        """A node's witness line; one that does not come, or not verify (it would spoil the others), is left out."""
        try:
            answer = self._shown(node, note, size, since=self._store.witnessed(node))
            if isinstance(answer, CheckpointBefore) and answer.size <= size:
                answer = self._shown(node, note, size, since=answer.size)
        except (ProtocolError, Unreachable):
            return None
        if not isinstance(answer, CheckpointCosigned) or not _verifies(answer.signature, key, note):
            return None
        self._store.save_witnessed(node, size)
        return answer.signature

    def _shown(
        self, node: str, note: str, size: int, *, since: int
    ) -> CheckpointCosigned | CheckpointBefore | Declined:
        proof = consistency_proof(self._store, since, size) if 0 < since < size else ()
        key = format_verifier_key(self.verifier)
        shown = CheckpointShown(checkpoint=note, log_key=key, since=since, proof=tuple(proof))
        return self._exchange.one_of(node, shown, CheckpointCosigned, CheckpointBefore)


def _verifies(line: str, key: str, note: str) -> bool:
    try:
        return bool(verify_cosignatures(parse_note(add_signatures(note, [line])), [parse_verifier_key(key)]))
    except LogError:
        return False
