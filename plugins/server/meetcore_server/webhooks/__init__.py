"""The delivery engine: what bots have to tell, to whoever asked for it, at least once."""
