"""Studies, people, questions, ledger and audit of a node."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "node_1"
down_revision = None


def upgrade() -> None:
    """Make the tables, so far as the last version without revisions has not."""
    _asked()
    _left()


def _asked() -> None:
    op.create_table(
        "studies",
        sa.Column("study", sa.String, primary_key=True),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("permit", sa.String),
        sa.Column("rounds_used", sa.Integer, nullable=False, default=0),
        if_not_exists=True,
    )
    op.create_table(
        "persons",
        sa.Column("identifier", sa.String, primary_key=True),
        sa.Column("code", sa.Integer, nullable=False, unique=True),
        if_not_exists=True,
    )
    op.create_table(
        "epochs",
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("opened", sa.String, nullable=False),
        sa.Column("people", sa.LargeBinary, nullable=False),
        sa.Column("decoys", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("purpose", "number"),
        if_not_exists=True,
    )
    op.create_table(
        "populations",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("roster", sa.String, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("study", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("derived", sa.Boolean, nullable=False),
        sa.Column("release", sa.Boolean, nullable=False),
        sa.Column("variables", sa.String, nullable=False),
        sa.Column("people", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", "roster", "epoch", "release", "study"),
        if_not_exists=True,
    )
    op.create_table(
        "answered",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("digest", "epoch"),
        if_not_exists=True,
    )


def _left() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("study", sa.String, nullable=False),
        sa.Column("run", sa.String, nullable=False),
        sa.Column("round", sa.Integer),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("array", sa.String, nullable=False),
        sa.Column("shape", sa.String, nullable=False),
        sa.Column("disclosure", sa.String, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("checks", sa.String, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "releases",
        sa.Column("question", sa.LargeBinary, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("question", "epoch"),
        if_not_exists=True,
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("study", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "checkpoints",
        sa.Column("origin", sa.String, primary_key=True),
        sa.Column("note", sa.String, nullable=False),
        if_not_exists=True,
    )
