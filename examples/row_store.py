"""A store in one file: logs and leases as rows in SQLite, files on an HTTP server.

plugin_files = ["row_store.py"]

[store]
url = "rows:///var/lib/bots.db"

[plugins.rows]
blobs = "http://127.0.0.1:9000"      # takes PUT, GET with Range, HEAD and DELETE of /BOT/NAME
workplaces = "/var/lib/meetcore"     # where bots work on this machine
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, unquote, urlsplit

import attrs
import httpx2
import trio

import meetcore
from meetcore.log import RemoteStore, StoredLine

T = TypeVar("T")
SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    bot_id TEXT PRIMARY KEY, number INTEGER NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lines (
    bot_id TEXT, seq INTEGER, line BLOB NOT NULL, PRIMARY KEY (bot_id, seq)) WITHOUT ROWID;
"""


@attrs.frozen(kw_only=True)
class RowStoreOptions:
    """The options of `[plugins.rows]`.

    Attributes:
        blobs: URL of the server that keeps files.
        workplaces: The folder in which bots work on this machine.
    """

    blobs: str = "http://127.0.0.1:9000"
    workplaces: Path = Path("workplaces")


class BlobMedia(meetcore.MediaStore):
    """The files of one bot on the blob server."""

    def __init__(self, store: RowStore, bot_id: str) -> None:
        self._store = store
        self._place = f"{store.options.blobs.rstrip('/')}/{quote(meetcore.checked_bot_id(bot_id))}/"

    def _url(self, name: str) -> str:
        return self._place + quote(meetcore.checked_file_name(name))

    async def stat(self, name: str) -> meetcore.StoredFile | None:
        try:
            answer = await self._store.ask("HEAD", self._url(name))
        except meetcore.NoSuchFile:
            return None
        return meetcore.StoredFile(
            name=name,
            size_bytes=int(answer.headers["content-length"]),
            modified_at=parsedate_to_datetime(answer.headers["last-modified"]),
        )

    async def files(self, under: str = "") -> AsyncGenerator[meetcore.StoredFile, None]:
        prefix = f"{meetcore.checked_file_name(under)}/" if under else ""
        for name in json.loads((await self._store.ask("GET", self._place)).content):
            if name.startswith(prefix) and (found := await self.stat(name)) is not None:
                yield found

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        last = "" if length is None else first + length - 1
        headers = {"range": f"bytes={first}-{last}"}
        try:
            async with self._store.client.stream("GET", self._url(name), headers=headers) as answer:
                if answer.status_code == 404:
                    raise meetcore.NoSuchFile(name)
                if answer.status_code == 206:  # otherwise nothing of it lies there
                    async with aclosing(answer.aiter_bytes()) as pieces:
                        async for piece in pieces:
                            yield piece
        except httpx2.HTTPError as error:
            raise meetcore.StorageUnavailable(f"The blob server: {error!r}.") from error

    async def put(self, name: str, source: Path) -> meetcore.StoredFile:
        content = await trio.Path(source).read_bytes()
        await self._store.ask("PUT", self._url(name), content=content)
        found = await self.stat(name)
        assert found is not None
        return found

    async def delete(self, name: str) -> bool:
        try:
            await self._store.ask("DELETE", self._url(name))
        except meetcore.NoSuchFile:
            return False
        return True


class RowStore(RemoteStore):
    """Bots in a database and on a blob server."""

    name: ClassVar[str] = "rows"
    Options = RowStoreOptions

    def __init__(self, url: str, options: RowStoreOptions) -> None:
        super().__init__(options.workplaces)
        self.options = options
        self._file = unquote(urlsplit(url).path)
        self._clients: trio.lowlevel.RunVar[httpx2.AsyncClient] = trio.lowlevel.RunVar("client")
        try:
            with closing(sqlite3.connect(self._file, timeout=30)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise meetcore.ConfigError(f"The database {self._file!r}: {error}.") from error

    # --- asking the two servers --------------------------------------------------------------

    @property
    def client(self) -> httpx2.AsyncClient:
        try:
            return self._clients.get()
        except LookupError:
            limits = httpx2.Limits(max_keepalive_connections=0)
            self._clients.set(httpx2.AsyncClient(limits=limits, timeout=30, trust_env=False))
            return self._clients.get()

    async def ask(self, method: str, url: str, **more: Any) -> httpx2.Response:
        try:
            answer = await self.client.request(method, url, **more)
        except httpx2.HTTPError as error:
            raise meetcore.StorageUnavailable(f"The blob server: {error!r}.") from error
        if answer.status_code == 404:
            raise meetcore.NoSuchFile(url)
        if answer.status_code >= 300:
            raise meetcore.StorageUnavailable(f"The blob server says {answer.status_code}.")
        return answer

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in a transaction, in a thread."""

        def whole() -> T:
            with closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as c:
                c.execute("BEGIN IMMEDIATE")
                done = work(c)
                c.execute("COMMIT")
                return done

        try:
            return await trio.to_thread.run_sync(whole, abandon_on_cancel=True)
        except sqlite3.Error as error:
            raise meetcore.StorageUnavailable(f"The database {self._file}: {error}.") from error

    # --- what a store has to say -------------------------------------------------------------

    async def lines(self, bot_id: str, after: int, limit: int) -> Sequence[StoredLine]:
        rows = "SELECT seq, line FROM lines WHERE bot_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        return await self.do(lambda c: c.execute(rows, (bot_id, after, limit)).fetchall())

    async def append(self, bot_id: str, lease: int, lines: Sequence[StoredLine]) -> bool:
        def insert(c: sqlite3.Connection) -> bool:
            newest = "SELECT 1 FROM leases WHERE bot_id = ? AND number = ?"
            if c.execute(newest, (bot_id, lease)).fetchone() is None:
                return False
            values = [(bot_id, seq, line) for seq, line in lines]
            c.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?, ?)", values)
            return True

        return await self.do(insert)

    async def take(self, bot_id: str, holder: str, for_s: float) -> int | None:
        def take(c: sqlite3.Connection) -> int | None:
            rows = "SELECT number, until FROM leases WHERE bot_id = ?"
            number, until = c.execute(rows, (bot_id,)).fetchone() or (0, 0.0)
            if until > time.time():
                return None
            values = (bot_id, number + 1, holder, time.time() + for_s)
            c.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", values)
            return int(number) + 1

        return await self.do(take)

    async def renew(self, bot_id: str, lease: int, for_s: float) -> bool:
        rows = "UPDATE leases SET until = ? WHERE bot_id = ? AND number = ?"
        values = (time.time() + for_s if for_s else 0.0, bot_id, lease)
        return await self.do(lambda c: c.execute(rows, values).rowcount > 0)

    async def held(self, bot_id: str) -> bool:
        rows = "SELECT 1 FROM leases WHERE bot_id = ? AND until > ?"
        values = (bot_id, time.time())
        return await self.do(lambda c: c.execute(rows, values).fetchone() is not None)

    async def remove(self, bot_id: str) -> int:
        def remove(c: sqlite3.Connection) -> int:
            c.execute("PRAGMA secure_delete = ON")
            c.execute("DELETE FROM leases WHERE bot_id = ?", (bot_id,))
            return int(c.execute("DELETE FROM lines WHERE bot_id = ?", (bot_id,)).rowcount > 0)

        media, files = self.media(bot_id), 0
        async with aclosing(media.files()) as found:
            names = [file.name async for file in found]
        for name in names:
            files += await media.delete(name)
        return files + await self.do(remove)

    def media(self, bot_id: str) -> meetcore.MediaStore:
        return BlobMedia(self, bot_id)

    async def records(
        self, *, after: str | None = None
    ) -> AsyncGenerator[meetcore.BotRecord, None]:
        rows = "SELECT bot_id, max(seq) FROM lines WHERE bot_id > ? GROUP BY bot_id ORDER BY 1"
        for bot_id, seq in await self.do(lambda c: c.execute(rows, (after or "",)).fetchall()):
            yield meetcore.BotRecord(bot_id=bot_id, last_seq=seq)

    async def trouble(self) -> str:
        try:
            await self.held("nobody")
        except meetcore.StorageUnavailable as error:
            return error.message
        return ""


@meetcore.hookimpl
def meetcore_register_stores(register: Callable[[type[meetcore.BotStore]], None]) -> None:
    """Offer the store `rows`."""
    register(RowStore)
