"""Serves one target once: sends what it is owed, in order, until all is sent or it has to wait.

In order, with the first message that fails holding up the rest, and not each message on its own: a
receiver builds its state from what it is told, and a target that is down fails every message. What
one message can hold up is bounded: one the target calls unacceptable is given up at once, any other
when its attempts are used up.

Every step is durable before the next is taken: a courier that is killed anywhere is followed by one
that sends at most the message again whose answer was not noted.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from random import Random
from typing import TypeAlias

import trio
from attrs import define, evolve, field

from meetcore.events import Event
from meetcore.orders import BotGone, BotRow
from meetcore.service import Moment, Outgoing, WebhookFormat
from meetcore.story import Story
from meetcore_server.storage.cursors import (
    MOST_PARCELS,
    Attempt,
    Cursors,
    Fate,
    Parcel,
    Position,
    Work,
)
from meetcore_server.webhooks.attempts import Sender, fate_of
from meetcore_server.webhooks.trouble import kind_and_place
from meetcore_webhook.schedule import Verdict
from meetcore_webhook.sender import Outcome

__all__ = ["Courier", "Done", "ReadEvents"]

ReadEvents: TypeAlias = Callable[[BotRow, int], AsyncGenerator[Event, None]]

_MOST_IN_A_ROW = 100
_log = logging.getLogger("meetcore.server.webhooks")


class _Enough(Exception):
    """The courier has to stop here; `again_at` says when to go on, None for when asked."""

    def __init__(self, again_at: datetime | None) -> None:
        super().__init__(again_at)
        self.again_at = again_at


@define(kw_only=True)
class Done:
    """How a round went.

    Attributes:
        again_at: When the target is to be served again; None for when there is something new.
        settled: Nothing more will come from the journal.
        slow: Whether the last attempt ran into its deadline; None for no attempt.
    """

    again_at: datetime | None = None
    settled: bool = False
    slow: bool | None = None


@define(eq=False, kw_only=True)
class Courier:
    """One round to one target.

    Args:
        cursors: What is owed, and where it is noted.
        sender: Makes the attempts.
        webhook_format: Writes the messages.
        read_events: Yields a bot's events after a number, from its journal.
        work: What is known of the target.
        story: The bot's story as far as this target's couriers have read it; goes on.
        now: Gives the wall time.
        random: For the pauses.
        tell: Told of each attempt.
    """

    cursors: Cursors
    sender: Sender
    webhook_format: WebhookFormat
    read_events: ReadEvents
    work: Work
    story: Story
    now: Callable[[], datetime]
    random: Random
    tell: Callable[[Fate], None]
    _position: Position = field(init=False)
    _noted: Position = field(init=False)
    _sent: int = field(default=0, init=False)
    _done: Done = field(factory=Done, init=False)

    async def go(self) -> Done:
        """Send what is owed; as long as the target answers, up to a hundred messages."""
        self._position = self._noted = self.work.position
        try:
            for parcel in self.work.parcels:
                if parcel.again:
                    await self._send_again(parcel)
            if not self.work.over:
                await self._send_owed()
        except _Enough as enough:
            self._done.again_at = enough.again_at
            if self._position != self._noted:
                await self._note(settled=False)
        else:
            if len(self.work.parcels) >= MOST_PARCELS:
                self._done.again_at = self.now()
        return self._done

    # --- in order -----------------------------------------------------------------------

    async def _send_owed(self) -> None:
        self._wait_until(self._position.next_try_at)
        posts = deque(parcel for parcel in self.work.parcels if not parcel.again)
        gone = False
        try:
            await self._send_events(posts)
        except BotGone:
            gone = self.work.row.ended  # before that it is not there yet
        for parcel in posts:
            await self._send_parcel(parcel)
        self._done.settled = gone or self.work.row.ended
        if gone:
            await self.cursors.skip_journal(self.work.row.bot_id)
        elif self._position != self._noted or self._done.settled:
            await self._note(settled=self._done.settled)

    async def _note(self, *, settled: bool) -> None:
        await self.cursors.move(self.work.target.id, self._position, settled=settled)
        self._noted = self._position

    def _wait_until(self, at: datetime | None) -> None:
        if at is not None and at > self.now():
            raise _Enough(at)

    async def _send_events(self, posts: deque[Parcel]) -> None:
        if self.story.last_seq > self._position.cursor + 1:
            self.story = Story()  # it knows more than may be told
        after = min(self.story.last_seq, self._position.cursor)
        async with aclosing(self.read_events(self.work.row, after)) as events:
            async for event in events:
                if event.seq > self._position.cursor:
                    while posts and posts[0].after_seq < event.seq:
                        await self._send_parcel(posts[0])
                        posts.popleft()
                if event.seq > self.story.last_seq:
                    self.story.take(event)
                if event.seq > self._position.cursor:
                    await self._send_event(event)

    async def _send_event(self, event: Event) -> None:
        messages = await self._messages(event, self._position.attempts + 1)
        if isinstance(messages, Outcome):
            part = self._position.part
            await self._settle(event, part, part + 1, Outgoing(kind=event.type, body=b""), messages)
            return
        for part in range(self._position.part, len(messages)):
            outcome = await self._send(messages[part])
            await self._settle(event, part, len(messages), messages[part], outcome)
        self._position = Position(cursor=event.seq)

    async def _messages(self, event: Event, attempt: int) -> list[Outgoing] | Outcome:
        """Return the messages about an event, or why there are none."""
        moment = Moment(
            row=self.work.row,
            event=event,
            story=self.story,
            target=self.work.target,
            attempt=attempt,
        )
        try:
            return list(await self.webhook_format.messages(moment))
        except Exception as error:  # noqa: BLE001  one dialect's trouble is not the others'
            name = self.webhook_format.name
            _log.error("webhook %s of bot %s: %s", name, event.bot_id, kind_and_place(error))
            reason = f"the format {name} failed: {type(error).__name__}"
            return Outcome(verdict=Verdict.RETRY, error=reason)

    async def _settle(
        self, event: Event, part: int, parts: int, outgoing: Outgoing, outcome: Outcome
    ) -> None:
        """Note what came of a message of an event; go on only if that is settled."""
        number = self._position.attempts + 1 if part == self._position.part else 1
        fate, again_at = self._fate(outcome, number)
        if fate is Fate.HELD:
            position = evolve(self._position, part=part, attempts=number, next_try_at=again_at)
        elif part + 1 < parts:
            position = evolve(self._position, part=part + 1, attempts=0, next_try_at=None)
        else:
            position = Position(cursor=event.seq)
        attempt = Attempt(
            kind=outgoing.kind,
            message_id=outgoing.id,
            event_seq=event.seq,
            part=part,
            number=number,
            fate=fate,
            status=outcome.status,
            error=outcome.error,
            next_try_at=again_at,
        )
        gone = outcome.verdict is Verdict.GONE
        await self.cursors.record(self.work, attempt, position, gone=gone)
        self._position = self._noted = position
        self._after(fate, again_at, gone=gone)

    # --- by themselves ------------------------------------------------------------------

    async def _send_parcel(self, parcel: Parcel) -> None:
        """Send a message that belongs to no event; go on only if that is settled."""
        self._wait_until(parcel.next_try_at)
        outcome = await self._send(_outgoing(parcel))
        number = parcel.attempts + 1
        fate, again_at = self._fate(outcome, number)
        gone = outcome.verdict is Verdict.GONE
        attempt = _attempt(parcel, number, fate, outcome, again_at)
        await self.cursors.record_parcel(self.work, parcel, attempt, gone=gone)
        self._after(fate, again_at, gone=gone)

    async def _send_again(self, parcel: Parcel) -> None:
        """Send a message somebody asked for once more: once, whatever comes of it.

        If it is taken, what was held up need not wait any more.
        """
        outgoing = await self._made_anew(parcel)
        if isinstance(outgoing, Outcome):
            outcome = outgoing
        else:
            outcome = await self._send(outgoing)
        taken = outcome.verdict is Verdict.DELIVERED
        fate = Fate.DELIVERED if taken else Fate.GIVEN_UP
        attempt = _attempt(parcel, parcel.attempts + 1, fate, outcome, None)
        await self.cursors.record_parcel(self.work, parcel, attempt)
        self.tell(fate)
        if taken:
            self._position = evolve(self._position, next_try_at=None)

    async def _made_anew(self, parcel: Parcel) -> Outgoing | Outcome:
        if parcel.event_seq == 0 and parcel.body is not None:
            return _outgoing(parcel)
        story = Story()
        try:
            async with aclosing(self.read_events(self.work.row, 0)) as events:
                async for event in events:
                    story.take(event)
                    if event.seq == parcel.event_seq:
                        return await self._one_of(event, story, parcel)
        except BotGone:
            _log.info("webhook of bot %s: asked for again after deletion", self.work.row.bot_id)
        return Outcome(verdict=Verdict.UNACCEPTABLE, error="what it told of was deleted")

    async def _one_of(self, event: Event, story: Story, parcel: Parcel) -> Outgoing | Outcome:
        mine, self.story = self.story, story
        try:
            messages = await self._messages(event, parcel.attempts + 2)
        finally:
            self.story = mine
        if isinstance(messages, Outcome):
            return messages
        if parcel.part >= len(messages):
            return Outcome(verdict=Verdict.UNACCEPTABLE, error="the target is told of it no more")
        return messages[parcel.part]

    # --- either -------------------------------------------------------------------------

    async def _send(self, outgoing: Outgoing) -> Outcome:
        if self._sent >= _MOST_IN_A_ROW:
            raise _Enough(self.now())  # others want their turn
        self._sent += 1
        began = trio.current_time()
        outcome = await self.sender.send(self.webhook_format, self.work.target, outgoing)
        long_s = self.webhook_format.timeout_s / 2
        self._done.slow = outcome.status is None and trio.current_time() - began > long_s
        return outcome

    def _fate(self, outcome: Outcome, number: int) -> tuple[Fate, datetime | None]:
        pauses_s = self.webhook_format.pauses_s
        return fate_of(outcome, number, pauses_s, self.now(), self.random)

    def _after(self, fate: Fate, again_at: datetime | None, *, gone: bool) -> None:
        self.tell(fate)
        if gone:
            self._done.settled = True
            raise _Enough(None)
        if fate is Fate.HELD:
            raise _Enough(again_at)


def _outgoing(parcel: Parcel) -> Outgoing:
    return Outgoing(
        kind=parcel.kind,
        body=parcel.body or b"",
        headers=parcel.headers or {},
        url=parcel.url,
        id=parcel.message_id,
    )


def _attempt(
    parcel: Parcel, number: int, fate: Fate, outcome: Outcome, again_at: datetime | None
) -> Attempt:
    return Attempt(
        kind=parcel.kind,
        number=number,
        fate=fate,
        status=outcome.status,
        error=outcome.error,
        next_try_at=again_at,
    )
