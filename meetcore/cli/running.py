"""Attending a meeting from the command line: a view, Ctrl-C, a summary, an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import trio
from attrs import frozen

from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.cli.answering import can_answer, take_answers
from meetcore.cli.views import JsonView, PlainView, View
from meetcore.log.unkept import TOMBSTONE_NAME
from meetcore.model.errors import CommandFailed, CommandRefused
from meetcore.model.events import ArtifactWritten, StateChanged, TrackOpened
from meetcore.model.lifecycle import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EndReason,
    Evidence,
    Outcome,
    outcome_of,
)
from meetcore.model.transcription_cost import TranscriptionCost

__all__ = [
    "REMEDIES",
    "Attended",
    "attend",
    "choose_view",
    "exit_code",
    "outcome_lines",
    "usage_lines",
]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
REMEDIES: dict[EndReason, str] = {
    EndReason.NOBODY_JOINED: "--leave-nobody-joined SECONDS waits longer.",
    EndReason.DENIED: "Ask the host, then send the bot again.",
    EndReason.ADMISSION_TIMEOUT: "Ask the host to admit it; --leave-waiting-room SECONDS waits "
    "longer.",
    EndReason.INVALID_MEETING_URL: "Copy the whole link once more.",
    EndReason.MEETING_NOT_FOUND: "Check the link: the platform knows no such meeting.",
    EndReason.MEETING_NOT_STARTED: "Send the bot again when the meeting has begun.",
    EndReason.MEETING_LOCKED: "Ask the host to unlock the meeting, then send the bot again.",
    EndReason.MEETING_FULL: "Send the bot again when somebody has left.",
    EndReason.WRONG_PASSCODE: "Give the right one with --passcode, or use the link that has it.",
    EndReason.SIGN_IN_REQUIRED: "Ask the host to let guests in without an account.",
    EndReason.CAPTCHA_REQUIRED: "Try again later, or from another network.",
    EndReason.BOT_BLOCKED: "Ask the host, or the organisation, to allow bots.",
    EndReason.CLIENT_NEVER_LOADED: "`meetcore doctor` looks for trouble; --headed shows the "
    "browser.",
    EndReason.RECORDING_PERMISSION_DENIED: "Ask the host to allow recording.",
    EndReason.CONNECTION_LOST: "Check the network, then send the bot again.",
    EndReason.TRANSCRIPTION_FAILED: "`meetcore doctor` looks at the transcriber.",
    EndReason.CRASHED: "`meetcore recover {folder}` finishes what it left.",
    EndReason.INTERNAL_ERROR: "`meetcore --log debug …` says more; please report it.",
}
"""What a person can do about an end, for those about which something can be done."""


@frozen
class Attended:
    """How an attendance went.

    Attributes:
        bot: The bot, ended.
        terminal: Its last state, with the reason.
        abandoned: Whether a second Ctrl-C cut it short.
    """

    bot: Bot
    terminal: StateChanged
    abandoned: bool


async def attend(
    opened: AbstractAsyncContextManager[Bot], view: View, greeting: str | None = None
) -> Attended:
    """Run a bot to its end in a view. Ctrl-C leaves the meeting properly, a second one at once.

    Args:
        opened: What `open_bot` returns.
        view: How it is shown.
        greeting: What the bot says as soon as somebody can hear it.
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
                        bot_runner_of(bot).conclude(EndReason.STOP_REQUESTED, Evidence("signal"))
                    else:
                        abandoned = True
                        bot.abandon()
                    first = False

            nursery.start_soon(obey, signals)
            if can_answer():
                nursery.start_soon(take_answers, bot)
            if greeting:
                nursery.start_soon(_greet, bot, greeting)
            await view.show(bot)
            terminal = await bot.wait_ended()
            nursery.cancel_scope.cancel()
    return Attended(bot, terminal, abandoned)


async def _greet(bot: Bot, text: str) -> None:
    """Say something once the bot is in the call and hears somebody, who then hears it as well."""
    async for event in bot.events():
        if isinstance(event, TrackOpened) and event.kind != "own":
            break
    else:
        return
    try:
        await bot.say(text).wait()
    except (CommandRefused, CommandFailed) as error:
        print(f"The greeting could not be said: {error}", file=sys.stderr)


def outcome_lines(attended: Attended) -> list[str]:
    """Return the closing lines: how it ended, what can be done, what is there and where."""
    bot, terminal = attended.bot, attended.terminal
    reason = terminal.reason or EndReason.INTERNAL_ERROR
    detail = terminal.evidence.detail if terminal.evidence else ""
    outcome = outcome_of(terminal.state, reason)
    head = "cut short" if outcome is Outcome.CUT_SHORT else terminal.state.value
    why = reason.value.replace("_", " ")
    lines = ["", f"{head}: {why}{f' ({detail})' if detail else ''}"]
    if bot.failure is not None:
        lines.append(f"trouble: {bot.failure}")
    if attended.abandoned:
        lines.append(f"Left at once. {REMEDIES[EndReason.CRASHED].format(folder=bot.kept_in)}")
    elif terminal.evidence is not None and terminal.evidence.hint:
        lines.append(terminal.evidence.hint)
    elif remedy := REMEDIES.get(reason):
        lines.append(remedy.format(folder=bot.kept_in))
    if bot.config.retention.keep == "nothing":
        place = bot.config.out_dir / bot.id / TOMBSTONE_NAME
        return [*lines, f"Nothing was kept. {place} has its numbers."]
    account = TranscriptionCost()
    for event in bot.journal.read():
        account.take(event)
    return lines + usage_lines(account) + artifact_lines(bot)


def usage_lines(account: TranscriptionCost) -> list[str]:
    """Return a line about who transcribed and what it cost, none where that says nothing."""
    totals = account.totals.values()
    if len(totals) < 2 and not account.costs:
        return []
    parts: list[str] = []
    for total in totals:
        costs = ", ".join(f"{cost:.4f} {currency}" for currency, cost in total.costs.items())
        parts.append(
            f"{total.audio_s:.1f} s by {total.transcriber}{f' ({costs})' if costs else ''}"
        )
    return [f"transcribed: {', '.join(parts)}"]


def artifact_lines(bot: Bot) -> list[str]:
    """Return the bot's folder, and a line for each file in it."""
    written = [event for event in bot.journal.read() if isinstance(event, ArtifactWritten)]
    rows = [(event.kind, event.path) for event in written]
    rows += [("trace", path.name) for path in sorted(bot.folder.glob("trace*.zip"))]
    if (bot.folder / "diagnostics").is_dir():
        rows.append(("diagnostics", "diagnostics/"))
    if bot.kept_in == str(bot.folder):
        rows.append(("journal", bot.journal.path.name))
    width = max((len(kind) for kind, _ in rows), default=0)
    return [f"in {bot.kept_in}:", *(f"  {kind.ljust(width)}  {path}" for kind, path in rows)]


def exit_code(attended: Attended) -> int:
    """Return the exit code that says how it went; the table is in `meetcore.model.lifecycle`."""
    if attended.abandoned:
        return EXIT_INTERRUPTED
    terminal = attended.terminal
    return EXIT_CODES[outcome_of(terminal.state, terminal.reason or EndReason.INTERNAL_ERROR)]


def choose_view(*, as_json: bool, plain: bool = False) -> View:
    """Return the view that fits: JSON if asked for, live on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonView()
    if plain or not sys.stdout.isatty():
        return PlainView()
    from meetcore.cli.live import LiveView

    return LiveView()
