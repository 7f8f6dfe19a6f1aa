"""The server's own API, version 1."""
