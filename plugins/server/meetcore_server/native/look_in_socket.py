"""Looking in over a WebSocket of its own: pictures out, mouse and keyboard in.

    person                                                server
                                                          {"type": "looking", "take_over": true, …}
                                                          a JPEG for each binary message
    {"type": "take_over"}                                 {"type": "taken_over"}
    {"type": "input", "input": {"kind": "mouse", …}}      nothing, or {"type": "refused", …}
    {"type": "release"}                                   {"type": "released"}
    {"type": "ping"}                                      {"type": "pong"}
                                                          {"type": "ended", "code": …, "detail": …}

A picture is asked for when nothing waits to be sent any more: whoever is slow gets fewer. Whoever
connects shows the token of a link as `?token=`; the look ends when that expires.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from meetcore import CommandRefused, LookIn, MeetcoreError, NotTakenOver, page_input_from_wire
from meetcore.gateway import BotRow, Client, Reply, Request, Scope, Socket, SocketSession
from meetcore.log import Wake
from meetcore_server.native.problems import problem_of
from meetcore_server.native.routes_page import LOOK_IN_PURPOSE
from meetcore_server.service import BotService

__all__ = ["ENDED", "admit_look_in"]

ENDED = 4410
"""The code with which a look is closed that is over; the message before says why."""
_MOST_WAITING = 64
_POLICY = 1008


async def admit_look_in(service: BotService, request: Request) -> SocketSession | Reply:
    """Return the session of a link's token, or what refuses it."""
    token = request.args.get("token")
    claims = service.verify(LOOK_IN_PURPOSE, token) if token else None
    if claims is None:
        detail = "No such link, or it has expired: make a new one."
        return Reply(status=401, json={"code": "unauthorized", "detail": detail})
    if not await service.key_is_valid(str(claims["k"])):
        detail = "The key that this link was made with is not valid any more."
        return Reply(status=401, json={"code": "unauthorized", "detail": detail})
    scopes = {Scope.READ, Scope.TAKE_OVER} if claims["t"] else {Scope.READ}
    client = Client(key_id=str(claims["k"]), user_id=int(claims["u"]), scopes=frozenset(scopes))
    row = await service.bot(client, str(claims["b"]))
    left_s = float(claims["e"]) - service.now().timestamp()
    return LookInSession(service, client, row, left_s)


class LookInSession(SocketSession):
    """A person who looks at a bot's page.

    Args:
        service: The bots.
        client: Who it is, and whether they may take over.
        row: The bot.
        left_s: How long the link is still good.
    """

    def __init__(self, service: BotService, client: Client, row: BotRow, left_s: float) -> None:
        self._service = service
        self._client = client
        self._row = row
        self._left_s = left_s
        self._waiting: deque[str | bytes] = deque()
        self._wake = Wake()
        self._flooded = False
        self._end = ("expired", "This link has expired: make a new one.")

    def receive(self, message: str | bytes) -> None:
        """Take a message; they are answered one after the other."""
        if len(self._waiting) >= _MOST_WAITING:
            self._flooded = True
        else:
            self._waiting.append(message)
        self._wake.set()

    async def attend(self, socket: Socket) -> None:
        """Show the page until the person goes, the link expires or the page is gone."""
        socket.owned_by(self._client)
        with trio.move_on_after(max(0.0, self._left_s)):
            try:
                await self._look(socket)
            except MeetcoreError as error:
                self._ends_by(error)
        code, detail = self._end
        _send(socket, {"type": "ended", "code": code, "detail": detail})
        socket.close(ENDED, code)

    async def _look(self, socket: Socket) -> None:
        by = f"key {self._client.key_id}"
        async with self._service.look_in(self._row, by=by) as look:
            about = {
                "bot_id": self._row.bot_id,
                "name": self._row.name,
                "take_over": self._client.may(Scope.TAKE_OVER),
                "expires_s": round(self._left_s, 1),
            }
            _send(socket, {"type": "looking", **about})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show, socket, look, nursery.cancel_scope)
                nursery.start_soon(self._answer_all, socket, look)

    def _ends_by(self, error: MeetcoreError) -> None:
        _, body = problem_of(error)
        self._end = (body["code"], body["detail"])

    async def _show(self, socket: Socket, look: LookIn, scope: trio.CancelScope) -> None:
        try:
            while not socket.closed:
                await socket.room()
                socket.send((await look.next_picture()).image)
        except MeetcoreError as error:
            self._ends_by(error)
        scope.cancel()

    async def _answer_all(self, socket: Socket, look: LookIn) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                await self._answer(socket, look, self._waiting.popleft())
            if self._flooded:
                socket.close(_POLICY, f"more than {_MOST_WAITING} messages at once")

    async def _answer(self, socket: Socket, look: LookIn, message: str | bytes) -> None:
        try:
            await self._do(socket, look, _read(message))
        except MeetcoreError as error:
            _, body = problem_of(error)
            refused = {"type": "refused", "code": body["code"], "detail": body["detail"]}
            _send(socket, {**refused, "remedy": error.remedy})

    async def _do(self, socket: Socket, look: LookIn, asked: Mapping[str, Any]) -> None:
        kind = asked["type"]
        if kind == "ping":
            _send(socket, {"type": "pong"})
        elif kind == "take_over":
            if not self._client.may(Scope.TAKE_OVER):
                raise CommandRefused("This link only lets one see.", "Make one with take_over.")
            await look.take_over()
            _send(socket, {"type": "taken_over"})
        elif kind == "release":
            await look.release()
            _send(socket, {"type": "released"})
        elif kind == "input":
            await self._act(socket, look, asked.get("input"))
        else:
            raise CommandRefused(f"There is no message type {kind[:80]!r}.")

    async def _act(self, socket: Socket, look: LookIn, what: object) -> None:
        try:
            await look.act(page_input_from_wire(what))
        except NotTakenOver:  # it never was, or was idle, or the bot begins to leave
            _send(socket, {"type": "released"})
            raise


def _read(message: str | bytes) -> Mapping[str, Any]:
    try:
        asked = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise CommandRefused("That message is not JSON.") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("type"), str):
        raise CommandRefused("A message is a JSON object with a 'type'.")
    return asked


def _send(socket: Socket, message: Mapping[str, Any]) -> None:
    socket.send(json.dumps(message, separators=(",", ":")))
