"""Attending a meeting from the command line: a view, Ctrl-C, a summary, an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import trio
from attrs import frozen

from meetcore.bot import Bot
from meetcore.cli.views import View
from meetcore.events import ArtifactWritten, StateChanged
from meetcore.lifecycle import EndReason, Evidence, State

__all__ = ["Outcome", "attend", "exit_code", "outcome_lines"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@frozen
class Outcome:
    """How an attendance went.

    Attributes:
        bot: The bot, ended.
        terminal: Its last state, with the reason.
        abandoned: Whether a second Ctrl-C cut it short.
    """

    bot: Bot
    terminal: StateChanged
    abandoned: bool


async def attend(opened: AbstractAsyncContextManager[Bot], view: View) -> Outcome:
    """Run a bot to its end in a view. Ctrl-C leaves the meeting properly, a second one at once.

    Args:
        opened: What `open_bot` returns.
        view: How it is shown.
    """
    abandoned = False
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with opened as bot, trio.open_nursery() as nursery:

            async def obey(signals: AsyncIterator[int]) -> None:
                nonlocal abandoned
                first = True
                async for _ in signals:
                    if first:
                        print("Leaving the meeting. Once more to leave at once.", file=sys.stderr)
                        bot.conclude(EndReason.STOP_REQUESTED, Evidence("signal"))
                    else:
                        abandoned = True
                        bot.abandon()
                    first = False

            nursery.start_soon(obey, signals)
            await view.show(bot)
            terminal = await bot.wait_ended()
            nursery.cancel_scope.cancel()
    return Outcome(bot, terminal, abandoned)


def outcome_lines(outcome: Outcome) -> list[str]:
    """Return the closing lines: how it ended, what is there and where."""
    bot, terminal = outcome.bot, outcome.terminal
    reason = terminal.reason.value.replace("_", " ") if terminal.reason else "no reason"
    detail = terminal.evidence.detail if terminal.evidence else ""
    lines = ["", f"{terminal.state.value}: {reason}{f' ({detail})' if detail else ''}"]
    if bot.failure is not None:
        lines.append(f"trouble: {bot.failure}")
    lines += artifact_lines(bot)
    return lines


def artifact_lines(bot: Bot) -> list[str]:
    """Return a line for each file of the bot."""
    written = [event for event in bot.journal.read() if isinstance(event, ArtifactWritten)]
    rows: list[tuple[str, str]] = [(event.kind, str(bot.folder / event.path)) for event in written]
    rows.append(("journal", str(bot.journal.path)))
    width = max(len(kind) for kind, _ in rows)
    return [f"  {kind.ljust(width)}  {path}" for kind, path in rows]


def exit_code(outcome: Outcome) -> int:
    """Return 0 for a completed attendance, 1 for a failed one, 130 for one cut short."""
    if outcome.abandoned:
        return 130
    return 0 if outcome.terminal.state is State.COMPLETED else 1


def lines_of(items: Sequence[str]) -> str:
    """Return items as an indented list."""
    return "\n".join(f"  {item}" for item in items)
