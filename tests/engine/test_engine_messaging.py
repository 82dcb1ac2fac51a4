"""Requests and answers over a real messaging server: lost, doubled, forged, and with parties that die."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hansa.engine import subjects
from hansa.engine.link import Link, LinkSettings
from hansa.engine.messaging import HubEndpoint, NodeEndpoint, Timing
from hansa.engine.server import start_server
from hansa.errors import Unreachable
from hansa.testing.messaging import Messaging, start_messaging
from hansa.wire.boxes import close_box

NAMES = ("a", "b", "c")
SECRETS = {name: name.encode() * 32 for name in NAMES}
FAST = Timing(heartbeat=0.1, lost=1.5, again=0.4, deadline=20.0)


@pytest.fixture
def messaging(tmp_path: Path) -> Iterator[Messaging]:
    started = start_messaging(tmp_path, "L", NAMES)
    yield started
    for endpoint in OPEN:
        endpoint.close()
    OPEN.clear()
    started.close()


OPEN: list[NodeEndpoint] = []


def node(messaging: Messaging, name: str, handle: Callable[[bytes], bytes], link: Link | None = None) -> NodeEndpoint:
    made = NodeEndpoint(link or messaging.link(name), "L", name, SECRETS[name], handle, timing=FAST)
    OPEN.append(made)
    return made


def hub(messaging: Messaging) -> HubEndpoint:
    return HubEndpoint(messaging.link("hub"), "L", SECRETS, timing=FAST)


class Dropping:
    """A link that loses the first publications."""

    def __init__(self, link: Link, times: int) -> None:
        self._link = link
        self.left = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)

    def publish(self, subject: str, frames: Sequence[bytes], *, reply: str = "") -> None:
        if ".alive." not in subject and self.left:
            self.left -= 1
            return
        self._link.publish(subject, frames, reply=reply)


def test_every_node_answers_large_and_small(messaging: Messaging) -> None:
    for name in NAMES:
        node(messaging, name, lambda data: data[::-1])
    found = hub(messaging).ask({"a": b"small", "b": b"", "c": bytes(3_000_000) + b"!"})
    assert found == {"a": b"llams", "b": b"", "c": b"!" + bytes(3_000_000)}


def test_a_lost_request_is_sent_again_and_handled_once(messaging: Messaging) -> None:
    calls: list[bytes] = []
    node(messaging, "a", lambda data: calls.append(data) or data)  # type: ignore[func-returns-value]  # None, so the data
    lossy = HubEndpoint(Dropping(messaging.link("hub"), 1), "L", SECRETS, timing=FAST)  # type: ignore[arg-type]  # as much of a link as is used
    assert lossy.ask({"a": b"x"}) == {"a": b"x"}
    assert calls == [b"x"]


def test_a_lost_answer_is_given_again_without_doing_the_work_again(messaging: Messaging) -> None:
    calls: list[bytes] = []
    link = Dropping(messaging.link("a"), 1)
    node(messaging, "a", lambda data: calls.append(data) or data, link)  # type: ignore[arg-type,func-returns-value]  # as much of a link as is used; None, so the data
    assert hub(messaging).ask({"a": b"x"}) == {"a": b"x"}
    assert calls == [b"x"]
    assert link.left == 0


def test_a_request_delivered_twice_is_handled_once(messaging: Messaging) -> None:
    calls: list[bytes] = []
    node(messaging, "a", lambda data: calls.append(data) or data)  # type: ignore[func-returns-value]  # None, so the data
    frames = list(close_box(SECRETS["a"], "ask:a", bytes(16) + b"x", frame_bytes=100))
    link = messaging.link("hub")
    for _ in range(3):
        link.publish(subjects.asks("L", "a"), frames, reply=subjects.answers("L", "a", "s"))
    assert hub(messaging).ask({"a": b"y"}) == {"a": b"y"}
    assert calls == [b"x", b"y"]


def test_a_slow_node_is_waited_for_while_its_heart_beats(messaging: Messaging) -> None:
    calls: list[bytes] = []

    def slow(data: bytes) -> bytes:
        calls.append(data)
        time.sleep(2.5)
        return data

    node(messaging, "a", slow)
    assert hub(messaging).ask({"a": b"x"}) == {"a": b"x"}
    assert calls == [b"x"]


def test_a_node_that_is_not_there_is_named(messaging: Messaging) -> None:
    node(messaging, "a", lambda data: data)
    with pytest.raises(Unreachable) as caught:
        hub(messaging).ask({"a": b"x", "b": b"x"})
    assert caught.value.nodes == ("b",)


def test_a_node_that_leaves_is_lost_at_once(messaging: Messaging) -> None:
    leaving = node(messaging, "a", lambda data: data)
    asking = hub(messaging)
    asking.ask({"a": b"x"})
    assert asking.present("a")
    leaving.close()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        asking.ask({"a": b"x"})
    assert time.monotonic() - began < FAST.lost + 1
    assert not asking.present("a")


def test_a_node_that_only_beats_is_given_up_at_the_deadline(messaging: Messaging) -> None:
    stuck = threading.Event()
    node(messaging, "a", lambda data: data * stuck.wait(6))
    timing = Timing(heartbeat=0.1, lost=1.5, again=0.4, deadline=1.0)
    asking = HubEndpoint(messaging.link("hub"), "L", SECRETS, timing=timing)
    with pytest.raises(Unreachable, match="deadline"):
        asking.ask({"a": b"x"})
    stuck.set()


def test_requests_outlive_a_restart_of_the_server(messaging: Messaging) -> None:
    calls: list[bytes] = []

    def handle(data: bytes) -> bytes:
        calls.append(data)
        if data == b"restart":
            messaging.restart()
        return data

    node(messaging, "a", handle)
    asking = HubEndpoint(messaging.link("hub"), "L", SECRETS, timing=Timing(0.1, 8.0, 0.4, 30.0))
    assert asking.ask({"a": b"restart"}) == {"a": b"restart"}
    assert asking.ask({"a": b"after"}) == {"a": b"after"}
    assert calls == [b"restart", b"after"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_engine_link.py
def test_a_stranger_is_not_let_in(messaging: Messaging) -> None:
    seed = messaging.keys.nkey("stranger")[0]
    with pytest.raises(Unreachable):
        Link(LinkSettings((f"nats://127.0.0.1:{messaging.port}",), "x", seed, None, connect_seconds=2.0))


def test_a_node_can_reach_nothing_at_another_node(messaging: Messaging) -> None:
    seen: list[bytes] = []
    node(messaging, "a", lambda data: data)
    rogue = messaging.link("b")
    for subject in (subjects.asks("L", "a"), "hansa.L.answer.*.*", subjects.alive("L", "*"), ">"):
        rogue.subscribe(subject, lambda _subject, _reply, data: seen.append(data))
    asking = hub(messaging)
    for place in (subjects.answers("L", "a", "s"), subjects.alive("L", "a"), subjects.asks("L", "a")):
        rogue.publish(place, [b"forged"])
    assert asking.ask({"a": b"x"}) == {"a": b"x"}
    assert seen == []


def test_garbage_on_ones_own_subject_is_ignored(messaging: Messaging) -> None:
    node(messaging, "a", lambda data: data)
    garbage = messaging.link("hub")
    wrong = close_box(bytes(32), "ask:a", bytes(16) + b"evil", frame_bytes=100)
    for frames in ([b"", b"H1", bytes(1000)], wrong):
        garbage.publish(subjects.asks("L", "a"), frames, reply=subjects.answers("L", "a", "s"))
    rogue = messaging.link("b")
    rogue.publish(subjects.alive("L", "b"), [b"garbage"])
    asking = hub(messaging)
    assert asking.ask({"a": b"x"}) == {"a": b"x"}
    assert not asking.present("b")


def test_an_old_heartbeat_played_again_revives_nobody(messaging: Messaging) -> None:
    kept: list[bytes] = []
    listener = messaging.link("hub")
    listener.subscribe(subjects.alive("L", "*"), lambda _subject, _reply, data: kept.append(data))
    leaving = node(messaging, "a", lambda data: data)
    asking = hub(messaging)
    asking.ask({"a": b"x"})
    old = list(kept)
    leaving.close()
    again = messaging.link("a")
    ends = time.monotonic() + FAST.lost + 0.5
    while time.monotonic() < ends:
        again.publish(subjects.alive("L", "a"), old)
        time.sleep(0.1)
    assert not asking.present("a")


def test_a_server_whose_hub_was_killed_makes_way_for_the_next(messaging: Messaging) -> None:
    old = messaging.server
    messaging.server = start_server(messaging.config, messaging.folder, ports=[("127.0.0.1", messaging.port)])
    old.stop()
    assert messaging.server.running
    assert messaging.server.pid != old.pid
