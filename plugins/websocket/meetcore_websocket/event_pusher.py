"""Pushes a bot's events over one connection after another: in order, each at least once.

What is owed is what the journal holds after the acknowledged `seq`; each new connection begins
there. An event counts as received when a pong answers a ping that was sent after it (the frames of
a WebSocket are read in order), or when the other side says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import trio
from trio_websocket import WebSocketConnection

from meetcore import Draft, Event, JournalView, NativeDialect, SegmentFinalized
from meetcore.log import DraftBox, Wake
from meetcore_websocket.cursor_file import CursorFile
from meetcore_websocket.outbound import talk
from meetcore_websocket.push_options import PushOptions

__all__ = ["EventPusher", "acknowledged_seq"]

_DURABLE_WITHIN_S = 1.0


def acknowledged_seq(message: str | bytes) -> int | None:
    """Return the `seq` in `{"type":"ack","seq":N}`, None for any other message. Never raises."""
    try:
        decoded = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(decoded, dict) or decoded.get("type") != "ack":
        return None
    seq = decoded.get("seq")
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None


class EventPusher:
    """Walks the journal by the acknowledged cursor.

    Args:
        journal: The bot's journal.
        cursor: Where the cursor is kept.
        options: Deadlines, and what counts as received.
        trouble: Told once if the cursor cannot be written.

    Attributes:
        acknowledged: The last event the target is known to have.
    """

    def __init__(
        self,
        journal: JournalView,
        cursor: CursorFile,
        options: PushOptions,
        trouble: Callable[[OSError], None],
    ) -> None:
        self.acknowledged = min(cursor.seq, journal.last_seq)
        self._journal = journal
        self._cursor = cursor
        self._options = options
        self._trouble = trouble
        self._told_of_trouble = False
        self._dialect = NativeDialect()
        self._sent = self.acknowledged
        self._drafts: DraftBox[Draft] = DraftBox()
        self._connected = False
        self._news = Wake()
        self._to_confirm = Wake()
        self._progress = trio.lowlevel.ParkingLot()
        self._finished = trio.Event()

    def wake(self) -> None:
        """Say that the journal holds something new."""
        self._news.set()

    def show(self, draft: Draft) -> None:
        """Send a draft in its place; the newest of a key wins, and none waits for a connection."""
        if self._connected:
            self._drafts.put(draft.key, draft)
            self._news.set()

    def finish(self) -> None:
        """End the session, with a goodbye."""
        self._finished.set()

    @property
    def owed(self) -> int:
        """How many events the target is not known to have."""
        return self._journal.last_seq - self.acknowledged

    async def drained(self) -> None:
        """Return when nothing is owed; the caller's deadline."""
        self.wake()
        while self.owed > 0:
            await self._progress.park()

    async def session(self, connection: WebSocketConnection) -> None:
        """Push what is owed and what comes, until `finish`; the connection's errors come out."""
        self._sent = self.acknowledged
        self._connected = True
        try:
            await talk(connection, self._finished, self._send, self._confirm, self._listen)
        finally:
            self._connected = False
            self._drafts.drain()

    async def _send(self, connection: WebSocketConnection) -> None:
        while True:
            for event in self._journal.read(self._sent):
                if isinstance(event, SegmentFinalized):
                    self._drafts.forget(f"segment:{event.segment.id}")
                await self._put(connection, event)
                self._sent = event.seq
                self._to_confirm.set()
            if self._drafts:
                await self._put(connection, self._drafts.pop())
            else:
                await self._news.wait()

    async def _put(self, connection: WebSocketConnection, item: Event | Draft) -> None:
        for text in self._dialect.messages(item):
            with trio.fail_after(self._options.send_timeout_s):
                await connection.send_message(text)

    async def _confirm(self, connection: WebSocketConnection) -> None:
        by_pong = self._options.acknowledge == "pong"
        while True:
            with trio.move_on_after(self._options.ping_s):
                while not (by_pong and self._sent > self.acknowledged):
                    await self._to_confirm.wait()
            upto = self._sent
            with trio.fail_after(self._options.pong_timeout_s):
                await connection.ping()
            if by_pong:
                await self._acknowledge(upto)

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            seq = acknowledged_seq(await connection.get_message())
            if seq is not None:
                await self._acknowledge(min(seq, self._sent))

    async def _acknowledge(self, seq: int) -> None:
        if seq <= self.acknowledged:
            return
        # The cursor must not be ahead of the journal after a power cut.
        with trio.move_on_after(_DURABLE_WITHIN_S):
            await self._journal.synced(seq)
        if seq <= self.acknowledged:
            return
        self.acknowledged = seq
        try:
            self._cursor.save(seq)
        except OSError as error:
            if not self._told_of_trouble:
                self._told_of_trouble = True
                self._trouble(error)
        self._progress.unpark_all()
