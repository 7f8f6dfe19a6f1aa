"""Where bots and their media are kept."""
