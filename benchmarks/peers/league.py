"""Hansa's side: ``python -m benchmarks.peers.league REPEATS``; the league of ``benchmarks.network run``."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import hansa
from benchmarks.network import cohorts, formula, league_of
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.usage import MARK, cpu_seconds


def submitted() -> Outcome:
    """One regression, in a league that has answered another: the same question twice would be answered for nothing."""
    with league_of(cohorts(10_000, 20, 3)) as network:
        league = hansa.connect(identity=network.identity)
        league.glm(formula(20), family="binomial", link="probit")
        before = sums(network.hub.path / "hub.db")
        began, cpu = time.time(), cpu_seconds(os.environ[MARK])
        fit = league.glm(formula(20), family="binomial")
        returned, used = time.time() - began, cpu_seconds(os.environ[MARK]) - cpu
        rounds = sums(network.hub.path / "hub.db") - before
        league.close()
    return Outcome(returned, returned, used, rounds, tuple(fit.summary["coef"].tolist()))


def sums(store: Path) -> int:
    """How many totals stand in the hub's journal."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])


def main() -> None:
    for _ in range(int(sys.argv[1]) + 1):
        print(json.dumps(submitted().as_json()), flush=True)


if __name__ == "__main__":
    main()
