"""The journal of a run, and the replay of its plan.

A plan is deterministic in the totals it receives. So the journal of (request hash, totals) resumes a run
after a crash, and lets anyone who has it check that every request was the plan's own: an input that the plan
did not ask for is the hub's misconduct, proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hansa.errors import ProtocolError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Request, Step, Totals
from hansa.stats.question import Question
from hansa.wire import decode, encode

__all__ = ["Journal", "JournalEntry", "Journalled", "replay", "request_digest"]


@dataclass(frozen=True)
class JournalEntry:
    """A request's hash and the encoded totals that answered it."""

    request: bytes
    totals: bytes


class Journal(Protocol):
    """Where a run's entries are kept."""

    def entries(self) -> Sequence[JournalEntry]:
        """All entries so far, in order."""
        ...

    def append(self, entry: JournalEntry) -> None:
        """Keep the next entry."""
        ...


def request_digest(step: Step, request: Request, inputs: Mapping[str, FloatArray]) -> bytes:
    """SHA-256 over step, version, arguments and inputs, whichever run asks."""
    return hashlib.sha256(encode([step.name, step.version, dict(request.arguments), dict(inputs)])).digest()


class Journalled:
    """The cohorts a plan sees: sums it has asked before come from the journal, new ones from ``ask``."""

    def __init__(
        self,
        question: Question,
        journal: Journal,
        ask: Callable[[Step, Request, Mapping[str, FloatArray]], Totals],
    ) -> None:
        self._question = question
        self._steps = {step.name: step for step in question.method.steps}
        self._journal = journal
        self._known = list(journal.entries())
        self._ask = ask
        self._position = 0

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The variables a plan may name."""
        return self._question.variables

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        """The totals of a round, asked for or remembered.

        Raises
        ------
        ProtocolError
            If the plan asks for something else than the journal says it did.
        """
        found = self._steps[step]
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        digest = request_digest(found, request, arrays)
        position, self._position = self._position, self._position + 1
        if position < len(self._known):
            if self._known[position].request != digest:
                raise ProtocolError(
                    f"request {position} of the run is not the plan's",
                    why="replayed over the same totals, the plan asks for something else",
                    fix="keep journal and messages as evidence, and tell the charter's members",
                )
            return Totals(decode(self._known[position].totals))
        totals = self._ask(found, request, arrays)
        self._journal.append(JournalEntry(digest, encode(dict(totals))))
        return totals

    def sum_many(self, step: str, request: Request, rounds: Sequence[Mapping[str, FloatArray]]) -> list[Totals]:
        """Each round's totals."""
        return [self.sum(step, request, **inputs) for inputs in rounds]


@dataclass(frozen=True)
class _Kept:
    kept: Sequence[JournalEntry]

    def entries(self) -> Sequence[JournalEntry]:
        return self.kept

    def append(self, _entry: JournalEntry) -> None:
        raise ProtocolError("the journal ends before the plan does")


def replay(question: Question, entries: Sequence[JournalEntry]) -> object:
    """Run a question's plan over a journal alone; its result.

    Raises
    ------
    ProtocolError
        If any request was not the plan's, or the journal is not complete.
    """

    def nothing_more(_step: Step, _request: Request, _inputs: Mapping[str, FloatArray]) -> Totals:
        raise ProtocolError("the journal ends before the plan does")

    cohorts = Journalled(question, _Kept(entries), nothing_more)
    return question.method.plan(cohorts, question.arguments)
