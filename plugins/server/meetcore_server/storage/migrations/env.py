"""What Alembic calls: runs the migrations on the connection that `upgrade` holds."""

from __future__ import annotations

from alembic import context

from meetcore_server.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
