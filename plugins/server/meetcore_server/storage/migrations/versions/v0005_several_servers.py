"""Several servers over one database: who is alive, who holds what, what they ask of each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their tables, and the columns that say who holds what."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    time = sa.DateTime(timezone=True)
    op.create_table(
        "servers",
        sa.Column("number", number, nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("pid", number, nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("since", time, nullable=False),
        sa.Column("alive_until", time, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_servers"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "server_messages",
        sa.Column("id", number, nullable=False),
        sa.Column("server", number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_server_messages"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_server_messages_server", "server_messages", ["server"])
    for table in ("bots", "targets", "transcriptions"):
        op.add_column(table, sa.Column("held_by", number))
    no = sa.false()
    op.add_column("bots", sa.Column("launching", sa.Boolean(), nullable=False, server_default=no))
