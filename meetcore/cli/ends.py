"""How a command ends: without a reader, by Ctrl-C, and the exit codes it says so with."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from meetcore.model.errors import found_in
from meetcore.model.lifecycle import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_NO_READER,
    EXIT_WRONG_USE,
    Outcome,
)

__all__ = ["EXIT_MEANINGS", "OutputConsole", "exit_codes_help", "quiet_ends"]

EXIT_MEANINGS: dict[int, str] = {
    EXIT_CODES[Outcome.ATTENDED]: "done; a bot ended as bots are meant to",
    EXIT_CODES[Outcome.FAILED]: "failed; a bot that failed had recorded nothing",
    EXIT_WRONG_USE: "wrong use of the command",
    EXIT_CODES[Outcome.CUT_SHORT]: "the bot was cut short; what it recorded until then is kept",
    EXIT_INTERRUPTED: "ended at once by Ctrl-C",
    EXIT_NO_READER: "nobody reads the output any more, as in `| head`",
}
"""What each exit code of a command means."""


def exit_codes_help() -> str:
    """Return the exit codes as the end of a command's help."""
    lines = [f"{code:>3}  {meaning}" for code, meaning in sorted(EXIT_MEANINGS.items())]
    return "\b\nExit codes:\n" + "\n".join(f"  {line}" for line in lines)


class OutputConsole(Console):
    """A console that leaves it to the command group what follows when its reader is gone."""

    def on_broken_pipe(self) -> None:
        """Say that nobody reads.

        Raises:
            BrokenPipeError: Always.
        """
        raise BrokenPipeError


@contextmanager
def quiet_ends() -> Iterator[None]:
    """End by Ctrl-C, or because nobody reads the output, with an exit code and no traceback."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort, BaseExceptionGroup, OSError) as error:
        if found_in(error, KeyboardInterrupt) or found_in(error, click.Abort):
            sys.exit(EXIT_INTERRUPTED)
        if found_in(error, BrokenPipeError) and _nobody_reads():
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())  # what is still buffered has to go somewhere
            os.close(nowhere)
            sys.exit(EXIT_NO_READER)
        raise


def _nobody_reads() -> bool:
    """Whether the other end of standard output is gone (a broken socket is another matter)."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False
    return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
