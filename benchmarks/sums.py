"""The secure sum alone, and one round of it through the whole embedded federation."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.measure import measured, report
from hansa.embedded import local as embedded
from hansa.model.exposure import Exposure
from hansa.privacy.fixed_point import decode, encode
from hansa.privacy.secure_sum import RoundContext, mask, pair_key, total_of
from hansa.stats import catalogue
from hansa.stats.contract import Arguments, Cohorts, Frame, Inputs, Method, Output, Preparation, Request, Step


def secure_sum(nodes: int, numbers: int) -> Callable[[], float]:
    names = tuple(f"node{i}" for i in range(nodes))
    keys = {name: X25519PrivateKey.generate() for name in names}
    shared = {
        own: {peer: pair_key(keys[own], keys[peer].public_key(), binding=b"b") for peer in names if peer != own}
        for own in names
    }
    shares = {name: np.random.default_rng(i).standard_normal(numbers) for i, name in enumerate(names)}
    context = RoundContext("s", "r", 0, 0, "step", 1, "values", names, bytes(32))

    def task() -> float:
        masked = [
            mask(encode(shares[name], nodes=nodes), own=name, pair_keys=shared[name], context=context) for name in names
        ]
        total = decode(total_of(masked))
        return float(np.abs(total - sum(shares.values())).max())

    return task


def _exposures(frame: Frame, _arguments: Arguments) -> tuple[Exposure, ...]:
    rows = np.ones(frame.rows, dtype=np.bool_)
    return (Exposure("x", rows, np.empty((frame.rows, 0)), variables=frozenset({"x"})),)


PREPARATION = Preparation(
    "bench",
    1,
    lambda _arguments: ("x",),
    lambda _arguments, _variables: {},
    lambda frame, _arguments: {"x": frame.columns["x"]},
    _exposures,
)


def round_task(numbers: int) -> Callable[[], float]:
    """Median milliseconds of a round, phases and checks included."""
    times: list[float] = []

    def compute(arrays: Any, inputs: Inputs) -> dict[str, Any]:
        return {"sums": np.full(numbers, arrays["x"].sum()) * inputs["scale"]}

    def plan(cohorts: Cohorts, _arguments: Arguments) -> Any:
        for i in range(60):
            began = time.perf_counter()
            cohorts.sum("bench.sum", Request({}), scale=float(i))
            times.append(time.perf_counter() - began)
        return {}

    step = Step("bench.sum", 1, PREPARATION, (Output("sums", (numbers,), "intermediate"),), compute)
    method = Method("bench", 1, "bench", (step,), plan, lambda _arguments, _variables: ("x",))
    known = catalogue.catalogue()
    embedded.catalogue = lambda: {**known, "bench": method}  # type: ignore[assignment,attr-defined]  # here only
    frame = pd.DataFrame({"x": np.random.default_rng(1).standard_normal(200)})
    league = embedded.local({f"node{i}": frame for i in range(3)})
    submitted = league.submit(league.study({"bench": {"method": "bench", "arguments": {"of": "x"}}}))

    def task() -> float:
        league.hub.run(submitted.study.id, "bench")
        return float(np.median(times[5:]) * 1000)

    return task


if __name__ == "__main__":
    kind, first, second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    report(measured(secure_sum(first, second) if kind == "sum" else round_task(second)))
