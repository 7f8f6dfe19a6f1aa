"""A bot's journal, and what is read from it and kept beside it."""
