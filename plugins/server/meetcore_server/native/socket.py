"""The native WebSocket: one connection, many bots, from any point on, and commands.

    client                                                server
    {"type": "subscribe", "bot_id": B, "after": 7}        {"type": "subscribed", "bot_id": B, …}
                                                          events and drafts of B, native JSON
    {"type": "unsubscribe", "bot_id": B}                  {"type": "unsubscribed", "bot_id": B}
    {"type": "command", "bot_id": B, "id": 1,             {"type": "command.result", "id": 1,
     "command": {"type": "stop"}}                          "ok": true, "error": null}
    {"type": "ping"}                                      {"type": "pong"}

Who connects shows a key in a header, a socket token as `?token=`, or says
`{"type": "authenticate", "key": …}` first.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from meetcore import (
    CommandInvalid,
    CommandRefused,
    MeetcoreError,
    NativeDialect,
    StorageUnavailable,
)
from meetcore.gateway import BotRow, Client, Reply, Request, Scope, Socket, SocketSession
from meetcore.log import Wake
from meetcore.model import command_from_wire
from meetcore_server.native.access import key_in
from meetcore_server.native.problems import problem_of
from meetcore_server.native.socket_tokens import PURPOSE
from meetcore_server.service import BotService

__all__ = ["admit_native"]

VARIANT = "native"
_WHO_WITHIN_S = 10.0
_MOST_WAITING = 64
_MOST_BOTS = 1000
_LONGEST_ID = 200
_KNOWN_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.1


async def admit_native(service: BotService, request: Request) -> SocketSession | Reply:
    """Return the session for a request of the native WebSocket, or what refuses it."""
    token = request.args.get("token")
    key = key_in(request.header("authorization"), request.header("x-api-key"))
    if token:
        claims = service.verify(PURPOSE, token)
        if claims is None:
            return Reply(status=401, json={"code": "unauthorized", "detail": "No such token."})
        if not await service.key_is_valid(str(claims["k"])):
            detail = "The key that this token was made with is not valid any more."
            return Reply(status=401, json={"code": "unauthorized", "detail": detail})
        scopes = {Scope.READ, Scope.WRITE} if claims["w"] else {Scope.READ}
        client = Client(key_id=str(claims["k"]), user_id=int(claims["u"]), scopes=frozenset(scopes))
        only = None if claims["b"] is None else frozenset(map(str, claims["b"]))
        return NativeSession(service, client, only)
    found = await service.authenticate(key)
    if found is None and key is not None:
        return Reply(status=401, json={"code": "unauthorized", "detail": "No such key."})
    return NativeSession(service, found, None)


class NativeSession(SocketSession):
    """A client of the native WebSocket.

    Args:
        service: The bots.
        client: Who it is; None where it still has to say so.
        only: The bots it may see, None for all of its user.
    """

    def __init__(
        self, service: BotService, client: Client | None, only: frozenset[str] | None
    ) -> None:
        self._service = service
        self._client = client
        self._only = only
        self._waiting: deque[str | bytes] = deque()
        self._wake = Wake()
        self._flooded = False
        self._followed: dict[str, BotRow] = {}

    def receive(self, message: str | bytes) -> None:
        """Take a message; they are answered one after the other."""
        if len(self._waiting) >= _MOST_WAITING:
            self._flooded = True
        else:
            self._waiting.append(message)
        self._wake.set()

    async def attend(self, socket: Socket) -> None:
        """Answer the client's messages until it goes."""
        if self._client is not None:
            socket.owned_by(self._client)
        with trio.CancelScope() as patience:
            if self._client is None:
                patience.deadline = trio.current_time() + _WHO_WITHIN_S
            async with trio.open_nursery() as nursery:
                while not socket.closed:
                    await self._wake.wait()
                    while self._waiting and not socket.closed:
                        await self._take(socket, self._waiting.popleft(), nursery)
                        if self._client is not None:
                            patience.deadline = float("inf")
                    if self._flooded:
                        socket.close(1008, f"more than {_MOST_WAITING} messages at once")
        if patience.cancelled_caught:
            socket.close(4401, "say who you are within 10 s")

    async def _take(self, socket: Socket, message: str | bytes, nursery: trio.Nursery) -> None:
        try:
            asked = _read(message)
            if self._client is None:
                await self._authenticate(socket, asked)
                return
            await self._answer(socket, asked, nursery)
        except MeetcoreError as error:
            _, body = problem_of(error)
            _send(socket, {"type": "error", "code": body["code"], "detail": body["detail"]})

    async def _authenticate(self, socket: Socket, asked: Mapping[str, Any]) -> None:
        key = asked.get("key")
        valid = asked["type"] == "authenticate" and isinstance(key, str)
        self._client = await self._service.authenticate(key if valid else None)
        if self._client is None:
            _send(socket, {"type": "error", "code": "unauthorized", "detail": "No such key."})
            socket.close(4401, "no such key")
            return
        socket.owned_by(self._client)
        _send(socket, {"type": "authenticated"})

    async def _answer(
        self, socket: Socket, asked: Mapping[str, Any], nursery: trio.Nursery
    ) -> None:
        kind = asked["type"]
        if kind == "ping":
            _send(socket, {"type": "pong"})
        elif kind == "subscribe":
            await self._subscribe(socket, asked)
        elif kind == "unsubscribe":
            row = self._followed.pop(str(asked.get("bot_id")), None)
            if row is not None:
                self._service.unfollow(row, socket)
            _send(socket, {"type": "unsubscribed", "bot_id": asked.get("bot_id")})
        elif kind == "command":
            await self._command(socket, asked)
        else:
            raise CommandInvalid(f"There is no message type {kind[:80]!r}.")

    async def _bot(self, asked: Mapping[str, Any]) -> BotRow:
        assert self._client is not None
        bot_id = asked.get("bot_id")
        if not isinstance(bot_id, str):
            raise CommandInvalid("bot_id is missing.")
        if self._only is not None and bot_id not in self._only:
            raise CommandRefused("This token is not for that bot.")
        return await self._service.bot(self._client, bot_id)

    async def _subscribe(self, socket: Socket, asked: Mapping[str, Any]) -> None:
        after = asked.get("after")
        if after is not None and (isinstance(after, bool) or not isinstance(after, int)):
            raise CommandInvalid("after is the number of an event, or is left out.")
        if len(self._followed) >= _MOST_BOTS:
            raise CommandRefused(f"One connection follows {_MOST_BOTS} bots at most.")
        row = await self._bot(asked)
        last = await self._newest(row, after or 0)
        if after is not None and not 0 <= after <= last:
            words = f"after is {after}, but the newest event is {last}"
            live = self._service.live.get(row.bot_id)
            if live is not None and not live.caught_up:
                raise StorageUnavailable(f"{words}, as far as is known here.", "Subscribe again.")
            raise CommandRefused(f"{words}.")
        known = self._followed.pop(row.bot_id, None)
        if known is not None:
            self._service.unfollow(known, socket)
        self._followed[row.bot_id] = row
        _send(socket, {"type": "subscribed", "bot_id": row.bot_id, "last_seq": last})
        await self._service.follow(
            row,
            socket,
            variant=VARIANT,
            dialect=NativeDialect,
            after=after,
            drafts=asked.get("drafts", True) is not False,
        )

    async def _newest(self, row: BotRow, wanted: int) -> int:
        """Return the number of a bot's newest event.

        Another server may have told one that is not known here yet: it is waited for, for a while.
        """
        live = await self._service.attend(row)
        if live is not None and self._service.membership.shared:
            with trio.move_on_after(_KNOWN_WITHIN_S):
                while live.history.last_seq < wanted and not live.history.ended:  # noqa: ASYNC110
                    await trio.sleep(_LOOK_EVERY_S)
        return (await self._service.history(row)).last_seq

    async def _command(self, socket: Socket, asked: Mapping[str, Any]) -> None:
        assert self._client is not None
        number = asked.get("id")
        if isinstance(number, bool) or not isinstance(number, (str, int, type(None))):
            raise CommandInvalid("The id of a command is text or a whole number.")
        if len(str(number)) > _LONGEST_ID:
            raise CommandInvalid(f"The id of a command can have {_LONGEST_ID} characters.")
        trouble: str | None = None
        try:
            if not self._client.may(Scope.WRITE):
                raise CommandRefused("This connection may only read.")
            row = await self._bot(asked)
            command = command_from_wire(asked.get("command"))
            if command.type == "stop":
                await self._service.stop(row, "socket")
            else:
                await self._service.perform(row, command)
        except MeetcoreError as error:
            trouble = str(error)
        result = {"type": "command.result", "id": number, "ok": trouble is None, "error": trouble}
        _send(socket, result)


def _read(message: str | bytes) -> Mapping[str, Any]:
    try:
        asked = json.loads(message)
        json.dumps(asked, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise CommandInvalid("That message is not JSON.") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("type"), str):
        raise CommandInvalid("A message is a JSON object with a 'type'.")
    return asked


def _send(socket: Socket, message: Mapping[str, Any]) -> None:
    socket.send(json.dumps(message, separators=(",", ":")))
