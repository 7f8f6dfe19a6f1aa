"""The hub: a message is encoded once and goes to every subscriber of its topic.

It knows nothing of bots, sinks or ports. A topic has a position, the number of its newest durable
message; whoever joins with an older position gets what lies between from a history, and is live
from there with no gap and nothing twice, because the step from one to the other has no checkpoint
in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeAlias

import trio

from meetcore_websocket.frames import text_frame
from meetcore_websocket.subscriber import Subscriber

__all__ = ["History", "Hub", "Topic"]

History: TypeAlias = Callable[[int], Iterable[tuple[int, str]]]
"""Gives position and text of each durable message after a position, lazily, in order."""

_WRITES_BETWEEN_CHECKPOINTS = 200
_REPLAYED_AT_A_TIME = 64
_REPLAY_WINDOW_BYTES = 64 * 1024


class Topic:
    """What some subscribers want to hear.

    Attributes:
        name: Its name.
        position: Number of the newest durable message, 0 for none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.position = 0
        self._subscribers: dict[Subscriber, bool] = {}
        self._all: tuple[Subscriber, ...] = ()
        self._with_mutable: tuple[Subscriber, ...] = ()
        self._in_turn = trio.Lock()
        self._moved = trio.lowlevel.ParkingLot()
        self._end: tuple[int, str, float] | None = None

    def __len__(self) -> int:
        return len(self._subscribers)

    @property
    def ended(self) -> bool:
        """Whether nothing will be published any more."""
        return self._end is not None

    def join(self, subscriber: Subscriber, *, mutable: bool = True) -> None:
        """Make a subscriber live from here on; without `mutable` it gets durable messages only."""
        self._subscribers[subscriber] = mutable
        self._count()
        if self._end is not None:
            code, reason, within_s = self._end
            subscriber.close(code, reason, within_s=within_s)

    def leave(self, subscriber: Subscriber) -> None:
        """Let a subscriber go, if it is here."""
        if self._subscribers.pop(subscriber, None) is not None:
            self._count()

    def _count(self) -> None:
        self._all = tuple(self._subscribers)
        self._with_mutable = tuple(s for s, mutable in self._subscribers.items() if mutable)

    async def publish(
        self,
        text: str,
        *,
        position: int | None = None,
        key: str | None = None,
        supersedes: str | None = None,
    ) -> None:
        """Send a message to everybody; returns when it is with all of them or in their outboxes.

        Nobody can hold it up. It gives way to other tasks every 200 writes; once begun it is not
        cancelled in the middle, so that no subscriber is left out.

        Args:
            text: The message.
            position: Its number, for a durable one: greater than any before.
            key: For a mutable one: the newest of a key wins.
            supersedes: The key of mutable messages that this one makes stale.
        """
        async with self._in_turn:
            audience = self._all if key is None else self._with_mutable
            if position is not None:
                self.position = position
                self._moved.unpark_all()
            if not audience:
                return
            frame = text_frame(text)
            for first in range(0, len(audience), _WRITES_BETWEEN_CHECKPOINTS):
                if first:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                for subscriber in audience[first : first + _WRITES_BETWEEN_CHECKPOINTS]:
                    if supersedes is not None:
                        subscriber.forget(supersedes)
                    subscriber.push(frame, key)

    def advance(self, position: int) -> None:
        """Say that there is nothing durable up to a position that was not published."""
        if position > self.position:
            self.position = position
            self._moved.unpark_all()

    def end(self, code: int, reason: str, within_s: float) -> None:
        """Publish nothing more: everybody is closed after what is owed to him, and so is who comes.

        Args:
            code: The WebSocket close code.
            reason: Words for it.
            within_s: How long each may take to read what is left.
        """
        if self._end is None:
            self._end = (code, reason, within_s)
            for subscriber in self._all:
                subscriber.close(code, reason, within_s=within_s)
            self._moved.unpark_all()

    async def follow(
        self, subscriber: Subscriber, history: History, after: int, *, mutable: bool = True
    ) -> None:
        """Send what a subscriber has missed, at its own pace, then make it live.

        A subscriber that reads slowly costs 64 KiB, however much it has missed: the next messages
        are taken from the history when it has read those before.

        Args:
            subscriber: Who.
            history: Where older messages come from.
            after: The last position it has. One the topic has not come to is waited for.
            mutable: Whether it wants mutable messages, once live.
        """
        while not subscriber.closed:
            if after == self.position or (after > self.position and self.ended):
                self.join(subscriber, mutable=mutable)
                return
            if after > self.position:
                await self._moved.park()
                continue
            after = self._replay(subscriber, history, after)
            await subscriber.room(_REPLAY_WINDOW_BYTES // 2)

    def _replay(self, subscriber: Subscriber, history: History, after: int) -> int:
        """Push a few of the missed messages; return the position reached.

        The history is let go before anything waits, so that it holds nothing meanwhile.
        """
        upto, begun = self.position, after
        for position, text in islice(history(after), _REPLAYED_AT_A_TIME):
            if position > upto or subscriber.backlog_bytes > _REPLAY_WINDOW_BYTES:
                return after
            subscriber.push(text_frame(text))
            after = position
        return upto if after == begun else after  # a history without the rest is at its end


class Hub:
    """Topics by name."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def topic(self, name: str) -> Topic:
        """Return the topic of a name; it is there from the first time it is asked for."""
        return self._topics.setdefault(name, Topic(name))

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def drop(self, name: str) -> None:
        """Forget a topic; whoever follows it goes on until it is closed."""
        self._topics.pop(name, None)

    def leave(self, subscriber: Subscriber) -> None:
        """Let a subscriber go from every topic."""
        for topic in self._topics.values():
            topic.leave(subscriber)
