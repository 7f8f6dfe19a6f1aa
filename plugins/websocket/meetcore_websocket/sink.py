"""The sink `websocket`: streams one bot's events and drafts to any number of subscribers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import trio

from meetcore import (
    TERMINAL,
    ConfigError,
    Draft,
    Event,
    JournalError,
    PluginEvent,
    Sink,
    SinkContext,
    StateChanged,
    StorageUnavailable,
)
from meetcore_websocket.frames import GOING_AWAY, NORMAL
from meetcore_websocket.options import PATH, WebSocketOptions

if TYPE_CHECKING:
    from meetcore_websocket.bot_connections import BotConnections
    from meetcore_websocket.hub import Topic
    from meetcore_websocket.subscriber import Subscriber

__all__ = ["WebSocketSink"]


class WebSocketSink(Sink[WebSocketOptions]):
    """Streams a bot's events and drafts over WebSockets, from any `seq` on and then live."""

    name: ClassVar[str] = "websocket"
    wants_events: ClassVar[bool] = True
    wants_drafts: ClassVar[bool] = True

    def __init__(self, options: WebSocketOptions | None = None) -> None:
        super().__init__(options)
        self._topic: Topic | None = None
        self._handler: BotConnections | None = None
        self.urls: tuple[str, ...] = ()

    @property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """Who was admitted and is connected now."""
        return self._handler.subscribers if self._handler is not None else ()

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Serve; at the end subscribers have `drain_s` to read the rest.

        Raises:
            AddressUnavailable: The port is taken, or the address is not this machine's.
            ConfigError: There is no token, and the address is not the own machine's.
        """
        from meetcore_websocket.bot_connections import BotConnections
        from meetcore_websocket.hub import Topic
        from meetcore_websocket.server import is_loopback, listen, serving, url_of

        options = self.options
        self._topic = topic = Topic(context.bot_id)
        for token in (*options.read_tokens, *options.full_tokens):
            context.redactor.add(token)
        listeners = await listen(options.host, options.port)
        async with AsyncExitStack() as stack:
            for listener in listeners:
                stack.push_async_callback(trio.aclose_forcefully, listener)
            if options.access.open and not all(map(is_loopback, listeners)):
                raise ConfigError(
                    f"[plugins.websocket] host {options.host!r} is not this machine's own address, "
                    "and there is no token.",
                    "Set read_tokens or full_tokens, or listen on 127.0.0.1.",
                )
            nursery = await stack.enter_async_context(trio.open_nursery())
            self._handler = handler = BotConnections(
                topic,
                context.journal,
                options.access,
                context.perform,
                options.message_limit_bytes,
                nursery,
            )

            def report(name: str, **data: str) -> None:
                try:
                    context.report(PluginEvent(plugin=context.name, name=name, data=data))
                except (JournalError, StorageUnavailable):
                    return  # a journal that takes no more has said so itself

            def wind_up() -> float:
                topic.end(GOING_AWAY, "the bot is gone", options.drain_s)
                return options.drain_s + options.limits.close_s

            self.urls = tuple(url_of(listener, PATH) for listener in listeners)
            async with serving(
                listeners,
                handler,
                options.limits,
                max_connections=options.max_connections,
                failed=lambda error: report("subscriber_failed", error=_kinds(error)),
                wind_up=wind_up,
            ):
                report("listening", url=", ".join(self.urls))
                yield
            nursery.cancel_scope.cancel()

    async def deliver(self, event: Event) -> None:
        """Send an event to everybody; after the terminal one everybody is closed with 1000."""
        assert self._handler is not None
        assert self._topic is not None
        await self._handler.tell(event)
        if isinstance(event, StateChanged) and event.state in TERMINAL:
            self._topic.end(NORMAL, "the bot has ended", self.options.drain_s)

    async def deliver_draft(self, draft: Draft) -> None:
        """Send a draft to everybody who wants drafts."""
        assert self._handler is not None
        await self._handler.show(draft)


def _kinds(error: BaseException) -> str:
    """Return what went wrong without the words of it, in which there may be anything."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(dict.fromkeys(_kinds(inner) for inner in error.exceptions))
    return type(error).__name__
