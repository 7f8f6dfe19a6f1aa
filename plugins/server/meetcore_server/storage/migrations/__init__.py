"""How a database of an earlier meetcore becomes one of this: Alembic's folder, run on opening."""
