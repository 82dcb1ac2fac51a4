"""A node: it answers messages, and every answer has passed its own gate.

``handle`` takes the bytes of one signed message and gives the bytes of one signed answer. Whatever goes wrong
becomes a ``Declined`` with a code and general advice; what the steward needs stays in the node's own store.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import HansaError, HeadroomError, LogError, ProtocolError, Refused, StudyError
from hansa.governance import ConsentRegister
from hansa.node.context import NodeContext
from hansa.node.releases import grant_alone, release
from hansa.node.rounds import Rounds
from hansa.node.run import disclosure_refused
from hansa.node.studies import approve, decide_study, stop
from hansa.node.witness import witness_checkpoint
from hansa.wire import Message, peek, seal
from hansa.wire.messages import (
    AloneAsked,
    CheckpointShown,
    CountsShown,
    Declined,
    PartAsked,
    RoundAsked,
    RunOpen,
    RunStart,
    SiteAsked,
    StudySubmitted,
)

__all__ = ["Node"]


class Node:
    """One custodian's node. ``witness_key`` signs the hub's log checkpoints and nothing else."""

    def __init__(self, context: NodeContext, witness_key: Ed25519PrivateKey) -> None:
        self.context = context
        self._rounds = Rounds(context)
        self._answers: dict[str, Callable[[bytes], Message | bytes]] = {
            StudySubmitted.kind(): lambda data: decide_study(context, data),
            RunOpen.kind(): self._rounds.open,
            RunStart.kind(): self._rounds.start,
            RoundAsked.kind(): self._rounds.count,
            CountsShown.kind(): self._rounds.answer,
            PartAsked.kind(): self._rounds.part,
            SiteAsked.kind(): lambda data: release(context, data),
            AloneAsked.kind(): lambda data: grant_alone(context, data),
            CheckpointShown.kind(): lambda data: witness_checkpoint(context, data, witness_key),
        }

    def handle(self, data: bytes) -> bytes:
        """Answer one message. Never raises; a refused number shows in no answer."""
        try:
            return self._answer(data)
        except HansaError as refusal:
            return self._seal(self._declined(refusal))
        except Exception as fault:
            self.context.store.note_event("fault", "", type(fault).__name__)
            return self._seal(_FAULT)

    def approve(self, study: str, *, by: str) -> None:
        """A committee's yes to a referred study."""
        approve(self.context, study, by=by)

    def stop(self, study: str, *, by: str) -> None:
        """Stop a study at once."""
        stop(self.context, study, by=by)
        self._rounds.end_study(study)

    def change_consent(self, register: ConsentRegister) -> None:
        """A new consent register: runs over people who no longer consent end before their next round."""
        self.context.consent = register
        self.context.store.note_event("consent changed", "", "")

    def close(self) -> None:
        """Let go of the rows; the process that holds them apart, if there is one, ends."""
        self.context.work.close()

    def _answer(self, data: bytes) -> bytes:
        kind = peek(data).kind
        if kind not in self._answers:
            raise ProtocolError("a node does not answer messages of this kind")
        answer = self._answers[kind](data)
        return answer if isinstance(answer, bytes) else self._seal(answer)

    def _seal(self, message: Message) -> bytes:
        return seal(message, self.context.signer)

    def _declined(self, refusal: HansaError) -> Declined:
        if isinstance(refusal, HeadroomError):
            refusal = disclosure_refused()  # what does not fit depends on data
        if isinstance(refusal, Refused):
            return Declined(code=refusal.reason, what=refusal.what, fix=refusal.fix)
        if isinstance(refusal, ProtocolError | StudyError):
            what = f"{refusal.field}: {refusal.what}" if refusal.field else refusal.what
            return Declined(code=refusal.code, what=what, fix=refusal.fix)
        self.context.store.note_event("fault", "", f"{refusal.code}: {refusal.what}")
        if isinstance(refusal, LogError):  # the log is the hub's, and nothing of this node stands in it
            return Declined(code=refusal.code, what=refusal.what, fix=refusal.fix)
        return _FAULT


_FAULT = Declined(code="fault", what="the node could not answer", fix="ask its custodian")
