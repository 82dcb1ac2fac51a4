"""1,000 nodes at the hub's side: ``python -m benchmarks.simulated`` prints a table and draws ``simulated.svg``.

The hub is the real one, from :class:`HubRun` down to the encrypted frames: it signs, encrypts, verifies and adds up.
No socket stands between it and the nodes: a link in this process answers with what each node prepared before, and that
time is not counted. ``benchmarks.scale many`` has sockets, with as many nodes as a machine carries.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from benchmarks.measure import in_own_process, measured, report
from benchmarks.scale import PLACE, secret
from hansa.engine.frames import FRAME_BYTES
from hansa.engine.link import Link, Received
from hansa.engine.messaging import HubEndpoint, Timing
from hansa.hub.rounds import Exchange, HubRun
from hansa.privacy.fixed_point import Lanes, add_into, encode, subtract_from
from hansa.stats.contract import Output, Preparation, Request, Step
from hansa.stats.question import Question
from hansa.wire import Message, Signer, key_id, peek, seal
from hansa.wire.boxes import close_box, open_frame, read_frame
from hansa.wire.directory import Directory
from hansa.wire.messages import Answered, Counted, CountsShown, RoundAsked, RunOpen, RunReady, RunStart, RunStarted

NODES = (10, 30, 100, 300, 1000)
ROUNDS, NUMBERS = 20, 10_000
FIRST_TALLY, TALLY = 316, 6
"""Numbers of a tally: in a run's first round of 20 covariates with their products, and of row weights in later ones."""

Answers = Mapping[str, bytes]
"""A node's sealed answers, by the kind of message they answer."""


def main() -> None:
    found = [in_own_process("benchmarks.simulated", str(nodes)) for nodes in NODES]
    draw([one.detail for one in found])
    print(
        "| nodes | s to open | MB sent | s, first round | MB sent | s, 20 more | MB sent each | ms a node | peak MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for nodes, one in zip(NODES, found, strict=True):
        times = one.detail
        print(
            f"| {nodes} | {times['opening']:.2f} | {times['opening_sent']:.1f} "
            f"| {times['first']:.2f} | {times['first_sent']:.1f} "
            f"| {times['later'] * ROUNDS:.2f} | {times['sent']:.2f} | {times['later'] / nodes * 1000:.2f} "
            f"| {times['megabytes']:.0f} |"
        )


def draw(found: Sequence[Mapping[str, float]]) -> None:
    """The hub's CPU, memory and sending by number of nodes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3))
    panels = (
        ("hub, CPU s for 20 rounds", [ROUNDS * one["later"] for one in found]),
        ("hub, peak MB", [one["megabytes"] for one in found]),
        ("MB sent in the first round", [one["first_sent"] for one in found]),
    )
    for place, (label, values) in enumerate(panels, 1):
        axes = figure.add_subplot(1, 3, place)
        axes.plot(NODES, values, marker="o")
        axes.set(xlabel="nodes", ylabel=label, ylim=(0, None), xlim=(0, None))
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("simulated.svg"))


# --- the hub --------------------------------------------------------------------------------------------------


def rounds_task(nodes: int) -> Callable[[], dict[str, float]]:
    """A run over so many nodes: it is opened, has one round with a long tally, then 20 with a short one."""
    names = tuple(f"node{i:04d}" for i in range(nodes))
    signers = {name: Signer.from_bytes(name, secret(name)) for name in names}
    wire = Wire({name: prepared(place, signers[name], names) for place, name in enumerate(names)})
    secrets = {name: secret(name) for name in names}
    hub = HubEndpoint(cast(Link, wire), "scale", secrets, timing=Timing(again=3600, lost=3600))
    directory = Directory({"node-sign": {key_id(one.public): (name, one.public) for name, one in signers.items()}})
    exchange = Exchange(Signer.from_bytes("hub", secret("hub")), directory, hub)
    run = HubRun(exchange, QUESTION, run=PLACE["run"], analysis="a", roster=names)

    def task() -> dict[str, float]:
        opening, opening_sent = wire.spent(run.start)
        first, first_sent = wire.spent(lambda: total_checked(run, nodes))
        wire.tally = "counted"
        later = [wire.spent(lambda: total_checked(run, nodes)) for _ in range(ROUNDS)]
        seconds = sum(cpu for cpu, _ in later) / ROUNDS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - wire.megabytes
        sent = {"opening_sent": opening_sent, "first_sent": first_sent, "sent": later[0][1]}
        return sent | {"opening": opening, "first": first, "later": seconds, "megabytes": peak}

    return task


def total_checked(run: HubRun, nodes: int) -> None:
    totals = run.sum(STEP, Request(), {"beta": np.zeros(21)})
    assert np.abs(totals["numbers"] - nodes).max() < 1e-9


STEP = Step(
    "simulated",
    1,
    Preparation("simulated", 1, lambda _: (), lambda _a, _v: {}, lambda _f, _a: {}, lambda _f, _a: ()),
    (Output("numbers", (NUMBERS,), "intermediate"),),
    lambda _arrays, _inputs: {},
)
# A hub reads no more of a question than this.
QUESTION = cast(
    Question,
    SimpleNamespace(
        study=SimpleNamespace(id=PLACE["study"], min_nodes=3),
        dictionary_digest=bytes(32),
        touched=frozenset(),
        shapes=lambda _step, _arguments: {"numbers": (NUMBERS,)},
    ),
)


# --- the nodes ------------------------------------------------------------------------------------------------


def prepared(place: int, signer: Signer, names: Sequence[str]) -> Answers:
    """What the node in this place of the roster answers to each kind of message."""
    run = {"study": PLACE["study"], "run": PLACE["run"]}
    ready = RunReady(**run, roster=tuple(names), agreement=bytes(32), epoch=0, code="0", past=())
    messages: dict[str, Message] = {
        RunOpen.kind(): ready,
        RunStart.kind(): RunStarted(**run, binding=bytes(32)),
        "long": Counted(**PLACE, request=bytes(32), lanes=masked_ones(place, len(names), FIRST_TALLY)),
        "counted": Counted(**PLACE, request=bytes(32), lanes=masked_ones(place, len(names), TALLY)),
        CountsShown.kind(): Answered(**PLACE, request=bytes(32), lanes=masked_ones(place, len(names), NUMBERS)),
    }
    return {kind: seal(message, signer) for kind, message in messages.items()}


def masked_ones(place: int, nodes: int, numbers: int) -> Lanes:
    """Ones under masks that cancel over the roster, each with the next node's; to a hub they look like any."""
    lanes = encode(np.ones(numbers), nodes=nodes)
    add_into(lanes, noise(place, numbers))
    subtract_from(lanes, noise((place + 1) % nodes, numbers))
    return lanes


def noise(place: int, numbers: int) -> Lanes:
    return np.random.default_rng(place).integers(0, 2**64, (2, numbers), dtype=np.uint64)


class Wire:
    """A :class:`Link` without a server: what is published is answered before ``publish`` returns."""

    def __init__(self, answers: Mapping[str, Answers]) -> None:
        self.tally = "long"
        self._answers = answers
        self._received: list[tuple[str, Received]] = []
        self._outside = 0.0
        self._bytes = 0

    @property
    def megabytes(self) -> float:
        """What the nodes prepared, which no hub holds."""
        return sum(len(answer) for answers in self._answers.values() for answer in answers.values()) / 1e6

    def subscribe(self, subject: str, received: Received) -> None:
        self._received.append((subject, received))

    def publish(self, subject: str, frames: Iterable[bytes], *, reply: str = "") -> None:
        asked = list(frames)  # encrypted here at the latest, which is the hub's work
        self._bytes += sum(map(len, asked))
        began = time.process_time()
        closed = self._answered(subject.rsplit(".", 1)[-1], asked)
        self._outside += time.process_time() - began
        hub = self._received[0][1]
        for frame in closed:
            hub(reply, "", frame)

    def spent(self, task: Callable[[], object]) -> tuple[float, float]:
        """CPU seconds of the hub for a task, and the megabytes that it sent to nodes."""
        self._outside, self._bytes, began = 0.0, 0, time.process_time()
        task()
        return time.process_time() - began - self._outside, self._bytes / 1e6

    def _answered(self, name: str, frames: Sequence[bytes]) -> list[bytes]:
        whole = b"".join(open_frame(secret(name), f"ask:{name}", read_frame(frame)) for frame in frames)
        request, asked = whole[:16], whole[16:]
        kind = peek(asked).kind
        answer = self._answers[name][self.tally if kind == RoundAsked.kind() else kind]
        return list(close_box(secret(name), f"answer:{name}", answer, frame_bytes=FRAME_BYTES, head=request))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        report(measured(rounds_task(int(sys.argv[1]))))
    else:
        main()
