"""How the hub grows with its nodes, and how long shares travel: real sockets, simulated nodes."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nats
import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.measure import measured, report
from hansa.engine.frames import FRAME_BYTES
from hansa.engine.messaging import HubEndpoint, NodeEndpoint, Timing
from hansa.privacy.fixed_point import PART_NUMBERS, Lanes, decode, encode
from hansa.privacy.secure_sum import RoundContext, mask, pair_key, total_of
from hansa.testing.messaging import Messaging, start_messaging
from hansa.wire import Signer, key_id, open_message, seal
from hansa.wire.boxes import close_box
from hansa.wire.messages import Answered

TIMING = Timing(heartbeat=5.0, lost=60.0, again=30.0)
PLACE: dict[str, Any] = {"study": "s" * 36, "run": "r" * 36, "round": 0, "attempt": 0}


def secret(name: str) -> bytes:
    return name.encode().ljust(32, b".")[:32]


# --- a round that loses nodes ---------------------------------------------------------------------------------


def loss(nodes: int, lost: int, numbers: int) -> Callable[[], dict[str, float]]:
    """Seconds of CPU of one node and of the hub, where ``lost`` nodes vanish after the others have answered.

    The survivors mask again as a roster of their own (ADR 8); what was answered before is thrown away.
    """
    names = tuple(f"node{i:02d}" for i in range(nodes))
    keys = {name: X25519PrivateKey.generate() for name in names}
    shares = {name: np.random.default_rng(i).standard_normal(numbers) for i, name in enumerate(names)}
    signers = {name: Signer.new(name) for name in names}
    known = {key_id(signer.public): (name, signer.public) for name, signer in signers.items()}

    def answer(name: str, roster: tuple[str, ...]) -> list[bytes]:
        pairs = {peer: pair_key(keys[name], keys[peer].public_key(), binding=b"b") for peer in roster if peer != name}
        context = RoundContext("s", "r", 0, 0, "step", 1, "values", roster, bytes(32))
        lanes = encode(shares[name], nodes=len(roster))
        masked = mask(lanes, own=name, pair_keys=pairs, context=context)
        return [seal(part, signers[name]) for part in parts_of(masked)]

    def task() -> dict[str, float]:
        left = names[: nodes - lost]
        began = time.process_time()
        first = {left[0]: answer(left[0], names)}
        second = {left[0]: answer(left[0], left)}
        at_node = time.process_time() - began
        for name in left[1:]:
            first[name], second[name] = answer(name, names), answer(name, left)
        began = time.process_time()
        total_by_parts(first, known)
        found = decode(total_by_parts(second, known))
        at_hub = time.process_time() - began
        frames = [frame for part in second[left[0]] for frame in close_box(bytes(32), "x", part, frame_bytes=900_000)]
        error = float(np.abs(found - sum(shares[name] for name in left)).max())
        size = sum(map(len, frames)) / numbers
        return {"node": at_node, "hub": at_hub, "bytes_per_number": size, "error": error}

    return task


def parts_of(masked: Lanes) -> list[Answered]:
    count = -(-masked.shape[1] // PART_NUMBERS)
    cut = [masked[:, i * PART_NUMBERS : (i + 1) * PART_NUMBERS] for i in range(count)]
    return [Answered(**PLACE, request=bytes(32), lanes=part, part=i, parts=count) for i, part in enumerate(cut)]


def total_by_parts(answers: dict[str, list[bytes]], known: Any) -> Lanes:
    places = range(len(next(iter(answers.values()))))
    totals = (
        total_of([open_message(parts[place], Answered, known)[1].lanes for parts in answers.values()])
        for place in places
    )
    return np.concatenate(list(totals), axis=1)


# --- many nodes -----------------------------------------------------------------------------------------------


def simulated(port: int, keys: dict[str, str], answers: dict[str, bytes], signals: Any) -> None:
    """Nodes in a process of their own that answer at once: connections, frames and signatures are real."""
    from hansa.engine.link import Link, LinkSettings

    ready, stop = signals
    endpoints = []
    for name, answer in answers.items():
        link = Link(LinkSettings((f"nats://127.0.0.1:{port}",), name, keys[name], None))
        endpoints.append(NodeEndpoint(link, "scale", name, secret(name), partial(_same, answer), timing=TIMING))
    ready.set()
    stop.wait()
    for endpoint in endpoints:
        endpoint.close()


def _same(answer: bytes, _data: bytes) -> bytes:
    return answer


@contextlib.contextmanager
def nodes_of(messaging: Messaging, run: Any, answers: dict[str, bytes]) -> Iterator[None]:
    """A process with these nodes, while the block lasts."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    keys = {name: messaging.keys.nkey(name)[0] for name in answers}
    process = context.Process(target=run, args=(messaging.port, keys, answers, (ready, stop)))
    process.start()
    ready.wait()
    yield
    stop.set()
    process.join()


@contextlib.contextmanager
def each_alone(messaging: Messaging, run: Any, answers: dict[str, bytes]) -> Iterator[None]:
    """Each of these nodes in a process of its own."""
    with contextlib.ExitStack() as started:
        for name, answer in answers.items():
            started.enter_context(nodes_of(messaging, run, {name: answer}))
        yield


def sealed_ones(name: str, nodes: int, numbers: int) -> bytes:
    lanes = encode(np.ones(numbers), nodes=nodes)
    return seal(Answered(**PLACE, request=bytes(32), lanes=lanes), Signer.from_bytes(name, secret(name)))


def many(nodes: int, rounds: int, numbers: int) -> Callable[[], dict[str, float]]:
    """The hub's CPU seconds and peak megabytes over rounds of sums of all nodes' answers."""
    names = [f"node{i:03d}" for i in range(nodes)]

    def task() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            messaging = start_messaging(Path(folder), "scale", names)
            signers = {name: Signer.from_bytes(name, secret(name)) for name in names}
            known = {key_id(signer.public): (name, signer.public) for name, signer in signers.items()}
            hub = HubEndpoint(messaging.link("hub"), "scale", {name: secret(name) for name in names}, timing=TIMING)
            with nodes_of(messaging, simulated, {name: sealed_ones(name, nodes, numbers) for name in names}):
                found = summed(hub, names, known, rounds)
            messaging.close()
        return found

    return task


def summed(hub: HubEndpoint, names: list[str], known: Any, rounds: int) -> dict[str, float]:
    asked = dict.fromkeys(names, bytes(200))
    hub.ask(asked)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        answers = hub.ask(asked)
        total = total_of([open_message(answer, Answered, known)[1].lanes for answer in answers.values()])
        assert abs(decode(total)[0] - len(names)) < 1e-9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "megabytes": peak}


# --- long shares against bare NATS ----------------------------------------------------------------------------


def throughput(nodes: int, megabytes: int) -> Callable[[], dict[str, float]]:
    """Seconds for ``megabytes`` of answers in all: through frames, encryption and requests, and over bare NATS."""
    names = [f"node{i}" for i in range(nodes)]
    each = megabytes * 1_000_000 // nodes

    def task() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            messaging = start_messaging(Path(folder), "scale", names)
            answers = dict.fromkeys(names, os.urandom(each))
            hub = HubEndpoint(messaging.link("hub"), "scale", {name: secret(name) for name in names}, timing=TIMING)
            with each_alone(messaging, simulated, answers):
                hub.ask(dict.fromkeys(names, b"warm"))
                began = time.perf_counter()
                hub.ask(dict.fromkeys(names, b"x"))
                ours = time.perf_counter() - began
            with each_alone(messaging, bare_nodes, answers):
                bare = asyncio.run(bare_hub(messaging, each * nodes))
            messaging.close()
        return {"ours": ours, "bare": bare, "ratio": ours / bare}

    return task


def bare_nodes(port: int, keys: dict[str, str], answers: dict[str, bytes], signals: Any) -> None:
    """The same bytes in the same pieces by the same client library, published as they are when asked for."""
    asyncio.run(_bare_nodes(port, keys, answers, signals))


async def _bare_nodes(port: int, keys: dict[str, str], answers: dict[str, bytes], signals: Any) -> None:
    ready, stop = signals
    clients = [await bare_node(port, name, keys[name], body) for name, body in answers.items()]
    ready.set()
    while not stop.is_set():
        await asyncio.sleep(0.05)
    for client in clients:
        await client.close()


async def bare_node(port: int, name: str, key: str, body: bytes) -> Any:
    client = await nats.connect(f"nats://127.0.0.1:{port}", nkeys_seed_str=key)

    async def asked(_message: Any) -> None:
        for first in range(0, len(body), FRAME_BYTES):
            await client.publish(f"hansa.scale.answer.{name}.s", body[first : first + FRAME_BYTES])

    await client.subscribe(f"hansa.scale.ask.{name}", cb=asked)
    await client.flush()
    return client


async def bare_hub(messaging: Messaging, wanted: int) -> float:
    """Seconds until all of it is there; the second of two goes, as ours is."""
    client = await nats.connect(f"nats://127.0.0.1:{messaging.port}", nkeys_seed_str=messaging.keys.nkey("hub")[0])
    got, done = 0, asyncio.Event()

    async def received(message: Any) -> None:
        nonlocal got
        got += len(message.data)
        if got >= wanted:
            done.set()

    await client.subscribe("hansa.scale.answer.*.*", cb=received, pending_bytes_limit=1 << 30)
    await client.flush()
    took = 0.0
    for _ in range(2):
        got = 0
        done.clear()
        began = time.perf_counter()
        for name in messaging.nodes:
            await client.publish(f"hansa.scale.ask.{name}", b"x")
        await done.wait()
        took = time.perf_counter() - began
    await client.close()
    return took


if __name__ == "__main__":
    kind, *numbers_ = sys.argv[1:]
    tasks: dict[str, Callable[..., Callable[[], dict[str, float]]]] = {
        "loss": loss,
        "many": many,
        "throughput": throughput,
    }
    report(measured(tasks[kind](*map(int, numbers_))))
