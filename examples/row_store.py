"""A second store, as an outside author would write it: logs as rows in SQLite, files over HTTP.

    [store]
    url = "rows:///var/lib/bots.db?blobs=http://127.0.0.1:9000&work=/tmp/work"

Who runs a bot is a row: a number that grows with each holder, and a time until which he has it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx2
import trio
from attrs import evolve

import meetcore
from meetcore import (
    BotLog,
    BotRecord,
    BotStore,
    Deletion,
    Event,
    JournalBusy,
    JournalError,
    JournalView,
    Lease,
    MediaStore,
    NoSuchFile,
    Runner,
    State,
    StateChanged,
    StoredFile,
    checked_bot_id,
    checked_file_name,
)
from meetcore.log import (
    decode_line,
    encode_line,
    journal_path,
    make_bot_folder,
    media_in,
    read_lines,
    write_end_in,
)  # fmt: skip

T = TypeVar("T")
LEASE_S = 10.0
RENEW_S = 2.0
SHIP_EVERY_S = 0.02
AGAIN_AFTER_S = 1.0
LOG = logging.getLogger("row_store")
SCHEMA = """
CREATE TABLE IF NOT EXISTS bots (
    bot_id TEXT PRIMARY KEY, lease INTEGER NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    bot_id TEXT, seq INTEGER, line BLOB NOT NULL, PRIMARY KEY (bot_id, seq)) WITHOUT ROWID;
"""


class LeaseLost(meetcore.StorageUnavailable):
    """Another has the bot."""


class RowLog(BotLog):
    """The rows of one bot."""

    def __init__(self, store: RowStore, bot_id: str) -> None:
        self.bot_id = checked_bot_id(bot_id)
        self._store = store

    async def exists(self) -> bool:
        rows = "SELECT 1 FROM events WHERE bot_id = ? LIMIT 1"
        return bool(await self._store.do(lambda c: c.execute(rows, (self.bot_id,)).fetchall()))

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        rows = "SELECT seq, line FROM events WHERE bot_id = ? AND seq > ? ORDER BY seq LIMIT 100"
        while found := await self._store.do(
            lambda c, after=after: c.execute(rows, (self.bot_id, after)).fetchall()
        ):
            for after, line in found:
                event = decode_line(bytes(line))
                if event is None:
                    raise meetcore.JournalDamaged(f"Row {after} of {self.bot_id} is damaged.")
                if types is None or isinstance(event, tuple(types)):
                    yield event


class BlobMedia(MediaStore):
    """The files of one bot on the blob server."""

    def __init__(self, store: RowStore, bot_id: str) -> None:
        self._store = store
        self._bot_id = checked_bot_id(bot_id)

    def _url(self, name: str) -> str:
        return f"{self._store.blobs}/{quote(self._bot_id)}/{quote(checked_file_name(name))}"

    async def stat(self, name: str) -> StoredFile | None:
        try:
            answer = await self._store.client.head(self._url(name))
        except NoSuchFile:
            return None
        if answer.status_code != 200:
            return None
        return StoredFile(
            name=name,
            size_bytes=int(answer.headers["content-length"]),
            modified_at=parsedate_to_datetime(answer.headers["last-modified"]),
        )

    async def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        prefix = f"{checked_file_name(under)}/" if under else ""
        answer = await self._store.client.get(f"{self._store.blobs}/{quote(self._bot_id)}/")
        for name in json.loads(answer.content):
            if name.startswith(prefix) and (found := await self.stat(name)) is not None:
                yield found

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        last = "" if length is None else first + length - 1
        asked = {"range": f"bytes={first}-{last}"}
        async with self._store.client.stream("GET", self._url(name), headers=asked) as answer:
            if answer.status_code == 404:
                raise NoSuchFile(name)
            if answer.status_code == 206:
                async with aclosing(answer.aiter_bytes()) as pieces:
                    async for piece in pieces:
                        yield piece

    async def put(self, name: str, source: Path) -> StoredFile:
        content = await trio.Path(source).read_bytes()
        (await self._store.client.put(self._url(name), content=content)).raise_for_status()
        found = await self.stat(name)
        assert found is not None
        return found

    async def delete(self, name: str) -> bool:
        return (await self._store.client.delete(self._url(name))).status_code == 200


class RowStore(BotStore):
    """Bots in a database and on a blob server."""

    name: ClassVar[str] = "rows"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        given = parse_qs(parts.query)
        self._file, self.blobs = parts.path, given["blobs"][0]
        self._work = Path(given["work"][0])
        self._clients: trio.lowlevel.RunVar[httpx2.AsyncClient] = trio.lowlevel.RunVar("client")
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    @property
    def client(self) -> httpx2.AsyncClient:
        try:
            return self._clients.get()
        except LookupError:
            limits = httpx2.Limits(max_keepalive_connections=0)
            self._clients.set(httpx2.AsyncClient(limits=limits, timeout=30, trust_env=False))
            return self._clients.get()

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in a transaction, in a thread."""

        def whole() -> T:
            with closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as c:
                c.execute("BEGIN IMMEDIATE")
                done = work(c)
                c.execute("COMMIT")
                return done

        return await trio.to_thread.run_sync(whole, abandon_on_cancel=True)

    def workplace(self, bot_id: str) -> Path:
        return self._work / checked_bot_id(bot_id)

    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        return RowLog(self, bot_id)

    def media(self, bot_id: str) -> MediaStore:
        return BlobMedia(self, bot_id)

    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        checked_bot_id(bot_id)

        def insert(c: sqlite3.Connection) -> None:
            rows = "SELECT line FROM events WHERE bot_id = ? ORDER BY seq"
            known = [decode_line(line) for (line,) in c.execute(rows, (bot_id,))]
            if len(known) >= len(head):
                last = known[-1]
                if isinstance(last, StateChanged) and last.state in (
                    State.SCHEDULED, State.REQUESTED,
                ):  # fmt: skip
                    return
                raise JournalError(f"{bot_id} has been under way.", "Send a new bot.")
            for seq, event in list(enumerate(head, 1))[len(known) :]:
                written = evolve(event, bot_id=bot_id, seq=seq, at=datetime.now(UTC))
                values = (bot_id, seq, encode_line(written))
                c.execute("INSERT INTO events VALUES (?, ?, ?)", values)
            c.execute("INSERT OR IGNORE INTO bots VALUES (?, 0, '', 0)", (bot_id,))

        await self.do(insert)

    async def end(
        self, bot_id: str, reason: meetcore.EndReason, evidence: meetcore.Evidence
    ) -> None:
        async with self.checkout(bot_id) as folder:
            await trio.to_thread.run_sync(write_end_in, folder, reason, evidence)

    async def runner(self, bot_id: str) -> Runner | None:
        rows = "SELECT 1 FROM bots WHERE bot_id = ? AND holder != '' AND until > ?"
        found = await self.do(lambda c: c.execute(rows, (bot_id, time.time())).fetchall())
        return Runner() if found else None

    async def records(self, *, after: str | None = None) -> AsyncGenerator[BotRecord, None]:
        rows = "SELECT bot_id, max(seq) FROM events WHERE bot_id > ? GROUP BY bot_id ORDER BY 1"
        for bot_id, seq in await self.do(lambda c: c.execute(rows, (after or "",)).fetchall()):
            yield BotRecord(bot_id=bot_id, last_seq=seq)

    async def delete(self, bot_id: str) -> Deletion:
        def gone(c: sqlite3.Connection) -> int:
            c.execute("PRAGMA secure_delete = ON")
            c.execute("DELETE FROM bots WHERE bot_id = ?", (bot_id,))
            return c.execute("DELETE FROM events WHERE bot_id = ?", (bot_id,)).rowcount

        answer = await self.client.delete(f"{self.blobs}/{quote(checked_bot_id(bot_id))}/")
        rows = await self.do(gone)
        await trio.to_thread.run_sync(lambda: shutil.rmtree(self.workplace(bot_id), True))
        return Deletion(int(answer.content or b"0") + (rows > 0))

    # --- the lease ---------------------------------------------------------------------------

    @asynccontextmanager
    async def _leased(self, bot_id: str) -> AsyncIterator[Lease]:
        """Be the one who writes, and stay it."""
        holder, lease = f"{os.getpid()}-{uuid4().hex}", Lease()

        def take(c: sqlite3.Connection) -> int:
            rows = "SELECT lease, holder, until FROM bots WHERE bot_id = ?"
            number, held, until = c.execute(rows, (bot_id,)).fetchone() or (0, "", 0)
            if held and until > time.time():
                raise JournalBusy(f"The bot {bot_id} is run by {held}.")
            values = (bot_id, number + 1, holder, time.time() + LEASE_S)
            c.execute("INSERT OR REPLACE INTO bots VALUES (?, ?, ?, ?)", values)
            return int(number) + 1

        async def renew() -> None:
            while True:
                await trio.sleep(RENEW_S)
                until = time.time() + LEASE_S
                try:
                    if not await self._set(bot_id, lease.number, holder, until):
                        lease.lost.set()
                except sqlite3.Error as error:  # who has it after that time will be seen
                    LOG.warning("bot=%s its lease cannot be renewed now: %s", bot_id, error)

        lease.number = await self.do(take)
        try:
            trouble: Exception | None = None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(renew)
                try:
                    yield lease
                except Exception as error:  # noqa: BLE001  raised below, as itself
                    trouble = error
                nursery.cancel_scope.cancel()
            if trouble is not None:
                raise trouble
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                await self._set(bot_id, lease.number, "", 0)

    async def _set(self, bot_id: str, number: int, holder: str, until: float) -> bool:
        rows = "UPDATE bots SET holder = ?, until = ? WHERE bot_id = ? AND lease = ?"
        return bool(
            await self.do(lambda c: c.execute(rows, (holder, until, bot_id, number)).rowcount)
        )

    async def _ship(self, bot_id: str, lease: Lease, lines: Sequence[tuple[int, bytes]]) -> None:
        def insert(c: sqlite3.Connection) -> bool:
            rows = "SELECT 1 FROM bots WHERE bot_id = ? AND lease = ?"
            if c.execute(rows, (bot_id, lease.number)).fetchone() is None:
                return False
            values = [(bot_id, seq, line) for seq, line in lines]
            c.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", values)
            return True

        if not await self.do(insert):
            lease.lost.set()
            raise LeaseLost(f"The bot {bot_id} is run by another.")

    async def _ship_files(self, bot_id: str, folder: Path) -> None:
        media, here = self.media(bot_id), media_in(folder)
        async with aclosing(here.files()) as files:
            async for file in files:
                known = await media.stat(file.name)
                if known is None or known.modified_at < file.modified_at:
                    async with here.local(file.name) as path:
                        await media.put(file.name, path)

    # --- working on a bot --------------------------------------------------------------------

    async def prepare(self, bot_id: str) -> None:
        rows = "SELECT line FROM events WHERE bot_id = ? ORDER BY seq"
        stored = await self.do(lambda c: c.execute(rows, (bot_id,)).fetchall())
        folder = self.workplace(bot_id)

        def write() -> None:
            make_bot_folder(folder.parent, folder.name)
            journal, lines = journal_path(folder), b"".join(line for (line,) in stored)
            here = journal.read_bytes() if journal.exists() else b""
            # What was written here later may not have been shipped: it stays.
            if not here.startswith(lines) or (lines and not here):
                journal.write_bytes(lines)

        await trio.to_thread.run_sync(write)

    @asynccontextmanager
    async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
        async with self._leased(bot_id) as lease:
            await self.prepare(bot_id)
            folder = self.workplace(bot_id)
            # On this machine the workplace of a bot that was killed is newer than the store.
            await self._ship(bot_id, lease, await trio.to_thread.run_sync(read_lines, folder))
            here = media_in(folder)
            async with aclosing(self.media(bot_id).files()) as files:
                async for file in files:
                    if await here.stat(file.name) is None:
                        async with self.media(bot_id).local(file.name) as path:
                            await here.put(file.name, path)
            yield folder
            await self._ship(bot_id, lease, await trio.to_thread.run_sync(read_lines, folder))
            await self._ship_files(bot_id, folder)

    @asynccontextmanager
    async def keep(self, bot_id: str, journal: JournalView) -> AsyncIterator[Lease]:
        folder = journal.path.parent

        async def rest(after: int) -> int:
            events = list(journal.read(after))
            await self._ship(bot_id, lease, [(e.seq, encode_line(e)) for e in events])
            if any(isinstance(event, meetcore.ArtifactWritten) for event in events):
                await self._ship_files(bot_id, folder)
            return journal.last_seq if events else after

        async def ship() -> None:
            at = 0
            while not lease.lost.is_set():
                pause_s = SHIP_EVERY_S
                try:
                    if journal.last_seq > at:
                        at = await rest(at)
                except LeaseLost:
                    return  # the bot ends itself
                except (sqlite3.Error, httpx2.HTTPError) as error:
                    LOG.warning("bot=%s is kept here for now: %s", bot_id, error)
                    pause_s = AGAIN_AFTER_S
                await trio.sleep(pause_s)

        async with self._leased(bot_id) as lease:
            await rest(0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ship)
                yield lease
                nursery.cancel_scope.cancel()
            if not lease.lost.is_set():
                await rest(0)
                await self._ship_files(bot_id, folder)


@meetcore.hookimpl
def meetcore_register_stores(register: Callable[[type[Any]], None]) -> None:
    register(RowStore)
