"""What the server keeps: users, keys, bots, webhooks; in SQLite or PostgreSQL."""
