"""Subscribers of one bot's events: each gets what it missed, then what happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio

from meetcore import (
    Command,
    Dialect,
    Draft,
    Event,
    JournalView,
    MeetcoreError,
    NativeDialect,
    SegmentFinalized,
)
from meetcore_websocket.access import Access, AccessDecision, Role
from meetcore_websocket.command_queue import CommandQueue
from meetcore_websocket.frames import INTERNAL_ERROR
from meetcore_websocket.hub import Topic
from meetcore_websocket.request import Refusal, Request
from meetcore_websocket.subscriber import Subscriber

__all__ = ["BotConnections", "Perform"]

Perform = Callable[[Command], Awaitable[None]]

_READERS_MESSAGE_BYTES = 16 * 1024


class BotConnections:
    """Admits subscribers to one bot's topic. A `ConnectionHandler`.

    Args:
        topic: The bot's topic.
        journal: Where older events come from.
        access: Who may come in.
        perform: Carries out commands.
        message_bytes: The longest message a subscriber that gives commands may send.
        nursery: Where commands are carried out.
    """

    def __init__(
        self,
        topic: Topic,
        journal: JournalView,
        access: Access,
        perform: Perform,
        message_bytes: int,
        nursery: trio.Nursery,
    ) -> None:
        self._topic = topic
        self._journal = journal
        self._access = access
        self._perform = perform
        self._message_bytes = message_bytes
        self._nursery = nursery
        self._dialect: Dialect = NativeDialect()
        self._admitted: dict[Subscriber, tuple[AccessDecision, CommandQueue]] = {}

    @property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """Who was admitted and is connected now."""
        return tuple(self._admitted)

    # --- what is told --------------------------------------------------------------------

    def _history(self, after: int) -> Iterator[tuple[int, str]]:
        for event in self._journal.read(after):
            (text,) = self._dialect.messages(event)
            yield event.seq, text

    async def tell(self, event: Event) -> None:
        """Publish an event, and before it any that was not told."""
        for missed in self._journal.read(self._topic.position):
            if missed.seq >= event.seq:
                break
            await self._publish(missed)
        await self._publish(event)

    async def _publish(self, event: Event) -> None:
        (text,) = self._dialect.messages(event)
        stale = f"segment:{event.segment.id}" if isinstance(event, SegmentFinalized) else None
        await self._topic.publish(text, position=event.seq, supersedes=stale)

    async def show(self, draft: Draft) -> None:
        """Publish a draft."""
        (text,) = self._dialect.messages(draft)
        await self._topic.publish(text, key=draft.key)

    # --- who comes -------------------------------------------------------------------------

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        """Decide about a request."""
        decision = self._access.decide(request)
        if isinstance(decision, Refusal):
            return decision
        if decision.after > self._journal.last_seq:
            return Refusal(
                400,
                f"`after` is {decision.after}, but the newest event is {self._journal.last_seq}.",
                "This may be another bot than the one you followed; begin with after=0.",
            )
        queue = CommandQueue(subscriber, decision.role, self._perform, self._nursery)
        if decision.role is Role.FULL:
            subscriber.message_bytes = self._message_bytes
        else:
            subscriber.message_bytes = min(subscriber.message_bytes, _READERS_MESSAGE_BYTES)
        self._admitted[subscriber] = (decision, queue)
        return None

    async def attend(self, subscriber: Subscriber) -> None:
        """Tell a subscriber what it missed, then let it be live."""
        admission, _ = self._admitted[subscriber]
        try:
            await self._topic.follow(
                subscriber, self._history, admission.after, mutable=admission.drafts
            )
        except MeetcoreError as error:
            subscriber.close(INTERNAL_ERROR, error.message, discard=True)

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Take a command."""
        self._admitted[subscriber][1].take(message)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber whose connection has ended."""
        self._topic.leave(subscriber)
        self._admitted.pop(subscriber, None)
