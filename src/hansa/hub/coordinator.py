"""The hub: it takes studies to the nodes, runs plans over their sums, and keeps the log.

It is trusted for availability and for algebra on totals, and for nothing else: every node checks for itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hansa.engine import JournalEntry, Outcome, Progress, SiteAnswer, replay
from hansa.engine.journal import Journalled
from hansa.errors import ProtocolError, Refused, StudyError, Unreachable
from hansa.hub.log import HubLog
from hansa.hub.presence import Presence
from hansa.hub.rounds import Exchange, HubRun
from hansa.log import format_verifier_key
from hansa.model import Decision, Dictionary, Permit, Study
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Method, Request, Step, Totals
from hansa.stats.plain import to_plain
from hansa.stats.question import Question, read_question
from hansa.store import HubStore
from hansa.version import __version__
from hansa.wire import decode, open_message, peek
from hansa.wire.identifiers import new_id
from hansa.wire.messages import DecisionMade, Declined, SiteAsked, SiteReleased, StudySubmitted

__all__ = ["Hub"]

TOTAL_CHECKS = ("group", "cell", "products", "effective", "parameters", "differing", "nodes")
SITE_CHECKS = ("group", "cell", "products", "effective", "parameters", "dominance", "differing", "combinations")

_RESTARTS = 3
_PASSING = frozenset({"run", "history"})
"""Refusals that a new run need not meet again: a node has forgotten the run, or answered another question meanwhile."""


class _StoredJournal:
    """A run's journal in the hub's store."""

    def __init__(self, store: HubStore, run: str) -> None:
        self._store = store
        self._run = run
        self._length = 0

    def entries(self) -> Sequence[JournalEntry]:
        found = [JournalEntry(request, totals) for request, totals in self._store.totals(self._run)]
        self._length = len(found)
        return found

    def append(self, entry: JournalEntry) -> None:
        self._store.record_total(self._run, self._length, entry.request, entry.totals)
        self._length += 1


class Hub:
    """One consortium's coordinator. All it knows is in its store, so that several processes may be one hub.

    ``witnesses`` are the verifier keys of the nodes that cosign its log. ``presence`` tells which nodes are
    there; without it nodes cannot be lost (they are in this process).
    """

    def __init__(
        self,
        exchange: Exchange,
        log: HubLog,
        store: HubStore,
        *,
        dictionary: Dictionary,
        methods: Mapping[str, Method],
        clock: Callable[[], dt.datetime],
        witnesses: Mapping[str, str],
        presence: Presence | None = None,
        min_nodes: int = 3,
    ) -> None:
        self._witnesses = witnesses
        self._exchange = exchange
        self.log = log
        self._store = store
        self.dictionary = dictionary
        self.cohorts = tuple(sorted(name for name, _ in exchange.directory.of("node-sign").values()))
        self._methods = methods
        self._clock = clock
        self._presence = presence
        self._least = min_nodes

    def submit(self, sealed: bytes) -> Mapping[str, Decision]:
        """Log a signed study and take it to its cohorts; every node's decision.

        Raises
        ------
        SignatureInvalid
            If no certified researcher signed it.
        """
        researcher, message = open_message(sealed, StudySubmitted, self._exchange.directory.of("researcher"))
        study = message.read()
        unknown = set(study.cohorts) - set(self.cohorts)
        if unknown:
            raise StudyError(
                f"the league has no cohort {', '.join(sorted(unknown))}",
                fix=f"some of {', '.join(self.cohorts)}",
                field="cohorts",
            )
        known = self._store.study(study.id)
        if known is not None and known != sealed:
            raise StudyError("another study has this id", fix="give yours an id of its own", field="id")
        if known is None:
            # Logged first, as results are: a hub that was killed between the two would take it for logged.
            self._log(study.id, "study", sealed)
            self._store.save_study(study.id, sealed, researcher)
        self._ask_decisions(study.id, sealed, study.cohorts)
        return self.decisions(study.id)

    def _ask_decisions(self, study: str, sealed: bytes, nodes: Sequence[str]) -> None:
        """Take a study to nodes; one that cannot be reached decides when it can."""
        here = [node for node in nodes if self._presence is None or self._presence.present(node)]
        for node, answer in self._answers_of(dict.fromkeys(here, sealed)).items():
            made = self._exchange.open(node, answer, DecisionMade)
            if isinstance(made, Declined):
                raise StudyError(made.what, why="a node could not read the study", fix=made.fix)
            decision, permit = made.read()
            if (decision.study, decision.node) != (study, node):
                raise ProtocolError("a node answers with a decision that is not its own on this study")
            self._log(study, "decision", answer)
            self._store.save_decision(study, node, answer, permit is not None)

    def _answers_of(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The answers of those nodes that do answer."""
        try:
            return self._exchange.transport.ask(messages)
        except Unreachable as fault:
            left = {node: message for node, message in messages.items() if node not in fault.nodes}
            return self._answers_of(left)

    def study(self, study: str) -> Study:
        """A submitted study."""
        return _study_in(self._sealed(study))

    def decisions(self, study: str) -> Mapping[str, Decision]:
        """Every node's decision on a study; of a node that could not be reached yet, none."""
        return {node: _decision_in(answer) for node, (answer, _) in self._store.decisions(study).items()}

    def run(self, study: str, analysis: str, *, progress: Progress | None = None) -> Outcome:
        """Run one analysis over the nodes that permit the study.

        An identical question of the study gets the stored answer. A run whose journal has begun is resumed.

        Raises
        ------
        Refused
            If too few nodes permit, or the gate of any node says no.
        """
        found, question = self._question(study, analysis)
        roster = self._roster(found, analysis)
        before: HubRun | None = None
        restarts = 0
        while True:
            asked = hashlib.sha256(question.digest + "/".join(roster).encode()).digest()
            stored = self._store.result(study, asked)
            if stored is not None:
                run, result = stored
                return self._outcome(question, run, roster, analysis, json.loads(result))
            rounds = self._new_run(question, analysis, roster, before)
            try:
                return self._run_over(question, rounds, analysis, asked, progress)
            except Unreachable as fault:
                roster = self._roster_without(found, roster, fault, progress)
            except Refused as refusal:
                restarts += 1
                if refusal.reason not in _PASSING or restarts > _RESTARTS:
                    raise _explained(refusal, question.method) from refusal
            before = rounds

    def _new_run(self, question: Question, analysis: str, roster: Sequence[str], before: HubRun | None) -> HubRun:
        run = new_id(self._clock())
        self._log(
            question.study.id, "run", json.dumps({"run": run, "analysis": analysis, "nodes": list(roster)}).encode()
        )
        return HubRun(
            self._exchange,
            question,
            run=run,
            analysis=analysis,
            roster=roster,
            before=before,
            may_lose=self._presence is not None and self._all_alone_ok(question.study.id, roster),
        )

    def _run_over(
        self, question: Question, rounds: HubRun, analysis: str, asked: bytes, progress: Progress | None
    ) -> Outcome:
        study = question.study.id
        # A journal belongs to a question over the people of these epochs, whichever run began it.
        self._store.save_journal_name(rounds.run, f"{study}/{asked.hex()}/{rounds.start()}")
        result = to_plain(self._plan(question, rounds, progress))
        # Logged first: a stored result is given again, also by a hub that was killed between the two.
        self._log(study, "release", json.dumps({"run": rounds.run, "result": result}, sort_keys=True).encode())
        self._store.save_result(rounds.run, study, asked, json.dumps(result, sort_keys=True))
        return self._outcome(question, rounds.run, rounds.roster, analysis, result)

    def _roster_without(
        self, study: Study, roster: Sequence[str], fault: Unreachable, progress: Progress | None
    ) -> list[str]:
        """The nodes a run starts again with; a lost node is waited for first."""
        if self._presence is None or not fault.nodes:
            raise fault
        if progress is not None:
            progress(f"{', '.join(fault.nodes)} lost: waiting {self._presence.patience:.0f} s")
        gone = self._presence.wait(fault.nodes)
        left = [node for node in roster if node not in gone]
        if len(left) < max(study.min_nodes, self._least):
            raise Unreachable(
                f"the run stopped: {', '.join(sorted(gone))} was lost",
                why=f"without it fewer than {max(study.min_nodes, self._least)} nodes are left",
                fix="run the analysis again when the node is back",
                nodes=tuple(sorted(gone)),
            )
        if progress is not None:
            back = "all nodes are back" if not gone else f"going on without {', '.join(sorted(gone))}"
            progress(f"{back}: the run starts again over {len(left)} nodes")
        return left

    def _all_alone_ok(self, study: str, roster: Sequence[str]) -> bool:
        """Whether every node's permit lets totals give its share away."""
        decisions = self._store.decisions(study)
        permits = [_permit_in(decisions[node][0]) for node in roster if node in decisions]
        return len(permits) == len(roster) and all(permit is not None and permit.alone_ok for permit in permits)

    def sites(self, study: str, analysis: str) -> Outcome:
        """Each permitting node's own estimate: the outcome's result is a list of :class:`SiteAnswer`."""
        found, question = self._question(study, analysis)
        roster = self._permitting(found, analysis)
        run = new_id(self._clock())
        answers = [self._site(study, analysis, run, node, roster) for node in roster]
        return self._outcome(question, run, roster, analysis, answers, checks=SITE_CHECKS)

    def proof_keys(self) -> tuple[str, tuple[str, ...]]:
        """The verifier keys of the log and of its witnesses, for those who check a proof."""
        return format_verifier_key(self.log.verifier), tuple(self._witnesses.values())

    def replay(self, study: str, analysis: str, run: str) -> Any:
        """A run's result again, from its journal alone; proves that every request was the plan's own."""
        _, question = self._question(study, analysis)
        entries = [JournalEntry(request, totals) for request, totals in self._journal(run)]
        return to_plain(replay(question, entries))

    def _plan(self, question: Question, rounds: HubRun, progress: Progress | None) -> object:
        def ask(step: Step, request: Request, inputs: Mapping[str, FloatArray]) -> Totals:
            if progress is not None:
                progress(f"round {rounds.rounds + 1}: {step.name}, {len(rounds.roster)} nodes")
            totals = rounds.sum(step, request, inputs)
            self._log(question.study.id, "round", json.dumps({"run": rounds.run, "step": step.name}).encode())
            return totals

        journal = self._store.journal_name(rounds.run)
        assert journal is not None
        cohorts = Journalled(question, _StoredJournal(self._store, journal), ask)
        return question.method.plan(cohorts, question.arguments)

    def _site(self, study: str, analysis: str, run: str, node: str, roster: Sequence[str]) -> SiteAnswer:
        asked = SiteAsked(study=study, run=run, analysis=analysis, roster=tuple(roster), code=__version__)
        answer = self._answers_of({node: self._exchange.seal(asked)}).get(node)
        if answer is None:
            return SiteAnswer(node, None, refused=Unreachable.code)
        found = self._exchange.open(node, answer, SiteReleased)
        if isinstance(found, Declined):
            return SiteAnswer(node, None, refused=found.code)
        result = found.read()
        if (found.node, found.study, found.analysis) != (node, study, analysis):
            raise ProtocolError("a node answers with another release than it was asked for")
        self._log(study, "release", answer)
        return SiteAnswer(node, result, signed=answer)

    def _question(self, study: str, analysis: str) -> tuple[Study, Question]:
        found = _study_in(self._sealed(study))
        return found, read_question(found, analysis, self.dictionary, self._methods)

    def _sealed(self, study: str) -> bytes:
        sealed = self._store.study(study)
        if sealed is None:
            raise StudyError("this study was never submitted", fix="submit it first", field="study")
        return sealed

    def _roster(self, study: Study, analysis: str) -> list[str]:
        roster = self._permitting(study, analysis)
        if len(roster) < study.min_nodes:
            raise Refused(
                "too few cohorts permit this study",
                why=f"its own minimum is {study.min_nodes} nodes",
                fix="see each node's decision for what would change it",
            )
        return roster

    def _permitting(self, study: Study, analysis: str) -> list[str]:
        """The nodes with a permit; those that referred the study are asked again, for people may have agreed."""
        wanted = study.analyses[analysis].nodes or study.cohorts
        known = self._store.decisions(study.id)
        again = [node for node in wanted if node not in known or _is_referred(*known[node])]
        if self._presence is not None:
            self._presence.wait([node for node in again if node not in known])
        if again:
            self._ask_decisions(study.id, self._sealed(study.id), again)
        return sorted(
            node for node, (_, permitted) in self._store.decisions(study.id).items() if permitted and node in wanted
        )

    def _journal(self, run: str) -> list[tuple[bytes, bytes]]:
        return self._store.totals(self._store.journal_name(run) or run)

    def _log(self, study: str, kind: str, payload: bytes) -> None:
        self.log.append(kind, payload, study)

    def _outcome(
        self,
        question: Question,
        run: str,
        roster: Sequence[str],
        analysis: str,
        result: Any,
        *,
        checks: Sequence[str] = TOTAL_CHECKS,
    ) -> Outcome:
        study = question.study.id
        entries = self._store.entries_of(study)
        witnesses = {node: self._witnesses[node] for node in roster if node in self._witnesses}
        provenance = {
            "schema": "provenance/1.0",
            "study": study,
            "title": question.study.title,
            "run": run,
            "analysis": analysis,
            "method": f"{question.method.name}/{question.method.version}",
            "code": __version__,
            "nodes": list(roster),
            "journal": self._store.journal_name(run) or run,
            "requests": len(self._journal(run)),
            "checks": list(checks),
            "dictionary": "inferred from all frames together" if question.dictionary.inferred else "declared",
        }
        return Outcome(result, provenance, self.log.prove(entries, witnesses))


@lru_cache(maxsize=64)
def _study_in(sealed: bytes) -> Study:
    """The study inside an envelope that was verified when it was stored."""
    return StudySubmitted(study=decode(peek(sealed).payload)["study"]).read()


@lru_cache(maxsize=256)
def _decision_in(answer: bytes) -> Decision:
    """As above, of a node's answer."""
    return Decision.model_validate_json(decode(peek(answer).payload)["decision"])


def _explained(refusal: Refused, method: Method) -> Refused:
    """A refusal for disclosure with what it may mean for the method: a word that depends on no data."""
    why = method.refused if refusal.reason == "disclosure" else refusal.why
    return Refused(refusal.what, why=why, fix=refusal.fix, field=refusal.field, reason=refusal.reason)


def _permit_in(answer: bytes) -> Permit | None:
    permit = decode(peek(answer).payload)["permit"]
    return None if permit is None else Permit.model_validate_json(permit)


def _is_referred(answer: bytes, permitted: bool) -> bool:  # a row of the store
    return not permitted and _decision_in(answer).verdict == "refer"
