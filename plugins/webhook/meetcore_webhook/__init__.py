"""The sink `webhook`: POSTs a bot's events to a URL, signed, in order, at least once."""
