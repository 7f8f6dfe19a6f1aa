"""Finishing what a killed process left: a journal gets its end, sinks do what was still to do."""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import define, field

from meetcore.addresses import PrivateTargets
from meetcore.children.pulse import GivenUp, given_up
from meetcore.commands import Command
from meetcore.config import BotConfig
from meetcore.contracts import SinkContext
from meetcore.errors import CommandRefused, JournalBusy, MeetcoreError
from meetcore.events import BotRequested, BotUnresponsive, Event, LedgerClosed, StateChanged
from meetcore.folders import bot_folders, journal_path
from meetcore.journal import Journal
from meetcore.lifecycle import TERMINAL, Ending, EndReason, Evidence, State, check_transition
from meetcore.plugin_failures import plugin_failure
from meetcore.plugins import Plugins
from meetcore.secrets import Redactor

__all__ = ["RecoveredBot", "recover"]

RECOVER_TIMEOUT_S = 300.0


@define
class RecoveredBot:
    """What was done for one bot.

    Attributes:
        bot_id: The bot.
        folder: Its folder.
        ended: Whether its journal had to be ended.
        torn_bytes: How much of a torn last line was cut off.
        notes: A line for each thing a sink finished.
        trouble: A line for each thing that could not be finished.
    """

    bot_id: str
    folder: Path
    ended: bool = False
    torn_bytes: int = 0
    notes: list[str] = field(factory=list)
    trouble: list[str] = field(factory=list)


@define
class _Story:
    """What the recovery needs to know of a journal."""

    requested: BotRequested | None = None
    state: State | None = None
    recorded: bool = False
    ledger_closed: bool = False

    def take(self, event: Event) -> None:
        if isinstance(event, BotRequested):
            self.requested = event
        elif isinstance(event, StateChanged):
            self.state = event.state
            self.recorded = self.recorded or event.state is State.RECORDING
        elif isinstance(event, LedgerClosed):
            self.ledger_closed = True


async def recover(
    out_dir: Path | str, *, plugins: Plugins, config: BotConfig | None = None
) -> list[RecoveredBot]:
    """Finish every bot below a folder that no living process is running.

    Args:
        out_dir: A folder of bots' folders, or one bot's folder.
        plugins: Loaded plugins: the sinks a bot had are asked to finish their part.
        config: Settings of those sinks, for instance where a webhook goes.

    Returns:
        What was done, for each bot for which something was.
    """
    config = config or BotConfig()
    done: list[RecoveredBot] = []
    for folder in bot_folders(Path(out_dir)):
        try:
            journal = Journal(journal_path(folder), folder.name, fsync=config.fsync)
        except JournalBusy:
            continue
        except MeetcoreError as error:
            done.append(RecoveredBot(folder.name, folder, trouble=[str(error)]))
            continue
        try:
            result = await _recover_one(folder, journal, plugins, config)
        finally:
            journal.close()
        if result.ended or result.torn_bytes or result.notes or result.trouble:
            done.append(result)
    return done


async def _recover_one(
    folder: Path, journal: Journal, plugins: Plugins, config: BotConfig
) -> RecoveredBot:
    story = _Story()
    for event in journal.read():
        story.take(event)
    if story.requested is None:
        return RecoveredBot(
            folder.name, folder, trouble=["The journal does not begin with a request."]
        )
    bot_id = story.requested.bot_id
    journal.bot_id = bot_id
    result = RecoveredBot(bot_id, folder, torn_bytes=journal.torn_bytes)
    if story.state not in TERMINAL:
        _end(journal, story, given_up(folder))
        result.ended = True
    for name in story.requested.sinks:
        await _recover_sink(name, folder, journal, plugins, config, result)
    return result


def _end(journal: Journal, story: _Story, why: GivenUp | None) -> None:
    """Write the end; of a bot that was given up also that it answered nothing."""
    reason = EndReason.CRASHED
    evidence = Evidence("recovery", "the process that ran the bot is gone")
    if why is not None:
        journal.append(BotUnresponsive(silent_s=why.silent_s))
        reason, evidence = why.reason, why.evidence
    ending = Ending().conclude(reason, evidence)
    state = ending.terminal_state(something_recorded=story.recorded)
    check_transition(story.state, state, recovering=True)
    journal.append(
        StateChanged(
            state=state, previous=story.state, reason=ending.reason, evidence=ending.evidence
        )
    )


async def _recover_sink(
    name: str,
    folder: Path,
    journal: Journal,
    plugins: Plugins,
    config: BotConfig,
    result: RecoveredBot,
) -> None:
    if name.partition(":")[0] not in plugins.sinks:
        result.trouble.append(f"The sink {name!r} is not installed here.")
        return

    async def refuse(command: Command) -> None:
        await trio.lowlevel.checkpoint()
        raise CommandRefused(f"The bot has ended: it cannot {command.type}.")

    try:
        sink = plugins.sink(name, config)
        context = SinkContext(
            name=name,
            bot_id=result.bot_id,
            folder=folder,
            journal=journal,
            report=journal.append,
            perform=refuse,
            redactor=Redactor(),
            trusted=config.trusts(name),
            private_targets=PrivateTargets.listed(config.private_targets),
        )
        with trio.fail_after(RECOVER_TIMEOUT_S):
            result.notes += [f"{name}: {note}" for note in await sink.recover(context)]
    except trio.TooSlowError:
        result.trouble.append(f"{name}: not done within {RECOVER_TIMEOUT_S:g} s.")
    except Exception as error:  # noqa: BLE001  one sink's trouble must not stop the others
        journal.append(plugin_failure(name, "recover", error, bot_id=result.bot_id))
        result.trouble.append(f"{name}: {error}")
