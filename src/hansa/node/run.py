"""One run at one node: the phases of its rounds, in order, each once.

Opening a run fixes its roster, the person set (the epoch) and the code version. Then each round is
prepared and answered; a message out of place is refused and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from hansa.errors import HeadroomError, ProtocolError, Refused
from hansa.governance import ConsentRegister
from hansa.model.exposure import FloatArray
from hansa.node.comparisons import Past, all_past, comparisons, epochs_digest, judge_comparison, numbers_of, remembered
from hansa.node.prepared import Asking, exposure_key, preparation_key, reads
from hansa.node.prepared import Counted as CountedExposures
from hansa.node.rows import Found, Rows, stepping
from hansa.node.site import judge_alone, judge_past
from hansa.privacy.counts import Tally
from hansa.privacy.fixed_point import Lanes, decode, encode
from hansa.privacy.history import Population, given_away
from hansa.privacy.rules import (
    ADVICE,
    Breach,
    counts_as_node,
    fills_arms,
    held_in_arms,
    is_own_release,
    judge,
    judge_nodes,
    judge_parameters,
)
from hansa.privacy.secure_sum import RoundContext, mask, pair_key, total_of
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Step
from hansa.stats.question import Question
from hansa.version import works_with
from hansa.wire import encode as to_cbor
from hansa.wire.messages import Counted, RoundAsked, RunReady

__all__ = ["NodeRun", "Round", "disclosure_refused", "question_part", "round_request"]


def disclosure_refused() -> Refused:
    """The one refusal that a data-dependent rule gives: no number, no rule, no node."""
    return Refused("the answer would tell too much about few people", fix=ADVICE, reason="disclosure")


def round_request(asked: RoundAsked) -> bytes:
    """SHA-256 over a round's place, step, arguments and inputs, as every party computes it."""
    parts = [asked.study, asked.run, asked.round, asked.attempt, asked.step, asked.step_version]
    return hashlib.sha256(to_cbor([*parts, asked.arguments, dict(asked.inputs)])).digest()


def question_part(asked: RoundAsked) -> bytes:
    """SHA-256 over what a round asks, whichever run asks it: an identical question is charged once."""
    return hashlib.sha256(to_cbor([asked.step, asked.step_version, asked.arguments, dict(asked.inputs)])).digest()


@dataclass(eq=False)
class Round:
    """A round under way; ``phase`` is the last one completed, ``given`` the parts of ``masked`` that have left."""

    asked: RoundAsked
    request: bytes
    step: Step
    shares: FloatArray
    tally: FloatArray
    blocks: tuple[Tally, ...]
    counted: CountedExposures | None
    pairs: tuple[tuple[str, str], ...]
    shapes: Mapping[str, tuple[int, ...]]
    phase: str = "counted"
    sent: Counted | None = None
    masked: Lanes | None = None
    given: int = 0


@dataclass(eq=False)
class NodeRun:
    """A run's state at a node. Nothing here survives the run.

    ``alone_ok``: the permit allows that this node's share is given away. ``released`` are the people of its own
    earlier releases, ``own_release`` whether this run's sums are one, since they tell of an arm that few nodes hold.
    """

    node: str
    study: str
    run: str
    roster: tuple[str, ...]
    rows: Rows
    limits: Thresholds
    epoch: int
    consent: ConsentRegister
    instead_of: str = ""
    alone_ok: bool = False
    released: tuple[Population, ...] = ()
    agreement: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate, repr=False)
    binding: bytes = b""
    epochs: str = ""
    pair_keys: dict[str, bytes] = field(default_factory=dict, repr=False)
    declared: tuple[Population, ...] = ()
    opened_after: int = 0
    past: Past = ()
    granted: frozenset[str] = frozenset()
    judged: set[bytes] = field(default_factory=set)
    own_release: bool = False
    breaches: tuple[Breach, ...] = ()
    current: Round | None = None
    _asked_before: list[Population] = field(default_factory=list)
    _may_read: set[bytes] = field(default_factory=set)
    next_round: int = 0

    @property
    def question(self) -> Question:
        """What the run is about."""
        return self.rows.question

    def start(self, ready: Mapping[str, RunReady], envelopes: Sequence[bytes], own: Sequence[Population]) -> bytes:
        """Agree with the other nodes of the roster; the binding that enters every mask.

        Raises
        ------
        ProtocolError
            If the ready messages are not one each of this run's roster.
        """
        if self.binding:
            raise ProtocolError("a run starts once")
        for node, message in ready.items():
            same = (message.study, message.run, message.roster)
            if node not in self.roster or same != (self.study, self.run, self.roster) or not works_with(message.code):
                raise ProtocolError("a node is ready for another run, roster or code version")
        if set(ready) != set(self.roster) or len(envelopes) != len(self.roster):
            raise ProtocolError("not every node of the roster is ready")
        self.binding = hashlib.sha256(b"".join(hashlib.sha256(envelope).digest() for envelope in envelopes)).digest()
        self.pair_keys = {
            node: self._pair_key(message.agreement) for node, message in ready.items() if node != self.node
        }
        self.epochs = epochs_digest(self.question.study, ready)
        self.past = all_past(ready, own)
        return self.binding

    def _pair_key(self, agreement: bytes) -> bytes:
        try:
            peer = X25519PublicKey.from_public_bytes(agreement)
        except ValueError:
            raise ProtocolError("a peer's agreement key is no X25519 key") from None
        return pair_key(self.agreement, peer, binding=self.binding)

    def count(self, asked: RoundAsked) -> Round:
        """Prepare a round: the share, kept here, and the tally of people behind it.

        Raises
        ------
        ProtocolError
            If the round is not the next one, or names a step or version that is not installed.
        """
        if not self.binding:
            raise ProtocolError("a round comes after the run has started")
        if asked.round != self.next_round or asked.attempt != 0:
            raise ProtocolError("a round is asked once, in order", why="this one was asked before, or comes too soon")
        step = self._step(asked)
        self._check_reads(step, asked)
        self.next_round += 1
        judged = exposure_key(step.preparation, asked.arguments) in self.judged
        asking = None if judged else Asking(frozenset(self.roster), self.epochs, self.limits)
        with stepping():
            found = self.rows.ask(step, asked.arguments, asked.inputs, asking)
        blocks, pairs, tally = self._tally(asked, found)
        values = np.concatenate([np.ravel(found.sums[o.name]) for o in step.outputs] or [np.zeros(0)])
        self._check_bounds(step, found)
        shapes = {name: value.shape for name, value in found.sums.items()}
        self.current = Round(asked, round_request(asked), step, values, tally, blocks, found.counted, pairs, shapes)
        return self.current

    def judge(self, masked: Sequence[Lanes]) -> None:
        """Add up the league's tallies and judge them.

        Raises
        ------
        Refused
            With code ``disclosure`` when any rule does not hold; the breaches stay here, for the steward.
        """
        current = self._in_phase("counted")
        if any(lanes.shape != (2, current.tally.size) for lanes in masked):
            raise ProtocolError("a tally has another length than this node's")
        totals = decode(total_of(masked))
        self.breaches = tuple(self._breaches(current, totals))
        if self.breaches:
            raise disclosure_refused()
        self.judged.add(exposure_key(current.step.preparation, current.asked.arguments))

    def masked(self, current: Round, phase: str) -> Lanes:
        """The round's tally or share with its masks on."""
        numbers = current.tally if phase == "counts" else current.shares
        context = RoundContext(
            study=self.study,
            run=self.run,
            round=current.asked.round,
            attempt=current.asked.attempt,
            step=current.step.name,
            version=current.step.version,
            phase=phase,
            roster=self.roster,
            inputs=current.request,
        )
        lanes = _encoded(numbers, nodes=len(self.roster))
        return mask(lanes, own=self.node, pair_keys=self.pair_keys, context=context)

    def advance(self, place: tuple[str, str, int, int], before: str, after: str) -> Round:
        """Move the current round on by one phase.

        Raises
        ------
        ProtocolError
            If the message belongs to another round, or the round is in another phase.
        """
        current = self._in_phase(before)
        asked = current.asked
        if place != (asked.study, asked.run, asked.round, asked.attempt):
            raise ProtocolError("a message belongs to another round")
        current.phase = after
        return current

    def _in_phase(self, phase: str) -> Round:
        if self.current is None or self.current.phase != phase:
            raise ProtocolError("a message comes out of order", why=f"the round is not {phase}")
        return self.current

    def _step(self, asked: RoundAsked) -> Step:
        for step in self.question.method.steps:
            if (step.name, step.version) == (asked.step, asked.step_version):
                return step
        raise ProtocolError(
            "a round asks for a step that is not installed here", why="a node runs only its own installed steps"
        )

    def _check_reads(self, step: Step, asked: RoundAsked) -> None:
        """A round's arguments come from the hub: they may not reach beyond the variables of the question."""
        key, question = preparation_key(step.preparation, asked.arguments), self.question
        if key in self._may_read:
            return
        wanted = question.raw_of(reads(step.preparation, asked.arguments))
        if wanted - question.touched - question.raw:
            raise ProtocolError("a round asks for variables that the question does not name")
        self._may_read.add(key)

    def _tally(
        self, asked: RoundAsked, found: Found
    ) -> tuple[tuple[Tally, ...], tuple[tuple[str, str], ...], FloatArray]:
        """The tally's blocks, the kinds of the populations it compares, and its numbers.

        In order: whether this node counts, and which arms it fills; the exposures; the comparisons; the weights.
        """
        blocks: list[Tally] = []
        pairs: list[tuple[str, str]] = []
        counted = found.counted
        held = np.zeros(0) if counted is None else held_in_arms(counted.tallies, counted.arms)
        numbers = [np.zeros(1), fills_arms(held, self.limits)]
        if counted is not None:
            self._check_alone(counted.populations)
            numbers[0][0] = counts_as_node(counted.tallies, counted.strata, self.limits)
            blocks.extend(counted.tallies)
            old = [*remembered(self.past), *self._asked_before]
            declared = self.declared if asked.round == 0 else ()
            compared = comparisons(counted.populations, old, declared, node=self.node)
            pairs.extend(kinds for kinds, _ in compared)
            numbers.extend(tally.numbers for tally in counted.tallies)
            numbers.extend(np.array(counts, dtype=np.float64) for _, counts in compared)
            self._asked_before.extend(counted.populations)
        if found.weights is not None:
            blocks.append(found.weights)
            numbers.append(found.weights.numbers)
        return tuple(blocks), tuple(pairs), np.concatenate(numbers)

    def _check_alone(self, populations: Sequence[Population]) -> None:
        """Totals over node sets that differ by few nodes give those nodes' shares away: they must agree."""
        for variables in {population.variables for population in populations}:
            rosters = [frozenset(past.roster) for past, _ in self.past if variables & frozenset(past.variables)]
            if given_away(rosters, frozenset(self.roster), limits=self.limits) - self.granted:
                sentence = "earlier questions were asked of node sets that differ by few nodes"
                self.breaches = (Breach("node sets", "history", sentence),)
                raise disclosure_refused()

    def _breaches(self, current: Round, totals: FloatArray) -> list[Breach]:
        found: list[Breach] = []
        counted, position = current.counted, _first_tally(current)
        if counted is not None:
            found.extend(judge_nodes(float(totals[0]), self.limits))
            held = held_in_arms(counted.tallies, counted.arms)
            self.own_release |= is_own_release(held, totals[1:position], self.limits)
        for block in _exposures(current):
            tally = Tally(block.block, totals[position : position + block.block.size])
            position += block.block.size
            found.extend((*judge(tally, self.limits), *judge_parameters(tally, self.limits)))
        found += self._compared_and_weighed(current, totals)
        return [*found, *self._of_own_release(current)] if self.own_release else found

    def _compared_and_weighed(self, current: Round, numbers: FloatArray) -> list[Breach]:
        """Comparisons and weights, of the league or of this node."""
        found: list[Breach] = []
        position = _first_tally(current) + sum(block.block.size for block in _exposures(current))
        for kinds in current.pairs:
            size = numbers_of(kinds)
            counts = [float(count) for count in numbers[position : position + size]]
            position += size
            found.extend(judge_comparison(kinds, counts, self.limits))
        for block in current.blocks:
            if block.block.weights:
                found.extend(judge(Tally(block.block, numbers[position:]), self.limits))
        return found

    def _of_own_release(self, current: Round) -> list[Breach]:
        """What is released of this node alone is judged on its own numbers, as well as on the league's."""
        if not self.alone_ok:
            sentence = "few nodes hold an arm, this one among them, and its policy does not allow that it is told alone"
            return [Breach("alone", "arms", sentence)]
        found = self._compared_and_weighed(current, current.tally)
        if current.counted is not None:
            found += judge_alone(current.counted, self.limits)
            found += judge_past(self.node, current.counted.populations, self.released, self.limits)
        return found

    def _check_bounds(self, step: Step, found: Found) -> None:
        for output in step.outputs:
            largest = np.abs(found.sums[output.name]).max(initial=0.0)
            if not largest <= output.bound:
                raise disclosure_refused() from HeadroomError("a share exceeds its declared bound", field=output.name)


def _first_tally(current: Round) -> int:
    """Where the exposures' numbers begin: after whether the node counts, and which arms it fills."""
    return 1 + (0 if current.counted is None else 2 * sum(map(sum, current.counted.arms)))


def _exposures(current: Round) -> list[Tally]:
    return [block for block in current.blocks if not block.block.weights]


def _encoded(numbers: FloatArray, *, nodes: int) -> Lanes:
    """Fixed-point lanes; what does not fit depends on data, so outside it is one more ``disclosure``."""
    try:
        return encode(numbers, nodes=nodes)
    except HeadroomError as fault:
        raise disclosure_refused() from fault
