"""Journal, results and log of a hub that is one process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "hub_1"
down_revision = None


def upgrade() -> None:
    """Make the tables, so far as the last version without revisions has not."""
    op.create_table(
        "journal",
        sa.Column("run", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run", "position"),
        if_not_exists=True,
    )
    op.create_table(
        "results",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("study", sa.String, nullable=False),
        sa.Column("question", sa.LargeBinary, nullable=False),
        sa.Column("result", sa.String, nullable=False),
        sa.UniqueConstraint("question", "study"),
        if_not_exists=True,
    )
    op.create_table(
        "witnessed",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "log_entries",
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "log_tree",
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "index"),
        if_not_exists=True,
    )
