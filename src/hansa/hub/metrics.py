"""What a running hub tells its operator: metrics and log lines about runs, rounds, nodes and requests.

Plans run in processes of their own. They count in files that the daemon reads when somebody looks (the multiprocess
mode of prometheus_client), so that what a process counted outlives it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hansa.engine.logs import log_event
from hansa.engine.metrics import BUCKETS
from hansa.errors import StoreError
from hansa.hub.serving import ApiServer, LiveService
from hansa.store import Job
from hansa.store.clock import instant_text
from hansa.store.database import Database, connect, parse_url
from hansa.store.hub_tables import jobs
from hansa.store.jobs import State

__all__ = ["CountedApi", "HubMetrics", "PlanMetrics", "plan_environment"]

_ROUNDS = ("hansa_hub_rounds", "Rounds that plans asked for.")
_ROUND_SECONDS = ("hansa_hub_round_seconds", "Seconds from one round of a run to the next, or to its end.")


class PlanMetrics:
    """What one process that runs plans counts; one job after the other."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._rounds = Counter(*_ROUNDS, registry=registry)
        self._seconds = Histogram(*_ROUND_SECONDS, buckets=BUCKETS, registry=registry)
        self._began = 0.0
        self._round: float | None = None

    def started(self, job: Job) -> None:
        """A job was claimed."""
        self._began, self._round = time.monotonic(), None
        log_event("run started", study=job.study, run=job.id)

    def asked(self, job: Job, place: Mapping[str, Any]) -> None:
        """A run has reached a place: its next round, or anything else, such as waiting for a node."""
        self._ends_round()
        if "round" in place:
            self._round = time.monotonic()
            self._rounds.inc()
            log_event("round asked", study=job.study, run=job.id, round=place["round"], step=place["step"])

    def ended(self, job: Job, state: str, detail: str) -> None:
        """A job is over; of one that failed, only the error's code is told."""
        failed = state == "failed"
        if not failed:
            self._ends_round()
        code = str(json.loads(detail)["code"]) if failed else state
        seconds = time.monotonic() - self._began
        log_event(
            "run ended", level="warning" if failed else "info", study=job.study, run=job.id, code=code, seconds=seconds
        )

    def _ends_round(self) -> None:
        if self._round is not None:
            self._seconds.observe(time.monotonic() - self._round)
            self._round = None


def plan_environment(folder: Path) -> dict[str, str]:
    """The environment of a process that runs plans: where it counts."""
    return {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}


class HubMetrics:
    """The metrics of one hub.

    Parameters
    ----------
    folder : Path
        Where the processes that run plans count; what an earlier daemon left there is thrown away.
    database : str
        The store's address.
    clock : callable
        The present time, UTC.
    """

    def __init__(self, folder: Path, database: str, clock: Callable[[], dt.datetime]) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for file in folder.glob("*.db"):
            file.unlink()
        self.registry = CollectorRegistry()
        self._nodes: dict[str, bool] = {}
        name, here = "hansa_hub_", self.registry
        self._present = Gauge(f"{name}node_present", "1 while a node's heartbeat is fresh.", ["node"], registry=here)
        self._beat = Gauge(f"{name}heartbeat_timestamp_seconds", "When the daemon last beat.", registry=here)
        self._ends = Gauge(
            f"{name}certificate_expiry_timestamp_seconds",
            "When a member's first certificate ends.",
            ["member"],
            registry=here,
        )
        self.requests = Counter(f"{name}api_requests", "Requests to the REST interface.", ["status"], registry=here)
        self.bytes = Counter(f"{name}api_bytes", "Bytes of bodies at the REST interface.", ["direction"], registry=here)
        self._database = connect(parse_url(database))
        self.registry.register(_Jobs(self._database, clock))
        self.registry.register(_Plans(folder))

    def beats(self, present: Mapping[str, bool]) -> None:
        """The daemon is alive, and sees these nodes; who has come or gone is logged once."""
        self._beat.set_to_current_time()
        for node, here in present.items():
            if self._nodes.get(node, False) != here:
                log_event("node present" if here else "node absent", level="info" if here else "warning", node=node)
            self._present.labels(node).set(here)
        for node in self._nodes.keys() - present.keys():
            self._present.remove(node)  # it was revoked
        self._nodes = dict(present)

    def certified(self, ends: Mapping[str, dt.datetime]) -> None:
        """When the first certificate of each member ends."""
        self._ends.clear()
        for member, moment in ends.items():
            self._ends.labels(member).set(moment.timestamp())

    def close(self) -> None:
        """Let go of the store."""
        self._database.close()


class CountedApi(ApiServer):
    """The REST interface, its requests counted by status."""

    def __init__(self, service: LiveService, metrics: HubMetrics) -> None:
        super().__init__(service)
        self._server.config.app = _counted(self._server.config.app, metrics)


def _counted(app: Any, metrics: HubMetrics) -> ASGIApp:
    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            message = await receive()
            metrics.bytes.labels("in").inc(len(message.get("body", b"")))
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.requests.labels(message["status"]).inc()
            metrics.bytes.labels("out").inc(len(message.get("body", b"")))
            await send(message)

        await app(scope, received, sent)

    return counted


class _Jobs(Collector):
    """Runs, as the store has them."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the store; where it does not answer, say so."""
        runs = GaugeMetricFamily("hansa_hub_runs", "Runs in the store, by state.", labels=["state"])
        queued = GaugeMetricFamily("hansa_hub_jobs_queued", "Runs that no process works on: queued, or left by one.")
        reached = GaugeMetricFamily("hansa_hub_store_reachable", "1 if the store answers.")
        try:
            states, left = self._read()
        except StoreError:
            reached.add_metric([], 0)
        else:
            for state in get_args(State):
                runs.add_metric([state], states.get(state, 0))
            queued.add_metric([], states.get("queued", 0) + left)
            reached.add_metric([], 1)
        yield from (runs, queued, reached)

    def _read(self) -> tuple[dict[str, int], int]:
        file = self._database.file
        if file is not None and not file.exists():
            # To look must not make an empty store.
            raise StoreError("the store is gone", why="its file is not there", fix="restore it", field="store")
        over = (jobs.c.state == "running") & (jobs.c.deadline <= instant_text(self._clock()))
        with self._database.read() as connection:
            rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
            left = connection.execute(select(func.count()).select_from(jobs).where(over)).scalar_one()
        return {row.state: row[1] for row in rows}, left


class _Plans(Collector):
    """What the processes that run plans have counted, together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Read their files, and give each metric its words back, which the files do not keep."""
        documentation = dict((_ROUNDS, _ROUND_SECONDS))
        counted = MultiProcessCollector(None, path=str(self._folder))  # type: ignore[no-untyped-call]  # not typed there
        for metric in counted.collect():  # type: ignore[no-untyped-call]  # as above
            metric.documentation = documentation[metric.name]
            yield metric
