"""Whoever writes a word in the chat is not recorded and not transcribed any more."""
