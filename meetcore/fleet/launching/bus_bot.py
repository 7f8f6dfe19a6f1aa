"""A bot on another machine: heard and commanded over the bus, its history read from its store."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar

import trio

from meetcore.audio.chunk import Chunk
from meetcore.fleet.launching.bus_looks import looking_over_bus, picture_from_answer
from meetcore.fleet.launching.bus_reception import HEAR_FOR_S
from meetcore.fleet.launching.error_frames import error_from_wire
from meetcore.fleet.launching.protocol import chunk_in
from meetcore.model.commands import Command
from meetcore.model.drafts import Draft
from meetcore.model.errors import (
    BusUnavailable,
    CommandFailed,
    CommandRefused,
    StorageUnavailable,
    brief,
)
from meetcore.model.events import Event, StateChanged
from meetcore.model.lifecycle import TERMINAL
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.model.wire import command_to_wire, draft_from_wire, event_from_wire
from meetcore.plugin.bus import BotBus, BusItem
from meetcore.plugin.launcher import RunningBot
from meetcore.plugin.page_view import LookIn
from meetcore.plugin.store import BotStore

__all__ = ["BusBot", "published"]

_LOG = logging.getLogger("meetcore")
_AWAY = (BusUnavailable, StorageUnavailable, OSError, trio.TooSlowError)
_COMMAND_TIMEOUT_S = 35.0
_STORE_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 1.0
_GONE_EVERY_S = 2.0
_GAP_PAUSE_S = 0.25
_WAITING_CHUNKS = 8
_PAGE = 500


class BusBot(RunningBot):
    """A bot that shows itself on a bus.

    Args:
        bot_id: Its id.
        bus: The bus, open.
        store: Where its log is, for what the bus has no more.
    """

    on_this_machine: ClassVar[bool] = False

    def __init__(self, bot_id: str, bus: BotBus, store: BotStore) -> None:
        self.bot_id = bot_id
        self._bus = bus
        self._store = store

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what happens after a `seq`, without a gap; ends with the bot.

        What the bus let go of is read from the store, and everything while the bus is away.
        """
        at = after
        while True:
            try:
                async with aclosing(self._pieces(at)) as pieces:
                    async for item in pieces:
                        if isinstance(item, Event):
                            at = item.seq
                        yield item
                        if _is_last(item):
                            return
            except _AWAY as error:
                _LOG.info("bot=%s is followed in its store: %s", self.bot_id, brief(error))
                gone = await self._is_run_by_nobody()
            else:
                return
            while events := await self._stored_if_any(at):
                for event in events:
                    at = event.seq
                    yield event
                    if _is_last(event):
                        return
            if gone:
                return
            await trio.sleep(_LOOK_EVERY_S)

    async def _pieces(self, after: int) -> AsyncGenerator[Event | Draft, None]:
        """Yield what comes over the bus, with what it lacks from the store, until it is gone."""
        at = after
        async with aclosing(self._bus.follow(self.bot_id, at)) as found:
            async for item in found:
                if item is None:
                    # A bus that says nothing may be out of reach: then it does not answer this.
                    if not await self._bus.alive(self.bot_id) and await self._is_run_by_nobody():
                        break
                elif item.draft:
                    yield draft_from_wire(json.loads(item.content))
                elif item.seq > at:
                    deadline = trio.current_time() + _STORE_TIMEOUT_S
                    while item.seq > at + 1:  # the store may have them a little later
                        for event in await self._stored(at, item.seq):
                            at = event.seq
                            yield event
                        if item.seq > at + 1:
                            if trio.current_time() > deadline:
                                raise StorageUnavailable("The store does not have all events.")
                            await trio.sleep(_GAP_PAUSE_S)
                    at = item.seq
                    yield _event_in(item)
        while rest := await self._stored(at):
            for event in rest:
                at = event.seq
                yield event

    async def _stored(self, after: int, before: int | None = None) -> list[Event]:
        """Return the next events between two that the store has now, a page of them.

        Raises:
            StorageUnavailable, OSError, trio.TooSlowError: It does not answer.
        """
        page: list[Event] = []
        with trio.fail_after(_STORE_TIMEOUT_S):
            async with aclosing(self._store.log(self.bot_id).read(after)) as events:
                async for event in events:
                    if len(page) == _PAGE or (before is not None and event.seq >= before):
                        break
                    page.append(event)
        return page

    async def _stored_if_any(self, after: int) -> list[Event]:
        try:
            return await self._stored(after)
        except _AWAY:
            return []

    async def perform(self, command: Command) -> None:
        """Have the bot carry out a command; at most 35 s.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.perform`.
            CommandFailed: As `Bot.perform`, or the bot does not answer.
        """
        wire = command_to_wire(command)
        await self._answer_to({"by": wire.pop("by", ""), "command": wire})

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of its page; at most 35 s.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.screenshot`.
            CommandFailed: As `Bot.screenshot`, or the bot does not answer.
        """
        answer = await self._answer_to({"screenshot": picture_format.value, "by": by})
        picture = picture_from_answer(answer)
        if picture is None:
            raise CommandFailed("The bot gave no picture.")
        return picture

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        """Look at its page while the block lasts.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.look_in`.
            CommandFailed: As `Bot.look_in`, or the bot does not answer.
        """

        def close(asked: dict[str, Any]) -> None:
            self._bus.soon(partial(self._ask_quietly, asked))

        return looking_over_bus(self._answer_to, by, close=close)

    async def _answer_to(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what the bot answers, in at most 35 s.

        Raises:
            MeetcoreError: As the bot has it.
            CommandRefused: It has ended.
            CommandFailed: It does not answer.
        """
        if await self._is_gone():
            raise CommandRefused("The bot has ended.")
        try:
            return await self._ask(asked, _COMMAND_TIMEOUT_S)
        except _AWAY as trouble:
            if await self._is_gone():
                raise CommandRefused("The bot has ended.") from trouble
            raise CommandFailed("The bot does not answer over the bus.") from trouble

    async def _ask(self, asked: dict[str, Any], within_s: float) -> dict[str, Any]:
        content = json.dumps(asked).encode()
        answer: dict[str, Any] = json.loads(
            await self._bus.ask(self.bot_id, content, within_s=within_s)
        )
        error = error_from_wire(answer["error"])
        if error is not None:
            raise error
        return answer

    async def _ask_quietly(self, asked: dict[str, Any]) -> None:
        with suppress(*_AWAY, CommandRefused, CommandFailed):
            await self._ask(asked, _COMMAND_TIMEOUT_S)

    def abandon(self) -> None:
        """Have it end at once, if it hears that; who has its process can do better."""
        self._bus.soon(partial(self._ask_quietly, {"quit": True}))

    async def gone(self) -> None:
        """Return when nothing of it runs any more: not on the bus, and not in the store."""
        while not await self._is_gone():  # noqa: ASYNC110  nobody tells
            await trio.sleep(_GONE_EVERY_S)

    async def _is_gone(self) -> bool:
        """Whether nobody runs it. Where neither bus nor store can say, it is taken to run."""
        try:
            if await self._bus.alive(self.bot_id):
                return False
        except _AWAY:
            pass  # the store knows it, too
        return await self._is_run_by_nobody()

    async def _is_run_by_nobody(self) -> bool:
        """Whether nobody runs it, by the store, which is taken to mean no where it cannot say."""
        try:
            with trio.fail_after(_STORE_TIMEOUT_S):
                return await self._store.runner(self.bot_id) is None
        except _AWAY:
            return False

    @asynccontextmanager
    async def hear(self) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with the audio of all tracks."""
        send, receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._want_sound)
            nursery.start_soon(self._hear, send)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()

    async def _want_sound(self) -> None:
        while True:
            with suppress(*_AWAY, CommandRefused):
                await self._ask({"hear_s": HEAR_FOR_S}, HEAR_FOR_S / 2)
            await trio.sleep(HEAR_FOR_S / 3)

    async def _hear(self, channel: trio.MemorySendChannel[Chunk]) -> None:
        async with channel:
            while True:
                try:
                    async with aclosing(self._bus.audio(self.bot_id)) as frames:
                        async for content in frames:
                            if content:
                                await channel.send(chunk_in(content))
                            elif await self._is_gone():
                                return
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
                except _AWAY:
                    if await self._is_gone():
                        return
                    await trio.sleep(_LOOK_EVERY_S)


async def published(bus: BotBus, bot_id: str, after: int) -> list[Event]:
    """Return the events after a number that a bus has of a bot that is no more; within 10 s.

    None where the bus does not answer.
    """
    found: list[Event] = []
    with trio.move_on_after(_STORE_TIMEOUT_S), suppress(*_AWAY):
        async with aclosing(bus.follow(bot_id, after)) as items:
            async for item in items:
                if item is None:  # nothing more comes
                    break
                if not item.draft:
                    found.append(_event_in(item))
    return found


def _event_in(item: BusItem) -> Event:
    event = event_from_wire(json.loads(item.content))
    event.remember_json(item.content.decode())
    return event


def _is_last(item: Event | Draft) -> bool:
    return isinstance(item, StateChanged) and item.state in TERMINAL
