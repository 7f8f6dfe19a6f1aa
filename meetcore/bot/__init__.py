"""One bot: a nursery around one call."""
