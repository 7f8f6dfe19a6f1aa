"""Leaves e-mail addresses, numbers and names out of transcripts."""
