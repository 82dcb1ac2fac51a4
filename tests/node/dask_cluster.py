"""A real Dask cluster on loopback for tests: a scheduler and workers (each with its nanny) as processes of their own.

Workers load this module first (``--preload dask_cluster``): they have a method that misbehaves, and may say
that they run another version of Hansa.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from faulty_worker import FAULTS, METHOD, STEP

from hansa.node.dask import partitions
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Arrays, Inputs

__all__ = ["DaskCluster", "dask_setup"]

_HERE = Path(__file__).parent
_VERSION = "HANSA_TEST_VERSION"


@dataclass(eq=False)
class DaskCluster:
    """Processes that are started and ended one by one; a scheduler comes back under its old address."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_scheduler(self) -> None:
        """Under a free port, or where it was before."""
        port = self.address.rpartition(":")[2] or "0"
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        options = ["--port", port, "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("dask_scheduler", options)
        self.address = f"tcp://127.0.0.1:{_port(file, self.scheduler)}"

    def start_worker(self, version: str = "") -> None:
        options = [self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder)]
        self.workers.append(self._start("dask_worker", [*options, "--preload", "dask_cluster"], version))

    def end_workers(self, keep: int = 0) -> None:
        """All but those that were started first, at once, with the nanny that would start them again."""
        ended, self.workers = self.workers[keep:], self.workers[:keep]
        for worker in ended:
            _end(worker)

    def end(self) -> None:
        """At once, as when its machines go."""
        if self.scheduler is not None:
            _end(self.scheduler)
        self.end_workers()

    def _start(self, program: str, options: list[str], version: str = "") -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(_HERE), os.environ.get("PYTHONPATH", "")])
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", "--host", "127.0.0.1", *options],
                env={**os.environ, "PYTHONPATH": path, _VERSION: version},
                stdout=log,
                stderr=log,
                start_new_session=True,  # a nanny and its worker end together
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _port(file: Path, scheduler: subprocess.Popen[bytes], within: float = 90) -> str:
    ends = time.monotonic() + within
    while time.monotonic() < ends and scheduler.poll() is None:
        if file.exists() and '"address"' in (text := file.read_text()):
            return text.partition('"address": "')[2].partition('"')[0].rpartition(":")[2]
        time.sleep(0.02)
    raise TimeoutError("the scheduler did not start")


def _run_out() -> None:
    raise MemoryError


def _misbehave(arrays: Arrays, inputs: Inputs) -> Arrays:
    faults = {**FAULTS, "memory": _run_out}  # in the place of one that takes what this machine has
    list(faults.values())[int(inputs["fault"])]()
    return {"sum": arrays["age"].sum()}


def dask_setup(_worker: object) -> None:
    """What Dask calls in a worker that starts."""
    installed = {**catalogue(), "faulty": replace(METHOD, steps=(replace(STEP, compute=_misbehave),))}
    setattr(partitions, "catalogue", lambda: installed)  # noqa: B010  # as an installed package would add it
    if version := os.environ[_VERSION]:
        setattr(partitions, "__version__", version)  # noqa: B010  # as another installation would have it
