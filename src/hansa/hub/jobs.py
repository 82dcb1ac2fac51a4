"""A hub process that runs plans: it claims jobs, runs them, and keeps what came of them.

A job belongs to whoever renews its lease. A process that dies loses its jobs to another, which goes on from the
journal: rounds that were answered are not asked again.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hansa.engine.outcome_json import error_to_json, outcome_to_json
from hansa.errors import HansaError, Refused
from hansa.hub.coordinator import Hub
from hansa.store import HubStore, Job

__all__ = ["LEASE", "Worker"]

LEASE = dt.timedelta(seconds=30)
_RENEW = 5.0
_IDLE = 0.05


@dataclass(eq=False)
class Worker:
    """One process's share of the work."""

    hub: Hub
    store: HubStore
    name: str
    clock: Callable[[], dt.datetime]

    def run(self, stopping: threading.Event) -> None:
        """Claim and run jobs until told to stop; a job under way is finished first."""
        while not stopping.is_set():
            job = self.store.claim(self.name, now=self.clock(), lease=LEASE)
            if job is None:
                stopping.wait(_IDLE)
            else:
                self._work(job)

    def _work(self, job: Job) -> None:
        lost, done = threading.Event(), threading.Event()
        renewing = threading.Thread(target=self._renew, args=(job, lost, done), daemon=True)
        renewing.start()
        try:
            state, detail = self._result(job, lost)
        finally:
            done.set()
            renewing.join()
        self.store.finish(job.id, self.name, state, detail, now=self.clock())

    def _result(self, job: Job, lost: threading.Event) -> tuple[str, str]:
        def progress(text: str) -> None:
            if lost.is_set():
                raise Refused("the run was cancelled", fix="start it again", reason="cancelled")
            self.store.note(job.id, json.dumps({"text": text}), now=self.clock())

        try:
            analysis = self.hub.study(job.study).analyses.get(job.analysis)
            if analysis is not None and analysis.sites:
                return "done", outcome_to_json(self.hub.sites(job.study, job.analysis))
            return "done", outcome_to_json(self.hub.run(job.study, job.analysis, progress=progress))
        except HansaError as error:
            return "failed", error_to_json(error)
        except Exception as fault:
            # What went wrong is the hub's own; its text may hold totals, so only its kind is kept.
            return "failed", error_to_json(
                HansaError("the hub failed", why=type(fault).__name__, fix="ask its operator")
            )

    def _renew(self, job: Job, lost: threading.Event, done: threading.Event) -> None:
        while not done.wait(_RENEW):
            if not self.store.renew(job.id, self.name, now=self.clock(), lease=LEASE):
                lost.set()
                return
