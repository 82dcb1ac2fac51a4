"""10,000,000 rows x 30 covariates from Parquet through a whole embedded league: how much memory, how long.

``python -m benchmarks.large [ROWS [COVARIATES [rows|ids]]]``; with ``ids`` people are named by a column, else
each row is a person. Takes some minutes, and 8 bytes of disk for each value.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import measured, peak

NODES = 3
BATCH = 250_000


def names_of(covariates: int) -> list[str]:
    return [f"x{i + 1}" for i in range(covariates)]


def write(folder: Path, rows: int, covariates: int) -> None:
    """Three files of normal columns and a response; written in batches, in a process of its own."""
    rng = np.random.default_rng(7)
    slopes = np.linspace(-0.3, 0.3, covariates)
    for node, part in enumerate(np.array_split(np.arange(rows), NODES)):
        writer = None
        for first in range(int(part[0]), int(part[-1]) + 1, BATCH):
            ids = np.arange(first, min(first + BATCH, int(part[-1]) + 1))
            x = rng.standard_normal((len(ids), covariates))
            columns: dict[str, Any] = dict(zip(names_of(covariates), x.T.copy(), strict=True))
            y = 1.0 + x @ slopes + rng.standard_normal(len(ids))
            table = pa.table({"id": pa.array(ids).cast(pa.string()), **columns, "y": y})
            writer = writer or pq.ParquetWriter(folder / f"node{node}.parquet", table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()


def run(folder: Path, covariates: int, people: str) -> None:
    """Open the league and fit; memory is the process's whole peak, its libraries included."""
    import hansa
    from hansa.model import Dictionary, Variable

    names = names_of(covariates)
    variables = tuple(Variable(name=name, type="number", range=(-10, 10)) for name in [*names, "y"])
    dictionary = Dictionary(title="large", person="id" if people == "ids" else None, variables=variables)
    data = {f"node{node}": folder / f"node{node}.parquet" for node in range(NODES)}
    league: list[Any] = []
    opening = measured(lambda: league.append(hansa.local(data, dictionary)))
    before = peak()
    fitting = measured(lambda: league[0].glm(f"y ~ {' + '.join(names)}", family="gaussian").plain["terms"][-1])
    print(f"opening: {opening.wall:.1f} s, {opening.cpu:.1f} s CPU, peak {before:.0f} MB")
    print(f"fitting: {fitting.wall:.1f} s, {fitting.cpu:.1f} s CPU, peak {peak():.0f} MB")
    print(f"slope of {names[-1]}: {fitting.detail['coef']:.6f} (0.3 was put in)")


def main(rows: int = 10_000_000, covariates: int = 30, people: str = "rows") -> None:
    with tempfile.TemporaryDirectory() as folder:
        for act in ("write", "run"):
            command = [sys.executable, "-m", "benchmarks.large", act, folder, str(rows), str(covariates), people]
            subprocess.run(command, check=True)
    print(f"{rows:,} rows x {covariates} covariates at {NODES} nodes, people by {people}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, rows, covariates, _]:
            write(Path(folder), int(rows), int(covariates))
        case ["run", folder, _, covariates, people]:
            run(Path(folder), int(covariates), people)
        case [*given]:
            main(*(int(value) if value.isdigit() else value for value in given))  # type: ignore[arg-type]  # as typed
