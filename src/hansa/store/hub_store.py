"""What the hub keeps: its journal of totals, encrypted; studies, results and jobs; and the log.

Several processes may be one hub on one store. Every write that matters is one transaction with its audit event.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import URL

from hansa.errors import StoreError
from hansa.store import hub_access, hub_audit, hub_journal, hub_log, hub_studies, jobs
from hansa.store.backup import back_up
from hansa.store.database import parse_url, sqlite_url
from hansa.store.jobs import Job
from hansa.store.schema import HUB, open_store

__all__ = ["HubStore"]


class HubStore:
    """The hub's store; ``key`` (32 bytes) encrypts the totals it journals. ``path=None`` keeps it in memory."""

    def __init__(self, path: Path | None, key: bytes) -> None:
        self._open(sqlite_url(path), key)

    @classmethod
    def at(cls, url: str, key: bytes) -> HubStore:
        """The store at ``sqlite:///folder/hub.db`` or ``postgresql://user@host/database``.

        Raises
        ------
        StoreError
            If the address cannot be read, or the store cannot be opened.
        """
        store = cls.__new__(cls)
        store._open(parse_url(url), key)
        return store

    def _open(self, url: URL, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._database = open_store(url, HUB)

    def ping(self) -> None:
        """Nothing, if the store answers.

        Raises
        ------
        StoreError
            If it does not.
        """
        file = self._database.file
        if file is not None and not file.exists():
            raise StoreError("the store is gone", why="its file is not there", fix="restore it", field="store")
        with self._database.read() as connection:
            hub_log.log_size(connection)

    def backup(self, path: Path) -> None:
        """Copy a SQLite store, in use or not, to a new file.

        Raises
        ------
        StoreError
            If the file exists, cannot be written, or the store is PostgreSQL's (use ``pg_dump``).
        """
        back_up(self._database, path)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    # Journal and results

    def record_total(self, run: str, position: int, request: bytes, total: bytes) -> None:
        """Journal the answer to a run's request number ``position``; the first answer to it stays.

        Raises
        ------
        StoreError
            If another request has this position.
        """
        with self._database.write() as connection:
            hub_journal.write_total(connection, self._cipher, run, position, request=request, total=total)

    def totals(self, run: str) -> list[tuple[bytes, bytes]]:
        """The journal of a run: (request hash, encoded totals) in order.

        Raises
        ------
        StoreError
            If an entry was changed, or the key is another.
        """
        with self._database.read() as connection:
            return hub_journal.read_totals(connection, self._cipher, run)

    def save_journal_name(self, run: str, journal: str) -> None:
        """Remember which journal a run writes to; it does not change.

        Raises
        ------
        StoreError
            If the run writes to another.
        """
        with self._database.write() as connection:
            hub_journal.save_journal_name(connection, run, journal)

    def journal_name(self, run: str) -> str | None:
        """The journal that a run writes to."""
        with self._database.read() as connection:
            return hub_journal.journal_name(connection, run)

    def save_result(self, run: str, study: str, question: bytes, result: str) -> None:
        """Keep a run's result; the first to a question of a study stays.

        Raises
        ------
        StoreError
            If the run answered another question.
        """
        with self._database.write() as connection:
            hub_studies.save_result(connection, run, study, question, result)

    def result(self, study: str, question: bytes) -> tuple[str, str] | None:
        """(run, result) of an identical question of a study, if it was answered."""
        with self._database.read() as connection:
            return hub_studies.read_result(connection, study, question)

    # Studies, decisions, charter

    def save_study(self, study: str, sealed: bytes, by: str) -> None:
        """Keep a study's sealed envelope; the same again is harmless.

        Raises
        ------
        StoreError
            If another envelope has this id.
        """
        with self._database.write() as connection:
            hub_studies.save_study(connection, study, sealed, by)

    def study(self, study: str) -> bytes | None:
        """The sealed envelope of a study."""
        with self._database.read() as connection:
            return hub_studies.read_study(connection, study)

    def study_by(self, study: str) -> str | None:
        """Who submitted a study."""
        with self._database.read() as connection:
            return hub_studies.read_owner(connection, study)

    def studies(self, *, after: str = "", limit: int = 50, by: str | None = None) -> list[str]:
        """At most ``limit`` ids greater than ``after``, ascending; of one researcher, or of all."""
        with self._database.read() as connection:
            return hub_studies.study_ids(connection, after, limit, by)

    def save_decision(self, study: str, node: str, sealed: bytes, permitted: bool) -> None:
        """Keep a node's decision; the latest stays."""
        with self._database.write() as connection:
            hub_studies.save_decision(connection, study, node, sealed, permitted)

    def decisions(self, study: str) -> dict[str, tuple[bytes, bool]]:
        """Per node, its sealed decision and whether it permits."""
        with self._database.read() as connection:
            return hub_studies.read_decisions(connection, study)

    def save_charter(self, version: int, sealed: bytes) -> None:
        """Keep a charter; the same again is harmless.

        Raises
        ------
        StoreError
            If another charter has this version.
        """
        with self._database.write() as connection:
            hub_studies.save_charter(connection, version, sealed)

    def charter(self) -> tuple[int, bytes] | None:
        """(version, sealed) of the newest charter."""
        with self._database.read() as connection:
            return hub_studies.newest_charter(connection)

    # Access

    def use_assertion(self, id: bytes, expires: dt.datetime, *, now: dt.datetime) -> bool:  # noqa: A002  # an assertion's id
        """Whether a signed assertion is used for the first time, at any process of the hub."""
        with self._database.write() as connection:
            return hub_access.use_assertion(connection, id, expires, now)

    # Jobs

    def enqueue(self, id: str, study: str, analysis: str, by: str, *, now: dt.datetime) -> Job:  # noqa: A002  # a job's id
        """Queue a job; an unfinished one of the same study and analysis is returned instead of a second."""
        with self._database.write() as connection:
            return jobs.enqueue(connection, Job(id, study, analysis, by, "queued", None, now, None, ""))

    def claim(self, worker: str, *, now: dt.datetime, lease: dt.timedelta) -> Job | None:
        """Take the oldest job that is queued, or whose worker's lease is over."""
        # An idle worker asks often: it must not take the write lock to learn that there is nothing to do.
        with self._database.read() as connection:
            if not jobs.is_waiting(connection, now):
                return None
        with self._database.write() as connection:
            return jobs.claim(connection, worker, now, lease)

    def claims(self, id: str) -> int:  # noqa: A002  # a job's id
        """How often a job was claimed."""
        with self._database.read() as connection:
            return hub_audit.count_events(connection, "job claimed", id)

    def renew(self, id: str, worker: str, *, now: dt.datetime, lease: dt.timedelta) -> bool:  # noqa: A002  # a job's id
        """Hold a job longer; False if it is no longer this worker's, or was cancelled."""
        with self._database.write() as connection:
            return jobs.renew(connection, id, worker, now, lease)

    def finish(self, id: str, worker: str, state: str, detail: str, *, now: dt.datetime) -> bool:  # noqa: A002  # a job's id
        """Say what came of a job (done, failed or cancelled); False if it is no longer this worker's.

        Raises
        ------
        StoreError
            If the state is not an end.
        """
        with self._database.write() as connection:
            return jobs.finish(connection, id, worker, state, detail, now=now)

    def cancel(self, id: str, by: str, *, now: dt.datetime) -> bool:  # noqa: A002  # a job's id
        """Stop a job; False if it is over already, or unknown."""
        with self._database.write() as connection:
            return jobs.cancel(connection, id, by, now)

    def job(self, id: str) -> Job | None:  # noqa: A002  # a job's id
        """A job."""
        with self._database.read() as connection:
            return jobs.read_job(connection, id)

    def jobs(self, study: str) -> list[Job]:
        """A study's jobs, oldest first."""
        with self._database.read() as connection:
            return jobs.read_jobs(connection, study)

    def note(self, job: str, text: str, *, now: dt.datetime) -> None:
        """Write a note on how far a job is.

        Raises
        ------
        StoreError
            If there is no such job.
        """
        with self._database.write() as connection:
            jobs.write_note(connection, job, text, now)

    def notes(self, job: str, *, after: int = 0) -> list[tuple[int, str, str]]:
        """The notes (number, at, text) of a job that follow number ``after``; a job's first has number 1."""
        with self._database.read() as connection:
            return jobs.read_notes(connection, job, after)

    # Log and audit

    @property
    def log_size(self) -> int:
        """How many entries the log has."""
        with self._database.read() as connection:
            return hub_log.log_size(connection)

    def append(self, kind: str, payload: bytes, study: str = "") -> int:
        """Append a salted commitment to the log; the entry's index. Entry and tree change together."""
        with self._database.write() as connection:
            return hub_log.append_entry(connection, kind, payload, study)

    def entries_of(self, study: str) -> list[int]:
        """The indexes of a study's log entries, ascending."""
        with self._database.read() as connection:
            return hub_log.entries_of(connection, study)

    def entry(self, index: int) -> tuple[str, bytes, bytes]:
        """(kind, payload, salt) of a log entry."""
        with self._database.read() as connection:
            return hub_log.read_entry(connection, index)

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree of the log (:class:`hansa.log.HashReader`)."""
        with self._database.read() as connection:
            return hub_log.read_node(connection, level, index)

    def witnessed(self, node: str) -> int:
        """The size of the log that a node has cosigned last; 0 before its first."""
        with self._database.read() as connection:
            return hub_log.witnessed_size(connection, node)

    def save_witnessed(self, node: str, size: int) -> None:
        """Remember what a node has cosigned; a larger size stays."""
        with self._database.write() as connection:
            hub_log.save_witnessed(connection, node, size)

    def events(self) -> list[tuple[str, str, str, str]]:
        """All audit events as (at, event, subject, detail), oldest first."""
        with self._database.read() as connection:
            return hub_audit.read_events(connection)
