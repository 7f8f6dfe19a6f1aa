"""What every guest of a web client does: one page read again and again, one act after the other."""
