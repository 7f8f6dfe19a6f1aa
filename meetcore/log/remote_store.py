"""The greater half of a store that keeps things elsewhere: leases, carrying, laying out again.

What differs from store to store is how lines, files and a lease are kept: eight small methods.
`examples/row_store.py` is a store on it.
"""

from __future__ import annotations

import logging
import os
import socket
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import uuid4

import trio
from attrs import evolve

from meetcore.log.folder_store import delete_folder, media_in
from meetcore.log.folders import journal_path, make_bot_folder, private_file
from meetcore.log.journal import JOURNAL_NAME, decode_line, encode_line
from meetcore.log.journal_end import write_end_in
from meetcore.log.log_reader import read_lines
from meetcore.log.salvage import lost
from meetcore.log.workplaces import UNCARRIED, as_guest, carried_from, listing, note_carried
from meetcore.model.errors import (
    EncryptionKeyMissing,
    FileDamaged,
    JournalBusy,
    JournalError,
    MeetcoreError,
    NoSuchFile,
    StorageUnavailable,
    brief,
)
from meetcore.model.events import ArtifactWritten, Event, StateChanged
from meetcore.model.lifecycle import TERMINAL, EndReason, Evidence, State
from meetcore.plugin.sink import JournalView
from meetcore.plugin.store import (
    BotLog,
    BotStore,
    Deletion,
    Lease,
    Runner,
    StoredFile,
    checked_bot_id,
)

__all__ = ["RemoteStore", "StoredLine"]

T = TypeVar("T")
_LOG = logging.getLogger("meetcore.log")
StoredLine = tuple[int, bytes]
"""The number of an event, and its line as `encode_line` makes it."""

_PAGE = 100
_LARGEST = 2**63 - 1
_GIVE_UP_LEASE_WITHIN_S = 5.0
_DELETED_WITHIN_S = 30.0
_LOOKS = 5
_AWAY = (StorageUnavailable, OSError, trio.TooSlowError)
"""What a store raises that does not answer; everything else is a mistake."""


class _LeaseLost(StorageUnavailable):
    """Another has the bot."""


class _RemoteLog(BotLog):
    """The lines of one bot, read page by page."""

    def __init__(self, store: RemoteStore, bot_id: str) -> None:
        self.bot_id = checked_bot_id(bot_id)
        self._store = store

    async def exists(self) -> bool:
        """Return whether there is a line."""
        return bool(await self._store.lines(self.bot_id, 0, 1))

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield the events there are now."""
        wanted = None if types is None else tuple(types)
        near: Event | None = None
        after = min(after, _LARGEST)  # nobody's database has a larger number
        while page := await self._store.lines(self.bot_id, after, _PAGE):
            for seq, line in page:
                after, near = seq, decode_line(bytes(line)) or lost(seq, near)
                if wanted is None or isinstance(near, wanted):
                    yield near


class RemoteStore(BotStore):
    """A store whose bots work in a folder of their machine, from which all is carried.

    Subclass it, write the methods with a star, and run `meetcore.testing.StoreConformance`. They
    raise `StorageUnavailable` or `OSError` where the store does not answer: what a bot writes then
    is carried later, and the bot goes on.

    It is made with the URL (and its options) like every store, and gives `super().__init__` the
    folder in which bots work on this machine; an option with a default is a good place for that.

    Args:
        workplaces: The folder in which bots work on this machine.

    Attributes:
        lease_s: A holder that is not heard of for so long has lost its lease.
        renew_every_s: How often a lease is renewed.
        carry_every_s: How often new events are carried.
        again_after_s: The pause after the store did not answer.
        begin_within_s: A store that does not answer when a bot begins here is waited for so long.
    """

    leases_lapse: ClassVar[bool] = True
    lease_s: ClassVar[float] = 10.0
    renew_every_s: ClassVar[float] = 2.0
    carry_every_s: ClassVar[float] = 0.05
    again_after_s: ClassVar[float] = 1.0
    begin_within_s: ClassVar[float] = 45.0

    def __init__(self, workplaces: Path) -> None:
        self._workplaces = workplaces

    # --- what a store has to say -------------------------------------------------------------

    @abstractmethod
    async def lines(self, bot_id: str, after: int, limit: int) -> Sequence[StoredLine]:
        """Return the next lines of a bot after a number, in order; none where there are none."""

    @abstractmethod
    async def append(self, bot_id: str, lease: int, lines: Sequence[StoredLine]) -> bool:
        """Keep lines, durably, all or none, if the newest lease of the bot is that number.

        Returns whether it is. Lines come again where an answer was lost: one whose number is there
        already stands as it is, and is no error.
        """

    @abstractmethod
    async def take(self, bot_id: str, holder: str, for_s: float) -> int | None:
        """Give a lease to a holder for a time, unless anybody has one; return its number.

        Each number is greater than all before it, until `remove`. None where somebody has it, the
        same holder too. Time is the store's own: all machines that reach it go by one clock.
        """

    @abstractmethod
    async def renew(self, bot_id: str, lease: int, for_s: float) -> bool:
        """Prolong a lease, or with 0 give it up; return whether it was still the newest."""

    @abstractmethod
    async def held(self, bot_id: str) -> bool:
        """Return whether somebody has a lease now; one that has run out is none."""

    @abstractmethod
    async def remove(self, bot_id: str) -> int:
        """Delete lines, files and lease of a bot; return how many files there were.

        Its log counts as one of them, where it had one.
        """

    # `media` and `records` of `BotStore` have to be written, too.

    # --- what a store may do besides ---------------------------------------------------------

    async def accompany(self, bot_id: str, folder: Path, lease: Lease) -> None:
        """Do what is to be done beside a bot that runs here; cancelled when it has ended.

        For instance to carry a recording while it grows. Whatever does not work now is tried
        again: what is raised here ends the bot. Nothing by default.

        Args:
            bot_id: The bot.
            folder: Its workplace.
            lease: The bot's; when it is lost, nothing more may be written.
        """
        del bot_id, folder, lease
        await trio.sleep_forever()

    def carries_itself(self, bot_id: str, name: str) -> bool:
        """Return whether a file of a bot that runs is seen to by `accompany` until the bot ends."""
        del bot_id, name
        return False

    async def salvage(self, bot_id: str, folder: Path) -> None:
        """Make files of what a killed bot had carried in part, before they are laid out.

        Called in `checkout`, under its lease. Nothing by default.

        Args:
            bot_id: The bot.
            folder: Its workplace here, with its log; its files may be missing.

        Raises:
            StorageUnavailable: The store does not answer.
        """
        del bot_id, folder
        await trio.lowlevel.checkpoint()

    async def settle(self, bot_id: str, folder: Path) -> bool:
        """Tidy up when the store has everything of a bot: lines, and each file as it is now.

        Called at the end of `keep` and `checkout`, under the lease. Nothing by default.

        Args:
            bot_id: The bot.
            folder: Its workplace here.

        Returns:
            Whether nothing is owed any more; otherwise the bot stays among the `uncarried`.

        Raises:
            StorageUnavailable: It is to be done again at once.
        """
        del bot_id, folder
        await trio.lowlevel.checkpoint()
        return True

    # --- what follows from it ----------------------------------------------------------------

    async def uncarried(self) -> Sequence[str]:
        """Return the bots that left something on this machine which the store may not have."""

        def look() -> list[str]:
            marks = self._workplaces.glob(f"*/{UNCARRIED}")
            return sorted(mark.parent.name for mark in marks)

        return await trio.to_thread.run_sync(look)

    def workplace(self, bot_id: str) -> Path:
        """Return the folder in which a bot works on this machine."""
        return self._workplaces / checked_bot_id(bot_id)

    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        """Return a bot's log."""
        return _RemoteLog(self, bot_id)

    async def runner(self, bot_id: str) -> Runner | None:
        """Return who runs a bot; on which machine is not known."""
        return Runner() if await self.held(checked_bot_id(bot_id)) else None

    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        """Write how a bot begins, under a lease of its own."""
        async with self._leased(bot_id) as lease:
            known = [decode_line(bytes(line)) for _, line in await self._all_lines(bot_id)]
            last = known[-1] if known else None
            if isinstance(last, StateChanged) and last.state in (State.SCHEDULED, State.REQUESTED):
                return
            if len(known) >= len(head):
                raise JournalError(f"The bot {bot_id} has been under way.", "Send a new bot.")
            written = [
                (seq, encode_line(evolve(event, bot_id=bot_id, seq=seq, at=datetime.now(UTC))))
                for seq, event in enumerate(head, 1)
            ]
            await self._append(bot_id, lease, written[len(known) :])

    async def end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that nobody runs."""
        folder = self.workplace(bot_id)
        async with self._leased(bot_id) as lease, as_guest(folder):
            await self.prepare(bot_id)
            await trio.to_thread.run_sync(write_end_in, folder, reason, evidence)
            await self._append(bot_id, lease, await trio.to_thread.run_sync(read_lines, folder))

    async def delete(self, bot_id: str) -> Deletion:
        """Delete everything of a bot, its workplace here too.

        Another machine that has something of it left carries nothing there meanwhile: its lease is
        taken first, where that can be had soon, and lapses if something stays.
        """
        with trio.move_on_after(_GIVE_UP_LEASE_WITHIN_S), suppress(*_AWAY, MeetcoreError):
            if self.leases_lapse and await self.log(bot_id).exists():
                await self.take(bot_id, f"deletion/{uuid4().hex[:8]}", _DELETED_WITHIN_S)
        files = await self.remove(checked_bot_id(bot_id))
        return Deletion(files, await self.clear_here(bot_id))

    async def left_here(self) -> Sequence[str]:
        """Return the bots that have a workplace on this machine."""

        def look() -> list[str]:
            return sorted(path.parent.name for path in self._workplaces.glob(f"*/{JOURNAL_NAME}"))

        return await trio.to_thread.run_sync(look)

    async def clear_here(self, bot_id: str) -> str:
        """Delete a bot's workplace; return in words what of it stayed."""
        deletion = await trio.to_thread.run_sync(delete_folder, self.workplace(bot_id))
        return deletion.stayed

    async def prepare(self, bot_id: str) -> None:
        """Make the workplace, with the journal as far as the store has it.

        What was written here later, by a bot that was killed, may not have been carried: it stays.
        A store that does not answer is waited for, `begin_within_s` at most.
        """
        folder = self.workplace(bot_id)
        lines = await self._in_time(bot_id, partial(self._all_lines, bot_id))
        stored = b"".join(bytes(line) for _, line in lines)

        def lay_out() -> None:
            make_bot_folder(folder.parent, folder.name)
            path = journal_path(folder)
            here = path.read_bytes() if path.exists() else b""
            if not here.startswith(stored):
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(fd, "wb") as file:
                    file.write(stored)

        await trio.to_thread.run_sync(lay_out)

    @asynccontextmanager
    async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
        """Hold the workplace with all that the bot left; what is changed there is carried back.

        What is removed or renamed there is so in the store, too. A workplace that was laid out for
        this alone is gone afterwards, as soon as the store has everything.
        """
        folder = self.workplace(bot_id)
        async with self._leased(bot_id) as lease, as_guest(folder):
            await self.prepare(bot_id)
            carrier = _Carrier(self, bot_id, folder, lease)
            await self._append(bot_id, lease, await trio.to_thread.run_sync(read_lines, folder))
            mark = folder / UNCARRIED
            owed = await trio.to_thread.run_sync(mark.exists)
            if not owed:
                await carrier.drop_deleted(await trio.to_thread.run_sync(carried_from, folder))
            await self.salvage(bot_id, folder)
            await carrier.bring_files()
            await trio.to_thread.run_sync(private_file, mark)
            before = await trio.to_thread.run_sync(listing, folder)
            had = await carrier.names()
            try:
                yield folder
            except BaseException:
                # Where nothing was done nothing is owed: what the store loses later stays lost.
                if not owed and listing(folder) == before:
                    mark.unlink(missing_ok=True)
                raise
            await carrier.carry_files()
            await self._append(bot_id, lease, await trio.to_thread.run_sync(read_lines, folder))
            await carrier.carry_removals(had)
            await self._settled(bot_id, folder)

    @asynccontextmanager
    async def keep(self, bot_id: str, journal: JournalView) -> AsyncIterator[Lease]:
        """Carry what a bot writes, while it runs and once more when it has ended.

        A store that does not answer at the beginning is waited for, `begin_within_s` at most.
        """
        number = await self._in_time(bot_id, partial(self._taken, bot_id))
        async with self._holding(bot_id, number) as lease:
            folder = journal.path.parent
            await trio.to_thread.run_sync(private_file, folder / UNCARRIED)
            carrier = _Carrier(self, bot_id, folder, lease)
            await self._in_time(bot_id, partial(carrier.carry, journal))
            async with (
                _beside(partial(carrier.run, journal)),
                _beside(partial(self.accompany, bot_id, folder, lease)),
            ):
                yield lease
            while not lease.lost.is_set():
                try:
                    await carrier.carry(journal)  # words wait for no file, but the end does
                    await carrier.carry_files()
                    await carrier.carry(journal, ended=True)
                    await self._settled(bot_id, folder)
                except _LeaseLost:
                    return
                except _AWAY as error:
                    _LOG.warning("bot=%s cannot be carried now: %s", bot_id, brief(error))
                    await trio.sleep(self.again_after_s)
                else:
                    return

    async def _settled(self, bot_id: str, folder: Path) -> None:
        async with aclosing(media_in(folder).files()) as files:
            names = [file.name async for file in files]
        await trio.to_thread.run_sync(note_carried, folder, names)
        if await self.settle(bot_id, folder):
            await trio.to_thread.run_sync(partial((folder / UNCARRIED).unlink, missing_ok=True))

    async def _all_lines(self, bot_id: str) -> list[StoredLine]:
        found: list[StoredLine] = []
        while page := await self.lines(bot_id, found[-1][0] if found else 0, _PAGE):
            found += page
        return found

    async def _append(self, bot_id: str, lease: Lease, lines: Sequence[StoredLine]) -> None:
        if lines and not await self.append(bot_id, lease.number, lines):
            lease.lost.set()
            raise _LeaseLost(f"The bot {bot_id} is run by another now.")

    async def _in_time(self, bot_id: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what is done with the store; where it does not answer it is done again.

        A lease that is another's then may be one's own, of a request whose answer was lost.
        """
        deadline = trio.current_time() + self.begin_within_s
        again: tuple[type[Exception], ...] = _AWAY
        while True:
            try:
                return await work()
            except (_LeaseLost, EncryptionKeyMissing):
                raise
            except again as error:
                if trio.current_time() + self.again_after_s > deadline:
                    raise
                _LOG.warning("bot=%s waits for its store: %s", bot_id, brief(error))
                again = (*_AWAY, JournalBusy)
            await trio.sleep(self.again_after_s)

    async def _taken(self, bot_id: str) -> int:
        """Return the number of a lease, taken now; raise `JournalBusy` where another has one."""
        holder = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        number = await self.take(checked_bot_id(bot_id), holder, self.lease_s)
        if number is None:
            raise JournalBusy(
                f"The bot {bot_id} is run by another.", "Wait for it to end, or stop it."
            )
        return number

    @asynccontextmanager
    async def _leased(self, bot_id: str) -> AsyncIterator[Lease]:
        """Be the one who writes a bot's log, and stay it.

        Raises:
            JournalBusy: Another is.
        """
        async with self._holding(bot_id, await self._taken(bot_id)) as lease:
            yield lease

    @asynccontextmanager
    async def _holding(self, bot_id: str, number: int) -> AsyncIterator[Lease]:
        """Renew a lease while the block runs, and give it up then."""
        lease = Lease(number)
        lease.kept_seq = 0
        try:
            async with _beside(partial(self._renew, bot_id, lease)):
                yield lease
        finally:
            with trio.move_on_after(_GIVE_UP_LEASE_WITHIN_S) as limit:
                limit.shield = True
                try:
                    await self.renew(bot_id, lease.number, 0.0)
                except _AWAY as error:  # its time passes
                    _LOG.warning("bot=%s its lease cannot be given up: %s", bot_id, brief(error))

    async def _renew(self, bot_id: str, lease: Lease) -> None:
        while not lease.lost.is_set():
            await trio.sleep(self.renew_every_s)
            try:
                if not await self.renew(bot_id, lease.number, self.lease_s):
                    lease.lost.set()
            except _AWAY as error:  # who has it then, the next answer says
                _LOG.warning("bot=%s its lease cannot be renewed now: %s", bot_id, brief(error))


class _Carrier:
    """Carries one bot's lines and files between its workplace and the store."""

    def __init__(self, store: RemoteStore, bot_id: str, folder: Path, lease: Lease) -> None:
        self._store = store
        self._bot_id = bot_id
        self._here = media_in(folder)
        self._there = store.media(bot_id)
        self._lease = lease
        self._at = 0
        self._carried: dict[str, StoredFile] = {}

    async def run(self, journal: JournalView) -> None:
        """Carry what comes, until the lease is lost."""
        owed = False
        while not self._lease.lost.is_set():
            pause_s = self._store.carry_every_s
            try:
                if journal.last_seq > self._at:
                    owed = await self.carry(journal) or owed
                if owed:
                    await self.carry_files(growing=False)
                    owed = False
            except _LeaseLost:
                return  # the bot ends itself
            except _AWAY as error:
                _LOG.warning("bot=%s cannot be carried now: %s", self._bot_id, brief(error))
                pause_s = self._store.again_after_s
            await trio.sleep(pause_s)

    async def carry(self, journal: JournalView, *, ended: bool = False) -> bool:
        """Carry new lines; return whether a file was finished among them.

        The last one waits until the bot has ended and its files are carried: who sees that it is
        over finds its recording, and what was not carried then is known to be owed.
        """
        events = list(journal.read(self._at))
        if not ended:
            last = (n for n, event in enumerate(events) if _is_last(event))
            events = events[: next(last, len(events))]
        lines = [(event.seq, encode_line(event)) for event in events]
        await self._store._append(self._bot_id, self._lease, lines)
        if events:
            self._at = self._lease.kept_seq = events[-1].seq
        return any(isinstance(event, ArtifactWritten) for event in events)

    async def carry_files(self, *, growing: bool = True) -> None:
        """Carry the files that are new, or have changed since they were carried.

        One that goes away before it is read, or gets another name, is no trouble: what there is
        then is looked for anew.

        Args:
            growing: Also those that the store itself carries while the bot runs.

        Raises:
            StorageUnavailable: The store does not have what it took, or files went each time.
        """
        gone = ""
        for _ in range(_LOOKS):
            gone = await self._carry_files(growing=growing)
            if not gone:
                return
        raise StorageUnavailable(f"The file {gone} goes away each time that it is to be carried.")

    async def _carry_files(self, *, growing: bool) -> str:
        """Carry the files there are; return the name of one that went away meanwhile, if any."""
        gone = ""
        async with aclosing(self._here.files()) as files:
            async for file in files:
                if not growing and self._store.carries_itself(self._bot_id, file.name):
                    continue
                if self._carried.get(file.name) != file:
                    try:
                        async with self._here.local(file.name) as path:
                            await self._there.put(file.name, path)
                    except (NoSuchFile, FileNotFoundError) as error:
                        if await self._here.stat(file.name) == file:
                            words = f"The store does not have the file {file.name}."
                            raise StorageUnavailable(words) from error
                        gone = file.name
                    else:
                        self._carried[file.name] = file
        return gone

    async def bring_files(self) -> None:
        """Lay out the files that are in the store and not here."""
        async with aclosing(self._there.files()) as files:
            async for file in files:
                if await self._here.stat(file.name) is None:
                    try:
                        async with aclosing(self._there.read(file.name)) as pieces:
                            self._carried[file.name] = await self._here.write(file.name, pieces)
                    except NoSuchFile:
                        continue  # another machine deleted it a moment ago
                    except FileDamaged as error:  # the others are as good as they were
                        _LOG.warning("bot=%s is without a file: %s", self._bot_id, error)

    async def names(self) -> set[str]:
        """Return the names of the files here."""
        async with aclosing(self._here.files()) as files:
            return {file.name async for file in files}

    async def carry_removals(self, had: set[str]) -> None:
        """Delete those of some files in the store that are not here any more."""
        for name in sorted(had - await self.names()):
            await self._there.delete(name)

    async def drop_deleted(self, names: Sequence[str]) -> None:
        """Delete those of some files here, which the store had, that were deleted there."""
        for name in names:
            if await self._there.stat(name) is None:
                await self._here.delete(name)


def _is_last(event: Event) -> bool:
    return isinstance(event, StateChanged) and event.state in TERMINAL


@asynccontextmanager
async def _beside(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have something done while the block runs; an error of the block comes out as itself."""
    trouble: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001  raised again below, outside of the nursery
            trouble = error
        nursery.cancel_scope.cancel()
    if trouble is not None:
        raise trouble
