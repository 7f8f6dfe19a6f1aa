"""Reference pages; most are written by `generate.py` from the code."""
