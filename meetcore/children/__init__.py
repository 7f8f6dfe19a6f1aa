"""Bots in child processes: a process for each, that outlives its launcher and can be adopted."""
