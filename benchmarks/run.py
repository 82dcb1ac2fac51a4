"""``make bench``: every figure of benchmarks/RESULTS.md, measured side by side in one run.

Each task runs in a process of its own with one BLAS thread, three times; the least CPU time counts.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Measured, in_own_process

REPEATS = 3
RESULTS = Path(__file__).parent / "RESULTS.md"
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def best(module: str, *arguments: str) -> Measured:
    print(f"  {module} {' '.join(arguments)}", flush=True)
    return min((in_own_process(module, *arguments) for _ in range(REPEATS)), key=lambda found: found.cpu)


def regression() -> list[str]:
    peers = ("hansa", "statsmodels", "sklearn", "numpy")
    found = {peer: best("benchmarks.regression", peer) for peer in peers}
    ours = found["hansa"]
    reference = found["statsmodels"].detail
    lines = [
        "## Logistic regression, 1,000,000 rows x 20 covariates",
        "",
        "3 nodes, embedded, masks and checks on; the peers on pooled rows. `numpy` is IRLS in chunks and nothing else.",
        "Megabytes are the peak above idle; the design matrix has 168.",
        "",
        "| | CPU s | wall s | MB | ours / theirs, CPU | largest coefficient difference from statsmodels |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for peer, measured in found.items():
        apart = max(abs(a - b) for a, b in zip(measured.detail, reference, strict=True))
        lines.append(
            f"| {peer} | {measured.cpu:.2f} | {measured.wall:.2f} | {measured.megabytes:.0f} "
            f"| {ours.cpu / measured.cpu:.2f} | {apart:.1e} |"
        )
    met = ours.cpu <= found["statsmodels"].cpu / 3, ours.cpu <= 1.5 * found["numpy"].cpu, ours.megabytes < 2 * 168
    names = "a third of statsmodels' CPU", "1.5 x chunked numpy", "memory below twice the design matrix"
    lines += ["", *(f"- {name}: {'met' if good else '**not met**'}" for name, good in zip(names, met, strict=True)), ""]
    return lines


def sums() -> list[str]:
    total = best("benchmarks.sums", "sum", "5", "1000000")
    rounds = best("benchmarks.sums", "round", "3", "1000")
    return [
        "## The secure sum",
        "",
        "| task | figure | target |",
        "| --- | --- | --- |",
        f"| 1,000,000 numbers over 5 nodes, all parties together | {total.cpu:.2f} CPU s | below 1 |",
        f"| one round over 3 embedded nodes, 1,000 numbers, median | {rounds.detail:.1f} ms | below 10 |",
        "",
        f"Largest error of the 1,000,000 totals: {total.detail:.1e}.",
        "",
    ]


def start() -> list[str]:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "hansa.cli.main", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return ["## Start", "", f"`hansa --help`: {min(times):.2f} s (target: below 0.4).", ""]


def main() -> None:
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    head = [
        "# Benchmarks",
        "",
        f"`make bench`, {dt.datetime.now(dt.UTC).date()}, {platform.machine()}, {os.cpu_count()} cores.",
        f"Python {platform.python_version()}, one BLAS thread, best of {REPEATS}.",
        "",
    ]
    RESULTS.write_text("\n".join([*head, *regression(), *sums(), *start()]), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
