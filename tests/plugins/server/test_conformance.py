"""The server's own service, held to what every service has to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
import trio.testing
import trio_websocket

from meetcore.gateway.http import Socket, SocketSession
from meetcore.gateway.records import BotRow, Client
from meetcore.gateway.service import Service
from meetcore.model.lifecycle import State
from meetcore.testing import ServiceConformance
from meetcore_server.openings import Openings
from meetcore_server.served_socket import ServedSocket
from meetcore_websocket.limits import Limits

from .running import serving


async def all_are_good(key_ids: Collection[str]) -> Collection[str]:
    return key_ids


class Stage:
    """A server in this process, with scripted meetings."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def link(self, number: int = 1, *, stays: bool = False) -> str:
        return f"https://meet.google.com/{'sta' if stays else 'abc'}-defg-hi{'jkl'[number]}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Follower]:
        ours, theirs = trio.testing.memory_stream_pair()
        session = Session(Client(key_id="any", user_id=1))
        follower = Follower(ServedSocket(ours, session, Limits(), Openings(all_are_good)))

        async def keep() -> None:
            with suppress(trio_websocket.ConnectionClosed):
                while True:
                    follower.texts.append(await client.get_message())

        async with theirs, trio.open_nursery() as nursery:
            nursery.start_soon(follower.socket.run, b"")
            client = await trio_websocket.wrap_client_stream(nursery, theirs, "test", "/")
            nursery.start_soon(keep)
            yield follower
            nursery.cancel_scope.cancel()

    async def until(self, row: BotRow, *states: State) -> BotRow:
        owner = Client(key_id=row.key_id, user_id=row.user_id)
        while True:
            row = await self.service.bot(owner, row.bot_id)
            if row.ended or row.state in states:
                return row
            await trio.sleep(0.05)


class Session(SocketSession):
    """Owns its socket, and listens no more than that."""

    def __init__(self, owner: Client) -> None:
        self._owner = owner

    async def attend(self, socket: Socket) -> None:
        socket.owned_by(self._owner)
        await trio.sleep_forever()


class Follower:
    def __init__(self, socket: ServedSocket) -> None:
        self.socket = socket
        self.texts: list[str] = []


class TestServer(ServiceConformance):
    @asynccontextmanager
    async def open_stage(self, folder: Path) -> AsyncIterator[Stage]:
        async with serving(folder) as server:
            yield Stage(server.service)
