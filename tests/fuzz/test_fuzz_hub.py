"""A real hub among nodes of which one signs anything: each of its answers, every field of it changed in every way.

What an honest league answered is played to the hub again, but for one answer. The hub ends with an error of its own
that names the fault, and keeps no total of that round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import pytest
from fuzz_values import JSON_KINDS, KINDS, changes

from hansa.embedded.local import LocalLeague, local
from hansa.engine import InProcess, JournalEntry
from hansa.engine.journal import Journalled
from hansa.errors import HansaError
from hansa.hub.rounds import Exchange, HubRun
from hansa.log import verify_bundle
from hansa.log.note import parse_verifier_key
from hansa.model import Analysis, Study
from hansa.stats.question import Question
from hansa.testing import contents, forged_envelope, hub_run, submit_bytes, synthetic_cohorts
from hansa.wire import encode, peek

LIAR = "aachen"
COHORTS = synthetic_cohorts()
QUESTIONS = {
    "q": Analysis(method="describe", arguments={"variables": ["marker"]}),
    "own": Analysis(method="describe", arguments={"variables": ["age"]}, sites=True),
}
ENDS = {"protocol", "signature", "refused", "headroom", "study"}


@dataclass(eq=False)
class Played:
    """Answers as they were given once, in their order; ``lies`` stand in for the liar's answer of this number."""

    given: list[Mapping[str, bytes]]
    lie: tuple[int, bytes] = (-1, b"")
    asked: int = 0

    def ask(self, _messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        answers = dict(self.given[self.asked])
        if self.asked == self.lie[0]:
            answers[LIAR] = self.lie[1]
        self.asked += 1
        return answers


@dataclass(eq=False)
class Recording:
    """The honest league, and what it answered."""

    inner: InProcess
    given: list[Mapping[str, bytes]] = field(default_factory=list)

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        self.given.append(self.inner.ask(messages))
        return self.given[-1]


@dataclass(eq=False)
class Kept:
    """A journal that a test can look into."""

    kept: list[JournalEntry] = field(default_factory=list)

    def entries(self) -> list[JournalEntry]:
        return []

    def append(self, entry: JournalEntry) -> None:
        self.kept.append(entry)


@pytest.fixture(scope="module")
def league() -> LocalLeague:
    return local(COHORTS.frames, COHORTS.dictionary)


@pytest.fixture(scope="module")
def study(league: LocalLeague) -> Study:
    return league.submit(league.study(QUESTIONS)).study


def play(run: HubRun, question: Question, journal: Kept) -> object:
    return question.method.plan(Journalled(question, journal, run.sum), question.arguments)


def ended(act: Callable[[], object]) -> str:
    """With which of Hansa's own errors it ended; with none, an empty text."""
    try:
        act()
    except HansaError as error:
        return error.code
    return ""


def test_an_answer_of_a_round_changed_in_any_way_ends_the_run_by_name(league: LocalLeague, study: Study) -> None:
    tape = Recording(InProcess({name: node.handle for name, node in league.nodes.items()}))
    run, question = hub_run(league, study, "q", wrap=lambda _inner: tape)
    play(run, question, Kept())
    kinds = [peek(answers[LIAR]).kind for answers in tape.given]
    for kind in ("run-ready", "run-started", "answered"):  # tallies are for the nodes to read
        number = kinds.index(kind)
        codes = []
        for what, lie in lies(league, tape.given[number][LIAR]):
            again, journal = _again(league, run, question, Played(tape.given, (number, lie))), Kept()
            code = ended(partial(play, again, question, journal))
            assert code in {*ENDS, ""}, f"{kind}{what}"
            assert not code or journal.kept == [], f"{kind}{what}"
            codes.append(code)
        assert codes.count("protocol") > 50


@pytest.mark.parametrize("field", ["study", "run", "round", "attempt", "part"])
def test_an_answer_to_something_else_than_was_asked_is_refused(league: LocalLeague, study: Study, field: str) -> None:
    tape = Recording(InProcess({name: node.handle for name, node in league.nodes.items()}))
    run, question = hub_run(league, study, "q", wrap=lambda _inner: tape)
    play(run, question, Kept())
    number = [peek(answers[LIAR]).kind for answers in tape.given].index("answered")
    honest = tape.given[number][LIAR]
    body = contents(honest)
    other = body[field] + 1 if isinstance(body[field], int) else "another"
    lie = forged_envelope(honest, league.keys.nodes[LIAR], payload=encode({**body, field: other}))
    again, journal = _again(league, run, question, Played(tape.given, (number, lie))), Kept()
    assert ended(partial(play, again, question, journal)) == "protocol"
    assert journal.kept == []


def _again(league: LocalLeague, run: HubRun, question: Question, played: Played) -> HubRun:
    exchange = Exchange(league.keys.hub, league.keys.directory, played)
    return HubRun(exchange, question, run=run.run, analysis="q", roster=run.roster)


# --- what the hub keeps of a node's word --------------------------------------------------------------------


@dataclass(eq=False)
class Lying:
    """The real nodes, of which one says something else where it would give an answer of this kind."""

    inner: InProcess
    kind: str
    lie: bytes = b""
    honest: bytes = b""

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        answers = dict(self.inner.ask(messages))
        if LIAR in answers and peek(answers[LIAR]).kind == self.kind:
            self.honest = answers[LIAR]
            answers[LIAR] = self.lie or self.honest
        return answers


def lying(league: LocalLeague, kind: str) -> Lying:
    """Put a liar between the league's hub and its nodes."""
    found = Lying(InProcess({name: node.handle for name, node in league.nodes.items()}), kind)
    exchange = Exchange(league.keys.hub, league.keys.directory, found)
    league.hub._exchange = league.hub.log._exchange = exchange
    return found


def told(honest: bytes, inside: str) -> Iterator[tuple[str, bytes]]:
    """An answer's payload with one change, or with one in the JSON of its field ``inside``."""
    body = contents(honest)
    if not inside:
        yield from ((what, encode(changed)) for what, changed in changes(body, KINDS))
        return
    for what, changed in changes(json.loads(body[inside]), JSON_KINDS):
        yield what, encode({**body, inside: json.dumps(changed).encode()})


def lies(league: LocalLeague, honest: bytes, inside: str = "") -> Iterator[tuple[str, bytes]]:
    """The liar's properly signed answers with one change each."""
    for what, payload in told(honest, inside):
        yield what, forged_envelope(honest, league.keys.nodes[LIAR], payload=payload)


@pytest.mark.parametrize("inside", ["", "decision", "permit"])
def test_a_decision_changed_in_any_way_is_refused_or_can_be_read(inside: str) -> None:
    league = local(COHORTS.frames, COHORTS.dictionary)
    liar = lying(league, "decision-made")
    refused = 0
    league.submit(league.study({}))
    for number in range(len(list(told(liar.honest, inside)))):
        study, liar.lie = league.study({}), b""
        honest = league.nodes[LIAR].handle(submit_bytes(league, study))
        what, liar.lie = next(islice(lies(league, honest, inside), number, None))
        before = league.hub._store.log_size
        code = ended(partial(league.hub.submit, submit_bytes(league, study)))
        assert code in {*ENDS, ""}, what
        refused += bool(code)
        assert all(decision.study == study.id for decision in league.hub.decisions(study.id).values()), what
        assert league.hub._store.log_size > before
    assert refused > 15


@pytest.mark.parametrize("inside", ["", "result"])
def test_a_release_changed_in_any_way_is_refused_or_can_be_shown(inside: str) -> None:
    league = local(COHORTS.frames, COHORTS.dictionary)
    study = league.submit(league.study(QUESTIONS)).study
    liar = lying(league, "site-released")
    asked = (study.id, "own", "r", LIAR, study.cohorts)
    league.hub._site(*asked)
    codes = []
    for what, lie in lies(league, liar.honest, inside):
        liar.lie = lie
        codes.append(ended(lambda: json.dumps(league.hub._site(*asked).to_dict(), allow_nan=False)))
        assert codes[-1] in {*ENDS, ""}, what
    assert codes.count("protocol") > 10


def test_a_witness_line_changed_in_any_way_does_not_spoil_the_others() -> None:
    league = local(COHORTS.frames, COHORTS.dictionary)
    study = league.submit(league.study(QUESTIONS)).study
    log_key, witness_keys = league.hub.proof_keys()
    keys = [parse_verifier_key(key) for key in witness_keys]
    liar = lying(league, "checkpoint-cosigned")
    league.hub.run(study.id, "q")
    for what, lie in [("as it is", b""), *lies(league, liar.honest)]:
        liar.lie = lie
        proof = league.hub.run(study.id, "q").proof
        verified = verify_bundle(proof, parse_verifier_key(log_key), keys, 3)
        assert len(verified.witnesses) == (4 if what == "as it is" else 3), what
