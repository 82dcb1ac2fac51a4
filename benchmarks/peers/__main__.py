"""``python -m benchmarks.peers``: the same regression on the same data by Hansa, NVIDIA FLARE and Flower.

Prints a table in Markdown, then every run as a line of JSON. ``python -m benchmarks.peers NAME...`` runs only these
configurations; ``REPEATS=1`` in the environment runs each once instead of three times, after one that does not count.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd

from benchmarks.network import cohorts
from benchmarks.peers.configurations import CONFIGURATIONS, Configuration
from benchmarks.peers.environments import environment, version_of
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.usage import MARK, marked

REPEATS = int(os.environ.get("REPEATS", "3"))


def main() -> None:
    frames = cohorts(10_000, 20, 3)
    reference = pooled(frames)
    rows, lines = [], []
    with tempfile.TemporaryDirectory(prefix="hansa-peers-") as name:
        data = Path(name) / "data"
        data.mkdir()
        for place, frame in enumerate(frames.values(), 1):
            np.savez(data / f"site-{place}.npz", x=frame.drop(columns="y").to_numpy(), y=frame["y"].to_numpy(float))
        for chosen in sys.argv[1:] or CONFIGURATIONS:
            print(f"  {chosen}", file=sys.stderr, flush=True)
            configuration = CONFIGURATIONS[chosen]
            before = os.getloadavg()[0]
            found = measured(configuration, data, Path(name) / chosen)
            rows.append(row(configuration, found, reference, (before, os.getloadavg()[0])))
            lines += [json.dumps({"configuration": chosen} | one.as_json()) for one in found]
    print(*HEAD, *rows, "", *lines, sep="\n")


HEAD = (
    "| | s to coefficients | s to the command's end | CPU s | rounds | largest relative error | masked | TLS | load |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def pooled(frames: dict[str, pd.DataFrame]) -> np.ndarray:
    """The coefficients on pooled rows by statsmodels."""
    import statsmodels.api as sm

    rows = pd.concat(frames.values())
    x = sm.add_constant(rows.drop(columns="y").to_numpy())
    return np.asarray(sm.GLM(rows["y"].to_numpy(float), x, family=sm.families.Binomial()).fit(tol=1e-12).params)


def measured(configuration: Configuration, data: Path, folder: Path) -> list[Outcome]:
    """The runs after the first, which warms the caches up."""
    folder.mkdir()
    mark = uuid4().hex
    programs = environment(configuration.peer) if configuration.peer else Path(sys.executable).parent
    path = os.pathsep.join([str(environment(name)) for name in configuration.programs] + [os.environ["PATH"]])
    command = [str(programs / "python"), "-m", *configuration.command]
    if configuration.peer or configuration.programs:
        command += [str(data), str(folder)]
    log = folder.with_suffix(".log")
    try:
        with log.open("w") as out:
            ran = subprocess.run(
                [*command, str(REPEATS)],
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                check=False,
                cwd=Path(__file__).parents[2],
                env={**os.environ, MARK: mark, "PATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
    finally:
        end(mark)
    found = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"fitted"')]
    if ran.returncode or len(found) != REPEATS + 1:
        raise SystemExit(f"{command} failed:\n{ran.stdout[-3000:]}\n{log.read_text()[-3000:]}")
    return [Outcome(**one) for one in found[1:]]


def end(mark: str) -> None:
    """Whatever the run left behind; only processes that bear its mark."""
    for pid in list(marked(mark)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def row(
    configuration: Configuration, found: Sequence[Outcome], reference: np.ndarray, load: tuple[float, float]
) -> str:
    median = {name: statistics.median(getattr(one, name) for one in found) for name in ("fitted", "returned", "cpu")}
    apart = max(float(np.abs(np.array(one.coefficients) / reference - 1).max()) for one in found)
    name = configuration.name
    for library in (configuration.peer, *configuration.programs):
        name += f" ({library} {version_of(library)})" if library else ""
    return (
        f"| {name} | {median['fitted']:.1f} | {median['returned']:.1f} | {median['cpu']:.1f} | {found[-1].rounds} "
        f"| {apart:.0e} | {configuration.masked} | {configuration.tls} | {load[0]:.1f} to {load[1]:.1f} |"
    )


if __name__ == "__main__":
    main()
