"""What the four sinks that dial out have in common: when they dial, to whom, and what they say."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, TypeVar

import trio

from meetcore import Event, Sink, SinkContext, State, StateChanged
from meetcore_meetstream.dial_options import SocketOptions
from meetcore_websocket.dialler import Dialler
from meetcore_websocket.outbound import Outbound

__all__ = ["DiallingSink"]


SocketOptionsT = TypeVar("SocketOptionsT", bound=SocketOptions)


class DiallingSink(Sink[SocketOptionsT]):
    """Dials when the bot is in the meeting, again whenever the connection drops, until the end.

    Attributes:
        greets: Whether every connection begins with `ready`.
    """

    call_timeout_s: ClassVar[float] = math.inf
    greets: ClassVar[bool] = True

    def __init__(self, options: SocketOptionsT) -> None:
        super().__init__(options)
        self._context: SinkContext | None = None
        self._dialler: Dialler | None = None
        self._due = trio.Event()
        self.line = Outbound(options.target, options, self._greeting, self.heard)

    def _greeting(self) -> list[str]:
        assert self._context is not None
        bot_id = self._context.bot_id
        ready = {"type": "ready", "bot_id": bot_id, "message": "Ready to receive messages"}
        return [json.dumps(ready)] if self.greets else []

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Dial in the background, once the bot is in the meeting.

        Raises:
            ConfigError: The target came over an API and is not public.
        """
        self._context = context
        self._dialler = Dialler(context, self.options)
        link = self._dialler.link(self.options.target)
        async with link.keeping(self.line, self._due), self.while_open():
            yield

    @asynccontextmanager
    async def while_open(self) -> AsyncIterator[None]:
        """Hold what one of the sinks needs besides."""
        yield

    def heard(self, message: str | bytes) -> None:
        """Take a message from the target; nothing is expected of it."""

    def say(self, name: str, **data: str) -> None:
        """Write into the bot's journal what the sink has to say; nothing after the bot's end."""
        if self._dialler is not None:
            self._dialler.say(name, **data)

    async def deliver(self, event: Event) -> None:
        """Take an event: it says when to dial, and when it is over."""
        assert self._dialler is not None
        self._dialler.take(event)
        self.line.take(event)
        if isinstance(event, StateChanged) and event.state is State.IN_CALL:
            self._due.set()
        await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Send what waits, within `flush_timeout_s`."""
        if self._due.is_set():
            await self.line.drained()
        await trio.lowlevel.checkpoint()
