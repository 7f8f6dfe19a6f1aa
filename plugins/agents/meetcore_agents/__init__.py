"""Voice agents: a bot's ears and voice over one WebSocket."""
