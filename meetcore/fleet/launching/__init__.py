"""Where a bot runs: in this process or in one of its own."""
