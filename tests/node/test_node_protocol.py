"""A node and a hub, a peer or a researcher who lie: garbage or a refusal, never a share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.embedded.local import LocalLeague, local
from hansa.engine import Transport
from hansa.errors import HansaError, ProtocolError, Refused
from hansa.governance import withdraw
from hansa.hub.rounds import HubRun
from hansa.model import Analysis, Study
from hansa.privacy.fixed_point import decode
from hansa.privacy.secure_sum import total_of
from hansa.stats.contract import Request
from hansa.stats.question import Question
from hansa.testing import (
    BAD_PAYLOADS,
    CheatingPeer,
    LyingHub,
    Wiretap,
    contents,
    forged_envelope,
    grafted,
    hub_run,
    lying_exchange,
    submit_bytes,
    synthetic_cohorts,
)
from hansa.wire import Message, Signer, encode, open_message, peek, seal
from hansa.wire.messages import (
    Answered,
    Counted,
    CountsShown,
    DecisionMade,
    Declined,
    RoundAsked,
    RunOpen,
    RunReady,
    RunStart,
    SiteAsked,
)

NODES = ("aachen", "bergen", "cadiz", "delft")
COHORTS = synthetic_cohorts()
TRUTH = float(COHORTS.pooled["marker"].sum())


@pytest.fixture
def league() -> LocalLeague:
    return local(COHORTS.frames, COHORTS.dictionary)


@pytest.fixture(scope="module")
def fuzzed() -> LocalLeague:
    return local(COHORTS.frames, COHORTS.dictionary)


def submitted(league: LocalLeague, **fields: Any) -> Study:
    study = league.study({"q": Analysis(method="describe", arguments={"variables": ["marker"]})}, **fields)
    league.submit(study)
    return study


def total(run: HubRun, question: Question) -> float:
    arguments = {"variables": ["marker"], "by": None, "ranks": 10}
    step = next(step for step in question.method.steps if step.name == "describe.sums")
    inputs = {"centre": np.zeros(1), "scale": np.ones(1)}
    return float(run.sum(step, Request(arguments), inputs)["first"][0, 0])


def with_lie(league: LocalLeague, lie: Callable[[str, Message], Message], **fields: Any) -> tuple[HubRun, Question]:
    return hub_run(
        league,
        submitted(league),
        "q",
        wrap=lambda inner: LyingHub(inner, league.keys.hub, lie),
        **fields,
    )


def tapped(league: LocalLeague, study: Study) -> tuple[Wiretap, HubRun, Question]:
    taps: list[Wiretap] = []

    def listen(inner: Transport) -> Wiretap:
        taps.append(Wiretap(inner))
        return taps[-1]

    run, question = hub_run(league, study, "q", wrap=listen)
    return taps[0], run, question


def ask(league: LocalLeague, node: str, data: bytes) -> bytes:
    return league.nodes[node].handle(data)


def declined(league: LocalLeague, node: str, data: bytes) -> Declined:
    answer = ask(league, node, data)
    return open_message(answer, Declined, league.keys.directory.of("node-sign"), sender=node)[1]


def left(league: LocalLeague) -> int:
    """How many arrays of values left; the tallies before them are for all to read."""
    entries = [entry for node in league.nodes.values() for entry in node.context.store.ledger()]
    return sum(entry.array != "tally of people" for entry in entries)


# --- the honest round, for comparison -------------------------------------------------------------------------


def test_an_honest_hub_gets_the_pooled_sum(league: LocalLeague) -> None:
    assert total(*hub_run(league, submitted(league), "q")) == pytest.approx(TRUTH, rel=1e-15)


# --- a hub that lies -----------------------------------------------------------------------------------------


def _others_inputs(node: str, message: Message) -> Message:
    if isinstance(message, RoundAsked) and node == "aachen":
        return message.model_copy(update={"inputs": {**message.inputs, "centre": np.ones(1)}})
    return message


def _others_arguments(node: str, message: Message) -> Message:
    if isinstance(message, RoundAsked) and node == "aachen":
        return message.model_copy(update={"arguments": {**message.arguments, "ranks": 12}})
    return message


def _reach(_node: str, message: Message) -> Message:
    if isinstance(message, RoundAsked):
        return message.model_copy(update={"arguments": {**message.arguments, "variables": ["pressure"]}})
    return message


def _unknown_step(_node: str, message: Message) -> Message:
    return message.model_copy(update={"step": "eval"}) if isinstance(message, RoundAsked) else message


def _old_step(_node: str, message: Message) -> Message:
    return message.model_copy(update={"step_version": 9}) if isinstance(message, RoundAsked) else message


def _a_later_round(_node: str, message: Message) -> Message:
    return message.model_copy(update={"round": 1}) if isinstance(message, RoundAsked) else message


def _another_attempt(_node: str, message: Message) -> Message:
    return message.model_copy(update={"attempt": 1}) if isinstance(message, RoundAsked) else message


def _another_study(_node: str, message: Message) -> Message:
    return message.model_copy(update={"study": "another"}) if isinstance(message, RoundAsked) else message


def _another_run(_node: str, message: Message) -> Message:
    return message.model_copy(update={"run": "another"}) if isinstance(message, CountsShown) else message


def _a_tally_twice(_node: str, message: Message) -> Message:
    if isinstance(message, CountsShown):
        return message.model_copy(update={"counted": (message.counted[0], *message.counted[:-1])})
    return message


def _a_tally_missing(_node: str, message: Message) -> Message:
    return message.model_copy(update={"counted": message.counted[:-1]}) if isinstance(message, CountsShown) else message


def _a_tally_changed(_node: str, message: Message) -> Message:
    if not isinstance(message, CountsShown):
        return message
    body = contents(message.counted[0])
    forged = grafted(message.counted[0], encode({**body, "lanes": body["lanes"] + np.uint64(1)}))
    return message.model_copy(update={"counted": (forged, *message.counted[1:])})


def _ready_missing(_node: str, message: Message) -> Message:
    return message.model_copy(update={"ready": message.ready[1:]}) if isinstance(message, RunStart) else message


def _smaller_roster(_node: str, message: Message) -> Message:
    return message.model_copy(update={"roster": NODES[:2]}) if isinstance(message, RunOpen) else message


def _stranger_in_the_roster(_node: str, message: Message) -> Message:
    if isinstance(message, RunOpen):
        return message.model_copy(update={"roster": (*message.roster, "zagreb")})
    return message


def _a_node_twice(_node: str, message: Message) -> Message:
    if isinstance(message, RunOpen):
        return message.model_copy(update={"roster": (*message.roster[:-1], message.roster[0])})
    return message


def _without_the_addressee(node: str, message: Message) -> Message:
    if isinstance(message, RunOpen):
        return message.model_copy(update={"roster": tuple(name for name in NODES if name != node)})
    return message


def _others_roster(node: str, message: Message) -> Message:
    if isinstance(message, RunOpen) and node in NODES[:3]:
        return message.model_copy(update={"roster": NODES[:3]})
    return message


def _other_analysis(_node: str, message: Message) -> Message:
    return message.model_copy(update={"analysis": "another"}) if isinstance(message, RunOpen) else message


def _other_code(_node: str, message: Message) -> Message:
    return message.model_copy(update={"code": "0.0.1"}) if isinstance(message, RunOpen) else message


def _other_dictionary(_node: str, message: Message) -> Message:
    return message.model_copy(update={"dictionary": bytes(32)}) if isinstance(message, RunOpen) else message


LIES = {
    "inputs that differ between nodes": _others_inputs,
    "arguments that differ between nodes": _others_arguments,
    "arguments beyond the question": _reach,
    "a step that is not installed": _unknown_step,
    "another version of a step": _old_step,
    "a round too soon": _a_later_round,
    "a second attempt": _another_attempt,
    "a round of another study": _another_study,
    "counts of another run": _another_run,
    "one tally twice": _a_tally_twice,
    "a tally left out": _a_tally_missing,
    "a tally changed on the way": _a_tally_changed,
    "a node that was never ready": _ready_missing,
    "two nodes only": _smaller_roster,
    "a roster wider than the study": _stranger_in_the_roster,
    "a node named twice": _a_node_twice,
    "a roster without the node asked": _without_the_addressee,
    "rosters that differ between nodes": _others_roster,
    "an analysis that was not declared": _other_analysis,
    "another version of the code": _other_code,
    "another dictionary": _other_dictionary,
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_no_lie_of_the_hub_gives_it_a_total(league: LocalLeague, name: str) -> None:
    run, question = with_lie(league, LIES[name])
    with pytest.raises((Refused, ProtocolError)) as caught:
        total(run, question)
    assert "fault" not in getattr(caught.value, "reason", ""), "a lie is named, not stumbled over"


def test_no_lie_before_the_counts_lets_anything_leave(league: LocalLeague) -> None:
    for name in ("two nodes only", "another dictionary", "a tally changed on the way", "one tally twice"):
        run, question = with_lie(league, LIES[name])
        with pytest.raises((Refused, ProtocolError)):
            total(run, question)
    assert left(league) == 0


def test_swapped_agreement_keys_are_noticed(league: LocalLeague) -> None:
    mine = X25519PrivateKey.generate().public_key().public_bytes_raw()

    def lie(_node: str, message: Message) -> Message:
        if not isinstance(message, RunStart):
            return message
        ready = tuple(grafted(s, encode({**contents(s), "agreement": mine})) for s in message.ready)
        return message.model_copy(update={"ready": ready})

    with pytest.raises(Refused, match="signature"):
        total(*with_lie(league, lie))


@pytest.mark.parametrize("agreement", [b"", bytes(31), bytes(32), b"\x01" + bytes(31)], ids=repr)
def test_a_peers_bad_agreement_key_is_a_protocol_error(league: LocalLeague, agreement: bytes) -> None:
    def lie(message: Message) -> Message:
        return message.model_copy(update={"agreement": agreement}) if isinstance(message, RunReady) else message

    peer = league.keys.nodes["aachen"]
    run, question = hub_run(league, submitted(league), "q", wrap=lambda inner: CheatingPeer(inner, "aachen", peer, lie))
    with pytest.raises(Refused) as caught:
        total(run, question)
    assert caught.value.reason == "protocol"


@pytest.mark.parametrize("code", ["0.2.0", "1.1.0", "", "0.1"])
def test_a_peer_that_works_differently_is_noticed(league: LocalLeague, code: str) -> None:
    def lie(message: Message) -> Message:
        return message.model_copy(update={"code": code}) if isinstance(message, RunReady) else message

    peer = league.keys.nodes["aachen"]
    run, question = hub_run(league, submitted(league), "q", wrap=lambda inner: CheatingPeer(inner, "aachen", peer, lie))
    with pytest.raises(Refused) as caught:
        total(run, question)
    assert caught.value.reason == "protocol"


def test_a_hub_that_says_a_node_was_lost_reads_nothing_of_the_others(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    shares = [message.lanes for message in tap.answers(Answered)]
    assert len(shares) == len(NODES)
    assert np.abs(decode(total_of(shares))).max() < 2.0**40, "all of them give the total"
    for lost in range(len(shares)):
        others = decode(total_of(shares[:lost] + shares[lost + 1 :]))
        assert np.abs(others).min() > 2.0**20, "one number in 2^43 would be smaller by chance"


# --- replays -------------------------------------------------------------------------------------------------


def test_every_message_of_a_finished_run_is_refused_when_it_comes_again(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    entries = left(league)
    for node, message, _ in list(tap.heard):
        again = declined(league, node, message)
        assert again.code == "protocol"
    assert left(league) == entries, "nothing left the nodes twice"


def test_phases_out_of_order_are_refused(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    first = {peek(message).kind: message for node, message, _ in tap.heard if node == "aachen"}
    other, _ = hub_run(league, question.study, "q")
    other.start()
    place = {"study": question.study.id, "run": other.run, "round": 0, "attempt": 0}
    body = encode({**contents(first["counts-shown"]), **place})
    answer = declined(league, "aachen", forged_envelope(first["counts-shown"], league.keys.hub, payload=body))
    assert answer.code == "protocol"


def test_another_nodes_answer_does_not_pass_for_ones_own(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    sealed = next(answer for node, _, answer in tap.heard if node == "bergen" and peek(answer).kind == "answered")

    def lie(message: Message) -> Message | bytes:
        return sealed if isinstance(message, Answered) else message

    peer = league.keys.nodes["aachen"]
    again, question = hub_run(
        league, submitted(league), "q", wrap=lambda inner: CheatingPeer(inner, "aachen", peer, lie)
    )
    with pytest.raises(ProtocolError, match="another party"):
        total(again, question)


def test_a_tally_of_an_earlier_round_is_refused(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    old = [answer for _, _, answer in tap.heard if peek(answer).kind == "counted"]

    def lie(_node: str, message: Message) -> Message:
        return message.model_copy(update={"counted": tuple(old)}) if isinstance(message, CountsShown) else message

    with pytest.raises(Refused) as caught:
        total(*with_lie(league, lie))
    assert caught.value.reason == "protocol"


@pytest.mark.parametrize("name", sorted(BAD_PAYLOADS))
def test_a_peers_bad_payload_stops_at_whoever_reads_it(league: LocalLeague, name: str) -> None:
    signer = league.keys.nodes["aachen"]

    def lie(message: Message) -> Message | bytes:
        if isinstance(message, Answered):
            return forged_envelope(seal(message, signer), signer, payload=BAD_PAYLOADS[name])
        return message

    run, question = hub_run(
        league, submitted(league), "q", wrap=lambda inner: CheatingPeer(inner, "aachen", signer, lie)
    )
    with pytest.raises(ProtocolError):
        total(run, question)


@pytest.mark.parametrize("width", [0, 1, 10_000])
def test_a_peers_tally_of_another_length_is_refused(league: LocalLeague, width: int) -> None:
    def lie(message: Message) -> Message:
        if isinstance(message, Counted):
            return message.model_copy(update={"lanes": np.zeros((2, width), dtype=np.uint64)})
        return message

    signer = league.keys.nodes["aachen"]
    run, question = hub_run(
        league, submitted(league), "q", wrap=lambda inner: CheatingPeer(inner, "aachen", signer, lie)
    )
    with pytest.raises(Refused) as caught:
        total(run, question)
    assert caught.value.reason == "protocol"


# --- who may speak -------------------------------------------------------------------------------------------


def test_only_the_hub_may_ask_for_rounds(league: LocalLeague) -> None:
    tap, run, question = tapped(league, submitted(league))
    total(run, question)
    strangers = [league.keys.researcher, league.keys.nodes["bergen"], Signer.new("hub")]
    for message in {peek(data).kind: data for _, data, _ in tap.heard}.values():
        for signer in strangers:
            answer = declined(league, "aachen", forged_envelope(message, signer))
            assert answer.code == "signature"


def test_a_study_signed_by_nobody_certified_is_refused(league: LocalLeague) -> None:
    study = league.study({})
    for signer in (Signer.new("researcher"), league.keys.hub, league.keys.nodes["aachen"]):
        forged = submit_bytes(league, study, signer=signer)
        assert declined(league, "aachen", forged).code == "signature"
        with pytest.raises(ProtocolError):
            league.hub.submit(forged)


def test_a_study_widened_after_signing_is_refused(league: LocalLeague) -> None:
    study = league.study({"q": Analysis(method="describe", arguments={"variables": ["marker"]})})
    wider = study.model_copy(update={"variables": (*study.variables, "ill")})
    sealed = submit_bytes(league, study)
    forged = grafted(sealed, encode({"study": wider.model_dump_json().encode()}))
    assert declined(league, "aachen", forged).code == "signature"


def test_another_study_under_a_known_id_is_refused(league: LocalLeague) -> None:
    study = submitted(league)
    wider = study.model_copy(update={"title": "wider"})
    assert declined(league, "aachen", submit_bytes(league, wider)).code == "protocol"


def test_the_same_study_again_gets_the_stored_decision(league: LocalLeague) -> None:
    study = submitted(league)
    before = len(league.nodes["aachen"].context.store.events())
    answer = ask(league, "aachen", submit_bytes(league, study))
    assert open_message(answer, DecisionMade, league.keys.directory.of("node-sign"))[1].study == study.id
    assert len(league.nodes["aachen"].context.store.events()) == before


def test_an_analysis_may_not_reach_beyond_the_declared_variables(league: LocalLeague) -> None:
    asked = {"q": Analysis(method="describe", arguments={"variables": ["marker"]})}
    study = league.study(asked).model_copy(update={"variables": ("age",)})
    assert declined(league, "aachen", submit_bytes(league, study)).code == "study"


# --- permits -------------------------------------------------------------------------------------------------


def test_a_stopped_study_is_answered_no_more(league: LocalLeague) -> None:
    study = submitted(league)
    run, question = hub_run(league, study, "q")
    total(run, question)
    league.nodes["cadiz"].stop(study.id, by="steward")
    with pytest.raises(Refused):
        total(run, question)
    with pytest.raises(Refused, match="no permit"):
        total(*hub_run(league, study, "q"))


def test_a_permit_that_expires_between_rounds_ends_the_run(league: LocalLeague) -> None:
    run, question = hub_run(league, submitted(league), "q")
    total(run, question)
    league.nodes["cadiz"].context.clock = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=500)
    with pytest.raises(Refused, match="not valid today"):
        total(run, question)


def test_a_study_that_was_never_submitted_is_refused(league: LocalLeague) -> None:
    study = submitted(league)
    unknown = study.model_copy(update={"id": "unknown"})
    with pytest.raises(Refused) as caught:
        total(*hub_run(league, unknown, "q"))
    assert caught.value.reason == "protocol"


def test_a_study_without_a_permit_is_refused() -> None:
    rules = [{"rule": "forbidden_requesters", "kinds": ["insurer"]}]
    policies = {node: {"name": "p", "version": "1", "node": node, "rules": rules} for node in NODES}
    league = local(COHORTS.frames, COHORTS.dictionary, policies)
    study = submitted(league)
    with pytest.raises(Refused, match="no permit"):
        total(*hub_run(league, study, "q"))


def test_a_used_up_budget_ends_the_run() -> None:
    rules = [{"rule": "caller_owns_data"}]
    policies = {n: {"name": "p", "version": "1", "node": n, "rules": rules, "rounds": 2} for n in NODES}
    league = local(COHORTS.frames, COHORTS.dictionary, policies)
    with pytest.raises(Refused) as caught:
        league.describe(["marker"])
    assert caught.value.reason == "budget"


def test_a_withdrawal_ends_the_run_before_its_next_round(league: LocalLeague) -> None:
    run, question = hub_run(league, submitted(league), "q")
    total(run, question)
    node = league.nodes["bergen"]
    node.change_consent(withdraw(node.context.consent, [3]))
    with pytest.raises(Refused) as caught:
        total(run, question)
    assert caught.value.reason == "epoch"
    assert 3 not in node.context.epoch(question.study).people


def test_nothing_but_a_release_is_asked_of_one_site(league: LocalLeague) -> None:
    study = submitted(league)
    asked = SiteAsked(study=study.id, run="r", analysis="q", roster=NODES, code="0.1.0")
    assert declined(league, "aachen", seal(asked, league.keys.hub)).code == "protocol"


# --- anything at all -----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_a_node_answers_arbitrary_bytes_with_a_signed_no(fuzzed: LocalLeague, data: bytes) -> None:
    assert declined(fuzzed, "aachen", data).code in ("protocol", "signature")


KINDS = ("study-submitted", "run-open", "run-start", "round-asked", "counts-shown", "site-asked", "checkpoint-shown")


@pytest.mark.parametrize("name", sorted(BAD_PAYLOADS))
@pytest.mark.parametrize("kind", KINDS)
def test_a_node_answers_a_signed_bad_payload_with_a_signed_no(fuzzed: LocalLeague, kind: str, name: str) -> None:
    sealed = submit_bytes(fuzzed, fuzzed.study({}))
    signer = fuzzed.keys.researcher if kind == "study-submitted" else fuzzed.keys.hub
    answer = declined(fuzzed, "aachen", forged_envelope(sealed, signer, payload=BAD_PAYLOADS[name], kind=kind))
    assert answer.code in ("protocol", "signature", "study", "fault")


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_a_node_answers_a_signed_study_of_arbitrary_bytes_with_a_signed_no(fuzzed: LocalLeague, data: bytes) -> None:
    payload = encode({"study": data})
    sealed = submit_bytes(fuzzed, fuzzed.study({}))
    forged = forged_envelope(sealed, fuzzed.keys.researcher, payload=payload)
    assert declined(fuzzed, "aachen", forged).code in ("study", "protocol", "fault")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["variables", "by", "ranks", "formula", "facts"]), JSON, max_size=4))
def test_arguments_of_any_shape_give_a_signed_no_or_an_answer(fuzzed: LocalLeague, arguments: dict[str, Any]) -> None:
    exchange = lying_exchange(fuzzed)
    study = submitted(fuzzed)
    run, _ = hub_run(fuzzed, study, "q")
    run.start()
    place: dict[str, Any] = {"study": study.id, "run": run.run, "round": 0, "attempt": 0}
    asked = RoundAsked(**place, step="describe.sums", step_version=1, arguments=arguments, inputs={})
    try:
        found = exchange.ask(run.roster, asked, Counted)
    except Refused:
        return
    assert set(found) == set(NODES)


def test_a_fault_at_a_node_is_noted_there_and_tells_nothing_outside(
    league: LocalLeague, monkeypatch: pytest.MonkeyPatch
) -> None:
    def secret(*_: object) -> None:
        raise ZeroDivisionError("the value was 42")

    study = submitted(league)
    monkeypatch.setattr("hansa.node.rounds.NodeRun.count", secret)
    with pytest.raises(Refused) as caught:
        total(*hub_run(league, study, "q"))
    assert "42" not in str(caught.value)
    assert ("fault", "", "ZeroDivisionError") in [event[1:] for event in league.nodes["aachen"].context.store.events()]


# --- each check is what stands in the way --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "check", "stands_for"),
    [
        ("arguments beyond the question", "hansa.node.run.NodeRun._check_reads", None),
        ("another version of the code", "hansa.node.rounds.Rounds._check_opening", None),
        ("two nodes only", "hansa.node.rounds.Rounds._check_opening", None),
    ],
)
def test_without_its_check_the_lie_would_go_further(
    league: LocalLeague, monkeypatch: pytest.MonkeyPatch, lie: str, check: str, stands_for: None
) -> None:
    run, question = with_lie(league, LIES[lie])
    before = _why(run, question)
    monkeypatch.setattr(check, lambda *_: stands_for)
    run, question = with_lie(league, LIES[lie])
    assert _why(run, question) != before


def _why(run: HubRun, question: Question) -> str:
    try:
        return str(total(run, question))
    except HansaError as refusal:
        return refusal.what


def test_a_round_shown_differently_would_give_noise_and_no_leak_even_unchecked(
    league: LocalLeague, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The masks bind the inputs, so that the lie is worth nothing where no node compares requests."""
    monkeypatch.setattr(
        "hansa.node.rounds.Rounds._from_roster",
        lambda _self, sealed, run, _current: [
            dict(open_message(s, Counted, league.keys.directory.of("node-sign")) for s in sealed)[n] for n in run.roster
        ],
    )
    monkeypatch.setattr("hansa.node.run.NodeRun._breaches", lambda *_: [])
    found = total(*with_lie(league, _others_inputs))
    assert abs(found) > 1e6 * TRUTH or not np.isfinite(found)


def test_a_permission_is_for_one_run_and_roster(league: LocalLeague) -> None:
    """The grant names run and roster: a stranger's grant does not count."""
    study = submitted(league)
    total(*hub_run(league, study, "q", roster=NODES[1:]))
    policy = league.nodes["aachen"].context.settings.policy.model_copy(update={"alone_ok": False})
    settings_ = replace(league.nodes["aachen"].context.settings, policy=policy)
    league.nodes["aachen"].context.settings = settings_
    later = submitted(league)
    with pytest.raises(Refused):
        total(*hub_run(league, later, "q"))
