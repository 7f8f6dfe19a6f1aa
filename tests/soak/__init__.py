"""Many bots, one after the other and side by side, until a leak would have shown."""
