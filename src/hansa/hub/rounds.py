"""One run over its roster: open it, then a round of two phases for each sum the plan asks for.

The hub sees masked shares, whose masks cancel over the whole roster: it can compute the total and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from hansa.engine import Transport
from hansa.errors import ProtocolError, Refused, Unreachable
from hansa.model.exposure import FloatArray
from hansa.privacy.fixed_point import Lanes, decode
from hansa.privacy.history import given_away
from hansa.privacy.secure_sum import total_of
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Request, Step, Totals
from hansa.stats.question import Question
from hansa.version import __version__
from hansa.wire import Message, Signer, encode, open_message, peek, seal
from hansa.wire.directory import Directory
from hansa.wire.messages import (
    AloneAsked,
    AloneGranted,
    Answered,
    Counted,
    CountsShown,
    Declined,
    PartAsked,
    RoundAsked,
    RunOpen,
    RunReady,
    RunStart,
    RunStarted,
)

__all__ = ["Exchange", "HubRun"]

M = TypeVar("M", bound=Message)
N = TypeVar("N", bound=Message)


@dataclass(frozen=True, eq=False)
class Exchange:
    """The hub's side of every exchange: it signs, asks, and opens what comes back."""

    signer: Signer
    directory: Directory
    transport: Transport

    def ask(self, nodes: Iterable[str], message: Message, expected: type[M]) -> dict[str, tuple[bytes, M]]:
        """Every node's answer, as its sealed bytes and opened.

        Raises
        ------
        Refused
            If a node declined. What is said does not tell which node, nor why beyond its general advice.
        """
        sealed = seal(message, self.signer)
        answers = self.transport.ask(dict.fromkeys(nodes, sealed))
        return {node: (answer, self.accept(node, answer, expected)) for node, answer in answers.items()}

    def accept(self, node: str, answer: bytes, expected: type[M]) -> M:
        """One node's answer, verified; a no is raised as :class:`Refused`."""
        found = self.open(node, answer, expected)
        if isinstance(found, Declined):
            raise Refused(found.what, fix=found.fix, reason=found.code)
        return found

    def seal(self, message: Message) -> bytes:
        """The hub's signed envelope of a message."""
        return seal(message, self.signer)

    def one_of(self, node: str, message: Message, one: type[M], other: type[N]) -> M | N | Declined:
        """One node's answer, of either kind, or a no."""
        answer = self.transport.ask({node: seal(message, self.signer)})[node]
        if peek(answer).kind == other.kind():
            return self.open(node, answer, other)
        return self.open(node, answer, one)

    def open(self, node: str, answer: bytes, expected: type[M]) -> M | Declined:
        """One node's answer, verified to be this node's."""
        keys = self.directory.of("node-sign")
        if peek(answer).kind == Declined.kind():
            return open_message(answer, Declined, keys, sender=node)[1]
        return open_message(answer, expected, keys, sender=node)[1]


class HubRun:
    """A run that the nodes of its roster have agreed to."""

    def __init__(
        self,
        exchange: Exchange,
        question: Question,
        *,
        run: str,
        analysis: str,
        roster: Sequence[str],
        before: HubRun | None = None,
        may_lose: bool = False,
    ) -> None:
        self._exchange = exchange
        self._question = question
        self.run = run
        self._analysis = analysis
        self.roster = tuple(sorted(roster))
        self.rounds = 0
        self._started = False
        self._first = run if before is None else before.first
        self._spare: dict[str, bytes] = {} if before is None else before.spare
        self._asks_spare = may_lose and before is None

    @property
    def first(self) -> str:
        """The run that this one, or the one before it, stands in for; itself, if it is the first."""
        return self._first

    @property
    def spare(self) -> dict[str, bytes]:
        """Permissions that nodes gave ahead, for the case that they are lost."""
        return self._spare

    def sum(self, step: Step, request: Request, inputs: Mapping[str, FloatArray]) -> Totals:
        """The totals of one round."""
        if not self._started:
            self.start()
        place: dict[str, Any] = {
            "study": self._question.study.id,
            "run": self.run,
            "round": self.rounds,
            "attempt": 0,
        }
        self.rounds += 1
        asked = RoundAsked(
            **place,
            step=step.name,
            step_version=step.version,
            arguments=dict(request.arguments),
            inputs=dict(inputs),
        )
        counted = self._relayed(asked, Counted)
        numbers = decode(self._total(CountsShown(**place, counted=counted), place))
        return _split(numbers, self._question.shapes(step, request.arguments))

    def _total(self, shown: CountsShown, place: Mapping[str, Any]) -> Lanes:
        """The masked total. Long shares come in parts that are added up as they come: one total is held, not many."""
        answers = self._ask(shown, Answered)
        parts = {message.parts for _, message in answers.values()}
        if len(parts) != 1:
            raise ProtocolError("the nodes answer in different numbers of parts")
        further = range(1, parts.pop())
        rest = (_sum_of_part(self._ask(PartAsked(**place, part=part), Answered), place, part) for part in further)
        return np.concatenate([_sum_of_part(answers, place, 0), *rest], axis=1)

    def _ask(self, message: Message, expected: type[M]) -> dict[str, tuple[bytes, M]]:
        return self._exchange.ask(self.roster, message, expected)

    def _relayed(self, message: Message, expected: type[Message]) -> tuple[bytes, ...]:
        """Answers that the hub only passes on: every node verifies them for itself."""
        answers = self._exchange.transport.ask(dict.fromkeys(self.roster, self._exchange.seal(message)))
        for node, answer in answers.items():
            if peek(answer).kind != expected.kind():
                self._exchange.accept(node, answer, expected)
        return tuple(answers.values())

    def start(self) -> str:
        """Open the run at its nodes; a digest of the epochs whose people it is about."""
        study = self._question.study
        opening = RunOpen(
            study=study.id,
            run=self.run,
            analysis=self._analysis,
            roster=self.roster,
            dictionary=self._question.dictionary_digest,
            code=__version__,
            instead_of="" if self._first == self.run else self._first,
        )
        ready = self._ask(opening, RunReady)
        alone = tuple(self._alone(ready))
        start = RunStart(study=study.id, run=self.run, ready=tuple(sealed for sealed, _ in ready.values()), alone=alone)
        bindings = {message.binding for _, message in self._ask(start, RunStarted).values()}
        if len(bindings) != 1:
            raise ProtocolError("the nodes do not agree on the roster", why="they saw different messages")
        self._started = True
        if self._asks_spare and len(self.roster) > self._limits.min_nodes:
            self._spare = self._ask_spare()
        return hashlib.sha256(
            encode([[node, message.epoch] for node, (_, message) in sorted(ready.items())])
        ).hexdigest()

    @property
    def _limits(self) -> Thresholds:
        return Thresholds(min_nodes=max(3, self._question.study.min_nodes))

    def _alone(self, ready: Mapping[str, tuple[bytes, RunReady]]) -> list[bytes]:
        """Permissions of the nodes whose share this run and an earlier question would give away."""
        roster = frozenset(self.roster)
        rosters = [
            frozenset(past.roster)
            for _, message in ready.values()
            for past in message.past
            if frozenset(past.variables) & self._question.touched
        ]
        apart = given_away(rosters, roster, limits=self._limits)
        return [self._alone_of(node) for node in sorted(apart)]

    def _alone_of(self, node: str) -> bytes:
        if node in self._spare:
            return self._spare[node]
        try:
            return self._exchange.ask([node], self._alone_asked(), AloneGranted)[node][0]
        except Unreachable:
            raise Unreachable(
                f"the run stopped: {node} was lost",
                why="a total without it would give its share away, which it has not allowed",
                fix="run the analysis again when the node is back",
            ) from None

    def _ask_spare(self) -> dict[str, bytes]:
        """What nodes allow ahead: that the others go on without them. A node that refuses is not asked why."""
        asked = self._exchange.seal(self._alone_asked())
        answers = self._exchange.transport.ask(dict.fromkeys(self.roster, asked))
        return {
            node: answer
            for node, answer in answers.items()
            if not isinstance(self._exchange.open(node, answer, AloneGranted), Declined)
        }

    def _alone_asked(self) -> AloneAsked:
        return AloneAsked(
            study=self._question.study.id,
            run=self.run,
            analysis=self._analysis,
            roster=self.roster,
            code=__version__,
        )


def _sum_of_part(answers: Mapping[str, tuple[bytes, Answered]], place: Mapping[str, Any], part: int) -> Lanes:
    wanted = {**place, "part": part}
    if any(getattr(message, name) != value for _, message in answers.values() for name, value in wanted.items()):
        raise ProtocolError("a node answers with another round or part than it was asked for")
    if len({message.lanes.shape for _, message in answers.values()}) != 1:
        raise ProtocolError("the nodes' answers have different lengths")
    return total_of([message.lanes for _, message in answers.values()])


def _split(numbers: FloatArray, shapes: Mapping[str, tuple[int, ...]]) -> Totals:
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    if sum(sizes) != numbers.size:
        raise ProtocolError("a total has another length than the step declares")
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return Totals({name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)})
