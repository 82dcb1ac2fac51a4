"""What every part of a node works with: its settings, rows, keys, store and clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyroaring import AbstractBitMap

from hansa.errors import Refused
from hansa.governance import (
    ConsentRegister,
    Epoch,
    Policy,
    consent_codes,
    consented,
    open_epoch,
    still_consented,
)
from hansa.model import Study
from hansa.node.rows import STEP_FAILED, Rows, Work, stepping
from hansa.node.run import disclosure_refused
from hansa.privacy.rules import Breach
from hansa.privacy.thresholds import Thresholds, tighten
from hansa.stats.contract import Method
from hansa.stats.question import Question, read_question
from hansa.store import NodeStore
from hansa.wire import Signer
from hansa.wire.directory import Directory

__all__ = ["NodeContext", "NodeSettings"]


@dataclass(frozen=True, eq=False)
class NodeSettings:
    """All that a custodian sets.

    ``methods`` are those that may run here; ``facts`` those that only the node knows
    (:data:`hansa.governance.NODE_FACTS`); ``epoch_secret`` (32 bytes) draws the decoys of epochs. A requester
    whose questions were refused ``refusals`` times is referred to people.
    """

    name: str
    policy: Policy
    methods: Mapping[str, Method]
    epoch_secret: bytes = field(repr=False)
    limits: Thresholds = field(default_factory=Thresholds)
    facts: Mapping[str, Any] = field(default_factory=dict)
    refusals: int = 20


@dataclass(eq=False)
class NodeContext:
    """One node's own things; ``consent`` is the register as it stands now."""

    settings: NodeSettings
    work: Work
    consent: ConsentRegister
    signer: Signer
    directory: Directory
    store: NodeStore
    clock: Callable[[], dt.datetime]

    @property
    def name(self) -> str:
        """The node's name in the federation."""
        return self.settings.name

    def question(self, study: Study, analysis: str) -> Question:
        """An analysis of a study, read against this node's dictionary and methods."""
        return read_question(study, analysis, self.work.dictionary, self.settings.methods)

    def limits(self, study: Study) -> Thresholds:
        """The league's limits, tightened by this node's policy and by the study."""
        own = tighten(self.settings.limits, self.settings.policy.disclosure)
        return tighten(own, {"min_nodes": max(own.min_nodes, study.min_nodes)})

    def epoch(self, study: Study) -> Epoch:
        """The frozen set of people who consent to the study's purpose; a new one where the last has ended.

        Raises
        ------
        Refused
            With code ``disclosure``, where no epoch may open.
        """
        codes = consent_codes(study.purpose)
        willing = consented(self.consent, *codes)
        epochs = self.store.epochs(purpose_key(study))
        if epochs and still_consented(epochs[-1], willing):
            return epochs[-1]
        least = self.limits(study).differing
        opened = open_epoch(epochs, willing, least, self.settings.epoch_secret, opened=self.clock().date())
        if opened is None:
            raise disclosure_refused()
        self.store.add_epoch(purpose_key(study), opened)
        return opened

    def epoch_holds(self, study: Study, number: int) -> bool:
        """Whether an epoch is still the last one, and everybody in it still consents."""
        last = self.store.epochs(purpose_key(study))[-1]
        willing = consented(self.consent, *consent_codes(study.purpose))
        return last.number == number and still_consented(last, willing)

    def select(self, study: Study, analysis: str, people: AbstractBitMap) -> Rows:
        """The rows of a question among these people."""
        question = self.question(study, analysis)
        with self.at_work(study.id), stepping():
            return self.work.select(question, analysis, people)

    @contextmanager
    def at_work(self, study: str) -> Iterator[None]:
        """Keep for the steward why a step came to nothing; outside only the refusal's words are known."""
        try:
            yield
        except Refused as refusal:
            if refusal.reason == STEP_FAILED:
                self.store.note_event("step failed", study, f"{refusal.what}: {refusal.why}")
            raise

    def now(self) -> str:
        """UTC, to the millisecond."""
        return self.clock().isoformat(timespec="milliseconds")

    def note_breaches(self, study: str, breaches: tuple[Breach, ...]) -> None:
        """Keep for the steward what nobody outside learns."""
        for breach in breaches:
            self.store.note_event("refused", study, f"{breach.rule} at {breach.place}: {breach.sentence}")


def purpose_key(study: Study) -> str:
    """The name under which epochs of a study's purpose are kept."""
    return " + ".join(consent_codes(study.purpose))
