"""A natural voice for bots that needs no network."""
