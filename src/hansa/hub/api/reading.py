"""What a caller may see: their own studies and runs, or everybody's in a role that reads all.

What is not theirs is not there: the two are not told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hansa.engine.outcome_json import error_from_json
from hansa.hub.api.access import Context
from hansa.hub.api.identity import Identity
from hansa.hub.api.problems import NotFound
from hansa.hub.api.shapes import Fault, RunOut, StudyLine
from hansa.model import Study
from hansa.store import Job
from hansa.wire import decode, peek
from hansa.wire.messages import StudySubmitted

__all__ = ["StoredStudy", "run_out", "visible_job", "visible_studies", "visible_study"]


@dataclass(frozen=True)
class StoredStudy:
    """A study and whose it is."""

    by: str
    study: Study

    @property
    def line(self) -> StudyLine:
        """The study in a list."""
        study = self.study
        return StudyLine(
            id=study.id, by=self.by, title=study.title, cohorts=study.cohorts, analyses=tuple(study.analyses)
        )


def visible_study(here: Context, identity: Identity, study: str) -> StoredStudy:
    """A study that this identity may see.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = _stored(here, study)
    if found is None or not _may_see(identity, found.by):
        raise NotFound(
            "there is no such study",
            why="it was never submitted, or it is another's",
            fix="see GET /v1/studies",
            field="study",
        )
    return found


def visible_studies(here: Context, identity: Identity, *, after: str, limit: int) -> list[StoredStudy]:
    """At most ``limit`` studies that this identity may see, beyond ``after``, in the order of their ids."""
    by = None if identity.reads_all else identity.name
    ids = here.service.store.studies(after=after, limit=limit, by=by)
    return [found for study in ids if (found := _stored(here, study)) is not None]


def visible_job(here: Context, identity: Identity, run: str) -> Job:
    """A run of a study that this identity may see.

    Raises
    ------
    NotFound
        If there is none.
    """
    job = here.service.store.job(run)
    study = None if job is None else _stored(here, job.study)
    if job is None or study is None or not _may_see(identity, study.by):
        raise NotFound(
            "there is no such run",
            why="it was never started, or it is another's",
            fix="see GET /v1/studies/{id}",
            field="run",
        )
    return job


def run_out(job: Job) -> RunOut:
    """A job as the interface shows it: without its worker, and without its result."""
    error = _fault(job.detail) if job.state == "failed" else None
    return RunOut.model_validate(
        {
            "id": job.id,
            "study": job.study,
            "analysis": job.analysis,
            "by": job.by,
            "state": job.state,
            "queued": job.queued,
            "error": error,
        }
    )


def _stored(here: Context, study: str) -> StoredStudy | None:
    sealed = here.service.store.study(study)
    if sealed is None:
        return None
    return StoredStudy(here.service.store.study_by(study) or "", _study_in(sealed))


@lru_cache(maxsize=256)
def _study_in(sealed: bytes) -> Study:
    """The study inside an envelope that was verified when it was stored."""
    return StudySubmitted(study=decode(peek(sealed).payload)["study"]).read()


def _fault(detail: str) -> Fault:
    return Fault.model_validate(error_from_json(detail).to_dict())


def _may_see(identity: Identity, by: str) -> bool:
    return identity.reads_all or (bool(by) and identity.name == by)
