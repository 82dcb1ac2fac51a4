"""Assertions that sign a researcher in are good once: those that were used are kept until they expire."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "hub_3"
down_revision = "hub_2"


def upgrade() -> None:
    """Add the table of used assertions."""
    op.create_table(
        "assertions",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("expires", sa.String, nullable=False),
    )
    op.create_index("ix_assertions_expires", "assertions", ["expires"])
