"""The tables. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa

from meetcore_server.storage.columns import BigNumber, CleanText, UtcTime

__all__ = [
    "METADATA",
    "bots",
    "deliveries",
    "endpoints",
    "keys",
    "server_messages",
    "server_secrets",
    "servers",
    "targets",
    "transcriptions",
    "users",
]

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = sa.Table(
    "users",
    METADATA,
    sa.Column("id", BigNumber(), primary_key=True),
    sa.Column("email", CleanText(), nullable=False, unique=True),
    sa.Column("name", CleanText()),
    sa.Column("image_url", CleanText()),
    sa.Column("max_bots", BigNumber()),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("settings", sa.JSON(), nullable=False),
    sqlite_autoincrement=True,
)
"""The first, number 1, is the operator, made by the first migration."""

keys = sa.Table(
    "keys",
    METADATA,
    sa.Column("number", BigNumber(), primary_key=True),
    sa.Column("id", CleanText(), nullable=False, unique=True),
    sa.Column("user_id", BigNumber(), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
    sa.Column("hint", CleanText(), nullable=False),
    sa.Column("label", CleanText(), nullable=False),
    sa.Column("scopes", CleanText(), nullable=False),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("expires_at", UtcTime()),
    sa.Column("revoked_at", UtcTime()),
    sa.Column("max_bots", BigNumber()),
    sqlite_autoincrement=True,
)
"""`hash` is the SHA-256 of the key, which itself is kept nowhere. `scopes` are words."""

bots = sa.Table(
    "bots",
    METADATA,
    sa.Column("number", BigNumber(), primary_key=True),
    sa.Column("bot_id", CleanText(), nullable=False, unique=True),
    sa.Column("user_id", BigNumber(), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("key_id", CleanText(), nullable=False),
    sa.Column("dialect", CleanText(), nullable=False),
    sa.Column("platform", CleanText(), nullable=False),
    sa.Column("native_id", CleanText(), nullable=False),
    sa.Column("native_hash", sa.Text(), nullable=False),
    sa.Column("public_url", CleanText(), nullable=False),
    sa.Column("url", CleanText(), nullable=False),
    sa.Column("name", CleanText(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text()),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("updated_at", UtcTime(), nullable=False),
    sa.Column("scheduled_for", UtcTime()),
    sa.Column("in_call_at", UtcTime()),
    sa.Column("ended_at", UtcTime()),
    sa.Column("keep_s", sa.Double()),
    sa.Column("delete_after", UtcTime()),
    sa.Column("deleted_at", UtcTime()),
    sa.Column("transcriber", CleanText()),
    sa.Column("metadata", sa.JSON(), nullable=False),
    sa.Column("extras", sa.JSON(), nullable=False),
    sa.Column("order", sa.JSON(), nullable=False),
    sa.Column("last_seq", BigNumber(), nullable=False),
    sa.Column("idempotency_hash", sa.Text()),
    sa.Column("exclusive_hash", sa.Text()),
    sa.Column("held_by", BigNumber()),
    sa.Column("launching", sa.Boolean(), nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("user_id", "idempotency_hash"),
    sa.Index(None, "user_id", "number"),
    sa.Index(None, "user_id", "native_hash", "number"),
    sa.Index(None, "user_id", "exclusive_hash"),
    sa.Index(None, "user_id", "state"),
    sa.Index(None, "key_id", "state"),
    sa.Index(None, "state"),
    sa.Index(None, "delete_after"),
    sqlite_autoincrement=True,
)
"""What clients choose and we look up by is indexed as a hash: an index takes no long texts.

`key_id` is the key that ordered the bot, or a word of the server's for an operator without a row.
`held_by` is the server that looks after it, none when there is nothing to look after; `launching`:
that server is about to launch it, and its order stands.
"""

endpoints = sa.Table(
    "endpoints",
    METADATA,
    sa.Column("number", BigNumber(), primary_key=True),
    sa.Column("id", CleanText(), nullable=False, unique=True),
    sa.Column("user_id", BigNumber(), sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("url", CleanText(), nullable=False),
    sa.Column("secret", CleanText(), nullable=False),
    sa.Column("events", sa.JSON(), nullable=False),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("disabled_at", UtcTime()),
    sqlite_autoincrement=True,
)

targets = sa.Table(
    "targets",
    METADATA,
    sa.Column("id", BigNumber(), primary_key=True),
    sa.Column("bot_id", CleanText(), sa.ForeignKey("bots.bot_id"), nullable=False, index=True),
    sa.Column("endpoint_id", CleanText(), sa.ForeignKey("endpoints.id"), index=True),
    sa.Column("format", CleanText(), nullable=False),
    sa.Column("url", CleanText()),
    sa.Column("secret", CleanText()),
    sa.Column("data", sa.JSON(), nullable=False),
    sa.Column("cursor", BigNumber(), nullable=False),
    sa.Column("part", BigNumber(), nullable=False),
    sa.Column("attempts", BigNumber(), nullable=False),
    sa.Column("next_try_at", UtcTime()),
    sa.Column("ended_at", UtcTime()),
    sa.Column("settled", sa.Boolean(), nullable=False),
    sa.Column("held_by", BigNumber()),
    sa.Index(None, "settled", "ended_at"),
    sqlite_autoincrement=True,
)
"""Somewhere the messages about one bot go, and how far it is served.

Every event up to `cursor` is settled, of the next the first `part` messages too; the message after
those has been tried `attempts` times. `ended_at`: it is told nothing more. `settled`: the bot has
ended and nothing of its journal is owed. `held_by` is the server that serves it, none while nobody
has to.
"""

deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("id", BigNumber(), primary_key=True),
    sa.Column("bot_id", CleanText(), nullable=False),
    sa.Column("target_id", BigNumber(), sa.ForeignKey("targets.id"), nullable=False),
    sa.Column("kind", CleanText(), nullable=False),
    sa.Column("event_seq", BigNumber(), nullable=False),
    sa.Column("part", BigNumber(), nullable=False),
    sa.Column("after_seq", BigNumber(), nullable=False),
    sa.Column("again", sa.Boolean(), nullable=False),
    sa.Column("attempts", BigNumber(), nullable=False),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("delivered_at", UtcTime()),
    sa.Column("given_up_at", UtcTime()),
    sa.Column("next_try_at", UtcTime()),
    sa.Column("waiting", sa.Boolean(), nullable=False),
    sa.Column("status", BigNumber()),
    sa.Column("error", CleanText()),
    sa.Column("message_id", CleanText()),
    sa.Column("url", CleanText()),
    sa.Column("headers", sa.JSON(none_as_null=True)),
    sa.Column("body", sa.LargeBinary()),
    sa.Index(None, "bot_id", "id"),
    sa.Index(None, "target_id", "event_seq", "part"),
    sa.Index(None, "waiting", "target_id", "id"),
    sa.Index(None, "created_at"),
    sqlite_autoincrement=True,
)
"""What became of each message, and the outbox of those that belong to no event.

`event_seq` 0: it belongs to none, and `body`, `headers` and `url` are kept; it goes after the event
`after_seq`. `again`: somebody asked for it once more. `waiting`: the row itself is what is owed.
"""

transcriptions = sa.Table(
    "transcriptions",
    METADATA,
    sa.Column("id", BigNumber(), primary_key=True),
    sa.Column("bot_id", CleanText(), sa.ForeignKey("bots.bot_id"), nullable=False),
    sa.Column("revision", BigNumber(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("transcriber", CleanText(), nullable=False),
    sa.Column("language", CleanText()),
    sa.Column("vocabulary", sa.JSON(), nullable=False),
    sa.Column("diarize", sa.Boolean(), nullable=False),
    sa.Column("dialect", CleanText(), nullable=False),
    sa.Column("extras", sa.JSON(), nullable=False),
    sa.Column("target_id", BigNumber()),
    sa.Column("requested_at", UtcTime(), nullable=False),
    sa.Column("started_at", UtcTime()),
    sa.Column("ended_at", UtcTime()),
    sa.Column("error", CleanText()),
    sa.Column("told", sa.Boolean(), nullable=False),
    sa.Column("held_by", BigNumber()),
    sa.UniqueConstraint("bot_id", "revision"),
    sa.Index(None, "state", "id"),
    sa.Index(None, "told", "state"),
    sqlite_autoincrement=True,
)
"""A bot's recording, to be transcribed once more; and what came of it.

`told`: the bot's webhook targets have the outcome in their queue. `held_by`: the server that does
it.
"""

server_secrets = sa.Table(
    "server_secrets",
    METADATA,
    sa.Column("name", sa.Text(), primary_key=True),
    sa.Column("value", sa.LargeBinary(), nullable=False),
    sa.Column("created_at", UtcTime(), nullable=False),
)

servers = sa.Table(
    "servers",
    METADATA,
    sa.Column("number", BigNumber(), primary_key=True),
    sa.Column("machine", CleanText(), nullable=False),
    sa.Column("pid", BigNumber(), nullable=False),
    sa.Column("terms", sa.JSON(), nullable=False),
    sa.Column("since", UtcTime(), nullable=False),
    sa.Column("alive_until", UtcTime(), nullable=False),
    sqlite_autoincrement=True,
)
"""The servers that are alive, as far as anybody knows. A number is given once: who was taken for
dead and comes back gets another, and what it held under the old one is not its own any more.
`terms`: what all servers of a database must be set alike in; beside that whether it drains, and
which tables it knows. `alive_until` long past: it left.
"""

server_messages = sa.Table(
    "server_messages",
    METADATA,
    sa.Column("id", BigNumber(), primary_key=True),
    sa.Column("server", BigNumber(), nullable=False, index=True),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("subject", CleanText(), nullable=False),
    sa.Column("detail", CleanText(), nullable=False),
    sqlite_autoincrement=True,
)
"""What one server asks of the one that holds a bot or a target; gone when it is done."""
