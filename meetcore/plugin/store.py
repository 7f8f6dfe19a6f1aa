"""Where what bots leave is kept: their logs and their files, found by a bot's id.

A store is chosen by a URL, `[store] url = "folder:///var/lib/meetcore"`; its scheme is the name of
the store that a plugin registered. Whoever asks for a bot's events or files (the server, a dialect,
the command line) has its id and a store, and knows no path.

The bot itself works in a folder of its own machine, its workplace, with its journal in it. A store
that keeps things elsewhere carries them there while the bot runs (`keep`), and brings them back for
whoever has to work on them later (`checkout`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import ClassVar

import trio
from attrs import frozen

from meetcore.model.errors import ConfigError, NoSuchFile
from meetcore.model.events import Event, SegmentFinalized, StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import TERMINAL, EndReason, Evidence
from meetcore.plugin.scratch import temporary_folder
from meetcore.plugin.sink import JournalView

__all__ = [
    "BotLog",
    "BotRecord",
    "BotStore",
    "Deletion",
    "Lease",
    "MediaStore",
    "Runner",
    "StoredFile",
    "checked_bot_id",
    "checked_file_name",
]

FOLLOW_EVERY_S = 0.25


@frozen(kw_only=True)
class Runner:
    """Who runs a bot.

    Attributes:
        pid: Number of its process on this machine, which is that of its process group, too; None
            where nobody said: it runs the bot as one task of many, or elsewhere.
        max_duration_s: How long the bot may be in the call at most, for whoever has to end it
            when it does not answer; None where nothing says so.
        waiting_room_s: How long it may be in the waiting room, likewise.
    """

    pid: int | None = None
    max_duration_s: float | None = None
    waiting_room_s: float | None = None


@frozen(kw_only=True)
class BotRecord:
    """A bot that a store knows.

    Attributes:
        bot_id: Its id.
        last_seq: Number of its newest event, None where that is not known without reading its log.
    """

    bot_id: str
    last_seq: int | None = None


@frozen
class Deletion:
    """What came of deleting a bot.

    Attributes:
        files: How many files are gone.
        stayed: In words, what could not be deleted; empty if nothing stayed.
    """

    files: int
    stayed: str = ""


@frozen(kw_only=True)
class StoredFile:
    """A file of a bot.

    Attributes:
        name: Its path below the bot's folder, with slashes, as in `Artifact.path`.
        size_bytes: How large it is.
        modified_at: When it was written last, aware.
    """

    name: str
    size_bytes: int
    modified_at: datetime


class Lease:
    """The right to write a bot's log, for as long as it is not lost.

    Attributes:
        number: Grows with each holder; whoever has a smaller one is refused.
        lost: Set when another holds it: the bot ends itself and writes nothing more.
        kept_seq: Number of the newest event that the store has, durably; None where the bot's own
            journal is what the store has.
    """

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.lost = trio.Event()
        self.kept_seq: int | None = None


def checked_file_name(name: str) -> str:
    """Return the name of a bot's file, checked: it stays below the bot's own files.

    Raises:
        NoSuchFile: It could not be a file of a bot.
    """
    path = PurePosixPath(name)
    plain = bool(path.parts) and not path.is_absolute() and "\0" not in name and "\\" not in name
    if not plain or any(part == ".." or part.startswith(".") for part in path.parts):
        raise NoSuchFile(name)
    return str(path)


class BotLog(ABC):
    """The events of a bot, to be read by whoever does not run it.

    Attributes:
        bot_id: The bot.
    """

    bot_id: str

    @abstractmethod
    async def exists(self) -> bool:
        """Return whether there is anything of it."""

    @abstractmethod
    def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield the events there are now with `seq` greater than `after`, in order.

        None where there is no such bot. For an event that cannot be read any more `event.lost`
        stands in its place.

        Args:
            after: The last `seq` the reader has.
            types: Only events of these types; None for all. What is left out costs less.

        Raises:
            StorageUnavailable: The store does not answer.
            trio.TooSlowError: It does not answer in time.
        """

    async def follow(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield events after a `seq`, then those that come, until the terminal one.

        Looks every quarter of a second; whoever runs the bot tells its events at once.
        No deadline of its own.
        """
        at = after
        while True:
            async with aclosing(self.read(at)) as events:
                async for event in events:
                    at = event.seq
                    yield event
                    if isinstance(event, StateChanged) and event.state in TERMINAL:
                        return
            await trio.sleep(FOLLOW_EVERY_S)

    async def finalized(self, after: int = 0) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, if it came after a `seq`, in order of speech.

        Withdrawn ones only after a `seq`: whoever read them before has to learn that they are gone.
        """
        newest: dict[str, SegmentFinalized] = {}
        async with aclosing(self.read(types=(SegmentFinalized,))) as events:
            async for event in events:
                if isinstance(event, SegmentFinalized):
                    newest[event.segment.id] = event
        order = sorted(
            newest.values(), key=lambda e: (e.segment.start_s, e.segment.end_s, e.segment.id)
        )
        for event in order:
            if event.seq > after and (after or not event.segment.withdrawn):
                yield event

    async def history(self) -> BotHistory:
        """Return what the log says so far."""
        history = BotHistory()
        async with aclosing(self.read()) as events:
            async for event in events:
                history.take(event)
        return history


class MediaStore(ABC):
    """The files of one bot: recordings, transcripts, pictures. Names as in `Artifact.path`."""

    @abstractmethod
    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known about a file, None where there is none."""

    @abstractmethod
    def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        """Yield the files there are, in order of name; those below a folder if one is given."""

    @abstractmethod
    def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, or part of it, a piece at a time.

        Args:
            name: The file.
            first: Number of the first byte.
            length: How many bytes, None for all that follow.

        Raises:
            NoSuchFile: There is none.
        """

    @abstractmethod
    async def put(self, name: str, source: Path) -> StoredFile:
        """Keep a copy of a local file under a name; whole on return, or not there at all."""

    @abstractmethod
    async def delete(self, name: str) -> bool:
        """Delete a file; return whether there was one."""

    async def read_bytes(self, name: str) -> bytes:
        """Return a whole file, which is to be small.

        Raises:
            NoSuchFile: There is none.
        """
        async with aclosing(self.read(name)) as pieces:
            return b"".join([piece async for piece in pieces])

    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        """Hold a file as one of this machine, for libraries that want a path; not to be changed.

        Raises:
            NoSuchFile: There is none.
        """
        with temporary_folder() as folder:
            path = folder / PurePosixPath(name).name
            async with (
                await trio.open_file(path, "wb") as file,
                aclosing(self.read(name)) as pieces,
            ):
                async for piece in pieces:
                    await file.write(piece)
            yield path

    async def derive(
        self, name: str, source: str, make: Callable[[Path, Path], None]
    ) -> StoredFile:
        """Return a file that is made of another one, once.

        Args:
            name: The file that is wanted.
            source: What it is made of.
            make: Makes it, given the path of the source and that of the new file; called in a
                thread.

        Raises:
            NoSuchFile: There is no source.
            Exception: Whatever `make` raises; then there is no file.
        """
        known = await self.stat(name)
        if known is not None:
            return known
        async with self.local(source) as given:
            with temporary_folder() as folder:
                made = folder / PurePosixPath(name).name
                await trio.to_thread.run_sync(make, given, made)
                return await self.put(name, made)

    async def presign(self, name: str, expires_s: float) -> str | None:
        """Return a URL that gives a file to whoever has it; None where the store makes none."""
        return None


class BotStore(ABC):
    """Keeps bots. Register the class with the hook `meetcore_register_stores`.

    What waits has no deadline of its own: whoever asks sets one, and is not held longer.

    It is made with the URL as configured, `MyStore(url)`; where the class has `Options` (an attrs
    class with a default for each field), with these too: `MyStore(url, options)`, from
    `[plugins.NAME]`.

    Attributes:
        name: The scheme of the URLs that mean this store.
        lags: Whether its logs may have an event a little later than whoever listens to the bot that
            runs; whoever follows a bot bridges that.
        leases_lapse: Whether `runner` names nobody soon after a bot's process stands still, or its
            machine is gone. Otherwise a process that stands still is named for as long as it is
            there.
    """

    name: ClassVar[str]
    lags: ClassVar[bool] = True
    leases_lapse: ClassVar[bool] = False

    @abstractmethod
    def workplace(self, bot_id: str) -> Path:
        """Return the folder of this machine in which a bot works, and its journal is."""

    @abstractmethod
    async def prepare(self, bot_id: str) -> None:
        """Make a bot's workplace ready, with the log it has so far, before it runs here.

        Raises:
            StorageUnavailable: It cannot be made, or what is there cannot be had.
        """

    @abstractmethod
    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        """Write how a bot begins, durably; where its log begins so already, that stands.

        Raises:
            JournalError: The bot has been under way before.
            StorageUnavailable, OSError: It cannot be written; nothing of it is left.
        """

    @abstractmethod
    async def end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that nobody runs and that has none.

        Raises:
            JournalBusy: Somebody runs it.
            IllegalTransition: It has ended already.
            StorageUnavailable: It cannot be written.
        """

    @abstractmethod
    async def runner(self, bot_id: str) -> Runner | None:
        """Return who runs a bot, None if nobody does. Nobody is taken for alive who is not."""

    @abstractmethod
    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        """Return a bot's log.

        Args:
            bot_id: The bot; there need not be one.
            urgent: Whether it is read for the bot's own supervision, which does not stand in line
                with clients.
        """

    @abstractmethod
    def media(self, bot_id: str) -> MediaStore:
        """Return a bot's files."""

    @abstractmethod
    def records(self, *, after: str | None = None) -> AsyncGenerator[BotRecord, None]:
        """Yield the bots there are in the order of their ids; those after an id if one is given."""

    @abstractmethod
    async def delete(self, bot_id: str) -> Deletion:
        """Delete everything of a bot that nobody runs; what could not be deleted is said."""

    @abstractmethod
    def checkout(self, bot_id: str) -> AbstractAsyncContextManager[Path]:
        """Hold what a bot that nobody runs left, in a folder as the bot had it.

        What is changed there is kept when the block ends, and what is removed or renamed there is
        so for everybody. A folder that was laid out for this alone does not stay.

        Raises:
            JournalBusy: Somebody runs it.
            StorageUnavailable: It cannot be had.
        """

    @abstractmethod
    def keep(self, bot_id: str, journal: JournalView) -> AbstractAsyncContextManager[Lease]:
        """Keep what a bot that runs here writes in its workplace, while the block lasts.

        Raises:
            JournalBusy: Another runs it.
            StorageUnavailable: The store does not answer.
        """

    async def uncarried(self) -> Sequence[str]:
        """Return the bots that left something on this machine which the store may not have.

        Some of them may run. To `checkout` one that does not brings the rest to the store.
        """
        return ()

    async def left_here(self) -> Sequence[str]:
        """Return the bots of which this machine has a copy beside what the store keeps.

        A bot that is deleted by another machine leaves its copy here, for `clear_here`. Some of
        them may run. None by default.
        """
        return ()

    async def clear_here(self, bot_id: str) -> str:
        """Delete the copy that this machine has of a bot; return in words what of it stayed.

        What was not carried yet is lost: for bots that are deleted, or carried whole.
        """
        del bot_id
        return ""

    async def unreadable(self) -> str:
        """Return which bots cannot be read as the store is set, and why; empty where all can be."""
        return ""

    def scratch(self) -> AbstractContextManager[None]:
        """Return what is entered around everything that works on bots here.

        A store of which nothing may be in the clear on a disk has temporary files made in memory.
        """
        return nullcontext()

    def kept_in(self, bot_id: str) -> str:
        """Return where a bot is kept, for people; by default its workplace."""
        return str(self.workplace(bot_id))

    async def trouble(self) -> str:
        """Return why nothing can be kept now, in words; empty if nothing is wrong."""
        return ""


def checked_bot_id(bot_id: str) -> str:
    """Return a bot's id, checked: it can be the name of a folder, a row or an object.

    Raises:
        ConfigError: It cannot.
    """
    if not bot_id or bot_id.startswith(".") or any(c in bot_id for c in "/\\\0"):
        raise ConfigError(f"{bot_id!r} cannot be the id of a bot.", "Use letters, digits and -.")
    return bot_id
