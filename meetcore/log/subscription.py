"""Events and drafts as one stream for one subscriber: events from a cursor, drafts in their place.

Events come from the journal, so a slow subscriber costs no memory and misses none. Of the
drafts it sees the newest of each key, and none that a finalized segment has overtaken.
"""

from __future__ import annotations

import weakref

import trio

from meetcore.log.journal import Cursor, Journal
from meetcore.log.mailbox import DraftBox
from meetcore.model.drafts import Draft
from meetcore.model.events import Event, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import TERMINAL

__all__ = ["Drafts", "Subscription"]


class Drafts:
    """Hands every draft to the subscriptions there are."""

    def __init__(self) -> None:
        self._subscriptions: list[weakref.ref[Subscription]] = []

    def attach(self, subscription: Subscription) -> None:
        """Hand drafts to a subscription, for as long as somebody holds it."""
        self._subscriptions.append(weakref.ref(subscription, self._subscriptions.remove))

    @property
    def wanted(self) -> bool:
        """Whether anybody would see a draft."""
        return bool(self._subscriptions)

    def publish(self, draft: Draft) -> None:
        """Hand a draft to everybody."""
        for reference in self._subscriptions:
            subscription = reference()
            if subscription is not None:
                subscription.take_draft(draft)


class Subscription:
    """A bot's events after `after`, then live ones, up to and with the terminal state.

    An asynchronous iterator that may be dropped at any time.

    Args:
        journal: The bot's journal.
        drafts: Where drafts come from; None for events only.
        after: The last `seq` the subscriber has.
    """

    def __init__(self, journal: Journal, drafts: Drafts | None = None, *, after: int = 0) -> None:
        self._cursor = Cursor(journal, after)
        self._journal = journal
        self._box: DraftBox[Draft] = DraftBox()
        self._over = False
        if drafts is not None:
            drafts.attach(self)

    def take_draft(self, draft: Draft) -> None:
        """Keep a draft until its turn, in place of an older one of its key."""
        self._box.put(draft.key, draft)
        self._cursor.wake.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event | Draft:
        while not self._over:
            item = self._next_now()
            if item is not None:
                await trio.lowlevel.checkpoint()
                return item
            if self._journal.closed:
                break
            await self._cursor.wait()
        raise StopAsyncIteration

    def _next_now(self) -> Event | Draft | None:
        event = self._cursor.next_now()
        if event is None:
            return self._box.pop() if self._box else None
        if isinstance(event, SegmentFinalized):
            self._box.forget(f"segment:{event.segment.id}")
        self._over = isinstance(event, StateChanged) and event.state in TERMINAL
        return event
