"""A user's WebSocket server on the loopback, as nasty as it is told to be; a sink to go with it."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from meetcore.audio.chunk import Chunk
from meetcore.log.journal import Journal
from meetcore.model.commands import Command
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import PluginEvent, StateChanged
from meetcore.model.lifecycle import State
from meetcore.plugin.sink import Sink, SinkContext

DEADLINE_S = 90.0
T = TypeVar("T")
SomeSink = TypeVar("SomeSink", bound=Sink)
SomeUser = TypeVar("SomeUser", bound="User")


@define
class User:
    """What a user's server got, connection by connection, and how it behaves.

    Attributes:
        says: Sent on every connection after its first message, or at once.
        drops_after: For each connection in turn: how many messages it takes before it is cut.
        greeted: Whether to wait for a first message before anything is said.
    """

    port: int = 0
    connections: list[list[str | bytes]] = field(factory=list)
    codes: list[int | None] = field(factory=list)
    says: list[str | bytes] = field(factory=list)
    drops_after: list[int] = field(factory=list)
    greeted: bool = True
    open: list[WebSocketConnection] = field(factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ears/long-secret-part"

    def texts(self, number: int = -1) -> list[Any]:
        return [json.loads(m) for m in self.connections[number] if isinstance(m, str)]

    @property
    def binaries(self) -> list[bytes]:
        return [m for got in self.connections for m in got if isinstance(m, bytes)]

    async def serve(self, request: WebSocketRequest) -> None:
        socket = await request.accept()
        got: list[str | bytes] = []
        self.connections.append(got)
        limit = self.drops_after.pop(0) if self.drops_after else None
        try:
            if self.greeted:
                got.append(await socket.get_message())
            self.open.append(socket)
            for message in self.says:
                await socket.send_message(message)
            while limit is None or len(got) < limit:
                got.append(await socket.get_message())
        except ConnectionClosed as closed:
            self.codes.append(closed.reason.code if closed.reason else None)
            return
        await trio.aclose_forcefully(socket._stream)  # cut, without a goodbye


@asynccontextmanager
async def serving(user: SomeUser, *, deadline_s: float = DEADLINE_S) -> AsyncIterator[SomeUser]:
    with trio.fail_after(deadline_s):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_websocket, user.serve, "127.0.0.1", 0, ssl_context=None)
            user.port = (await nursery.start(serve)).port
            yield user
            nursery.cancel_scope.cancel()


class TargetThread(Generic[T]):
    """A target on a loop of its own: the meetings of the suite run on a clock of their own."""

    target: T

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        async with self._make() as self.target:
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self._token.run_sync_soon(self._stop.set)
        self._thread.join(10)


class WithTarget(ABC, Generic[T]):
    """For a suite of promises: each of its tests has a target for the sink."""

    target: T

    @abstractmethod
    def hold_target(self) -> AbstractAsyncContextManager[T]:
        """Hold what the sink dials."""

    @pytest.fixture(autouse=True)
    def _target(self) -> Iterator[None]:
        thread = TargetThread(self.hold_target)
        self.target = thread.target
        yield
        thread.close()


@define(eq=False)
class Saying:
    """What a bot says for a sink: it reads its source, as fast as that comes."""

    rate_hz: int
    source: Any
    said: bytearray = field(factory=bytearray)
    interrupted: bool = False
    ended: bool = False
    position: float = 0.0

    def interrupt(self) -> None:
        self.interrupted = True

    async def wait(self) -> bool:
        return not self.interrupted

    async def read(self) -> None:
        async for piece in self.source:
            if self.interrupted:
                break
            self.said += piece
        await self.source.aclose()
        self.ended = True


@define
class Stage(Generic[SomeSink]):
    """A sink with a journal and a bot that obeys, or refuses; it says what it is given to say."""

    sink: SomeSink
    journal: Journal
    performed: list[Command] = field(factory=list)
    refusing: dict[str, MeetcoreError] = field(factory=dict)
    busy: trio.Event | None = None
    speeches: list[Saying] = field(factory=list)
    nursery: trio.Nursery | None = None

    def say(self, source: Any, *, sample_rate_hz: int = 16_000, **_: Any) -> Saying:
        if "speak" in self.refusing:
            raise self.refusing["speak"]
        saying = Saying(sample_rate_hz, source)
        self.speeches.append(saying)
        if self.busy is None:
            assert self.nursery is not None
            self.nursery.start_soon(saying.read)
        return saying

    async def perform(self, command: Command) -> None:
        if self.busy is not None:
            await self.busy.wait()
        await trio.lowlevel.checkpoint()
        if command.type in self.refusing:
            raise self.refusing[command.type]
        self.performed.append(command)

    @property
    def notices(self) -> list[PluginEvent]:
        return [event for event in self.journal.read() if isinstance(event, PluginEvent)]

    def noticed(self, name: str) -> list[dict[str, str]]:
        return [notice.data for notice in self.notices if notice.name == name]

    async def tell(self, *events: Any) -> None:
        for event in events:
            await self.sink.deliver(self.journal.append(event))

    async def enter(self) -> None:
        await self.tell(StateChanged(state=State.IN_CALL), StateChanged(state=State.RECORDING))

    async def leave(self) -> None:
        """The meeting is over: the rest is sent, then the end is told."""
        await self.tell(StateChanged(state=State.LEAVING), StateChanged(state=State.PROCESSING))
        await self.sink.finish()
        await self.tell(StateChanged(state=State.COMPLETED))

    async def hear(self, track: str, start: int, samples: int, value: int = 1000) -> None:
        await self.sink.on_audio(Chunk(track, start, np.full(samples, value, np.int16)))


@asynccontextmanager
async def running(
    folder: Path,
    sink: SomeSink,
    *,
    trusted: bool = True,
    refusing: Mapping[str, MeetcoreError] | None = None,
) -> AsyncIterator[Stage[SomeSink]]:
    journal = Journal(folder / "journal.jsonl", "b-1", fsync=False)
    stage = Stage(sink, journal, refusing=dict(refusing or {}))
    context = SinkContext(
        name=sink.name,
        bot_id="b-1",
        folder=folder,
        journal=journal,
        report=journal.append,
        perform=stage.perform,
        say=stage.say,
        trusted=trusted,
    )
    try:
        async with sink.open(context), trio.open_nursery() as stage.nursery:
            yield stage
            stage.nursery.cancel_scope.cancel()
    finally:
        journal.close()
