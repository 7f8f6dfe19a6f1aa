"""Serves one target once: sends what it is owed, in order, until all is sent or it has to wait.

In order, with the first message that fails holding up the rest, and not each message on its own: a
receiver builds its state from what it is told, and a target that is down fails every message. What
one message can hold up is bounded: one the target calls unacceptable is given up at once, any other
when its attempts are used up.

Every step is durable before the next is taken: a loop that is killed anywhere is followed by one
that sends at most the message again whose answer was not noted.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from random import Random
from typing import TypeAlias

import trio
from attrs import define, evolve, field

from meetcore import BotHistory, Event
from meetcore.gateway import BotGone, BotRow, Moment, Outgoing, WebhookFormat
from meetcore_server.storage.cursors import (
    MOST_QUEUED,
    Attempt,
    Cursors,
    DeliveryResult,
    Position,
    QueuedMessage,
    Work,
)
from meetcore_server.webhooks.attempts import AttemptMaker, fate_of
from meetcore_server.webhooks.trouble import kind_and_place
from meetcore_webhook.schedule import Verdict
from meetcore_webhook.sender import SendOutcome

__all__ = ["DeliveryLoop", "Done", "ReadEvents"]

ReadEvents: TypeAlias = Callable[[BotRow, int], AsyncGenerator[Event, None]]

_MOST_IN_A_ROW = 100
_UNSURE_FOR = timedelta(seconds=1)
_log = logging.getLogger("meetcore.server.webhooks")


class _Enough(Exception):
    """The loop has to stop here; `again_at` says when to go on, None for when asked."""

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
class DeliveryLoop:
    """One round to one target.

    Args:
        cursors: What is owed, and where it is noted.
        sender: Makes the attempts.
        webhook_format: Writes the messages.
        read_events: Yields a bot's events after a number, from its journal.
        work: What is known of the target.
        history: The bot's history as far as this target's loops have read it; goes on.
        now: Gives the wall time.
        random: For the pauses.
        tell: Told of each attempt.
        sure: Whether this server is not taken for dead: what it sent, another would send, too.
    """

    cursors: Cursors
    sender: AttemptMaker
    webhook_format: WebhookFormat
    read_events: ReadEvents
    work: Work
    history: BotHistory
    now: Callable[[], datetime]
    random: Random
    tell: Callable[[DeliveryResult], None]
    sure: Callable[[], bool] = lambda: True
    _position: Position = field(init=False)
    _noted: Position = field(init=False)
    _sent: int = field(default=0, init=False)
    _done: Done = field(factory=Done, init=False)

    async def go(self) -> Done:
        """Send what is owed; as long as the target answers, up to a hundred messages."""
        self._position = self._noted = self.work.position
        try:
            for queued in self.work.queued_messages:
                if queued.again:
                    await self._send_again(queued)
            if not self.work.over:
                await self._send_owed()
        except _Enough as enough:
            self._done.again_at = enough.again_at
            if self._position != self._noted:
                await self._note(settled=False)
        else:
            if len(self.work.queued_messages) >= MOST_QUEUED:
                self._done.again_at = self.now()
        return self._done

    # --- in order -----------------------------------------------------------------------

    async def _send_owed(self) -> None:
        self._wait_until(self._position.next_try_at)
        posts = deque(queued for queued in self.work.queued_messages if not queued.again)
        gone = False
        try:
            await self._send_events(posts)
        except BotGone:
            gone = self.work.row.ended  # before that it is not there yet
        for queued in posts:
            await self._send_queued(queued)
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

    async def _send_events(self, posts: deque[QueuedMessage]) -> None:
        if self.history.last_seq > self._position.cursor + 1:
            self.history = BotHistory()  # it knows more than may be told
        after = min(self.history.last_seq, self._position.cursor)
        async with aclosing(self.read_events(self.work.row, after)) as events:
            async for event in events:
                if event.seq > self._position.cursor:
                    while posts and posts[0].after_seq < event.seq:
                        await self._send_queued(posts[0])
                        posts.popleft()
                if event.seq > self.history.last_seq:
                    self.history.take(event)
                if event.seq > self._position.cursor:
                    await self._send_event(event)

    async def _send_event(self, event: Event) -> None:
        messages = await self._messages(event, self._position.attempts + 1)
        if isinstance(messages, SendOutcome):
            part = self._position.part
            await self._settle(event, part, part + 1, Outgoing(kind=event.type, body=b""), messages)
            return
        for part in range(self._position.part, len(messages)):
            outcome = await self._send(messages[part])
            await self._settle(event, part, len(messages), messages[part], outcome)
        self._position = Position(cursor=event.seq)

    async def _messages(self, event: Event, attempt: int) -> list[Outgoing] | SendOutcome:
        """Return the messages about an event, or why there are none."""
        moment = Moment(
            row=self.work.row,
            event=event,
            history=self.history,
            target=self.work.target,
            attempt=attempt,
        )
        try:
            return list(await self.webhook_format.messages(moment))
        except Exception as error:  # noqa: BLE001  one dialect's trouble is not the others'
            name = self.webhook_format.name
            _log.error("webhook %s of bot %s: %s", name, event.bot_id, kind_and_place(error))
            reason = f"the format {name} failed: {type(error).__name__}"
            return SendOutcome(verdict=Verdict.RETRY, error=reason)

    async def _settle(
        self, event: Event, part: int, parts: int, outgoing: Outgoing, outcome: SendOutcome
    ) -> None:
        """Note what came of a message of an event; go on only if that is settled."""
        number = self._position.attempts + 1 if part == self._position.part else 1
        delivery_result, again_at = self._delivery_result(outcome, number)
        if delivery_result is DeliveryResult.HELD:
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
            delivery_result=delivery_result,
            status=outcome.status,
            error=outcome.error,
            next_try_at=again_at,
        )
        gone = outcome.verdict is Verdict.GONE
        await self.cursors.record(self.work, attempt, position, gone=gone)
        self._position = self._noted = position
        self._after(delivery_result, again_at, gone=gone)

    # --- by themselves ------------------------------------------------------------------

    async def _send_queued(self, queued: QueuedMessage) -> None:
        """Send a message that belongs to no event; go on only if that is settled."""
        self._wait_until(queued.next_try_at)
        outcome = await self._send(_outgoing(queued))
        number = queued.attempts + 1
        delivery_result, again_at = self._delivery_result(outcome, number)
        gone = outcome.verdict is Verdict.GONE
        attempt = _attempt(queued, number, delivery_result, outcome, again_at)
        await self.cursors.record_parcel(self.work, queued, attempt, gone=gone)
        self._after(delivery_result, again_at, gone=gone)

    async def _send_again(self, queued: QueuedMessage) -> None:
        """Send a message somebody asked for once more: once, whatever comes of it.

        If it is taken, what was held up need not wait any more.
        """
        outgoing = await self._made_anew(queued)
        if isinstance(outgoing, SendOutcome):
            outcome = outgoing
        else:
            outcome = await self._send(outgoing)
        taken = outcome.verdict is Verdict.DELIVERED
        delivery_result = DeliveryResult.DELIVERED if taken else DeliveryResult.GIVEN_UP
        attempt = _attempt(queued, queued.attempts + 1, delivery_result, outcome, None)
        await self.cursors.record_parcel(self.work, queued, attempt)
        self.tell(delivery_result)
        if taken:
            self._position = evolve(self._position, next_try_at=None)

    async def _made_anew(self, queued: QueuedMessage) -> Outgoing | SendOutcome:
        if queued.event_seq == 0 and queued.body is not None:
            return _outgoing(queued)
        history = BotHistory()
        try:
            async with aclosing(self.read_events(self.work.row, 0)) as events:
                async for event in events:
                    history.take(event)
                    if event.seq == queued.event_seq:
                        return await self._one_of(event, history, queued)
        except BotGone:
            _log.info("webhook of bot %s: asked for again after deletion", self.work.row.bot_id)
        return SendOutcome(verdict=Verdict.UNACCEPTABLE, error="what it told of was deleted")

    async def _one_of(
        self, event: Event, history: BotHistory, queued: QueuedMessage
    ) -> Outgoing | SendOutcome:
        mine, self.history = self.history, history
        try:
            messages = await self._messages(event, queued.attempts + 2)
        finally:
            self.history = mine
        if isinstance(messages, SendOutcome):
            return messages
        if queued.part >= len(messages):
            return SendOutcome(
                verdict=Verdict.UNACCEPTABLE, error="the target is told of it no more"
            )
        return messages[queued.part]

    # --- either -------------------------------------------------------------------------

    async def _send(self, outgoing: Outgoing) -> SendOutcome:
        if self._sent >= _MOST_IN_A_ROW:
            raise _Enough(self.now())  # others want their turn
        if not self.sure():
            raise _Enough(self.now() + _UNSURE_FOR)
        self._sent += 1
        began = trio.current_time()
        outcome = await self.sender.send(self.webhook_format, self.work.target, outgoing)
        long_s = self.webhook_format.timeout_s / 2
        self._done.slow = outcome.status is None and trio.current_time() - began > long_s
        return outcome

    def _delivery_result(
        self, outcome: SendOutcome, number: int
    ) -> tuple[DeliveryResult, datetime | None]:
        pauses_s = self.webhook_format.pauses_s
        return fate_of(outcome, number, pauses_s, self.now(), self.random)

    def _after(
        self, delivery_result: DeliveryResult, again_at: datetime | None, *, gone: bool
    ) -> None:
        self.tell(delivery_result)
        if gone:
            self._done.settled = True
            raise _Enough(None)
        if delivery_result is DeliveryResult.HELD:
            raise _Enough(again_at)


def _outgoing(queued: QueuedMessage) -> Outgoing:
    return Outgoing(
        kind=queued.kind,
        body=queued.body or b"",
        headers=queued.headers or {},
        url=queued.url,
        id=queued.message_id,
    )


def _attempt(
    queued: QueuedMessage,
    number: int,
    delivery_result: DeliveryResult,
    outcome: SendOutcome,
    again_at: datetime | None,
) -> Attempt:
    return Attempt(
        kind=queued.kind,
        number=number,
        delivery_result=delivery_result,
        status=outcome.status,
        error=outcome.error,
        next_try_at=again_at,
    )
