"""A bus between machines on Redis or Valkey."""
