"""What the three sinks that dial out have in common: when they dial, to whom, and what they say."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import trio

from meetcore.addresses import is_address, is_public
from meetcore.contracts import Sink, SinkContext
from meetcore.errors import ConfigError, JournalError, StorageUnavailable
from meetcore.events import Event, PluginEvent, StateChanged
from meetcore.lifecycle import TERMINAL, State
from meetcore_meetstream.dial_options import DialOptions

if TYPE_CHECKING:
    from meetcore_meetstream.wire_line import WireLine
    from meetcore_websocket.client import Link
    from meetcore_websocket.push_options import PushOptions

__all__ = ["DiallingSink"]

_LOOKS_LIKE_A_KEY = 12
_GOODBYE_S = 3.0
_LONGEST_MESSAGE_BYTES = 8 * 1024 * 1024


class DiallingSink(Sink):
    """Dials when the bot is in the meeting, again whenever the connection drops, until the end.

    Attributes:
        greets: Whether every connection begins with `ready`.
    """

    call_timeout_s: ClassVar[float] = math.inf
    greets: ClassVar[bool] = True

    def __init__(self, options: DialOptions) -> None:
        super().__init__(options)
        self._context: SinkContext | None = None
        self._line: WireLine | None = None
        self._due = trio.Event()
        self._over = False

    @property
    def line(self) -> WireLine:
        """The line to the target."""
        assert self._line is not None
        return self._line

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Dial in the background, once the bot is in the meeting.

        Raises:
            ConfigError: The target came over an API and is not public.
        """
        from meetcore_meetstream.wire_line import WireLine

        self._context = context
        greeting = {
            "type": "ready",
            "bot_id": context.bot_id,
            "message": "Ready to receive messages",
        }
        line = self._line = WireLine(
            self.options, json.dumps(greeting) if self.greets else None, self.heard
        )
        link = self._link(context, self.options.push())
        ended = trio.Event()

        async def run() -> None:
            await self._due.wait()
            await link.run(line.session)
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            async with self.while_open():
                yield
            link.stop()
            line.finish()
            with trio.move_on_after(_GOODBYE_S if self._due.is_set() else 0):
                await ended.wait()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def while_open(self) -> AsyncIterator[None]:
        """Hold what one of the sinks needs besides."""
        yield

    def heard(self, message: str | bytes) -> None:
        """Take a message from the target; nothing is expected of it."""

    def _link(self, context: SinkContext, options: PushOptions) -> Link:
        from meetcore_websocket.client import Link

        if not context.trusted and is_address(options.host) and not is_public(options.host):
            raise ConfigError(
                f"The target {options.target} is not a public address.",
                "Over an API only public targets are taken.",
            )
        _keep_secret(context, options)

        def notice(name: str, why: str) -> None:
            self.say(name, target=options.target, reason=why)

        return Link(
            options,
            allow_private=context.trusted and self.options.allow_private,
            notice=notice,
            longest_message_bytes=_LONGEST_MESSAGE_BYTES,
        )

    def say(self, name: str, **data: str) -> None:
        """Write into the bot's journal what the sink has to say; nothing after the bot's end."""
        context = self._context
        if self._over or context is None:
            return
        told = {key: context.redactor.redact(value) for key, value in data.items() if value}
        try:
            context.report(PluginEvent(plugin=context.name, name=name, data=told))
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself

    async def deliver(self, event: Event) -> None:
        """Take an event: it says when to dial, and when it is over."""
        if isinstance(event, StateChanged):
            if event.state is State.IN_CALL:
                self._due.set()
            elif event.state is State.PROCESSING:
                self.line.hurry(trio.current_time() + self.options.flush_timeout_s)
            self._over = event.state in TERMINAL
        await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Send what waits, within `flush_timeout_s`."""
        if self._due.is_set():
            with trio.move_on_after(self.options.flush_timeout_s):
                await self.line.drained()
        await trio.lowlevel.checkpoint()


def _keep_secret(context: SinkContext, options: PushOptions) -> None:
    parts = urlsplit(options.url)
    context.redactor.add(parts.query)
    for piece in parts.path.split("/"):
        if len(piece) >= _LOOKS_LIKE_A_KEY:
            context.redactor.add(piece)
