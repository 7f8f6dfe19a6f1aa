"""Events and drafts as one stream for one subscriber: events from a cursor, drafts in their place.

Events come from the journal, so a slow subscriber costs no memory and misses none. Of the
drafts it sees the newest of each key, and none that a finalized segment has overtaken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import trio

from meetcore.events import Draft, Event, SegmentFinalized, StateChanged
from meetcore.journal import Journal
from meetcore.lifecycle import TERMINAL
from meetcore.mailbox import DraftBox, Wake

__all__ = ["DraftSource", "Drafts", "subscribe"]


class DraftSource(Protocol):
    """Somebody who hands drafts to boxes."""

    def attach(self, box: DraftBox[Draft], wake: Wake) -> None:
        """Put every new draft in the box and set the wake."""

    def detach(self, box: DraftBox[Draft]) -> None:
        """Stop doing so."""


class Drafts:
    """Hands every draft to whoever is attached."""

    def __init__(self) -> None:
        self._boxes: list[tuple[DraftBox[Draft], Wake]] = []

    def attach(self, box: DraftBox[Draft], wake: Wake) -> None:
        """Put every new draft in the box and set the wake."""
        self._boxes.append((box, wake))

    def detach(self, box: DraftBox[Draft]) -> None:
        """Stop doing so."""
        self._boxes = [pair for pair in self._boxes if pair[0] is not box]

    @property
    def wanted(self) -> bool:
        """Whether anybody is attached."""
        return bool(self._boxes)

    def publish(self, draft: Draft) -> None:
        """Hand a draft to everybody attached."""
        for box, wake in self._boxes:
            box.put(draft.key, draft)
            wake.set()


async def subscribe(
    journal: Journal, drafts: DraftSource | None = None, *, after: int = 0
) -> AsyncIterator[Event | Draft]:
    """Yield a bot's events after `after`, then live ones, up to and with the terminal state.

    Args:
        journal: The bot's journal.
        drafts: Where drafts come from; None for events only.
        after: The last `seq` the subscriber has.
    """
    at = after
    box: DraftBox[Draft] = DraftBox()
    with journal.watching() as wake:
        if drafts is not None:
            drafts.attach(box, wake)
        try:
            while True:
                for event in journal.read(at):
                    at = event.seq
                    if isinstance(event, SegmentFinalized):
                        box.forget(f"segment:{event.segment.id}")
                    await trio.lowlevel.checkpoint()
                    yield event
                    if isinstance(event, StateChanged) and event.state in TERMINAL:
                        return
                if box:
                    await trio.lowlevel.checkpoint()
                    yield box.pop()
                    continue
                if at < journal.last_seq:
                    continue
                if journal.closed:
                    return
                await wake.wait()
        finally:
            if drafts is not None:
                drafts.detach(box)
