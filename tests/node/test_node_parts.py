"""Long shares travel in parts: the same totals, and no part that was not answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hansa.embedded.local import LocalLeague, local
from hansa.engine import JournalEntry, Transport
from hansa.engine.journal import Journalled
from hansa.errors import HansaError, ProtocolError
from hansa.node import rounds
from hansa.testing import CheatingPeer, Wiretap, hub_run, synthetic_cohorts
from hansa.testing.hostile import LyingHub
from hansa.wire import Message, open_message, peek
from hansa.wire.messages import Answered, Declined, PartAsked

COHORTS = synthetic_cohorts()
FORMULA = "marker ~ age + pressure"


@pytest.fixture
def league(monkeypatch: pytest.MonkeyPatch) -> LocalLeague:
    monkeypatch.setattr(rounds, "PART_NUMBERS", 3)
    return local(COHORTS.frames, COHORTS.dictionary)


def test_a_result_in_parts_is_the_result(league: LocalLeague) -> None:
    whole = local(COHORTS.frames, COHORTS.dictionary)
    expected = whole.glm(FORMULA).plain["terms"]
    assert league.glm(FORMULA).plain["terms"] == expected


class Nowhere:
    """A journal that remembers nothing."""

    def entries(self) -> list[JournalEntry]:
        return []

    def append(self, _entry: JournalEntry) -> None:
        return


def play(league: LocalLeague, wrap: Callable[[Transport], Transport]) -> None:
    """A whole plan, driven as a hub drives it."""
    study = league.submit(league.study({"q": {"method": "glm", "arguments": {"formula": FORMULA}}})).study
    run, asked = hub_run(league, study, "q", wrap=wrap)
    asked.method.plan(Journalled(asked, Nowhere(), run.sum), asked.arguments)


def question(league: LocalLeague) -> tuple[Wiretap, list[bytes]]:
    """A run in parts, listened to; the parts' questions as the hub asked them of one node."""
    taps: list[Wiretap] = []

    def listen(inner: Transport) -> Wiretap:
        taps.append(Wiretap(inner))
        return taps[-1]

    play(league, listen)
    parts = [message for node, message, _ in taps[0].heard if node == "aachen" and peek(message).kind == "part-asked"]
    return taps[0], parts


def test_a_long_answer_is_asked_for_part_by_part(league: LocalLeague) -> None:
    tap, parts = question(league)
    answers = tap.answers(Answered)
    assert parts
    assert max(message.parts for message in answers) > 1
    assert all(message.lanes.shape[1] <= 3 for message in answers)


def test_no_part_is_given_once_the_round_went_on(league: LocalLeague) -> None:
    _, parts = question(league)
    for message in parts:
        again = open_message(
            league.nodes["aachen"].handle(message), Declined, league.keys.directory.of("node-sign"), sender="aachen"
        )
        assert again[1].code == "protocol"


@pytest.mark.parametrize("part", [0, 99])
def test_a_part_that_is_not_there_is_refused(league: LocalLeague, part: int) -> None:
    def lie(_node: str, message: Message) -> Message:
        return message.model_copy(update={"part": part}) if isinstance(message, PartAsked) else message

    with pytest.raises(HansaError, match="no such part"):
        play(league, lambda inner: LyingHub(inner, league.keys.hub, lie))


@pytest.mark.parametrize("change", [{"part": 1}, {"parts": 9}])
def test_a_peer_that_says_another_part_is_noticed(league: LocalLeague, change: dict[str, int]) -> None:
    def lie(message: Message) -> Message | bytes:
        return message.model_copy(update=change) if isinstance(message, Answered) and not message.part else message

    with pytest.raises(ProtocolError, match="part"):
        play(league, lambda inner: CheatingPeer(inner, "aachen", league.keys.nodes["aachen"], lie))
