"""The league between machines, on this one: hub, messaging server and nodes as processes, TLS, masks and checks on."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import hansa
from benchmarks.measure import measured, report
from hansa.client.league import League
from hansa.harmonise import infer_dictionary
from hansa.hub.opening import OpenHub, open_hub
from hansa.model import Party
from hansa.testing.network import NetworkLeague, league_folders, running

CALLER = Party(name="the caller", owner="itself")
POLICY = """
name: caller owns these data
version: "1"
node: {node}
rules:
  - {{rule: caller_owns_data}}
"""


def cohorts(rows: int, covariates: int, nodes: int) -> dict[str, pd.DataFrame]:
    """Logistic data, the same for every peer."""
    found = {}
    for node in range(nodes):
        rng = np.random.default_rng(node)
        x = rng.standard_normal((rows, covariates))
        eta = -0.3 + x @ np.linspace(-0.3, 0.3, covariates)
        frame = pd.DataFrame(x, columns=[f"x{i + 1}" for i in range(covariates)])
        frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int64)
        found[f"node{node}"] = frame
    return found


@contextlib.contextmanager
def league_of(frames: Mapping[str, pd.DataFrame]) -> Iterator[NetworkLeague]:
    """A running league over these frames."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, policies = {}, {}
        for node, frame in frames.items():
            data[node] = folder / f"{node}.parquet"
            frame.to_parquet(data[node])
            policies[node] = folder / f"{node}.yaml"
            policies[node].write_text(POLICY.format(node=node))
        facts = {"consent.register": True, "requester.owns_data": True}
        made = league_folders(
            folder / "league", data, infer_dictionary(frames), policies, requester=CALLER, facts=facts, workers=1
        )
        with running(made) as network:
            yield network


def formula(covariates: int) -> str:
    return f"y ~ {' + '.join(f'x{i + 1}' for i in range(covariates))}"


def round_task() -> Callable[[], float]:
    """Median milliseconds of a round of 1,000 numbers (30 covariates: 31 x 31 + 31 + 4) over 3 nodes."""

    def task() -> float:
        times: list[float] = []
        with league_of(cohorts(2_000, 30, 3)) as network:
            opened = open_hub(network.hub, clock=lambda: dt.datetime.now(dt.UTC))
            league = _timed(network, opened, times)
            for link in ("logit", "probit", "cloglog"):
                league.glm(formula(30), family="binomial", link=link)
            opened.close()
        return float(np.median(times) * 1000)

    return task


def _timed(network: NetworkLeague, opened: OpenHub, times: list[float]) -> League:
    """A league in this process over the nodes' processes; its rounds are timed."""
    from hansa.client.identity import open_identity
    from hansa.hub.rounds import HubRun

    plain = HubRun.sum

    def timed(run: HubRun, step: Any, request: Any, inputs: Any) -> Any:
        began = time.perf_counter()
        totals = plain(run, step, request, inputs)
        if step.name == "glm.irls":
            times.append(time.perf_counter() - began)
        return totals

    HubRun.sum = timed  # type: ignore[method-assign,assignment]  # here only
    now = dt.datetime.now(dt.UTC)
    who = open_identity(network.identity, now=now)
    return League(opened.hub, signer=who.signer, requester=who.party, clock=lambda: dt.datetime.now(dt.UTC))


def whole_run_task() -> Callable[[], float]:
    """Least seconds from submit to result, through REST interface, job and plan process: 3 nodes x 10,000 rows x 20."""

    def task() -> float:
        times = []
        with league_of(cohorts(10_000, 20, 3)) as network:
            league = hansa.connect(identity=network.identity)
            for link in ("logit", "probit", "cloglog"):
                began = time.perf_counter()
                league.glm(formula(20), family="binomial", link=link)
                times.append(time.perf_counter() - began)
            league.close()
        print(times, file=sys.stderr)
        return min(times)

    return task


TASKS = {"round": round_task, "run": whole_run_task}

if __name__ == "__main__":
    report(measured(TASKS[sys.argv[1]]()))
