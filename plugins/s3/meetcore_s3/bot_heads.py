"""Leases and logs of bots in a bucket: heads that are replaced if they are what was read.

Time is the bucket's: a lease holds for so long after the head was written, by the server's own
`Last-Modified`, and what time it is now says its `Date`. Both are whole seconds, so a lease may
hold a second longer than was asked for, and never shorter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import trio
from attrs import define, evolve

from meetcore import ConfigError
from meetcore.log import StoredLine
from meetcore_s3.client import BucketClient
from meetcore_s3.head import BotHead, LogPage, decode_lines
from meetcore_s3.troubles import BucketTrouble, as_config_error, server_time

__all__ = ["BotHeads"]

_KNOWN_HEADS = 256
_KNOWN_PAGES = 16
_TRIES = 6
_GRAIN_S = 1.0
_NOT_KNOWN = ("InvalidArgument", "InvalidRequest", "MethodNotAllowed", "NotImplemented", "501")
"""What servers answer that do not know a header of a request."""

_NO_CONDITIONS = (
    "{place}: the server does not keep to the conditions of a write (If-None-Match, If-Match): two "
    "machines could run one bot.",
    "Use a server that has conditional writes, or another bucket for files alone (`second`) and a "
    "folder for the bots.",
)


@define
class _KnownHead:
    """A head as it was when it was read or written last."""

    etag: str
    head: BotHead
    written_at: datetime | None
    asked_at: datetime | None


class BotHeads:
    """The heads and pages of a bucket's bots.

    Args:
        client: Asks the bucket.
    """

    def __init__(self, client: BucketClient) -> None:
        self._client = client
        self._known: OrderedDict[str, _KnownHead] = OrderedDict()
        self._pages: OrderedDict[str, list[StoredLine]] = OrderedDict()
        self._locks: dict[str, trio.Lock] = {}
        self._checked = False

    def key(self, bot_id: str) -> str:
        """Return the key of a bot's head: these sort as ids do."""
        return f"{self._client.place.prefix}logs/{bot_id}"

    def pages_prefix(self, bot_id: str) -> str:
        """Return what the keys of a bot's pages begin with."""
        return f"{self._client.place.prefix}pages/{bot_id}/"

    # --- before the first bot ------------------------------------------------------------------

    async def check(self) -> None:
        """Make sure, once, that the bucket can be asked and keeps to conditions.

        Raises:
            ConfigError: It is not there, may not be used, or does not have conditional writes.
            BucketTrouble: It does not answer now.
        """
        if self._checked:
            return
        key = f"{self._client.place.prefix}conditions"
        about = "Two requests write this object, each of which is to be refused."
        try:
            # Where an earlier process has been here, the first one is refused already.
            if not await self._refused(key, about, IfNoneMatch="*"):
                await self._demand(key, about, IfNoneMatch="*")
            await self._demand(key, about, IfMatch=f'"{uuid4().hex}"')
        except BucketTrouble as error:
            if error.lasting:
                raise as_config_error(error) from error
            raise
        self._checked = True

    async def _demand(self, key: str, about: str, **condition: str) -> None:
        if not await self._refused(key, about, **condition):
            message, remedy = _NO_CONDITIONS
            raise ConfigError(message.format(place=self._client.place), remedy)

    async def _refused(self, key: str, about: str, **condition: str) -> bool:
        try:
            await self._put(key, about.encode(), **condition)
        except BucketTrouble as error:
            if error.changed:
                return True
            if error.s3_code in _NOT_KNOWN:
                message, remedy = _NO_CONDITIONS
                raise ConfigError(message.format(place=self._client.place), remedy) from error
            raise
        return False

    # --- leases --------------------------------------------------------------------------------

    async def take(self, bot_id: str, holder: str, for_s: float) -> int | None:
        """Give a lease to a holder, unless somebody has one; return its number."""
        await self.check()
        async with self._lock(bot_id):
            known = await self._read(bot_id, fresh=True)
            if known is not None and _holds(known):
                return None
            number = known.head.lease + 1 if known is not None else 1
            mark = uuid4().hex
            if known is None:
                head = BotHead(lease=number, holder=holder, for_s=for_s, mark=mark)
            else:
                head = evolve(known.head, lease=number, holder=holder, for_s=for_s, mark=mark)
            try:
                await self._replace(bot_id, known, head)
            except BucketTrouble as error:
                if not error.changed:
                    raise
                # Somebody was there first: another, or this very request, sent once more when its
                # answer was lost.
                now = await self._read(bot_id, fresh=True)
                if now is None or now.head.mark != mark:
                    return None
            return number

    async def renew(self, bot_id: str, lease: int, for_s: float) -> bool:
        """Prolong a lease, or with 0 give it up; return whether it was still the newest."""

        def prolonged(head: BotHead, mark: str) -> BotHead:
            return evolve(head, for_s=for_s, mark=mark)

        return await self._change(bot_id, lease, prolonged) is not None

    async def held(self, bot_id: str) -> bool:
        """Return whether somebody has a lease now."""
        known = await self._read(bot_id)
        return known is not None and _holds(known)

    # --- lines ---------------------------------------------------------------------------------

    async def append(self, bot_id: str, lease: int, lines: Sequence[StoredLine]) -> bool:
        """Keep lines, all or none, if that is the newest lease; return whether it is."""
        made: list[tuple[LogPage, bytes]] = []
        put: set[LogPage] = set()

        def longer(head: BotHead, mark: str) -> BotHead:
            nonlocal made
            changed, made = head.with_lines(lines, mark)
            return changed if changed.last_seq > head.last_seq else head

        async def put_pages() -> None:
            for page, content in made:
                if page not in put:
                    await self._put(self.pages_prefix(bot_id) + page.name, content)
                    put.add(page)

        return await self._change(bot_id, lease, longer, put_pages) is not None

    async def lines(self, bot_id: str, after: int, limit: int) -> Sequence[StoredLine]:
        """Return the next lines of a bot after a number, in order."""
        known = await self._read(bot_id)
        if known is None:
            return ()
        found: list[StoredLine] = []
        for page in known.head.pages:
            if page.last > after and len(found) < limit:
                try:
                    held = await self._page(bot_id, page)
                except BucketTrouble as error:
                    if error.missing and await self._read(bot_id, fresh=True) is None:
                        return ()  # it is being deleted
                    raise
                found += [line for line in held if line[0] > after]
        found += [line for line in known.head.tail if line[0] > after]
        return found[:limit]

    def forget(self, bot_id: str) -> None:
        """Keep nothing in memory of a bot that is deleted."""
        self._known.pop(bot_id, None)
        prefix = self.pages_prefix(bot_id)
        for key in [key for key in self._pages if key.startswith(prefix)]:
            del self._pages[key]

    # --- objects -------------------------------------------------------------------------------

    async def _change(
        self,
        bot_id: str,
        lease: int,
        change: Callable[[BotHead, str], BotHead],
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> BotHead | None:
        """Replace a bot's head under a lease; None where that is not the newest any more.

        Raises:
            BucketTrouble: It does not answer, or others change it all the time.
        """
        async with self._lock(bot_id):
            known = self._known.get(bot_id) or await self._read(bot_id)
            for _ in range(_TRIES):
                if known is None or known.head.lease != lease:
                    # What is known may be old: of a lease that was taken after it.
                    known = await self._read(bot_id, fresh=True)
                    if known is None or known.head.lease != lease:
                        return None
                head = change(known.head, uuid4().hex)
                if head is known.head:
                    return head
                if before is not None:
                    await before()
                try:
                    await self._replace(bot_id, known, head)
                except BucketTrouble as error:
                    if not (error.changed or error.missing):
                        raise
                    known = await self._read(bot_id, fresh=True)
                    if known is not None and known.head.mark == head.mark:
                        return head  # it was this request, sent once more
                else:
                    return head
            raise BucketTrouble(
                f"{self._client.place}: the head of bot {bot_id} is changed by others each time.",
                code="Contention",
            )

    async def _read(self, bot_id: str, *, fresh: bool = False) -> _KnownHead | None:
        """Return a bot's head as it is now; None where there is none."""
        known = None if fresh else self._known.get(bot_id)
        asked = {"IfNoneMatch": known.etag} if known is not None else {}
        try:
            answer, data = await self._get(self.key(bot_id), **asked)
        except BucketTrouble as error:
            if known is not None and error.status == 304:
                known.asked_at = error.server_time or known.asked_at
                return known
            if error.missing:
                self._known.pop(bot_id, None)
                return None
            raise
        read = _KnownHead(
            etag=str(answer["ETag"]),
            head=BotHead.decode(data),
            written_at=answer.get("LastModified"),
            asked_at=server_time(answer),
        )
        self._remember(bot_id, read)
        return read

    async def _replace(self, bot_id: str, known: _KnownHead | None, head: BotHead) -> None:
        condition = {"IfNoneMatch": "*"} if known is None else {"IfMatch": known.etag}
        answer = await self._put(self.key(bot_id), head.encode(), **condition)
        now = server_time(answer)
        self._remember(bot_id, _KnownHead(str(answer["ETag"]), head, now, now))

    def _remember(self, bot_id: str, known: _KnownHead) -> None:
        self._known[bot_id] = known
        self._known.move_to_end(bot_id)
        while len(self._known) > _KNOWN_HEADS:
            self._known.popitem(last=False)

    async def _page(self, bot_id: str, page: LogPage) -> list[StoredLine]:
        key = self.pages_prefix(bot_id) + page.name
        if key not in self._pages:
            _, data = await self._get(key)
            try:
                self._pages[key] = decode_lines(data)
            except ValueError as error:
                raise BucketTrouble(
                    f"{self._client.place}: a page of the log of bot {bot_id} is damaged.",
                    "Restore an earlier version of the object, or delete the bot.",
                    code="Damaged",
                ) from error
            while len(self._pages) > _KNOWN_PAGES:
                self._pages.popitem(last=False)
        return self._pages[key]

    async def _get(self, key: str, **condition: str) -> tuple[dict[str, Any], bytes]:
        answer = await self._client.ask("get_object", Key=key, whole=True, **condition)
        return answer, bytes(answer["Body"])

    async def _put(self, key: str, body: bytes, **condition: str) -> dict[str, Any]:
        return await self._client.ask(
            "put_object", Key=key, Body=body, **self._client.encryption, **condition
        )

    def _lock(self, bot_id: str) -> trio.Lock:
        if bot_id not in self._locks:
            # Those that nobody holds are forgotten now and then.
            if len(self._locks) > _KNOWN_HEADS:
                self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
            self._locks[bot_id] = trio.Lock()
        return self._locks[bot_id]


def _holds(known: _KnownHead) -> bool:
    """Whether the lease of a head holds, by the server's clock."""
    if known.head.for_s <= 0:
        return False
    if known.written_at is None or known.asked_at is None:
        raise BucketTrouble(
            "The server does not say what time it is (Date, Last-Modified).",
            "Use another server, or have its proxy leave these headers.",
            code="NoDate",
        )
    age_s = (known.asked_at - known.written_at).total_seconds()
    return age_s < known.head.for_s + _GRAIN_S
