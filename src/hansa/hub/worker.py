"""``python -m hansa.hub.worker FOLDER NAME``: a process of the hub that runs plans."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading
from pathlib import Path

from hansa.engine.logs import configure_logs
from hansa.errors import HansaError
from hansa.hub.config import HubFolder
from hansa.hub.jobs import Worker
from hansa.hub.metrics import PlanMetrics
from hansa.hub.opening import open_hub

__all__ = ["main"]

_LOOK = 1.0


def main(folder: Path, name: str) -> None:
    """Run jobs until SIGTERM, or until its hub is gone; a newer charter is taken up between two jobs."""
    configure_logs(f"hub {name}")
    home, stopping, metrics = HubFolder(folder), threading.Event(), PlanMetrics()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        _until_new_charter(home, f"{name}.{os.getpid()}", stopping, metrics)


def _until_new_charter(home: HubFolder, name: str, stopping: threading.Event, metrics: PlanMetrics) -> None:
    told: list[Worker] = []
    opened = open_hub(home, clock=_now, waiting=lambda nodes: told[0].waiting(nodes) if told else None)
    pausing = threading.Event()

    parent = os.getppid()

    def look() -> None:
        while not pausing.is_set():
            if os.getppid() != parent:
                stopping.set()
            if stopping.wait(_LOOK) or _version(home) > opened.charter.charter.charter_version:
                pausing.set()

    looking = threading.Thread(target=look, name="charter", daemon=True)
    looking.start()
    try:
        lease = dt.timedelta(seconds=home.config.lease_seconds)
        told.append(Worker(opened.hub, opened.store, name, _now, lease, metrics))
        told[0].run(pausing)
    finally:
        pausing.set()
        opened.close()


def _version(home: HubFolder) -> int:
    """The charter's version; 0 while it cannot be read, so that the last good one stands."""
    try:
        return home.charter(now=_now()).charter.charter_version
    except (HansaError, OSError):
        return 0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
