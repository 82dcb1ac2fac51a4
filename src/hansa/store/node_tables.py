"""All tables of a node."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, String, Table

__all__ = [
    "answered",
    "audit",
    "checkpoints",
    "epochs",
    "ledger",
    "node",
    "persons",
    "populations",
    "releases",
    "studies",
]

node = MetaData()
"""What a custodian keeps."""

studies = Table(
    "studies",
    node,
    Column("study", String, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("decision", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("permit", String),
    Column("rounds_used", Integer, nullable=False, default=0),
)

persons = Table(
    "persons",
    node,
    Column("identifier", String, primary_key=True),
    Column("code", Integer, nullable=False, unique=True),
)

epochs = Table(
    "epochs",
    node,
    Column("purpose", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("opened", String, nullable=False),
    Column("people", LargeBinary, nullable=False),
    Column("decoys", LargeBinary, nullable=False),
    PrimaryKeyConstraint("purpose", "number"),
)

populations = Table(
    "populations",
    node,
    Column("id", String, nullable=False),
    Column("roster", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("study", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("derived", Boolean, nullable=False),
    Column("release", Boolean, nullable=False),
    Column("variables", String, nullable=False),
    Column("people", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", "roster", "epoch", "release", "study"),
)

answered = Table(
    "answered",
    node,
    Column("digest", LargeBinary, nullable=False),
    Column("epoch", Integer, nullable=False),
    PrimaryKeyConstraint("digest", "epoch"),
)

ledger = Table(
    "ledger",
    node,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("study", String, nullable=False),
    Column("run", String, nullable=False),
    Column("round", Integer),
    Column("step", String, nullable=False),
    Column("array", String, nullable=False),
    Column("shape", String, nullable=False),
    Column("disclosure", String, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("receiver", String, nullable=False),
    Column("checks", String, nullable=False),
)

releases = Table(
    "releases",
    node,
    Column("question", LargeBinary, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    PrimaryKeyConstraint("question", "epoch"),
)

audit = Table(
    "audit",
    node,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("event", String, nullable=False),
    Column("study", String, nullable=False),
    Column("detail", String, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    node,
    Column("origin", String, primary_key=True),
    Column("note", String, nullable=False),
)
