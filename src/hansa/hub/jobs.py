"""A hub process that runs plans: it claims jobs, runs them, and keeps what came of them.

A job belongs to whoever renews its lease. A process that dies loses its jobs to another, which goes on from the
journal: rounds that were answered are not asked again.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hansa.engine.outcome_json import error_to_json, outcome_to_json
from hansa.errors import HansaError, Refused
from hansa.hub.coordinator import Hub
from hansa.hub.metrics import PlanMetrics
from hansa.store import HubStore, Job

__all__ = ["Worker"]

_IDLE = 0.05
_CLAIMS = 10
"""How many processes may die over one job; it would take down every process of the hub in turn, for ever."""


@dataclass(eq=False)
class Worker:
    """One process's share of the work."""

    hub: Hub
    store: HubStore
    name: str
    clock: Callable[[], dt.datetime]
    lease: dt.timedelta = dt.timedelta(seconds=30)
    metrics: PlanMetrics = field(default_factory=PlanMetrics)
    _job: Job | None = None
    _said: dict[str, object] = field(default_factory=dict)

    def waiting(self, nodes: tuple[str, ...]) -> None:
        """Note which nodes the job under way is waiting for."""
        if self._job is not None:
            self._note(self._job, {**self._said, "waiting": list(nodes)})

    def run(self, stopping: threading.Event) -> None:
        """Claim and run jobs until told to stop; a job under way is finished first."""
        while not stopping.is_set():
            job = self.store.claim(self.name, now=self.clock(), lease=self.lease)
            if job is None:
                stopping.wait(_IDLE)
            else:
                self._work(job)

    def _work(self, job: Job) -> None:
        lost, done = threading.Event(), threading.Event()
        renewing = threading.Thread(target=self._renew, args=(job, lost, done), daemon=True)
        renewing.start()
        self._job, self._said = job, {}
        self.metrics.started(job)
        try:
            state, detail = self._result(job, lost)
        finally:
            self._job = None
            done.set()
            renewing.join()
        self.store.finish(job.id, self.name, state, detail, now=self.clock())
        self.metrics.ended(job, state, detail)

    def _result(self, job: Job, lost: threading.Event) -> tuple[str, str]:
        def progress(text: str) -> None:
            if lost.is_set():
                raise Refused("the run was cancelled", fix="start it again", reason="cancelled")
            self._said = _place(text)
            self.metrics.asked(job, self._said)
            self._note(job, self._said)

        try:
            self._check_claims(job)
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

    def _check_claims(self, job: Job) -> None:
        if self.store.claims(job.id) > _CLAIMS:
            why = f"{_CLAIMS} of the hub's processes died over it"
            raise HansaError("the run was given up", why=why, fix="ask its operator")

    def _note(self, job: Job, content: dict[str, object]) -> None:
        self.store.note(job.id, json.dumps(content), now=self.clock())

    def _renew(self, job: Job, lost: threading.Event, done: threading.Event) -> None:
        while not done.wait(self.lease.total_seconds() / 6):
            if not self.store.renew(job.id, self.name, now=self.clock(), lease=self.lease):
                lost.set()
                return


_ROUND = re.compile(r"round (\d+): (\S+), \d+ nodes")


def _place(text: str) -> dict[str, object]:
    """A run's word as a note: where it is in a round, round and step on their own.

    Examples
    --------
    >>> _place("round 3: glm.irls, 4 nodes")
    {'round': 3, 'step': 'glm.irls'}
    """
    found = _ROUND.fullmatch(text)
    return {"text": text} if found is None else {"round": int(found[1]), "step": found[2]}
