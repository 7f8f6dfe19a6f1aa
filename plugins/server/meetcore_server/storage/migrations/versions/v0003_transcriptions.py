"""Transcripts that are made of a recording once more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    time = sa.DateTime(timezone=True)
    op.create_table(
        "transcriptions",
        sa.Column("id", number, nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("revision", number, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("transcriber", sa.Text(), nullable=False),
        sa.Column("language", sa.Text()),
        sa.Column("vocabulary", sa.JSON(), nullable=False),
        sa.Column("diarize", sa.Boolean(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("extras", sa.JSON(), nullable=False),
        sa.Column("target_id", number),
        sa.Column("requested_at", time, nullable=False),
        sa.Column("started_at", time),
        sa.Column("ended_at", time),
        sa.Column("error", sa.Text()),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transcriptions"),
        sa.ForeignKeyConstraint(["bot_id"], ["bots.bot_id"], name="fk_transcriptions_bot_id"),
        sa.UniqueConstraint("bot_id", "revision", name="uq_transcriptions_bot_id_revision"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transcriptions_state_id", "transcriptions", ["state", "id"])
    op.create_index("ix_transcriptions_told_state", "transcriptions", ["told", "state"])
