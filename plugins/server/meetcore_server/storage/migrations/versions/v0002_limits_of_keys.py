"""A limit for each key, and an index to count its bots by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; a key that was there has no limit of its own."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("keys", sa.Column("max_bots", number))
    op.create_index("ix_bots_key_id_state", "bots", ["key_id", "state"])
