"""Live dialects: what happens to a bot, told in a dialect to many sockets, each message made once.

A feed numbers messages by the event they belong to and their place among that event's messages;
so a socket that comes with `after` gets the rest of the journal and then what happens, with no gap
and nothing twice, also where one event makes several messages or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from meetcore.dialect import Dialect
from meetcore.events import Draft, Event, SegmentFinalized
from meetcore_server.reading import walk
from meetcore_server.served_socket import ServedSocket
from meetcore_websocket.hub import Topic

__all__ = ["Feed"]

_PLACES = 256


class Feed:
    """One bot in one dialect.

    Args:
        bot_id: The bot.
        variant: Names the dialect.
        make: Makes the dialect.
        path: The journal.
    """

    def __init__(self, bot_id: str, variant: str, make: Callable[[], Dialect], path: Path) -> None:
        self.variant = variant
        self.seq = 0
        self._bot_id = bot_id
        self._make = make
        self._path = path
        self._dialect = make()
        self._topic = Topic(f"{bot_id}/{variant}")
        self._sockets: set[ServedSocket] = set()

    def __len__(self) -> int:
        return len(self._sockets)

    def see(self, event: Event) -> None:
        """Show the dialect an event that happened before anybody followed."""
        self._dialect.messages(event)
        self.seq = event.seq
        self._topic.advance(_end_of(event.seq))

    async def tell(self, event: Event) -> None:
        """Tell an event to everybody."""
        stale = None
        if isinstance(event, SegmentFinalized):
            stale = f"{self._bot_id}:segment:{event.segment.id}"
        self.seq = event.seq
        for place, text in enumerate(self._dialect.messages(event), 1):
            position = event.seq * _PLACES + place
            await self._topic.publish(text, position=position, supersedes=stale)
        self._topic.advance(_end_of(event.seq))

    async def show(self, draft: Draft) -> None:
        """Show a draft to everybody who wants drafts."""
        for text in self._dialect.messages(draft):
            await self._topic.publish(text, key=f"{self._bot_id}:{draft.key}")

    async def follow(self, socket: ServedSocket, after: int | None, *, drafts: bool) -> None:
        """Send a socket what it has missed, then let it be live."""
        self._sockets.add(socket)
        socket.on_close(lambda: self.leave(socket))
        begin = self._topic.position if after is None else _end_of(after)
        begin = min(begin, self._topic.position)
        replay = _Replay(self._make, self._path)
        await self._topic.follow(socket.subscriber, replay, begin, mutable=drafts)

    def leave(self, socket: ServedSocket) -> None:
        """Tell a socket nothing more."""
        self._sockets.discard(socket)
        self._topic.leave(socket.subscriber)


def _end_of(seq: int) -> int:
    """Return the position after every message of an event."""
    return seq * _PLACES + _PLACES - 1


class _Replay:
    """A `History`: messages after a position, from the journal.

    It is asked again for the next few each time; it goes on where it was instead of reading the
    journal from its beginning.
    """

    def __init__(self, make: Callable[[], Dialect], path: Path) -> None:
        self._make = make
        self._path = path
        self._messages: Iterator[tuple[int, str]] = iter(())
        self._held: tuple[int, str] | None = None
        self._at = -1

    def __call__(self, after: int) -> Iterator[tuple[int, str]]:
        if self._held is not None and self._held[0] <= after:
            self._at, self._held = self._held[0], None
        if self._at != after:
            self._messages, self._held = self._from_journal(after), None
        self._at = after
        while True:
            if self._held is None:
                self._held = next(self._messages, None)
            if self._held is None:
                self._at = -1
                return
            yield self._held
            if self._held is not None:
                self._at, self._held = self._held[0], None

    def _from_journal(self, after: int) -> Iterator[tuple[int, str]]:
        dialect = self._make()
        for event in walk(self._path):
            for place, text in enumerate(dialect.messages(event), 1):
                position = event.seq * _PLACES + place
                if position > after:
                    yield position, text
