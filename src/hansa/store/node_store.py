"""What a custodian's node keeps: studies and decisions, epochs, questions, what left, and who did what.

Every write that matters is one transaction with its audit event.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from pyroaring import BitMap, FrozenBitMap
from sqlalchemy import Connection, bindparam, func, insert, select, update

from hansa.governance.epoch import Epoch
from hansa.model import Decision, Permit
from hansa.privacy.history import Population
from hansa.store import node_tables as tables
from hansa.store.backup import back_up
from hansa.store.database import sqlite_url
from hansa.store.schema import NODE, open_store

__all__ = ["LedgerEntry", "NodeStore", "StoredStudy"]


# Statements of every round are built once: building costs more than running them.
_BATCH = 100_000
_STUDY = select(tables.studies).where(tables.studies.c.study == bindparam("wanted"))
_EPOCHS = select(tables.epochs).where(tables.epochs.c.purpose == bindparam("wanted")).order_by(tables.epochs.c.number)
_LEDGER = insert(tables.ledger)
_ANSWERED = insert(tables.answered).prefix_with("OR IGNORE")
_SPENT = (
    update(tables.studies)
    .where(tables.studies.c.study == bindparam("wanted"))
    .values(rounds_used=tables.studies.c.rounds_used + 1)
)


@dataclass(frozen=True)
class StoredStudy:
    """A study as this node received and decided it."""

    envelope: bytes
    decision: Decision
    permit: Permit | None
    rounds_used: int


@dataclass(frozen=True)
class LedgerEntry:
    """One array that left: what, when, to whom, and the checks it passed."""

    at: str
    study: str
    run: str
    round: int | None
    step: str
    array: str
    shape: str
    disclosure: str
    bytes: int
    receiver: str
    checks: str


class NodeStore:
    """A node's SQLite store; ``path=None`` keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._database = open_store(sqlite_url(path), NODE)

    def save_study(self, envelope: bytes, decision: Decision, permit: Permit | None) -> None:
        """Keep a study with its decision."""
        row = {
            "study": decision.study,
            "envelope": envelope,
            "decision": decision.model_dump_json(),
            "verdict": decision.verdict,
            "permit": permit.model_dump_json() if permit else None,
            "rounds_used": 0,
        }
        with self._database.write() as connection:
            connection.execute(insert(tables.studies).values(row))
            _audit(connection, "study decided", decision.study, decision.verdict)

    def grant(self, study: str, permit: Permit, *, by: str) -> None:
        """A person's permit on a referred study."""
        with self._database.write() as connection:
            permitted = {"permit": permit.model_dump_json(), "verdict": "permit"}
            connection.execute(update(tables.studies).where(tables.studies.c.study == study).values(permitted))
            _audit(connection, "permit granted", study, by)

    def withdraw_permit(self, study: str, *, by: str) -> None:
        """Stop a study at once."""
        with self._database.write() as connection:
            connection.execute(
                update(tables.studies).where(tables.studies.c.study == study).values(permit=None, verdict="deny")
            )
            _audit(connection, "permit withdrawn", study, by)

    def study(self, study: str) -> StoredStudy | None:
        """A study this node has decided."""
        with self._database.read() as connection:
            row = connection.execute(_STUDY, {"wanted": study}).one_or_none()
        if row is None:
            return None
        permit = _permit(row.permit) if row.permit else None
        return StoredStudy(row.envelope, _decision(row.decision), permit, row.rounds_used)

    def studies(self) -> list[str]:
        """The ids of all studies, oldest first."""
        with self._database.read() as connection:
            return list(connection.execute(select(tables.studies.c.study)).scalars())

    def persons(self) -> dict[str, int]:
        """The code of each person identifier."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.persons.c.identifier, tables.persons.c.code))
            return {row.identifier: row.code for row in rows}

    def add_persons(self, codes: dict[str, int]) -> None:
        """Keep the codes of new persons."""
        if codes:
            rows = ({"identifier": name, "code": code} for name, code in codes.items())
            with self._database.write() as connection:
                while batch := list(islice(rows, _BATCH)):  # millions of people at once would fill the memory
                    connection.execute(insert(tables.persons), batch)
                _audit(connection, "persons added", "", str(len(codes)))

    def epochs(self, purpose: str) -> list[Epoch]:
        """All epochs of the people who consent to a purpose, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_EPOCHS, {"wanted": purpose}).all()
        return [
            Epoch(
                row.number,
                dt.date.fromisoformat(row.opened),
                _people(row.people),
                _people(row.decoys),
            )
            for row in rows
        ]

    def add_epoch(self, purpose: str, epoch: Epoch) -> None:
        """Open a new epoch."""
        row = {
            "purpose": purpose,
            "number": epoch.number,
            "opened": epoch.opened.isoformat(),
            "people": epoch.people.serialize(),
            "decoys": epoch.decoys.serialize(),
        }
        with self._database.write() as connection:
            connection.execute(insert(tables.epochs).values(row))
            _audit(connection, "epoch opened", "", f"{purpose} {epoch.number}")

    def populations(self, *, release: bool) -> list[Population]:
        """The populations of earlier questions: of totals, or of this site's own releases."""
        table = tables.populations
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.release == release)).all()
        # Studies that ask the same question remember the same people.
        rows = list({(row.id, row.roster, row.epoch): row for row in rows}.values())
        return [
            Population(
                row.id,
                row.kind,
                row.derived,
                frozenset(json.loads(row.variables)),
                frozenset(json.loads(row.roster)),
                BitMap.deserialize(row.people),
            )
            for row in rows
        ]

    def uses(self, person: int) -> dict[str, list[tuple[frozenset[str], bool]]]:
        """Per study, the sums that a person's record entered: (variables, whether it was a site release)."""
        table = tables.populations
        chosen = select(table.c.study, table.c.variables, table.c.release, table.c.people)
        found: dict[str, list[tuple[frozenset[str], bool]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(chosen):
                if person in BitMap.deserialize(row.people):
                    variables = frozenset(json.loads(row.variables))
                    found.setdefault(row.study, []).append((variables, row.release))
        return found

    def record_answer(
        self,
        entries: Sequence[LedgerEntry],
        populations: Iterable[Population],
        *,
        epoch: int,
        digest: bytes,
        release: bool = False,
    ) -> None:
        """What left, the questions it answered, and its charge to the budget: one transaction.

        An answer with the same digest in the same epoch is charged once.
        """
        with self._database.write() as connection:
            connection.execute(_LEDGER, [vars(entry) for entry in entries])
            for population in populations:
                _remember(connection, population, epoch=epoch, study=entries[0].study, release=release)
            if connection.execute(_ANSWERED, {"digest": digest, "epoch": epoch}).rowcount:
                connection.execute(_SPENT, {"wanted": entries[0].study})

    def note_left(self, entry: LedgerEntry) -> None:
        """What left without answering a question: a tally."""
        with self._database.write() as connection:
            connection.execute(_LEDGER, [vars(entry)])

    def was_answered(self, digest: bytes, epoch: int) -> bool:
        """Whether the same question was answered in this epoch."""
        chosen = select(func.count()).where(tables.answered.c.digest == digest, tables.answered.c.epoch == epoch)
        with self._database.read() as connection:
            return bool(connection.execute(chosen).scalar_one())

    def release(self, question: bytes, epoch: int) -> bytes | None:
        """The stored signed answer to an identical question of this epoch."""
        table = tables.releases
        chosen = select(table.c.envelope).where(table.c.question == question, table.c.epoch == epoch)
        with self._database.read() as connection:
            return connection.execute(chosen).scalar_one_or_none()

    def save_release(self, question: bytes, epoch: int, study: str, envelope: bytes) -> None:
        """Keep a signed release."""
        with self._database.write() as connection:
            row = {"question": question, "epoch": epoch, "envelope": envelope}
            connection.execute(insert(tables.releases).values(row))
            _audit(connection, "site release", study, "")

    def ledger(self) -> list[LedgerEntry]:
        """All that ever left, oldest first."""
        columns = [column for column in tables.ledger.c if column.name != "number"]
        with self._database.read() as connection:
            rows = connection.execute(select(*columns).order_by(tables.ledger.c.number)).all()
        return [LedgerEntry(*row) for row in rows]

    def checkpoint(self, origin: str) -> str | None:
        """The log checkpoint this node last cosigned."""
        chosen = select(tables.checkpoints.c.note).where(tables.checkpoints.c.origin == origin)
        with self._database.read() as connection:
            return connection.execute(chosen).scalar_one_or_none()

    def save_checkpoint(self, origin: str, note: str) -> None:
        """Remember the checkpoint this node cosigned."""
        row = insert(tables.checkpoints).prefix_with("OR REPLACE").values(origin=origin, note=note)
        with self._database.write() as connection:
            connection.execute(row)

    def note_event(self, event: str, study: str, detail: str) -> None:
        """An audit event on its own."""
        with self._database.write() as connection:
            _audit(connection, event, study, detail)

    def events(self) -> list[tuple[str, str, str, str]]:
        """All audit events as (at, event, study, detail), oldest first."""
        table = tables.audit
        chosen = select(table.c.at, table.c.event, table.c.study, table.c.detail).order_by(table.c.number)
        with self._database.read() as connection:
            return [(row.at, row.event, row.study, row.detail) for row in connection.execute(chosen)]

    def backup(self, path: Path) -> None:
        """Copy the store, in use or not, to a new file.

        Raises
        ------
        StoreError
            If the file exists or cannot be written.
        """
        back_up(self._database, path)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


@lru_cache(maxsize=16)
def _people(blob: bytes) -> FrozenBitMap:
    return FrozenBitMap.deserialize(blob)


@lru_cache(maxsize=64)
def _permit(text: str) -> Permit:
    return Permit.model_validate_json(text)


@lru_cache(maxsize=64)
def _decision(text: str) -> Decision:
    return Decision.model_validate_json(text)


def _remember(connection: Connection, population: Population, *, epoch: int, study: str, release: bool) -> None:
    row = {
        "id": population.id,
        "roster": json.dumps(sorted(population.roster)),
        "epoch": epoch,
        "study": study,
        "kind": population.kind,
        "derived": population.derived,
        "release": release,
        "variables": json.dumps(sorted(population.variables)),
        "people": population.people.serialize(),
    }
    connection.execute(insert(tables.populations).prefix_with("OR IGNORE").values(row))


def _audit(connection: Connection, event: str, study: str, detail: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    connection.execute(insert(tables.audit).values(at=now, event=event, study=study, detail=detail))
