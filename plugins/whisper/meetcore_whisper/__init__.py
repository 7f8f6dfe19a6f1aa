"""Whisper on this machine: words that can be trusted, offline, in one process for all bots."""
