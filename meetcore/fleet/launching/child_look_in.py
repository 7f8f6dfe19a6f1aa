"""A look at the page of a bot in another process, over a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import trio
from attrs import define, field

from meetcore.fleet.launching.error_frames import error_from_wire
from meetcore.fleet.launching.protocol import (
    BadFrame,
    Frame,
    FrameKind,
    FrameReader,
    frame,
    json_frame,
    picture_in,
)
from meetcore.model.errors import CommandFailed, MeetcoreError
from meetcore.model.page_input import PageInput, PagePicture, page_input_to_wire
from meetcore.plugin.page_view import LookIn

__all__ = ["ChildLookIn", "looking_over"]

_READ_BYTES = 256 * 1024
_ANSWER_WITHIN_S = 15.0
_GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, BadFrame)


@define(eq=False)
class _Asked:
    done: trio.Event = field(factory=trio.Event)
    error: MeetcoreError | None = None


class ChildLookIn(LookIn):
    """One person's look at a bot of another process. Made by `looking_over`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._in_turn = trio.Lock()
        self._numbers = count(1)
        self._asked: dict[int, _Asked] = {}
        self._pictures, self._shown = trio.open_memory_channel[PagePicture](1)
        self._why_over: MeetcoreError = CommandFailed("The process of the bot went away.")

    async def begin(self, by: str) -> None:
        """Ask for the look.

        Raises:
            CommandRefused, CommandFailed: As `Bot.look_in`, or the process does not answer.
        """
        await self._ask(FrameKind.LOOK_IN, {"by": by})

    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before; waits until there is one."""
        await self._send(frame(FrameKind.NEXT_PICTURE))
        try:
            return await self._shown.receive()
        except trio.EndOfChannel:
            raise self._why_over from None

    async def take_over(self) -> None:
        """Have mouse and keyboard from now on."""
        await self._ask(FrameKind.HANDS, {"do": "take_over"})

    async def release(self) -> None:
        """Give mouse and keyboard back."""
        await self._ask(FrameKind.HANDS, {"do": "release"})

    async def act(self, what: PageInput) -> None:
        """Do something in the page."""
        await self._ask(FrameKind.HANDS, {"do": "act", "input": page_input_to_wire(what)})

    async def _ask(self, kind: FrameKind, message: dict[str, Any]) -> None:
        number = next(self._numbers)
        asked = self._asked[number] = _Asked()
        await self._send(json_frame(kind, {"id": number, **message}))
        with trio.move_on_after(_ANSWER_WITHIN_S):
            await asked.done.wait()
        self._asked.pop(number, None)
        if not asked.done.is_set():
            raise CommandFailed("The process of the bot does not answer.")
        if asked.error is not None:
            raise asked.error

    async def _send(self, data: bytes) -> None:
        try:
            with trio.fail_after(_ANSWER_WITHIN_S):
                async with self._in_turn:
                    await self._stream.send_all(data)
        except trio.TooSlowError as slow:
            raise CommandFailed("The process of the bot takes nothing any more.") from slow
        except _GONE as gone:
            raise self._why_over from gone

    async def read(self) -> None:
        """Take what comes until the connection ends; then whoever waits is told."""
        reader = FrameReader()
        try:
            with suppress(*_GONE):
                while data := await self._stream.receive_some(_READ_BYTES):
                    for each in reader.feed(bytes(data)):
                        self._take(each)
        finally:
            self._pictures.close()
            for asked in self._asked.values():
                asked.error = self._why_over
                asked.done.set()

    def _take(self, each: Frame) -> None:
        if each.kind is FrameKind.PICTURE:
            with suppress(trio.WouldBlock, trio.BrokenResourceError):
                self._pictures.send_nowait(picture_in(each.content)[1])
        elif each.kind is FrameKind.RESULT:
            answer = each.json()
            error = error_from_wire(answer["error"])
            asked = self._asked.get(answer["id"])
            if asked is not None:
                asked.error = error
                asked.done.set()
            elif error is not None:  # the look itself is over
                self._why_over = error
                self._pictures.close()


@asynccontextmanager
async def looking_over(stream: trio.SocketStream, by: str) -> AsyncIterator[ChildLookIn]:
    """Hold a look over a connection, which ends with it.

    Raises:
        CommandRefused, CommandFailed: As `Bot.look_in`, or the process does not answer.
    """
    look = ChildLookIn(stream)
    trouble: Exception | None = None
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(look.read)
        try:
            await look.begin(by)
            yield look
        except Exception as error:  # noqa: BLE001  raised again below, outside of the nursery
            trouble = error
        nursery.cancel_scope.cancel()
    if trouble is not None:
        raise trouble
