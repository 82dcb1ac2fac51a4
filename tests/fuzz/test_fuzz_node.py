"""A real node under a hub that signs anything: every message it may get, every field of it changed in every way.

Nothing comes out of ``handle`` but a signed word; what is malformed is named, and leaves no trace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import pytest
from fuzz_values import FEW_JSON_KINDS, FEW_KINDS, KINDS, changes

from hansa.embedded.local import LocalLeague, local
from hansa.engine import JournalEntry, Transport
from hansa.engine.journal import Journalled
from hansa.model import Analysis, Study
from hansa.node import rounds
from hansa.testing import contents, forged_envelope, hub_run, lying_exchange, submit_bytes, synthetic_cohorts
from hansa.wire import Message, Signer, encode, key_id, open_message, peek, seal
from hansa.wire import messages as schemas
from hansa.wire.messages import Declined, RunOpen, SiteAsked

NODE = "aachen"
COHORTS = synthetic_cohorts()
LEGAL = {kind.kind(): kind for name in schemas.__all__ if (kind := getattr(schemas, name)) and hasattr(kind, "kind")}
QUESTIONS = {
    "describe": Analysis(method="describe", arguments={"variables": ["marker"], "by": "sex"}),
    "glm": Analysis(method="glm", arguments={"formula": "ill ~ age + sex", "family": "binomial"}),
    "histogram": Analysis(method="histogram", arguments={"variable": "marker", "bins": 5}),
    "crosstab": Analysis(method="crosstab", arguments={"row": "sex", "column": "ill"}),
    "correlation": Analysis(method="correlation", arguments={"variables": ["age", "marker"]}),
    "flow": Analysis(method="flow", arguments={"stages": ["age > 40"]}),
    "own": Analysis(method="describe", arguments={"variables": ["age"]}, sites=True),
}
REFUSALS = {
    "protocol",
    "signature",
    "study",
    "formula",
    "dictionary",
    "policy",
    "disclosure",
    "run",
    "history",
    "log",
    "step",
}


def peer(league: LocalLeague) -> Signer:
    return league.keys.nodes["bergen"]


class Halted(Exception):
    """A run stands just before a message: what the hub would tell the node next."""

    def __init__(self, message: bytes) -> None:
        super().__init__("halted")
        self.message = message


class Halting:
    """A transport that halts before a message that ``stands`` is looked for."""

    def __init__(self, inner: Transport, stands: Callable[[bytes], bool]) -> None:
        self._inner = inner
        self._stands = stands

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        if NODE in messages and self._stands(messages[NODE]):
            raise Halted(messages[NODE])
        return self._inner.ask(messages)


class Nowhere:
    """A journal that remembers nothing."""

    def entries(self) -> list[JournalEntry]:
        return []

    def append(self, _entry: JournalEntry) -> None:
        return


@pytest.fixture(scope="module")
def league() -> Iterator[LocalLeague]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "PART_NUMBERS", 3)
        yield local(COHORTS.frames, COHORTS.dictionary)


@pytest.fixture(scope="module")
def study(league: LocalLeague) -> Study:
    return league.submit(league.study(QUESTIONS)).study


def played(league: LocalLeague, study: Study, analysis: str, stands: Callable[[bytes], bool]) -> bytes | None:
    """A run of the whole plan, up to the message that is looked for; ``None`` where it never comes."""
    run, asked = hub_run(league, study, analysis, wrap=lambda inner: Halting(inner, stands))
    try:
        asked.method.plan(Journalled(asked, Nowhere(), run.sum), asked.arguments)
    except Halted as halted:
        return halted.message
    return None


def answered(league: LocalLeague, data: bytes) -> Message:
    """The node's answer: signed by itself, of a kind that there is."""
    answer = league.nodes[NODE].handle(data)
    kind = LEGAL[peek(answer).kind]
    found: Message = open_message(answer, kind, league.keys.directory.of("node-sign"), sender=NODE)[1]
    return found


def kept(league: LocalLeague) -> tuple[int, ...]:
    """How much the node remembers of what left and of whom."""
    store = league.nodes[NODE].context.store
    return tuple(
        len(found)
        for found in (
            store.ledger(),
            store.studies(),
            store.populations(release=True),
            store.populations(release=False),
        )
    )


def beaten(league: LocalLeague, fresh: Callable[[], bytes], kinds: dict[str, Any] = KINDS) -> dict[str, int]:
    """Each change of a message, at a node that is waiting for the honest one; how often it was answered how."""
    counts: dict[str, int] = {}
    honest = fresh()
    number = len(list(changes(contents(honest), kinds)))
    for index in range(number):
        what, body = next(islice(changes(contents(honest), kinds), index, None))
        before = kept(league)
        answer = answered(league, forged_envelope(honest, league.keys.hub, payload=encode(body)))
        code = answer.code if isinstance(answer, Declined) else "answered"
        counts[code] = counts.get(code, 0) + 1
        assert code in {*REFUSALS, "answered"}, f"{peek(honest).kind}{what}: {answer}"
        assert code == "answered" or kept(league) == before, f"{peek(honest).kind}{what} left a trace"
        if code not in ("study", "signature") and not waits(answer):
            honest = fresh()  # the run went on, or ended
    assert not isinstance(answered(league, honest), Declined), "what was refused has changed nothing"
    return counts


def waits(answer: Message) -> bool:
    """Whether the node still waits for the honest message: what was refused before it was looked at costs nothing."""
    return isinstance(answer, Declined) and answer.code == "protocol"


def first(kind: str) -> Callable[[bytes], bool]:
    return lambda message: peek(message).kind == kind


@pytest.mark.parametrize("kind", ["run-open", "run-start", "counts-shown", "part-asked", "alone-asked"])
def test_a_message_changed_in_any_way_is_refused_by_name_or_answered(
    league: LocalLeague, study: Study, kind: str
) -> None:
    def fresh() -> bytes:
        if kind == "alone-asked":
            asked = schemas.AloneAsked(study=study.id, run="r", analysis="flow", roster=study.cohorts, code="0.1.0")
            return seal(asked.model_copy(update={"analysis": "describe"}), league.keys.hub)
        message = played(league, study, "describe", first(kind))
        assert message is not None
        return message

    counts = beaten(league, fresh)
    assert counts["protocol"] > 50


STEPS = {
    "describe": ("describe.sizes", "describe.sums", "describe.bins"),
    "glm": ("glm.means",),  # its other steps read the same arguments
    "histogram": ("histogram.counts",),
    "crosstab": ("crosstab.counts",),
    "correlation": ("correlation.sums", "correlation.products"),
    "flow": ("flow.count",),
}


@pytest.mark.parametrize("step", [step for steps in STEPS.values() for step in steps])
def test_a_round_of_any_step_changed_in_any_way_is_refused_by_name_or_answered(
    league: LocalLeague, study: Study, step: str
) -> None:
    analysis = step.partition(".")[0]

    def fresh() -> bytes:
        message = played(
            league, study, analysis, lambda data: peek(data).kind == "round-asked" and contents(data)["step"] == step
        )
        assert message is not None, f"{analysis} does not ask {step}"
        return message

    counts = beaten(league, fresh, KINDS if step == "describe.sums" else FEW_KINDS)
    assert counts["protocol"] > 40


def test_a_release_asked_in_any_way_is_refused_by_name_or_answered(league: LocalLeague, study: Study) -> None:
    asked = SiteAsked(study=study.id, run="r", analysis="own", roster=(NODE,), code="0.1.0")
    counts = beaten(league, lambda: seal(asked, league.keys.hub))
    assert counts["protocol"] > 50


def test_a_checkpoint_shown_in_any_way_is_refused_by_name_or_cosigned(league: LocalLeague) -> None:
    shown: list[bytes] = []

    class Listening:
        def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
            shown.extend(messages.values())
            raise Halted(b"")

    league.hub.log._exchange = lying_exchange(league, lambda _inner: Listening())
    with pytest.raises(Halted):
        league.hub.log.prove([0], {NODE: ""})
    beaten(league, lambda: shown[0])


def test_a_peers_word_changed_in_any_way_is_refused_by_name(league: LocalLeague, study: Study) -> None:
    """The hub passes on what nodes sign, and every node reads it for itself."""
    for kind, field, inner in (("run-start", "ready", "run-ready"), ("counts-shown", "counted", "counted")):
        honest = played(league, study, "describe", first(kind))
        assert honest is not None
        body = contents(honest)
        peers = [
            number for number, sealed in enumerate(body[field]) if peek(sealed).sender == key_id(peer(league).public)
        ]
        sealed = body[field][peers[0]]
        assert peek(sealed).kind == inner
        for what, told in changes(contents(sealed), KINDS):
            lie = [*body[field]]
            lie[peers[0]] = forged_envelope(sealed, peer(league), payload=encode(told))
            answer = answered(league, forged_envelope(honest, league.keys.hub, payload=encode({**body, field: lie})))
            if not isinstance(answer, Declined):
                honest = played(league, study, "describe", first(kind))
                assert honest is not None
                body = contents(honest)
                sealed = body[field][peers[0]]
                continue
            assert answer.code in REFUSALS, f"{inner}{what}: {answer}"


# --- studies ------------------------------------------------------------------------------------------------


def test_a_study_changed_in_any_way_is_refused_by_name_or_can_be_run() -> None:
    """A study that was taken can be read again, whatever stands in it."""
    league = local(COHORTS.frames, COHORTS.dictionary)
    plain = league.study(QUESTIONS | {"glm": QUESTIONS["glm"].model_copy(update={"population": "old"})})
    whole = {
        **json.loads(plain.model_dump_json()),
        "populations": {"old": "age > 40"},
        "derive": {"decades": {"expression": "age / 10", "type": "number", "range": [0, 12]}},
    }
    taken = 0
    for number, (what, changed) in enumerate(changes(whole, FEW_JSON_KINDS)):
        content = (
            {**changed, "id": f"s{number}"} if isinstance(changed, dict) and changed.get("id") == plain.id else changed
        )
        taken += _taken(league, what, content)
    assert 40 < taken < 900


def _taken(league: LocalLeague, what: str, content: Any) -> bool:
    before = kept(league)
    sealed = forged_envelope(
        submit_bytes(league, league.study({})),
        league.keys.researcher,
        payload=encode({"study": json.dumps(content).encode()}),
    )
    answer = answered(league, sealed)
    if isinstance(answer, Declined):
        assert answer.code in REFUSALS, f"{what}: {answer}"
        assert kept(league) == before
        return False
    for analysis in content.get("analyses", {}):
        asked = RunOpen(
            study=content["id"],
            run=what + analysis,
            analysis=analysis,
            roster=tuple(COHORTS.frames),
            dictionary=b"",
            code="0.1.0",
        )
        opened = answered(league, seal(asked, league.keys.hub))
        assert isinstance(opened, Declined)
        assert opened.code in {*REFUSALS, "refused"}, f"{what}, {analysis}: {opened}"
    return True
