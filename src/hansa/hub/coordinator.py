"""The hub: it takes studies to the nodes, runs plans over their sums, and keeps the log.

It is trusted for availability and for algebra on totals, and for nothing else: every node checks for itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hansa.engine import JournalEntry, Outcome, Progress, SiteAnswer, replay
from hansa.engine.journal import Journalled
from hansa.errors import Refused, StudyError
from hansa.hub.log import HubLog
from hansa.hub.rounds import Exchange, HubRun
from hansa.log import format_verifier_key
from hansa.model import Decision, Dictionary, Study
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Method, Request, Step, Totals
from hansa.stats.plain import to_plain
from hansa.stats.question import Question, read_question
from hansa.store import HubStore
from hansa.version import __version__
from hansa.wire import open_message
from hansa.wire.identifiers import new_id
from hansa.wire.messages import DecisionMade, Declined, SiteAsked, SiteReleased, StudySubmitted

__all__ = ["Hub"]

TOTAL_CHECKS = ("group", "cell", "products", "effective", "parameters", "differing", "nodes")
SITE_CHECKS = ("group", "cell", "products", "effective", "parameters", "dominance", "differing", "combinations")


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
    """One consortium's coordinator. ``witnesses`` are the verifier keys of the nodes that cosign its log."""

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
    ) -> None:
        self._witnesses = witnesses
        self._exchange = exchange
        self.log = log
        self._store = store
        self.dictionary = dictionary
        self.cohorts = tuple(sorted(name for name, _ in exchange.directory.of("node-sign").values()))
        self._methods = methods
        self._clock = clock
        self._studies: dict[str, Study] = {}
        self._decisions: dict[str, dict[str, Decision]] = {}
        self._entries: dict[str, list[int]] = {}
        self._sealed: dict[str, bytes] = {}
        self._permits: set[tuple[str, str]] = set()
        self._journals: dict[str, str] = {}

    def submit(self, sealed: bytes) -> Mapping[str, Decision]:
        """Log a signed study and take it to its cohorts; every node's decision.

        Raises
        ------
        SignatureInvalid
            If no certified researcher signed it.
        """
        _, message = open_message(sealed, StudySubmitted, self._exchange.directory.of("researcher"))
        study = message.read()
        unknown = set(study.cohorts) - set(self.cohorts)
        if unknown:
            raise StudyError(
                f"the league has no cohort {', '.join(sorted(unknown))}",
                fix=f"some of {', '.join(self.cohorts)}",
                field="cohorts",
            )
        self._studies[study.id] = study
        self._sealed[study.id] = sealed
        self._log(study.id, "study", sealed)
        self._decisions[study.id] = {node: self._ask_decision(study.id, node) for node in study.cohorts}
        return self._decisions[study.id]

    def _ask_decision(self, study: str, node: str) -> Decision:
        answer = self._exchange.transport.ask({node: self._sealed[study]})[node]
        made = self._exchange.open(node, answer, DecisionMade)
        if isinstance(made, Declined):
            raise StudyError(made.what, why="a node could not read the study", fix=made.fix)
        self._log(study, "decision", answer)
        if made.permit is not None:
            self._permits.add((study, node))
        return Decision.model_validate_json(made.decision)

    def decisions(self, study: str) -> Mapping[str, Decision]:
        """Every node's decision on a study."""
        return self._decisions[study]

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
        asked = hashlib.sha256(question.digest + "/".join(roster).encode()).digest()
        stored = self._store.result(study, asked)
        if stored is not None:
            run, result = stored
            return self._outcome(question, run, roster, analysis, json.loads(result))
        run = new_id(self._clock())
        self._log(study, "run", json.dumps({"run": run, "analysis": analysis, "nodes": roster}).encode())
        rounds = HubRun(self._exchange, question, run=run, analysis=analysis, roster=roster)
        # A journal belongs to a question over the people of these epochs, whichever run began it.
        self._journals[run] = f"{study}/{asked.hex()}/{rounds.start()}"
        result = to_plain(self._plan(question, rounds, progress))
        text = json.dumps(result, sort_keys=True)
        self._store.save_result(run, study, asked, text)
        self._log(study, "release", json.dumps({"run": run, "result": result}, sort_keys=True).encode())
        return self._outcome(question, run, roster, analysis, result)

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

        cohorts = Journalled(question, _StoredJournal(self._store, self._journals[rounds.run]), ask)
        return question.method.plan(cohorts, question.arguments)

    def _site(self, study: str, analysis: str, run: str, node: str, roster: Sequence[str]) -> SiteAnswer:
        asked = SiteAsked(study=study, run=run, analysis=analysis, roster=tuple(roster), code=__version__)
        answer = self._exchange.transport.ask({node: self._exchange.seal(asked)})[node]
        found = self._exchange.open(node, answer, SiteReleased)
        if isinstance(found, Declined):
            return SiteAnswer(node, None, refused=found.code)
        self._log(study, "release", answer)
        return SiteAnswer(node, json.loads(found.result), signed=answer)

    def _question(self, study: str, analysis: str) -> tuple[Study, Question]:
        if study not in self._studies:
            raise StudyError("this study was never submitted", fix="submit it first", field="study")
        found = self._studies[study]
        return found, read_question(found, analysis, self.dictionary, self._methods)

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
        for node in wanted:
            if (study.id, node) not in self._permits and self._decisions[study.id][node].verdict == "refer":
                self._decisions[study.id][node] = self._ask_decision(study.id, node)
        return sorted(node for node in wanted if (study.id, node) in self._permits)

    def _journal(self, run: str) -> list[tuple[bytes, bytes]]:
        return self._store.totals(self._journals.get(run, run))

    def _log(self, study: str, kind: str, payload: bytes) -> None:
        self._entries.setdefault(study, []).append(self.log.append(kind, payload))

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
        entries = self._entries[study]
        provenance = {
            "schema": "provenance/1.0",
            "study": study,
            "title": question.study.title,
            "run": run,
            "analysis": analysis,
            "method": f"{question.method.name}/{question.method.version}",
            "code": __version__,
            "nodes": list(roster),
            "journal": self._journals.get(run, run),
            "requests": len(self._journal(run)),
            "checks": list(checks),
            "dictionary": "inferred from all frames together" if question.dictionary.inferred else "declared",
        }
        return Outcome(result, provenance, self.log.prove(entries, roster))
