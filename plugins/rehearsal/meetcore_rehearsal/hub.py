"""The rooms of a site and the sockets of their members: actions in, messages out, no waiting.

Each member has an outbox with a limit in messages and bytes. Somebody who reads too slowly is
dropped, and delays nobody else.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import trio
import trio_websocket
from attrs import evolve

from meetcore_rehearsal.actions import (
    Action,
    Arrive,
    BadMessage,
    Depart,
    Report,
    read_action,
)
from meetcore_rehearsal.room import Dismiss, Effect, Message, Room, decide

__all__ = ["MemberOutbox", "RoomHub"]

HELLO_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 10.0
PING_INTERVAL_S = 10.0
PONG_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 2.0
MAX_MESSAGE_BYTES = 65_536
MAX_QUEUED_MESSAGES = 512
MAX_QUEUED_BYTES = 2_000_000


class MemberOutbox:
    """Messages on their way to one socket; `put` never waits.

    Args:
        scope: Cancelled when the socket is to be dropped.
    """

    def __init__(self, scope: trio.CancelScope) -> None:
        self.scope = scope
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._finishing = False
        self._wake = trio.Event()
        self._sent_all = trio.Event()

    def put(self, message: Message, *, last: bool = False) -> None:
        """Queue a message; after the `last` one the socket is closed.

        A socket that is too far behind is dropped instead.
        """
        if self._finishing:
            return
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        self._queue.append(text)
        self._queued_bytes += len(text)
        self._finishing = last
        if len(self._queue) > MAX_QUEUED_MESSAGES or self._queued_bytes > MAX_QUEUED_BYTES:
            self.scope.cancel()
        self._wake.set()

    async def drain(self, socket: trio_websocket.WebSocketConnection) -> None:
        """Send what is queued until the last message is out; then close the socket."""
        while True:
            while self._queue:
                text = self._queue.popleft()
                self._queued_bytes -= len(text)
                with trio.fail_after(SEND_TIMEOUT_S):
                    await socket.send_message(text)
            if self._finishing:
                with trio.move_on_after(CLOSE_TIMEOUT_S):
                    await socket.aclose()
                self._sent_all.set()
                self.scope.cancel()
                return
            await self._wake.wait()
            self._wake = trio.Event()

    async def finish(self) -> None:
        """Return when the last message is out and the socket closed, if there is a last one.

        The reader sees the socket close while the closing handshake still goes on.
        """
        if self._finishing:
            with trio.move_on_after(SEND_TIMEOUT_S):
                await self._sent_all.wait()


class RoomHub:
    """All rooms of a site.

    Args:
        on_report: Takes what the cast reports: room id, member id, data.
        on_change: Told after every change of a room.
    """

    def __init__(
        self,
        on_report: Callable[[str, str, dict[str, Any]], None] | None = None,
        on_change: Callable[[Room], None] | None = None,
    ) -> None:
        self.rooms: dict[str, Room] = {}
        self._on_report = on_report
        self._on_change = on_change
        self._outboxes: dict[tuple[str, str], MemberOutbox] = {}

    def perform(self, room_id: str, action: Action) -> None:
        """Carry out an action in a room and queue what follows from it."""
        room, effects = decide(action, self.rooms[room_id])
        changed = room is not self.rooms[room_id]
        self.rooms[room_id] = room
        for effect in effects:
            self._carry_out(room_id, effect)
        if changed and self._on_change is not None:
            self._on_change(room)

    def _carry_out(self, room_id: str, effect: Effect) -> None:
        outbox = self._outboxes.get((room_id, effect.to))
        if outbox is not None:
            outbox.put(effect.message, last=isinstance(effect, Dismiss))

    async def attend(self, room_id: str, socket: trio_websocket.WebSocketConnection) -> None:
        """Serve one member's socket from hello to the end."""
        try:
            with trio.move_on_after(HELLO_TIMEOUT_S) as hello:
                arrival = await self._hello(room_id, socket)
            if hello.cancelled_caught or arrival is None:
                return
            await self._serve(room_id, arrival, socket)
        except trio_websocket.ConnectionClosed:
            return  # they left; `_serve` has told the room

    async def _hello(
        self, room_id: str, socket: trio_websocket.WebSocketConnection
    ) -> Arrive | None:
        member_id = f"p-{secrets.token_hex(5)}"
        text = await socket.get_message()
        try:
            action = read_action(text, member_id, arrived=False)
        except BadMessage as error:
            await socket.aclose(1008, str(error))
            return None
        assert isinstance(action, Arrive)
        room = self.rooms[room_id]
        scripted = action.cast_key is not None and secrets.compare_digest(
            action.cast_key.encode(), room.cast_key.encode()
        )
        if scripted and action.wanted_id and action.wanted_id not in room.members:
            return evolve(action, member_id=action.wanted_id)
        return action

    async def _serve(
        self, room_id: str, arrival: Arrive, socket: trio_websocket.WebSocketConnection
    ) -> None:
        member_id = arrival.member_id
        with trio.CancelScope() as scope:
            outbox = MemberOutbox(scope)
            self._outboxes[room_id, member_id] = outbox
            try:
                self.perform(room_id, arrival)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, outbox, socket)
                    nursery.start_soon(self._ping, outbox, socket)
                    await self._read(room_id, member_id, socket)
                    await outbox.finish()
                    nursery.cancel_scope.cancel()
            finally:
                del self._outboxes[room_id, member_id]
                self.perform(room_id, Depart(member_id))

    async def _read(
        self, room_id: str, member_id: str, socket: trio_websocket.WebSocketConnection
    ) -> None:
        while True:
            try:
                text = await socket.get_message()
            except trio_websocket.ConnectionClosed:
                return
            try:
                action = read_action(text, member_id, arrived=True)
            except BadMessage as error:
                with trio.move_on_after(CLOSE_TIMEOUT_S):
                    await socket.aclose(1008, str(error))
                return
            if isinstance(action, Report):
                member = self.rooms[room_id].members.get(member_id)
                if member is not None and member.scripted and self._on_report is not None:
                    self._on_report(room_id, member_id, action.data)
            else:
                self.perform(room_id, action)

    async def _write(
        self, outbox: MemberOutbox, socket: trio_websocket.WebSocketConnection
    ) -> None:
        try:
            await outbox.drain(socket)
        except (trio.TooSlowError, trio_websocket.ConnectionClosed):
            outbox.scope.cancel()

    async def _ping(self, outbox: MemberOutbox, socket: trio_websocket.WebSocketConnection) -> None:
        """Notice a peer that vanished without a word; browsers answer pings by themselves."""
        try:
            while True:
                await trio.sleep(PING_INTERVAL_S)
                with trio.fail_after(PONG_TIMEOUT_S):
                    await socket.ping()
        except (trio.TooSlowError, trio_websocket.ConnectionClosed):
            outbox.scope.cancel()
