"""The first tables, and the first user."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_tables()
    now = datetime.now(UTC)
    if op.get_context().dialect.name == "sqlite":
        now = now.replace(tzinfo=None)
    users = sa.table(
        "users",
        sa.column("email", sa.Text()),
        sa.column("created_at", _TIME),
        sa.column("settings", sa.JSON()),
    )
    op.bulk_insert(users, [{"email": "operator", "created_at": now, "settings": {}}])


def _make_tables() -> None:
    op.create_table(
        "server_secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_server_secrets"),
    )
    op.create_table(
        "users",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("image_url", sa.Text()),
        sa.Column("max_bots", _NUMBER),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bots",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("native_id", sa.Text(), nullable=False),
        sa.Column("native_hash", sa.Text(), nullable=False),
        sa.Column("public_url", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("scheduled_for", _TIME),
        sa.Column("in_call_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("keep_s", sa.Double()),
        sa.Column("delete_after", _TIME),
        sa.Column("deleted_at", _TIME),
        sa.Column("transcriber", sa.Text()),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("extras", sa.JSON(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("last_seq", _NUMBER, nullable=False),
        sa.Column("idempotency_hash", sa.Text()),
        sa.Column("exclusive_hash", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_bots_user_id"),
        sa.PrimaryKeyConstraint("number", name="pk_bots"),
        sa.UniqueConstraint("bot_id", name="uq_bots_bot_id"),
        sa.UniqueConstraint("user_id", "idempotency_hash", name="uq_bots_user_id_idempotency_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bots_delete_after", "bots", ["delete_after"])
    op.create_index("ix_bots_state", "bots", ["state"])
    op.create_index("ix_bots_user_id_exclusive_hash", "bots", ["user_id", "exclusive_hash"])
    op.create_index(
        "ix_bots_user_id_native_hash_number", "bots", ["user_id", "native_hash", "number"]
    )
    op.create_index("ix_bots_user_id_number", "bots", ["user_id", "number"])
    op.create_index("ix_bots_user_id_state", "bots", ["user_id", "state"])
    op.create_table(
        "endpoints",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_endpoints_user_id"),
        sa.PrimaryKeyConstraint("number", name="pk_endpoints"),
        sa.UniqueConstraint("id", name="uq_endpoints_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_endpoints_user_id", "endpoints", ["user_id"])
    op.create_table(
        "keys",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", _NUMBER, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_keys_user_id"),
        sa.PrimaryKeyConstraint("number", name="pk_keys"),
        sa.UniqueConstraint("hash", name="uq_keys_hash"),
        sa.UniqueConstraint("id", name="uq_keys_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_keys_user_id", "keys", ["user_id"])
    op.create_table(
        "targets",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text()),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("secret", sa.Text()),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("cursor", _NUMBER, nullable=False),
        sa.Column("part", _NUMBER, nullable=False),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("next_try_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["bot_id"], ["bots.bot_id"], name="fk_targets_bot_id"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], name="fk_targets_endpoint_id"),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_targets_bot_id", "targets", ["bot_id"])
    op.create_index("ix_targets_endpoint_id", "targets", ["endpoint_id"])
    op.create_index("ix_targets_settled_ended_at", "targets", ["settled", "ended_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("target_id", _NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_seq", _NUMBER, nullable=False),
        sa.Column("part", _NUMBER, nullable=False),
        sa.Column("after_seq", _NUMBER, nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("delivered_at", _TIME),
        sa.Column("given_up_at", _TIME),
        sa.Column("next_try_at", _TIME),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.Column("status", _NUMBER),
        sa.Column("error", sa.Text()),
        sa.Column("message_id", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("headers", sa.JSON()),
        sa.Column("body", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_deliveries_target_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_bot_id_id", "deliveries", ["bot_id", "id"])
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    op.create_index(
        "ix_deliveries_target_id_event_seq_part", "deliveries", ["target_id", "event_seq", "part"]
    )
    op.create_index(
        "ix_deliveries_waiting_target_id_id", "deliveries", ["waiting", "target_id", "id"]
    )
