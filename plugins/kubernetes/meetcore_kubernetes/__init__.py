"""Runs each bot in a Pod of its own."""
