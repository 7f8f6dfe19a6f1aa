"""One WebSocket subscriber: a non-blocking write first, a bounded outbox behind it.

What costs in fan-out is not the socket but waking a task per message and subscriber. So `push` is a
plain call: while the socket takes everything, it is one `write`, no task runs and nothing is
copied. Only when the kernel's buffer is full does the rest go to the outbox, and a writer task
takes over until the outbox is empty again. TLS and other streams that are no plain sockets always
go through the writer.

The slow-consumer policy:

1. Socket writable: write now. Otherwise queue, bounded in bytes.
2. A mutable update: the newest that waits per key wins; above the soft limit it is dropped.
3. Anything else is never dropped: above the hard limit the subscriber is parted with, close code
   1013, and resumes by its cursor.
4. A writer that gets nothing out for `stall_s`: the connection is cut. A frame may be cut with it,
   so it is never used again; the subscriber sees 1006 and does the same as after 1013.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Protocol

import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import RemoteProtocolError

from meetcore.log import Wake
from meetcore_websocket.frames import (
    GOING_AWAY,
    INTERNAL_ERROR,
    PROTOCOL_ERROR,
    TOO_BIG,
    TRY_AGAIN_LATER,
    close_frame,
    ping_frame,
    pong_frame,
)
from meetcore_websocket.handshake import (
    LONGEST_HEAD_BYTES,
    BadHandshake,
    accepted,
    read_request,
    refused,
)
from meetcore_websocket.limits import Limits
from meetcore_websocket.outbox import Outbox
from meetcore_websocket.request import Refusal, Request

__all__ = ["ConnectionHandler", "Subscriber"]

_READ_BYTES = 16 * 1024
_PING, _PONG = "\0ping", "\0pong"


class ConnectionHandler(Protocol):
    """Who decides about subscribers, and serves them."""

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        """Return why a request is refused, or None; returns at once."""

    async def attend(self, subscriber: Subscriber) -> None:
        """Serve an admitted subscriber, in a task that ends with it; may return earlier."""

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Take a message of the subscriber's; returns at once."""


class _PartialMessage:
    """A message being put together from its frames."""

    def __init__(self) -> None:
        self._parts: list[str | bytes] = []
        self._size = 0

    def add(self, part: str | bytes) -> int:
        """Take a part; return the size so far."""
        if part:
            self._parts.append(part)
            self._size += len(part)
        return self._size

    def take(self, *, text: bool) -> str | bytes:
        """Return the whole message and begin anew."""
        parts, self._parts, self._size = self._parts, [], 0
        if text:
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))


class Subscriber:
    """One connection, from its first byte to its end.

    Args:
        stream: The connection; the subscriber closes it.
        limits: What it may cost.

    Attributes:
        close_code: The code it was parted with, None if the other side ended it.
        message_bytes: The longest message it may send now.
    """

    def __init__(self, stream: trio.abc.Stream, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.message_bytes = self.limits.message_bytes
        self.close_code: int | None = None
        self._stream = stream
        self._fd = stream.socket.fileno() if isinstance(stream, trio.SocketStream) else -1
        self._outbox = Outbox(self.limits.soft_bytes, self.limits.hard_bytes)
        self._busy = self._fd < 0
        self._sending = False
        self._shut = True
        self._wake = Wake()
        self._wrote = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._protocol = Connection(ConnectionType.SERVER)
        self._message = _PartialMessage()
        self._ping_due = float("inf")
        self._pings = 0
        self._awaited: bytes | None = None

    # --- out ---------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it takes nothing (any more)."""
        return self._shut

    @property
    def backlog_bytes(self) -> int:
        """How much waits for its socket."""
        return self._outbox.size_bytes

    @property
    def spared(self) -> int:
        """How many mutable updates it was spared: superseded or dropped."""
        return self._outbox.superseded + self._outbox.dropped

    def push(self, frame: bytes, key: str | None = None) -> None:
        """Send a ready-made frame, now or as soon as possible. Never waits, never raises.

        Args:
            frame: A whole frame, as `meetcore_websocket.frames` makes them.
            key: For a mutable update: the newest of a key wins. None: never dropped.
        """
        if self._busy:
            self._queue(frame, key)
        elif not self._shut:
            self._write_now(frame)

    def _queue(self, frame: bytes, key: str | None) -> None:
        if self._shut:
            return
        if not self._outbox.put(frame, key):
            self.close(TRY_AGAIN_LATER, "too far behind; resume after your last seq", discard=True)
        elif self._fd < 0:
            self._wake.set()

    def forget(self, key: str) -> None:
        """Drop the mutable update of a key if it still waits: it has been overtaken."""
        if self._busy:
            self._outbox.forget(key)

    def _write_now(self, frame: bytes) -> None:
        try:
            count = os.write(self._fd, frame)
        except BlockingIOError:
            count = 0
        except OSError:
            self._abandon()
            return
        if count != len(frame):
            self._outbox.put_cut(frame[count:])
            self._busy = True
            self._wake.set()

    async def room(self, below_bytes: int = 0) -> None:
        """Return when no more than that waits, or it is closed. Bounded by the stall limit."""
        await trio.lowlevel.checkpoint()
        while self._outbox.size_bytes > below_bytes and not self._shut:
            await self._wrote.park()

    def close(
        self, code: int, reason: str = "", *, discard: bool = False, within_s: float | None = None
    ) -> None:
        """Say goodbye after what waits (or, with `discard`, instead of it), then end.

        Returns at once. The other side has `within_s` (by default the limits' `close_s`) to read
        what is left and to answer.
        """
        if self._shut:
            return
        self._shut = True
        self.close_code = code
        self._end_within(self.limits.close_s if within_s is None else within_s)
        if discard:
            self._outbox.clear()
        self._put_last(close_frame(code, reason))

    def _put_last(self, frame: bytes) -> None:
        if self._busy:
            self._outbox.put_last(frame)
            self._wake.set()
            self._wrote.unpark_all()
        else:
            self._write_now(frame)

    def _end_within(self, seconds: float) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)

    def _abandon(self) -> None:
        self._shut = True
        self._scope.cancel()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            while self._outbox:
                if not await self._write_batch():
                    self._abandon()
                    return
                self._wrote.unpark_all()
            self._busy = self._fd < 0

    async def _write_batch(self) -> bool:
        """Get something out within the stall limit; return whether the connection is still good."""
        with trio.move_on_after(self.limits.stall_s):
            try:
                if self._fd >= 0:
                    await trio.lowlevel.wait_writable(self._fd)
                    self._outbox.wrote(os.writev(self._fd, self._outbox.batch()))
                else:
                    data = b"".join(self._outbox.batch())
                    self._outbox.wrote(len(data))
                    self._sending = True
                    await self._stream.send_all(data)
                    self._sending = False
            except BlockingIOError:
                return True
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True
        return False

    async def _flush(self) -> None:
        while self._outbox or self._sending:
            await self._wrote.park()

    # --- a life ------------------------------------------------------------------------

    async def run(self, received: bytes, handler: ConnectionHandler) -> None:
        """Serve the connection until it ends; nothing of it remains.

        Args:
            received: What was read of the connection already, from the request's first byte on.
            handler: Decides and serves.

        Raises:
            Exception: What `handler.attend` raises.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    try:
                        await self._converse(received, handler, nursery)
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        self._abandon()
                    nursery.cancel_scope.cancel()
        finally:
            self._part()
            await trio.aclose_forcefully(self._stream)

    def _part(self) -> None:
        """Leave nothing in the kernel: cut off, or with a goodbye if there is room for one."""
        if not self._shut and not self._busy:
            self.close(GOING_AWAY)
        self._shut = True
        if self._outbox and self._fd >= 0 and isinstance(self._stream, trio.SocketStream):
            linger = struct.pack("ii", 1, 0)
            try:
                self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            except (OSError, trio.ClosedResourceError):
                return  # it is closed already

    async def _converse(
        self, received: bytes, handler: ConnectionHandler, nursery: trio.Nursery
    ) -> None:
        answer: Refusal | None
        try:
            head, data = await self._read_head(received)
            request = read_request(head)
            answer = handler.admit(self, request)
        except BadHandshake as bad:
            answer = bad.refusal
        if answer is not None:
            self._end_within(self.limits.close_s)
            self._put_last(refused(answer))
            await self._say_goodbye()
            return
        self._put_last(accepted(request))
        await self._flush()
        self._shut = False
        self._ping_due = trio.current_time() + self.limits.ping_s
        nursery.start_soon(handler.attend, self)
        while data or (data := await self._receive()):
            if not self._take(data, handler):
                await self._say_goodbye()
                return
            data = b""

    async def _read_head(self, received: bytes) -> tuple[bytes, bytes]:
        with trio.move_on_after(self.limits.handshake_s):
            while b"\r\n\r\n" not in received:
                if len(received) > LONGEST_HEAD_BYTES:
                    raise BadHandshake(Refusal(431, "The head of the request is too long."))
                more = await self._stream.receive_some(_READ_BYTES)
                if not more:
                    raise BadHandshake(Refusal(400, "This is not a whole HTTP request."))
                received += more
            end = received.index(b"\r\n\r\n") + 4
            return received[:end], received[end:]
        seconds = self.limits.handshake_s
        raise BadHandshake(Refusal(408, f"The request was not there within {seconds:g} s."))

    async def _say_goodbye(self) -> None:
        """Get the last words out, then wait for the other side to hang up, within the deadline.

        To hang up first, with something unread, would make the kernel take the last words back.
        """
        await self._flush()
        if isinstance(self._stream, trio.SocketStream):
            await self._stream.send_eof()
        while await self._stream.receive_some(_READ_BYTES):
            pass

    # --- in ----------------------------------------------------------------------------

    async def _receive(self) -> bytes:
        while True:
            with trio.move_on_at(self._ping_due):
                return bytes(await self._stream.receive_some(_READ_BYTES))
            self._ping()

    def _ping(self) -> None:
        now = trio.current_time()
        if self._shut:
            self._ping_due = float("inf")
        elif self._awaited is not None:
            self.close(INTERNAL_ERROR, "no pong came", discard=True)
        elif self._outbox:
            self._ping_due = now + self.limits.ping_s  # the writer watches it meanwhile
        else:
            self._pings += 1
            self._awaited = self._pings.to_bytes(4, "big")
            self._ping_due = now + self.limits.pong_s
            self.push(ping_frame(self._awaited), _PING)

    def _take(self, data: bytes, handler: ConnectionHandler) -> bool:
        """Read frames; return whether there may be more."""
        try:
            self._protocol.receive_data(data)
            return all(self._take_event(event, handler) for event in self._protocol.events())
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, CloseConnection) else PROTOCOL_ERROR
            self.close(code, str(error), discard=True)
            return False

    def _take_event(self, event: Event, handler: ConnectionHandler) -> bool:
        if isinstance(event, (TextMessage, BytesMessage)):
            part = event.data if isinstance(event.data, str) else bytes(event.data)
            if self._message.add(part) > self.message_bytes:
                limit = f"a message may have {self.message_bytes} bytes"
                self.close(TOO_BIG, limit, discard=True)
                return False
            if event.message_finished:
                message = self._message.take(text=isinstance(event, TextMessage))
                if not self._shut:
                    handler.receive(self, message)
        elif isinstance(event, Ping):
            self.push(pong_frame(bytes(event.payload)), _PONG)
        elif isinstance(event, Pong):
            if self._awaited is not None and bytes(event.payload) == self._awaited:
                self._awaited = None
                self._ping_due = trio.current_time() + self.limits.ping_s
        elif isinstance(event, CloseConnection):
            self._answer_close(event.code)
            return False
        return True

    def _answer_close(self, code: int) -> None:
        if not self._shut:
            self._shut = True
            self._outbox.clear()
            self._put_last(close_frame(None if code in (1005, 1006) else code))
        self._end_within(self.limits.close_s)
