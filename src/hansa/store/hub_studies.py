"""Studies, what nodes decided on them, what came of them, and the charter that all stand under."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Table, select

from hansa.errors import StoreError
from hansa.store.hub_audit import note_event
from hansa.store.hub_tables import charters, decisions, results, studies
from hansa.store.upsert import insert_new, upsert

__all__ = [
    "newest_charter",
    "read_decisions",
    "read_owner",
    "read_result",
    "read_study",
    "save_charter",
    "save_decision",
    "save_result",
    "save_study",
    "study_ids",
]


def save_study(connection: Connection, study: str, sealed: bytes, by: str) -> None:
    """Keep a study's sealed envelope.

    Raises
    ------
    StoreError
        If another envelope has this id.
    """
    if _keep(connection, studies, {"study": study}, sealed, by=by):
        note_event(connection, "study kept", study, by)


def read_study(connection: Connection, study: str) -> bytes | None:
    """The sealed envelope of a study."""
    return connection.execute(select(studies.c.sealed).where(studies.c.study == study)).scalar_one_or_none()


def read_owner(connection: Connection, study: str) -> str | None:
    """Who submitted a study."""
    return connection.execute(select(studies.c.by).where(studies.c.study == study)).scalar_one_or_none()


def study_ids(connection: Connection, after: str, limit: int, by: str | None) -> list[str]:
    """At most ``limit`` ids greater than ``after``, ascending; of one researcher, or of all."""
    # Ids are compared as bytes, whatever the language of the database.
    key = studies.c.study.collate("C") if connection.dialect.name == "postgresql" else studies.c.study
    chosen = select(studies.c.study).where(key > after).order_by(key).limit(limit)
    return list(connection.execute(chosen if by is None else chosen.where(studies.c.by == by)).scalars())


def save_decision(connection: Connection, study: str, node: str, sealed: bytes, permitted: bool) -> None:
    """Keep a node's decision; the latest stays."""
    upsert(connection, decisions, {"study": study, "node": node, "sealed": sealed, "permitted": permitted})
    note_event(connection, "decision kept", study, f"{node}: {'permit' if permitted else 'no permit'}")


def read_decisions(connection: Connection, study: str) -> dict[str, tuple[bytes, bool]]:
    """Per node, its sealed decision and whether it permits."""
    rows = connection.execute(select(decisions).where(decisions.c.study == study).order_by(decisions.c.node))
    return {row.node: (row.sealed, row.permitted) for row in rows}


def save_result(connection: Connection, run: str, study: str, question: bytes, result: str) -> None:
    """Keep a run's result; the first of a study's question stays.

    Raises
    ------
    StoreError
        If the run answered another question.
    """
    row = {"run": run, "study": study, "question": question, "result": result}
    if insert_new(connection, results, row):
        note_event(connection, "result kept", study, run)
    elif read_result(connection, study, question) is None:
        raise StoreError(
            "a result cannot be kept", why="this run answered another question", fix="start a new run", field="run"
        )


def read_result(connection: Connection, study: str, question: bytes) -> tuple[str, str] | None:
    """(run, result) of an identical question of a study, if it was answered."""
    chosen = select(results.c.run, results.c.result).where(results.c.study == study, results.c.question == question)
    row = connection.execute(chosen).one_or_none()
    return None if row is None else (row.run, row.result)


def save_charter(connection: Connection, version: int, sealed: bytes) -> None:
    """Keep a charter.

    Raises
    ------
    StoreError
        If another charter has this version.
    """
    if _keep(connection, charters, {"version": version}, sealed):
        note_event(connection, "charter kept", str(version), "")


def newest_charter(connection: Connection) -> tuple[int, bytes] | None:
    """(version, sealed) of the newest charter."""
    row = connection.execute(select(charters).order_by(charters.c.version.desc()).limit(1)).one_or_none()
    return None if row is None else (row.version, row.sealed)


def _keep(connection: Connection, table: Table, place: Mapping[str, str | int], sealed: bytes, **others: str) -> bool:
    """Whether an envelope is new; the same again is harmless, another under the same key is not."""
    ((key, value),) = place.items()
    if insert_new(connection, table, {**place, "sealed": sealed, **others}):
        return True
    if connection.execute(select(table.c.sealed).where(table.c[key] == value)).scalar_one() != sealed:
        raise StoreError(
            f"the envelope cannot be kept under this {key}",
            why="another is kept under it, and what was signed does not change",
            fix=f"give it a {key} of its own",
            field=key,
        )
    return False
