"""A bot of which nothing is kept: it works in memory, and leaves numbers.

Its folder lies in a file system that is memory (`tmpfs`, on Linux `/dev/shm`), and so do the
temporary folders of the programs that it starts. When it has ended the folder is deleted, and a
tombstone stands in its place on the disk: counts, times, state and reason, no names.

Memory can be written to a disk by the system: to a swap area, where there is one that is not
encrypted; that is said in the log. A bot whose process is killed has left all of it in memory: it
goes when the next such bot begins, with `meetcore recover`, or when the machine restarts.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from meetcore.audio.chunk import SAMPLE_RATE_HZ
from meetcore.log.folder_store import FolderStore, delete_folder
from meetcore.log.folders import bot_folders, journal_path, make_private_folder, private_file
from meetcore.log.journal import read_journal
from meetcore.log.memory import folder_in_memory
from meetcore.log.scratch import remove_stale, scratch_in
from meetcore.log.who_runs import is_running
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError, JournalError, StorageUnavailable
from meetcore.model.events import LedgerClosed
from meetcore.model.history import BotHistory
from meetcore.model.plain import format_time
from meetcore.plugin.sink import Sink
from meetcore.plugin.store import Deletion

__all__ = ["TOMBSTONE_NAME", "UnkeptStore", "check_unkept", "remove_unkept"]

TOMBSTONE_NAME = "tombstone.json"
_LOG = logging.getLogger("meetcore.log")
_DELETE_WITHIN_S = 20.0


def _root(memory: Path) -> Path:
    return memory / f"meetcore-{os.getuid()}"


def remove_unkept(memory: Path) -> int:
    """Delete what bots left in memory whose process was killed; return how many. Blocks."""
    root, removed = _root(memory), 0
    if not root.is_dir() or root.stat().st_uid != os.getuid():
        return 0
    remove_stale(root)
    for folder in bot_folders(root):
        if folder != root and not is_running(folder):
            delete_folder(folder)
            removed += 1
    return removed


def check_unkept(config: BotConfig, sinks: Sequence[tuple[str, Sink]]) -> None:
    """Refuse what would keep something of a bot of which nothing is to be kept.

    Args:
        config: The bot's configuration.
        sinks: Its sinks, with their names.

    Raises:
        ConfigError: A sink that makes files, or pictures.
    """
    if config.screenshots != "off":
        raise ConfigError(
            f"screenshots is {config.screenshots!r}, and keep in [retention] is 'nothing'.",
            "Leave screenshots off, or keep all.",
        )
    for name, sink in sinks:
        if sink.keeps:
            raise ConfigError(
                f"The sink {name!r} makes files, and keep in [retention] is 'nothing'.",
                "Leave the sink out, or keep all.",
            )


class UnkeptStore(FolderStore):
    """Where a bot works that runs by itself, and of which nothing is kept.

    Args:
        config: Says where memory is, and where tombstones go.

    Raises:
        ConfigError: That folder is not in memory.
        StorageUnavailable: It cannot be made.
    """

    def __init__(self, config: BotConfig) -> None:
        super().__init__(self._made(config), fsync=False)
        self._tombstones = config.out_dir
        self._clear(config)

    def _root_of(self, config: BotConfig) -> Path:
        return _root(config.retention.memory)

    def _clear(self, config: BotConfig) -> None:
        """Remove what killed processes left in memory."""
        remove_unkept(config.retention.memory)

    def _made(self, config: BotConfig) -> Path:
        """Return the folder in memory, made where it is missing."""
        return folder_in_memory(config.retention.memory, self._root_of(config))

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """Have temporary folders made in memory, too."""
        with scratch_in(self.folder):
            yield

    async def bury(self, bot_id: str) -> None:
        """Delete all of a bot that has ended, and leave a tombstone; at most 20 s.

        Raises:
            StorageUnavailable: It cannot be deleted, or the tombstone cannot be written.
        """
        with trio.fail_after(_DELETE_WITHIN_S) as limit:
            limit.shield = True
            gone = await trio.to_thread.run_sync(partial(self._bury, bot_id))
        if gone.stayed:
            raise StorageUnavailable(f"Of the bot {bot_id} there is still {gone.stayed}.")

    def _bury(self, bot_id: str, *, whatever: bool = True) -> Deletion:
        """Delete; a bot that has not ended has a tombstone if `whatever` is said."""
        folder = self.workplace(bot_id)
        if not journal_path(folder).exists():
            return delete_folder(folder)  # it never began
        try:
            about = _tombstone(bot_id, folder)
        finally:
            gone = delete_folder(folder)
        if gone.stayed or not (whatever or about["ended_at"]):
            return gone
        place = self._tombstones / bot_id
        try:
            make_private_folder(place)
            data = json.dumps(about, indent=2).encode() + b"\n"
            private_file(place / TOMBSTONE_NAME).write_bytes(data)
        except OSError as error:
            raise StorageUnavailable(
                f"The tombstone of {bot_id} cannot be written: {error.strerror}."
            ) from error
        return gone


def _tombstone(bot_id: str, folder: Path) -> dict[str, Any]:
    """Return what stays of a bot: numbers."""
    history, seconds = BotHistory(), 0.0
    try:
        for event in read_journal(journal_path(folder)):
            history.take(event)
            if isinstance(event, LedgerClosed):
                captured = [each.captured for each in event.entries if each.unit == "samples"]
                seconds = max(captured, default=0) / SAMPLE_RATE_HZ
    except (JournalError, OSError) as error:
        _LOG.error("bot=%s its journal could not be counted: %s", bot_id, type(error).__name__)
    first = history.transitions[0].at if history.transitions else None
    times = {
        "requested_at": first,
        "in_call_at": history.in_call_at,
        "ended_at": history.ended_at,
    }
    return {
        "bot_id": bot_id,
        "kept": "nothing",
        "state": history.state and history.state.value,
        "reason": history.reason and history.reason.value,
        **{name: at and format_time(at) for name, at in times.items()},
        "events": history.last_seq,
        "segments": history.segments,
        "participants": len(history.others),
        "chat_messages": len(history.chat),
        "seconds": round(seconds, 3),
        "bytes": sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()),
    }
