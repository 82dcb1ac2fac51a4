"""A hub of several processes: studies, decisions, jobs and an audit of its own; log entries name their study."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "hub_2"
down_revision = "hub_1"


def upgrade() -> None:
    """Add what several processes share. Entries of the log so far name no study."""
    op.add_column("log_entries", sa.Column("study", sa.String, nullable=False, server_default=""))
    op.create_index("ix_log_entries_study", "log_entries", ["study"])
    _records()
    _jobs()


def _records() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
    )
    op.create_table(
        "studies",
        sa.Column("study", sa.String, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("by", sa.String, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("study", sa.String, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("permitted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("study", "node"),
    )
    op.create_table(
        "journal_names",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("journal", sa.String, nullable=False),
    )
    op.create_table(
        "charters",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("study", sa.String, nullable=False),
        sa.Column("analysis", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("worker", sa.String),
        sa.Column("queued", sa.String, nullable=False),
        sa.Column("deadline", sa.String),
        sa.Column("detail", sa.String, nullable=False),
    )
    op.create_index("ix_jobs_study", "jobs", ["study"])
    op.create_index("ix_jobs_state_queued", "jobs", ["state", "queued"])
    op.create_table(
        "notes",
        sa.Column("job", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("job", "number"),
    )
