"""`python -m meetcore` is the command line."""

from __future__ import annotations

from meetcore.cli import main

main(prog_name="meetcore")
