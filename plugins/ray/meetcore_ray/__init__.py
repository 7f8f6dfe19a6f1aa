"""Bots in a Ray cluster."""
