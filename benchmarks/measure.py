"""CPU, wall time and peak memory of one task, in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["THREADS", "Measured", "in_own_process", "measured", "peak", "report"]

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What fixes the number of BLAS threads of a process and of those it starts."""


@dataclass(frozen=True)
class Measured:
    """Seconds of CPU and wall, and megabytes above what the process held before."""

    cpu: float
    wall: float
    megabytes: float
    detail: Any = None


def measured(task: Callable[[], Any]) -> Measured:
    """Run a task once and measure it."""
    before = _resident()
    _resetpeak()
    cpu, wall = time.process_time(), time.perf_counter()
    detail = task()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Measured(cpu, wall, max(peak() - before, 0.0), detail)


def in_own_process(module: str, *arguments: str) -> Measured:
    """Run ``python -m module arguments`` and read the measurement it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    if done.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def report(found: Measured) -> None:
    """Print a measurement for :func:`in_own_process`."""
    print(json.dumps(vars(found)))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """The most megabytes that this process has held since its peak was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def _resetpeak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, so that making the data does not count
