"""A bot in another process: heard, commanded and ended over a local socket."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import trio

from meetcore.audio.chunk import Chunk
from meetcore.fleet.launching.child_look_in import looking_over
from meetcore.fleet.launching.error_frames import error_from_wire
from meetcore.fleet.launching.protocol import (
    BadFrame,
    Frame,
    FrameKind,
    FrameReader,
    chunk_in,
    json_frame,
    picture_in,
)
from meetcore.fleet.launching.sockets import remove_socket, socket_path
from meetcore.log.scratch import remove_stale
from meetcore.log.who_runs import is_running, runner_of
from meetcore.model.commands import Command
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandFailed, CommandRefused, MeetcoreError
from meetcore.model.events import Event
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.model.wire import command_to_wire, draft_from_wire, event_from_wire
from meetcore.plugin.launcher import RunningBot
from meetcore.plugin.page_view import LookIn

__all__ = ["CONNECT_TIMEOUT_S", "RETRY_S", "ChildBot", "kill_group"]

_LOG = logging.getLogger("meetcore")
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 35.0
RETRY_S = 0.02
_WAITING_CHUNKS = 8
_READ_BYTES = 64 * 1024
_WENT_AWAY = (OSError, trio.TooSlowError, trio.BrokenResourceError)
"""What a process that goes away does to a connection, which may be one that it never took."""


class ChildBot(RunningBot):
    """A bot in another process of this machine. Every use has a connection of its own.

    Args:
        bot_id: Its id.
        workplace: The folder it works in.
        process: Its process, if it is our child.

    Attributes:
        released: Whether another looks after it: it is neither ended for its silence from here, nor
            told to leave.
        unresponsive_since: Trio's time since when its process answers nothing; None while it
            does.
    """

    def __init__(self, bot_id: str, workplace: Path, process: trio.Process | None) -> None:
        self.bot_id = bot_id
        self.workplace = workplace
        self._path = socket_path(workplace)
        self.released = False
        self.unresponsive_since: float | None = None
        self._process = process
        self._numbers = count(1)

    async def connect(self) -> trio.SocketStream:
        """Return a connection to the bot's process.

        Raises:
            OSError: It does not listen.
            trio.TooSlowError: It does not answer.
        """
        with trio.fail_after(CONNECT_TIMEOUT_S):
            return await trio.open_unix_socket(str(self._path))

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what happens after a `seq`; ends with the terminal event or with the process."""
        try:
            stream = await self._greeted({"after": after, "audio": False})
        except _WENT_AWAY:
            return
        async with stream:
            reader = FrameReader()
            while frames := await _read(stream, reader):
                for each in frames:
                    if each.kind is FrameKind.EVENT:
                        event = event_from_wire(each.json())
                        event.remember_json(each.content.decode())
                        yield event
                    elif each.kind is FrameKind.DRAFT:
                        yield draft_from_wire(each.json())

    async def _greeted(self, hello: dict[str, object]) -> trio.SocketStream:
        stream = await self.connect()
        try:
            await stream.send_all(json_frame(FrameKind.HELLO, hello))
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    async def perform(self, command: Command) -> None:
        """Have the process carry out a command; at most 35 s.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.perform`.
            CommandFailed: As `Bot.perform`, or the process does not answer.
        """
        wire = command_to_wire(command)
        message = {"by": wire.pop("by", ""), "command": wire}
        await self._answered(FrameKind.COMMAND, message)

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of its page; at most 35 s.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.screenshot`.
            CommandFailed: As `Bot.screenshot`, or the process does not answer.
        """
        message = {"by": by, "format": picture_format.value}
        picture = await self._answered(FrameKind.GIVE_PICTURE, message)
        if picture is None:
            raise CommandFailed("The process of the bot gave no picture.")
        return picture

    @asynccontextmanager
    async def look_in(self, *, by: str = "") -> AsyncIterator[LookIn]:
        """Look at its page while the block lasts.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.look_in`.
            CommandFailed: As `Bot.look_in`, or the process does not answer.
        """
        try:
            stream = await self.connect()
        except _WENT_AWAY as trouble:
            raise self._unreachable() from trouble
        async with looking_over(stream, by) as look:
            yield look

    def _unreachable(self) -> CommandRefused | CommandFailed:
        if not is_running(self.workplace):
            return CommandRefused("The bot has ended.")
        return CommandFailed("The process of the bot does not answer.")

    async def _answered(self, kind: FrameKind, message: dict[str, Any]) -> PagePicture | None:
        """Ask for something; return the picture that answers it, None for a plain yes."""
        try:
            with trio.fail_after(COMMAND_TIMEOUT_S):
                answer = await self._ask(kind, message)
        except (*_WENT_AWAY, BadFrame) as trouble:
            raise self._unreachable() from trouble
        if isinstance(answer, MeetcoreError):
            raise answer
        return answer

    async def _ask(
        self, kind: FrameKind, message: dict[str, Any]
    ) -> PagePicture | MeetcoreError | None:
        number = next(self._numbers)
        async with await self.connect() as stream:
            await stream.send_all(json_frame(kind, {"id": number, **message}))
            for each in await _read(stream, FrameReader()):
                if each.kind is FrameKind.RESULT and each.json()["id"] == number:
                    return error_from_wire(each.json()["error"])
                if each.kind is FrameKind.PICTURE:
                    return picture_in(each.content)[1]
        raise trio.BrokenResourceError("the process went away")

    def abandon(self) -> None:
        """Kill the process and whatever it started; recovery finishes what it left."""
        if self._process is not None:
            kill_group(self._process.pid)
        elif (runner := runner_of(self.workplace)) is not None and runner.pid is not None:
            kill_group(runner.pid)

    def release(self) -> None:
        """Look after it no more."""
        self.released = True

    @asynccontextmanager
    async def hear(self) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with the audio of all tracks."""
        send, receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, send)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()

    async def _hear(self, channel: trio.MemorySendChannel[Chunk]) -> None:
        with channel, suppress(*_WENT_AWAY):
            async with await self._greeted({"after": 0, "audio": True}) as stream:
                reader = FrameReader()
                while frames := await _read(stream, reader):
                    for each in frames:
                        # Waits: what does not fit is dropped, and said, where the journal is.
                        await channel.send(chunk_in(each.content))

    async def gone(self) -> None:
        """Return when the process is gone, and with it everything it started."""
        if self._process is not None:
            await self._process.wait()
            kill_group(self._process.pid)
            await self._tidy()
            return
        while is_running(self.workplace):
            with suppress(*_WENT_AWAY):
                async with await self.connect() as stream:
                    await stream.receive_some(1)
            await trio.sleep(RETRY_S)
        await self._tidy()

    async def _tidy(self) -> None:
        """Remove what a killed process could not."""
        remove_socket(self.workplace)
        await trio.to_thread.run_sync(remove_stale)

    @property
    def pid(self) -> int | None:
        """Number of the process, None where it is not our child."""
        return self._process.pid if self._process else None


async def _read(stream: trio.SocketStream, reader: FrameReader) -> list[Frame]:
    """Return the next frames, none at the end. No deadline of its own."""
    try:
        while data := await stream.receive_some(_READ_BYTES):
            if frames := reader.feed(bytes(data)):
                return frames
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return []
    return []


def kill_group(pid: int) -> None:
    """End a process and all that it started, at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
