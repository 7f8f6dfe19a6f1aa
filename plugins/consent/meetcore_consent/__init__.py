"""Bots say that they record, and heed who does not want it."""
