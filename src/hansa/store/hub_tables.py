"""All tables of the hub."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

__all__ = [
    "assertions",
    "audit",
    "charters",
    "decisions",
    "hub",
    "jobs",
    "journal",
    "journal_names",
    "log_entries",
    "log_tree",
    "notes",
    "results",
    "studies",
    "witnessed",
]

hub = MetaData()
"""What the hub keeps."""

journal = Table(
    "journal",
    hub,
    Column("run", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run", "position"),
)

results = Table(
    "results",
    hub,
    Column("run", String, primary_key=True),
    Column("study", String, nullable=False),
    Column("question", LargeBinary, nullable=False),
    Column("result", String, nullable=False),
    UniqueConstraint("question", "study"),
)

witnessed = Table(
    "witnessed",
    hub,
    Column("node", String, primary_key=True),
    Column("size", Integer, nullable=False),
)

log_entries = Table(
    "log_entries",
    hub,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("study", String, nullable=False, server_default="", index=True),
)

log_tree = Table(
    "log_tree",
    hub,
    Column("level", Integer, nullable=False),
    Column("index", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "index"),
)

audit = Table(
    "audit",
    hub,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", String, nullable=False),
)

studies = Table(
    "studies",
    hub,
    Column("study", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("by", String, nullable=False),
)

decisions = Table(
    "decisions",
    hub,
    Column("study", String, nullable=False),
    Column("node", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("permitted", Boolean, nullable=False),
    PrimaryKeyConstraint("study", "node"),
)

journal_names = Table(
    "journal_names",
    hub,
    Column("run", String, primary_key=True),
    Column("journal", String, nullable=False),
)

jobs = Table(
    "jobs",
    hub,
    Column("id", String, primary_key=True),
    Column("study", String, nullable=False, index=True),
    Column("analysis", String, nullable=False),
    Column("by", String, nullable=False),
    Column("state", String, nullable=False),
    Column("worker", String),
    Column("queued", String, nullable=False),
    Column("deadline", String),
    Column("detail", String, nullable=False),
    Index("ix_jobs_state_queued", "state", "queued"),
)
"""Times are UTC texts of one length, so that their order is the order of time on every database."""

notes = Table(
    "notes",
    hub,
    Column("job", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", String, nullable=False),
    Column("text", String, nullable=False),
    PrimaryKeyConstraint("job", "number"),
)

assertions = Table(
    "assertions",
    hub,
    Column("id", LargeBinary, primary_key=True),
    Column("expires", String, nullable=False, index=True),
)
"""Signed assertions that were used: none opens the interface a second time."""

charters = Table(
    "charters",
    hub,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)
