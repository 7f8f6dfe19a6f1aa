"""Finishing what a killed process left: a journal gets its end, sinks do what was still to do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

import trio
from attrs import define, field

from meetcore.bot.factory import require_trio
from meetcore.fleet.launching.given_up import GivenUp, given_up
from meetcore.fleet.launching.sockets import remove_socket
from meetcore.log.folder_store import key_missing
from meetcore.log.folders import bot_folders, encrypted_bot_folders, journal_path
from meetcore.log.journal import Journal, read_journal
from meetcore.log.journal_end import write_end
from meetcore.log.journal_head import FORMAT
from meetcore.log.salvage import mend
from meetcore.log.scratch import remove_stale
from meetcore.log.unkept import remove_unkept
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.log.withdrawing import withdraw_excluded
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.config import BotConfig
from meetcore.model.errors import (
    CommandRefused,
    ConfigError,
    JournalBusy,
    JournalDamaged,
    MeetcoreError,
    brief,
)
from meetcore.model.events import BotUnresponsive, Event, EventLost
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import TERMINAL, EndReason, Evidence
from meetcore.model.secrets import Redactor
from meetcore.plugin.failures import plugin_failure
from meetcore.plugin.registry import Plugins
from meetcore.plugin.sink import Sink, SinkContext
from meetcore.plugin.store import BotStore

__all__ = ["RecoveredBot", "recover", "recover_all", "recover_bot"]

_LOG = logging.getLogger("meetcore")

RECOVER_TIMEOUT_S = 300.0
ToldAfter = Callable[[int], Awaitable[Iterable[Event]]]


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
        unfinished: A line for each thing a sink tried, and is still to do; `notes` has it too.
    """

    bot_id: str
    folder: Path
    ended: bool = False
    torn_bytes: int = 0
    notes: list[str] = field(factory=list)
    trouble: list[str] = field(factory=list)
    unfinished: list[str] = field(factory=list)


async def recover(
    out_dir: Path | str, *, plugins: Plugins, config: BotConfig | None = None
) -> list[RecoveredBot]:
    """Finish every bot below a folder that no living process is running.

    Those that are encrypted are trouble: `recover_all` finishes them, with their store.

    Args:
        out_dir: A folder of bots' folders, or one bot's folder.
        plugins: Loaded plugins: the sinks a bot had are asked to finish their part.
        config: Settings of those sinks, for instance where a webhook goes.

    Returns:
        What was done, for each bot for which something was.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
    """
    require_trio("recover", elsewhere=False)
    config = config or BotConfig()
    done: list[RecoveredBot] = []
    await trio.to_thread.run_sync(remove_stale)
    await trio.to_thread.run_sync(remove_unkept, config.retention.memory)
    for folder in bot_folders(Path(out_dir)):
        try:
            done += await _recover_in(folder, plugins, config)
        except JournalBusy:
            continue
    for folder in await trio.to_thread.run_sync(encrypted_bot_folders, Path(out_dir)):
        trouble = f"{key_missing(folder.name)} Recover it with the store of that configuration."
        done.append(RecoveredBot(folder.name, folder, trouble=[trouble]))
    return done


async def _recover_in(
    folder: Path, plugins: Plugins, config: BotConfig, told: ToldAfter | None = None
) -> list[RecoveredBot]:
    """Finish the bot in a folder; return what was done, nothing if nothing was.

    Raises:
        JournalBusy: Somebody runs it.
    """
    try:
        journal, kept = await trio.to_thread.run_sync(_open, folder, config)
    except JournalBusy:
        raise
    except (MeetcoreError, OSError) as error:
        return [RecoveredBot(folder.name, folder, trouble=[brief(error)])]
    try:
        late = _write_told(journal, await told(journal.last_seq)) if told is not None else 0
        result = await _recover_one(folder, journal, plugins, config)
    finally:
        journal.close()
        remove_socket(folder)
    if kept is not None:
        result.trouble.append(
            f"The journal was damaged: {_lost_in(journal)} events are lost, all others are "
            f"there. The damaged file is kept as {kept.name}."
        )
    if late:
        result.notes.append(f"{late} events that had been told, and not kept yet, are kept.")
    worth_telling = result.ended or result.torn_bytes or result.notes or result.trouble
    return [result] if worth_telling else []


async def recover_all(
    store: BotStore, *, plugins: Plugins, config: BotConfig | None = None
) -> list[RecoveredBot]:
    """Finish every bot of a store that nobody runs; as `recover` does for a folder.

    What cannot be had now stays as it is; it is in the list as trouble. Of bots of which nothing
    is kept nothing stays but their tombstones.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
    """
    require_trio("fleet.recovery.recover_all", elsewhere=False)
    done: list[RecoveredBot] = []
    await trio.to_thread.run_sync(remove_stale)
    await trio.to_thread.run_sync(remove_unkept, (config or BotConfig()).retention.memory)
    async with aclosing(store.records()) as records:
        async for record in records:
            try:
                done += await _recover_stored(store, record.bot_id, plugins, config)
            except JournalBusy:
                continue
            except (MeetcoreError, OSError, trio.TooSlowError) as error:
                place = store.workplace(record.bot_id)
                done.append(RecoveredBot(record.bot_id, place, trouble=[brief(error)]))
    if isinstance(store, UnkeptFleetStore):
        await store.bury_ended()
    return done


async def recover_bot(
    store: BotStore,
    bot_id: str,
    *,
    plugins: Plugins,
    config: BotConfig | None = None,
    told: Callable[[int], Awaitable[Iterable[Event]]] | None = None,
) -> list[RecoveredBot]:
    """Finish a bot of a store that nobody runs; return what was done, nothing if nothing was.

    Args:
        store: Where the bot is.
        bot_id: The bot.
        plugins: Loaded plugins, as in `recover`.
        config: Settings of its sinks.
        told: Returns the events after a number that others have been told, in order. A store may
            not have had them yet when the bot died: they are written first, as they were told, so
            that no number stands for two events. It is asked when nobody else can write any more.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
        JournalBusy: Somebody runs it.
        StorageUnavailable: It cannot be had.
    """
    require_trio("recover_bot", elsewhere=False)
    await trio.to_thread.run_sync(remove_stale)
    return await _recover_stored(store, bot_id, plugins, config, told)


async def _recover_stored(
    store: BotStore,
    bot_id: str,
    plugins: Plugins,
    config: BotConfig | None,
    told: ToldAfter | None = None,
) -> list[RecoveredBot]:
    async with store.checkout(bot_id) as folder:
        return await _recover_in(folder, plugins, config or BotConfig(), told)


def _open(folder: Path, config: BotConfig) -> tuple[Journal, Path | None]:
    """Open a journal, mended where it was damaged; return where the damaged one is kept."""
    path, kept = journal_path(folder), None
    try:
        journal = Journal(path, folder.name, fsync=config.fsync)
    except JournalDamaged as error:
        _LOG.error("%s", error)
        kept = mend(path)
        journal = Journal(path, folder.name, fsync=config.fsync)
    return journal, kept


def _write_told(journal: Journal, told: Iterable[Event]) -> int:
    """Write the events that others were told and the journal does not have; return how many."""
    before = journal.last_seq
    for event in told:
        for seq in range(journal.last_seq + 1, event.seq):
            detail = "It was told, and was not kept."
            journal.append_as_told(
                EventLost(detail=detail, seq=seq, bot_id=event.bot_id, at=event.at)
            )
        if event.seq > journal.last_seq:
            journal.append_as_told(event)
    return journal.last_seq - before


def _lost_in(journal: Journal) -> int:
    return sum(isinstance(event, EventLost) for event in read_journal(journal.path))


async def _recover_one(
    folder: Path, journal: Journal, plugins: Plugins, config: BotConfig
) -> RecoveredBot:
    history = BotHistory()
    for event in journal.read():
        history.take(event)
    if history.requested is None and not history.events_lost:
        return RecoveredBot(
            folder.name, folder, trouble=["The journal does not begin with a request."]
        )
    if history.requested is not None and history.requested.format > FORMAT:
        trouble = (
            f"The journal has format {history.requested.format}, written by meetcore "
            f"{history.requested.meetcore_version}; this version knows formats up to {FORMAT}. "
            "Recover it with that version or a later one."
        )
        return RecoveredBot(history.requested.bot_id, folder, trouble=[trouble])
    bot_id = history.requested.bot_id if history.requested else folder.name
    journal.bot_id = bot_id
    result = RecoveredBot(bot_id, folder, torn_bytes=journal.torn_bytes)
    if history.excluded_anybody:
        withdrawn = await trio.to_thread.run_sync(withdraw_excluded, journal)
        if withdrawn:
            result.notes.append(f"{withdrawn} segments of excluded people were withdrawn.")
    if history.state not in TERMINAL:
        _end(journal, history, given_up(folder))
        result.ended = True
    told_all = not (result.ended or result.torn_bytes or history.events_lost)
    in_order = history.ledger_closed and told_all
    for name in history.requested.sinks if history.requested else ():
        try:
            sink = _sink(name, plugins, config)
        except ConfigError as error:
            if not in_order:  # otherwise it has done its part
                result.trouble.append(str(error))
        except Exception as error:  # noqa: BLE001  one sink's trouble must not stop the others
            _note_failure(name, error, journal, result)
        else:
            await _recover_sink(name, sink, folder, journal, config, result)
    return result


def _sink(name: str, plugins: Plugins, config: BotConfig) -> Sink:
    """Return a sink with its settings.

    Raises:
        ConfigError: It is not installed, or its settings are missing or cannot be used.
    """
    if name.partition(":")[0] not in plugins.sinks:
        raise ConfigError(f"The sink {name!r} is not installed here.")
    try:
        return plugins.sink(name, config)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _note_failure(name: str, error: Exception, journal: Journal, result: RecoveredBot) -> None:
    """Say that a sink failed: in the log, and in the journal where it was ended just now.

    A journal that had its end before is left as it is, however often somebody tries.
    """
    failed = plugin_failure(name, "recover", error, bot_id=result.bot_id)
    if result.ended:
        journal.append(failed)
    result.trouble.append(f"{name}: {error}")


def _end(journal: Journal, history: BotHistory, why: GivenUp | None) -> None:
    """Write the end; of a bot that was given up also that it answered nothing."""
    reason = EndReason.CRASHED
    evidence = Evidence("recovery", "the process that ran the bot is gone")
    if why is not None:
        if why.silent_s:
            journal.append(BotUnresponsive(silent_s=why.silent_s))
        reason, evidence = why.reason, why.evidence
    write_end(journal, history, reason, evidence)


async def _recover_sink(
    name: str,
    sink: Sink,
    folder: Path,
    journal: Journal,
    config: BotConfig,
    result: RecoveredBot,
) -> None:
    async def refuse(command: Command) -> None:
        await trio.lowlevel.checkpoint()
        raise CommandRefused(f"The bot has ended: it cannot {command.type}.")

    try:
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
            result.unfinished += [f"{name}: {line}" for line in context.unfinished]
    except trio.TooSlowError:
        result.trouble.append(f"{name}: not done within {RECOVER_TIMEOUT_S:g} s.")
    except Exception as error:  # noqa: BLE001  one sink's trouble must not stop the others
        _note_failure(name, error, journal, result)
