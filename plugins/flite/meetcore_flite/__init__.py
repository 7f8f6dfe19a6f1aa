"""A voice for bots that needs no network."""
