"""Moving bots from one store to another: each whole, compared by hash, and only then deleted.

A bot is worked on as one unit. Whatever ends the move in the middle leaves each bot in one of the
two stores or in both, never in neither; begun again, it goes on with what is left.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import trio
from attrs import frozen

from meetcore.log.journal import encode_line
from meetcore.log.journal_head import head_of
from meetcore.log.scratch import temporary_folder
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError, JournalBusy, MeetcoreError, StorageUnavailable, brief
from meetcore.model.meeting import MeetingLink
from meetcore.plugin.store import BotStore

__all__ = ["MovedBot", "StoredHashes", "move_bot", "move_bots", "stored_hashes"]

_PROBE = "meetcore-move-probe"
_TIDY_WITHIN_S = 10.0


@frozen
class MovedBot:
    """What came of one bot.

    Attributes:
        bot_id: The bot.
        trouble: Why it is still in the first store, in words; empty where it is moved.
    """

    bot_id: str
    trouble: str = ""


@frozen
class StoredHashes:
    """A bot as a store has it.

    Attributes:
        log: SHA-256 of its log's lines.
        files: SHA-256 of each of its files, by name.
    """

    log: str
    files: dict[str, str]


async def stored_hashes(store: BotStore, bot_id: str) -> StoredHashes:
    """Return what a store has of a bot, as hashes; read through the store, as everybody does."""
    log = hashlib.sha256()
    async with aclosing(store.log(bot_id).read()) as events:
        async for event in events:
            log.update(encode_line(event))
    media, files = store.media(bot_id), {}
    async with aclosing(media.files()) as found:
        names = [file.name async for file in found]
    for name in names:
        content = hashlib.sha256()
        async with aclosing(media.read(name)) as pieces:
            async for piece in pieces:
                content.update(piece)
        files[name] = content.hexdigest()
    return StoredHashes(log.hexdigest(), files)


async def move_bots(
    source: BotStore,
    target: BotStore,
    *,
    progress: Callable[[MovedBot], None] = lambda moved: None,
    keep: bool = False,
) -> list[MovedBot]:
    """Move every bot of a store that nobody runs.

    Args:
        source: From here.
        target: To there.
        progress: Told of each bot when it is done, or cannot be.
        keep: Whether the bots stay in the first store, too.

    Returns:
        Those that could not be moved.

    Raises:
        ConfigError: Both are the same place.
    """
    await _refuse_one_place(source, target)
    async with aclosing(source.records()) as records:
        bot_ids = [record.bot_id async for record in records if record.bot_id != _PROBE]
    left: list[MovedBot] = []
    for bot_id in bot_ids:
        try:
            await _move(source, target, bot_id, keep=keep)
            moved = MovedBot(bot_id)
        except JournalBusy:
            moved = MovedBot(bot_id, "it is running; stop it, or move it when it has ended")
        except (MeetcoreError, OSError) as error:
            moved = MovedBot(bot_id, brief(error))
        if moved.trouble:
            left.append(moved)
        progress(moved)
    return left


async def move_bot(source: BotStore, target: BotStore, bot_id: str, *, keep: bool = False) -> None:
    """Move one bot, with its log, its files and the places of its deliveries.

    Raises:
        ConfigError: Both are the same place.
        JournalBusy: Somebody runs it.
        StorageUnavailable: It did not arrive whole, or cannot be deleted where it was.
    """
    await _refuse_one_place(source, target)
    await _move(source, target, bot_id, keep=keep)


async def _refuse_one_place(source: BotStore, target: BotStore) -> None:
    """Refuse to move bots to where they are, however the place is spelled.

    No name says that two stores are one: a path may lead through links, a host have two names. So
    something is put into the one, and looked for in the other.

    Raises:
        ConfigError: Both are the same place.
    """
    link = MeetingLink(platform="none", native_id=_PROBE, url=f"none:{_PROBE}")
    head = head_of(link, BotConfig(), transcriber=None, sinks=(), scheduled_for=None)
    await target.delete(_PROBE)  # what a move that was killed left
    await target.begin(_PROBE, head)
    try:
        same = await source.log(_PROBE).exists()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _TIDY_WITHIN_S):
            await target.delete(_PROBE)
    if same:
        raise ConfigError("Both stores are the same place.", "Name another with --to.")


async def _move(source: BotStore, target: BotStore, bot_id: str, *, keep: bool) -> None:
    async with source.checkout(bot_id) as here:
        wanted = await stored_hashes(source, bot_id)
        if not _has_all(await stored_hashes(target, bot_id), wanted):
            with temporary_folder() as apart:
                if _one_folder(here, target.workplace(bot_id)):
                    await trio.to_thread.run_sync(_copy, here, apart)
                    here = apart
                await target.delete(bot_id)  # what an earlier attempt left
                await target.prepare(bot_id)
                async with target.checkout(bot_id) as there:
                    await trio.to_thread.run_sync(_copy, here, there)
            if await stored_hashes(target, bot_id) != wanted:
                raise StorageUnavailable(
                    f"The bot {bot_id} did not arrive as it was.",
                    "It stays where it is; move again.",
                )
    if not keep:
        deletion = await source.delete(bot_id)
        if deletion.stayed:
            raise StorageUnavailable(
                f"The bot {bot_id} was moved; of what it was before this could not be deleted: "
                f"{deletion.stayed}.",
                "Delete that by hand.",
            )


def _one_folder(here: Path, there: Path) -> bool:
    """Whether two stores work in the same folder of this machine, with a bot of the same id."""
    try:
        return here.samefile(there)
    except OSError:
        return False


def _has_all(there: StoredHashes, wanted: StoredHashes) -> bool:
    """Whether a bot arrived: an attempt that was killed while it deleted has less here by now."""
    return there.log == wanted.log and wanted.files.items() <= there.files.items()


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a bot's folder, for their owner alone; what is no file stays behind."""
    for place, _, names in os.walk(source):
        inner = target / Path(place).relative_to(source)
        inner.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            given = Path(place, name)
            if stat.S_ISREG(given.lstat().st_mode):
                shutil.copy2(given, inner / name)
                fd = os.open(inner / name, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fchmod(fd, 0o600)
                    os.fsync(fd)  # what it was copied from may be deleted next
                finally:
                    os.close(fd)
