"""The hub's log: salted commitments in a Merkle tree, checkpoints witnessed by the nodes, proofs."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import Unreachable
from hansa.hub.rounds import Exchange
from hansa.log import (
    Checkpoint,
    LogEntry,
    ProofBundle,
    VerifierKey,
    consistency_proof,
    format_verifier_key,
    make_bundle,
    root_hash,
    sign_checkpoint,
    verifier_key,
)
from hansa.store import HubStore
from hansa.wire.messages import CheckpointBefore, CheckpointCosigned, CheckpointShown, Declined

__all__ = ["HubLog"]


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

    def prove(self, entries: Sequence[int], witnesses: Sequence[str]) -> ProofBundle:
        """Proofs of these entries under a fresh checkpoint that the witnesses have cosigned."""
        size = self._store.log_size
        note = sign_checkpoint(Checkpoint(self._origin, size, root_hash(self._store, size)), self._key)
        lines = [line for line in (self._cosigned(node, note, size) for node in witnesses) if line]
        kept = [LogEntry(*self._store.entry(index), index) for index in entries]
        return make_bundle(kept, nodes=self._store, checkpoint=note, log_key=self.verifier, witnesses=lines)

    def _cosigned(self, node: str, note: str, size: int) -> str | None:
        """A node's witness line; a node that does not answer is left out, and the reader sees who signed."""
        try:
            answer = self._shown(node, note, size, since=self._store.witnessed(node))
            if isinstance(answer, CheckpointBefore) and answer.size <= size:
                answer = self._shown(node, note, size, since=answer.size)
        except Unreachable:
            return None
        if not isinstance(answer, CheckpointCosigned):
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
