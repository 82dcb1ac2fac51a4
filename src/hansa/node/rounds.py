"""The rounds of all runs at a node: each phase checks the permit, the epoch, the place and the signatures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hansa.errors import ProtocolError, Refused
from hansa.governance import Epoch
from hansa.model import Study
from hansa.node.context import NodeContext
from hansa.node.run import NodeRun, Round, question_part
from hansa.node.site import CHECKS
from hansa.node.studies import alone_ok, check_version, permitted
from hansa.privacy.fixed_point import PART_NUMBERS, Lanes
from hansa.privacy.history import Population
from hansa.store import LedgerEntry
from hansa.version import __version__
from hansa.wire import key_id, open_message, peek
from hansa.wire.envelope import payload_of
from hansa.wire.messages import (
    AloneGranted,
    Answered,
    Counted,
    CountsShown,
    PartAsked,
    PastPopulation,
    RoundAsked,
    RoundPlace,
    RunOpen,
    RunReady,
    RunStart,
    RunStarted,
)

__all__ = ["Rounds"]

Asked = TypeVar("Asked", bound=RoundPlace)

_TALLY = "tally of people"
_ARM = "sums of an arm that few nodes hold"
_CHECKS = "group cell products effective parameters differing nodes"


class Rounds:
    """The runs that are open at a node."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._runs: dict[str, NodeRun] = {}
        self._own_key = key_id(node.signer.public)
        self._seen: set[str] = set()
        self._answered: list[str] = []
        self._sets: dict[tuple[str, int], tuple[Population, ...]] = {}

    def open(self, data: bytes) -> RunReady:
        """Fix roster, people and code version of a run."""
        _, asked = open_message(data, RunOpen, self._node.directory.of("hub"))
        study = permitted(self._node, asked.study, roster=asked.roster)
        self._check_opening(asked, study)
        epoch = self._node.epoch(study)
        rows = self._node.select(study, asked.analysis, epoch.people)
        if asked.dictionary != rows.question.dictionary_digest:
            raise ProtocolError("the hub works with another dictionary than this node", fix="agree on one version")
        if rows.question.sites:
            raise ProtocolError("this analysis asks for releases of sites, not for a total")
        run = NodeRun(
            node=self._node.name,
            study=asked.study,
            run=asked.run,
            roster=asked.roster,
            rows=rows,
            limits=self._node.limits(study),
            epoch=epoch.number,
            consent=self._node.consent,
            instead_of=asked.instead_of,
            alone_ok=alone_ok(self._node, asked.study),
            released=tuple(self._node.store.populations(release=True)),
            declared=self._declared(study, epoch),
            opened_after=len(self._answered),
        )
        self._runs[asked.run] = run
        self._seen.add(asked.run)
        return RunReady(
            study=asked.study,
            run=asked.run,
            roster=asked.roster,
            agreement=run.agreement.public_key().public_bytes_raw(),
            epoch=epoch.number,
            code=__version__,
            past=tuple(_named(population) for population in self._past()),
        )

    def start(self, data: bytes) -> RunStarted:
        """Agree with all nodes of the roster on what they are ready for."""
        _, asked = open_message(data, RunStart, self._node.directory.of("hub"))
        run = self._run(asked)
        keys = self._node.directory.of("node-sign")
        ready = dict(open_message(sealed, RunReady, keys) for sealed in asked.ready)
        binding = run.start(ready, asked.ready, self._past())
        run.granted = self._granted(run, asked.alone)
        return RunStarted(study=asked.study, run=asked.run, binding=binding)

    def count(self, data: bytes) -> Counted:
        """Prepare a round and show the masked tally of people behind it."""
        asked, run = self._asked(data, RoundAsked)
        study = permitted(self._node, asked.study)
        # A register is a frozen value: while it is the same one, the epoch holds without being looked up.
        if run.consent is not self._node.consent and not self._node.epoch_holds(study, run.epoch):
            self._runs.pop(run.run)
            raise Refused("the epoch of this run has ended", fix="start the analysis again", reason="epoch")
        try:
            with self._node.at_work(run.study):
                current = run.count(asked)
        except Refused:
            self._end(run)
            raise
        counted = Counted(**_place(asked), request=current.request, lanes=run.masked(current, "counts"))
        current.sent = counted
        self._node.store.note_left(self._entry(run, current, _TALLY, (current.tally.size,), "protected"))
        return counted

    def answer(self, data: bytes) -> Answered:
        """Judge the league's tallies; where they suffice, give the masked share and note what left."""
        asked, run = self._asked(data, CountsShown)
        permitted(self._node, asked.study)
        current = run.advance(_key(asked), "counted", "counted")
        self._check_nothing_between(run, current)
        shown = self._from_roster(asked.counted, run, current)
        try:
            run.judge([message.lanes for message in shown])
        except Refused:
            self._end(run)
            raise
        current.masked = run.masked(current, "values")
        run.advance(_key(asked), "counted", "answered")
        self._record(run, current)
        return _next_part(current)

    def part(self, data: bytes) -> Answered:
        """The next part of a long answer, which was judged and noted as a whole; each is given once."""
        asked, run = self._asked(data, PartAsked)
        permitted(self._node, asked.study)
        current = run.advance(_key(asked), "answered", "answered")
        if current.masked is None or asked.part != current.given:
            raise ProtocolError("a round's answer has no such part, or not now")
        return _next_part(current)

    def _check_nothing_between(self, run: NodeRun, current: Round) -> None:
        """What another run was answered since this one opened is not in the history it was counted against."""
        if current.counted is not None and set(self._answered[run.opened_after :]) - {run.run}:
            self._end(run)
            what = "another question was answered while this one was counted"
            raise Refused(what, fix="start the analysis again", reason="history")

    def _end(self, run: NodeRun) -> None:
        self._node.note_breaches(run.study, run.breaches)
        self._runs.pop(run.run)

    def end_study(self, study: str) -> None:
        """Forget all runs of a study."""
        self._runs = {name: run for name, run in self._runs.items() if run.study != study}

    def _declared(self, study: Study, epoch: Epoch) -> tuple[Population, ...]:
        """The analysis sets of all totals that the study declares: they are compared before its first answer."""
        key = (study.id, epoch.number)
        if key not in self._sets:
            totals = [name for name, analysis in study.analyses.items() if not analysis.sites]
            chosen = totals if len(totals) > 1 else []
            self._sets[key] = tuple(self._analysis_set(study, name, epoch) for name in chosen)
        return self._sets[key]

    def _analysis_set(self, study: Study, name: str, epoch: Epoch) -> Population:
        rows = self._node.select(study, name, epoch.people)
        question, roster = rows.question, frozenset(study.analyses[name].nodes or study.cohorts)
        return Population(question.set_digest, "set", False, question.touched, roster, rows.people())

    def _past(self) -> list[Population]:
        """Earlier totals, and this node's own releases: a release is a node set, of one."""
        store = self._node.store
        return [*store.populations(release=False), *store.populations(release=True)]

    def _check_opening(self, asked: RunOpen, study: Study) -> None:
        if asked.run in self._seen:
            raise ProtocolError("a run is opened once")
        check_version(asked.code)
        if self._node.name not in asked.roster or list(asked.roster) != sorted(set(asked.roster)):
            raise ProtocolError("a roster lists each node once, in order, this one among them")
        wanted = study.analyses[asked.analysis].nodes if asked.analysis in study.analyses else ()
        if wanted and set(asked.roster) - set(wanted):
            raise ProtocolError("the roster names a node that the analysis does not")
        if len(asked.roster) < self._node.limits(study).min_nodes:
            raise Refused("too few nodes take part", fix="ask more cohorts")

    def _granted(self, run: NodeRun, sealed: Sequence[bytes]) -> frozenset[str]:
        """The nodes that let this run's totals give their share away."""
        keys = self._node.directory.of("node-sign")
        opened = [open_message(envelope, AloneGranted, keys) for envelope in sealed]
        wanted = (run.study, run.question.digest)
        return frozenset(
            name
            for name, granted in opened
            if granted.node == name
            and (granted.study, granted.question) == wanted
            and granted.run in {run.run, run.instead_of}
            and set(run.roster) <= set(granted.roster)
        )

    def _asked(self, data: bytes, kind: type[Asked]) -> tuple[Asked, NodeRun]:
        _, asked = open_message(data, kind, self._node.directory.of("hub"))
        return asked, self._run(asked)

    def _run(self, asked: RoundPlace | RunStart) -> NodeRun:
        run = self._runs.get(asked.run)
        if run is None or run.study != asked.study:
            raise Refused("this run is not open here", fix="start it again", reason="run")
        return run

    def _from_roster(self, sealed: Sequence[bytes], run: NodeRun, current: Round) -> list[Counted]:
        """One signed tally of each node of the roster, all about the round as this node saw it."""
        opened = dict(self._opened(envelope, current) for envelope in sealed)
        if len(sealed) != len(run.roster) or set(opened) != set(run.roster):
            raise ProtocolError("one message of each node of the roster is needed")
        for message in opened.values():
            if _key(message) != _key(current.asked) or message.request != current.request:
                raise ProtocolError("the nodes were shown different rounds")
        return [opened[node] for node in run.roster]

    def _opened(self, sealed: bytes, current: Round) -> tuple[str, Counted]:
        """Who says what. This node knows its own words, and needs no signature to believe them."""
        envelope = peek(sealed)
        if current.sent is not None and envelope.sender == self._own_key:
            if envelope.payload != payload_of(current.sent):
                raise ProtocolError("this node's own message was changed on the way")
            return self._node.name, current.sent
        return open_message(sealed, Counted, self._node.directory.of("node-sign"))

    def _record(self, run: NodeRun, current: Round) -> None:
        shapes = current.shapes
        entries = [
            self._entry(run, current, output.name, shapes[output.name], output.disclosure)
            for output in current.step.outputs
        ]
        populations = current.counted.populations if current.counted else ()
        self._answered.extend([run.run] if current.counted else [])
        digest = hashlib.sha256(run.question.digest + question_part(current.asked)).digest()
        self._node.store.record_answer(entries, populations, epoch=run.epoch, digest=digest)
        if run.own_release and current.counted:
            self._record_release(run, current)

    def _record_release(self, run: NodeRun, current: Round) -> None:
        """Sums over an arm that few nodes hold are remembered, and noted, as a release of this node."""
        assert current.counted is not None
        entry = replace(self._entry(run, current, _ARM, (), "releasable"), checks=" ".join(CHECKS))
        alone = frozenset({self._node.name})
        own = [replace(population, roster=alone) for population in current.counted.populations]
        digest = hashlib.sha256(run.question.digest + run.run.encode()).digest()
        self._node.store.record_answer([entry], own, epoch=run.epoch, digest=digest, release=True)

    def _entry(self, run: NodeRun, current: Round, array: str, shape: tuple[int, ...], disclosure: str) -> LedgerEntry:
        return LedgerEntry(
            at=self._node.now(),
            study=run.study,
            run=run.run,
            round=current.asked.round,
            step=current.step.name,
            array=array,
            shape="x".join(str(size) for size in shape) or "1",
            disclosure=disclosure,
            bytes=16 * _size(shape),
            receiver="hub and nodes, masked" if disclosure == "protected" else "hub, masked",
            checks=_CHECKS if array != _TALLY else "is what the checks are made on",
        )


def _parts(lanes: Lanes) -> int:
    return max(1, math.ceil(int(lanes.shape[1]) / PART_NUMBERS))


def _next_part(current: Round) -> Answered:
    """The part that is due; after the last, the share is forgotten."""
    assert current.masked is not None
    part, parts = current.given, _parts(current.masked)
    numbers = current.masked[:, part * PART_NUMBERS : (part + 1) * PART_NUMBERS]
    current.given += 1
    if current.given == parts:
        current.masked = None
    return Answered(**_place(current.asked), request=current.request, lanes=numbers, part=part, parts=parts)


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _key(message: RoundPlace) -> tuple[str, str, int, int]:
    return message.study, message.run, message.round, message.attempt


def _place(message: RoundPlace) -> dict[str, Any]:
    return {name: getattr(message, name) for name in RoundPlace.model_fields}


def _named(population: Population) -> PastPopulation:
    return PastPopulation(
        id=population.id,
        kind=population.kind,
        derived=population.derived,
        variables=tuple(sorted(population.variables)),
        roster=tuple(sorted(population.roster)),
    )
