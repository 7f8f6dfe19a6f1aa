"""Many bots: where they run, their limits, and what is left of them after a crash."""
