"""The looks of a launcher's people at the page of a bot of this process, one a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from meetcore.bot.bot import Bot
from meetcore.fleet.launching.error_frames import error_to_wire
from meetcore.fleet.launching.protocol import FrameKind, json_frame, picture_frame
from meetcore.log.mailbox import Wake
from meetcore.model.errors import CommandFailed, CommandRefused, MeetcoreError
from meetcore.model.page_input import PictureFormat, page_input_from_wire
from meetcore.plugin.page_view import LookIn

__all__ = ["WorkerLooks"]

_MOST_WAITING = 256


class WorkerLooks:
    """What one connection sees of a bot's page.

    Args:
        bot: The bot.
        send: Sends a frame.
    """

    def __init__(self, bot: Bot, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._bot = bot
        self._send = send
        self._asked = Wake()
        self._hands, self._to_do = trio.open_memory_channel[dict[str, Any]](_MOST_WAITING)

    def next_picture(self) -> None:
        """Take it that the next picture is wanted."""
        self._asked.set()

    def hands(self, message: dict[str, Any]) -> None:
        """Take what mouse and keyboard are to do, in order."""
        try:
            self._hands.send_nowait(message)
        except trio.WouldBlock:
            return  # whoever looks waits for each answer: this is nobody of ours

    async def give_picture(self, message: dict[str, Any]) -> None:
        """Answer with a screenshot, or why there is none."""
        number = int(message["id"])
        try:
            picture = await self._bot.screenshot(PictureFormat(message["format"]), by=message["by"])
        except MeetcoreError as error:
            await self._answer(number, error)
        else:
            await self._send(picture_frame(number, picture))

    async def look_in(self, message: dict[str, Any]) -> None:
        """Let somebody look while the connection lasts; then `R`, with why it ended."""
        number = int(message["id"])
        try:
            async with self._bot.look_in(by=message["by"]) as look:
                await self._answer(number, None)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._act, look)
                    await self._show(number, look)
                    nursery.cancel_scope.cancel()
        except* MeetcoreError as errors:
            await self._answer(number, _first(errors))

    async def _show(self, number: int, look: LookIn) -> None:
        while True:
            await self._asked.wait()
            await self._send(picture_frame(number, await look.next_picture()))

    async def _act(self, look: LookIn) -> None:
        async for message in self._to_do:
            error: MeetcoreError | None = None
            try:
                await _do(look, message)
            except MeetcoreError as refused:
                error = refused
            await self._answer(int(message["id"]), error)

    async def _answer(self, number: int, error: MeetcoreError | None) -> None:
        result = {"id": number, "error": error_to_wire(error)}
        await self._send(json_frame(FrameKind.RESULT, result))


async def _do(look: LookIn, message: dict[str, Any]) -> None:
    match message["do"]:
        case "take_over":
            await look.take_over()
        case "release":
            await look.release()
        case "act":
            await look.act(page_input_from_wire(message["input"]))
        case other:
            raise CommandRefused(f"Nobody does {str(other)[:40]!r} in a page.")


def _first(errors: BaseExceptionGroup[MeetcoreError]) -> MeetcoreError:
    for error in errors.exceptions:
        if isinstance(error, MeetcoreError):
            return error
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
    return CommandFailed("The page cannot be looked at.")
