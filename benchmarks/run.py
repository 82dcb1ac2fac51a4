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

from benchmarks.measure import THREADS, Measured, in_own_process

REPEATS = 3
RESULTS = Path(__file__).parent / "RESULTS.md"


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


def network() -> list[str]:
    """Hub, messaging server and nodes as processes on this machine."""
    rounds = best("benchmarks.network", "round")
    whole = best("benchmarks.network", "run")
    lost = best("benchmarks.scale", "loss", "10", "3", "1000000").detail
    sent = min((in_own_process("benchmarks.scale", "throughput", "5", "100").detail for _ in range(3)), key=_ratio)
    return [
        "## Between machines, on this one",
        "",
        "Processes over TLS on loopback; masks, signatures, confirmation and checks on. Two cores for all of them.",
        "",
        "| task | figure | target |",
        "| --- | --- | --- |",
        f"| a round of 996 numbers over 3 nodes, median | {rounds.detail:.0f} ms | below 20 |",
        f"| logistic regression, 3 x 10,000 rows x 20, from submit to result | {whole.detail:.2f} s | below 1 |",
        f"| 1,000,000 numbers, 10 nodes, 3 lost after they had answered: one node | {lost['node']:.2f} CPU s | 0.3 |",
        f"| the same, the hub | {lost['hub']:.2f} CPU s | 2 |",
        f"| bytes for a number and node | {lost['bytes_per_number']:.2f} | 16.8 |",
        f"| 100 MB of answers of 5 nodes, beside bare NATS with the same client | {sent['ratio']:.1f} x | 2 |",
        "",
        *_many(),
    ]


def _ratio(found: dict[str, float]) -> float:
    return found["ratio"]


def _many() -> list[str]:
    """The hub with 10 to 100 simulated nodes; with the plot."""
    from matplotlib.figure import Figure

    sizes = (10, 25, 50, 100)
    found = [best("benchmarks.scale", "many", str(size), "20", "10000").detail for size in sizes]
    figure = Figure(figsize=(7, 3))
    for place, (name, unit) in enumerate((("cpu", "CPU s"), ("megabytes", "MB")), 1):
        axes = figure.add_subplot(1, 2, place)
        axes.plot(sizes, [one[name] for one in found], marker="o")
        axes.set(xlabel="nodes", ylabel=f"hub, {unit}", ylim=(0, None), xlim=(0, None))
    figure.tight_layout()
    figure.savefig(RESULTS.with_name("hub.svg"))
    lines = ["20 rounds of 10,000 numbers, connections and messages real, nodes simulated:", ""]
    lines += ["| nodes | hub CPU s | CPU ms for a node and round | peak MB |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {size} | {one['cpu']:.2f} | {one['cpu'] / size / 20 * 1000:.2f} | {one['megabytes']:.0f} |"
        for size, one in zip(sizes, found, strict=True)
    ]
    return [*lines, "", "![The hub's CPU and memory by number of nodes](hub.svg)", ""]


def start() -> list[str]:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "hansa.cli.main", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return ["## Start", "", f"`hansa --help`: {min(times):.2f} s (target: below 0.4).", ""]


def main() -> None:
    os.environ.update(dict.fromkeys(THREADS, "1"))
    head = [
        "# Benchmarks",
        "",
        f"`make bench`, {dt.datetime.now(dt.UTC).date()}, {platform.machine()}, {os.cpu_count()} cores.",
        f"Python {platform.python_version()}, one BLAS thread, best of {REPEATS}.",
        "",
    ]
    RESULTS.write_text("\n".join([*head, *regression(), *sums(), *network(), *start()]), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
