"""Delivers one bot's events to one target: in order, each until it is taken or given up.

In order, with the first owed event holding up the rest, and not each event on its own: a receiver
builds its state from events as we do, and a `segment.finalized` before its `participant.joined` is
worth little. Independent retries would also multiply the load on a target that is down, since it is
hardly ever one event that fails but all of them. What one message can hold up is bounded: one the
target calls unacceptable goes to the dead letters at once, any other when its attempts are used up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

import trio

from meetcore import (
    DeliveryAbandoned,
    DeliveryAttempted,
    Event,
    JournalError,
    NativeDialect,
    PluginEvent,
    SinkContext,
    StorageUnavailable,
)
from meetcore.model import backoff_s
from meetcore_webhook.delivery_state import DeadLetters, DeliveryState, StateFile
from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.schedule import Verdict
from meetcore_webhook.sender import SendOutcome, message_id

__all__ = ["Deliverer", "Posts"]

_DURABLE_WITHIN_S = 1.0


class Posts(Protocol):
    """Somebody who makes one attempt."""

    async def post(self, identity: str, body: str) -> SendOutcome:
        """Send a message once."""


class Deliverer:
    """Walks the journal by the state file.

    Args:
        context: The bot's journal, and where events are reported.
        folder: Where state and dead letters lie; it exists.
        options: What is sent and how hard it is tried.
        sender: Makes the attempts.
        wall_clock: Gives the wall time, aware.

    Raises:
        OSError: The state cannot be written.
    """

    def __init__(
        self,
        context: SinkContext,
        folder: Path,
        options: WebhookOptions,
        sender: Posts,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._context = context
        self._folder = folder
        self._options = options
        self._sender = sender
        self._wall_clock = wall_clock
        self._random = Random(options.seed)
        self._dialect = NativeDialect()
        self._dead_letters = DeadLetters(folder)
        self._progress = trio.Event()
        self._seen_up_to = 0
        self._told_of_trouble = False
        self.delivered = 0
        self._state_file = StateFile(folder)
        self.state: DeliveryState = self._state_file.state
        self._try_at = trio.current_time() + self._pause_left_s()
        self._state_file.save(self.state)

    async def run(self) -> None:
        """Deliver what is owed and what comes, until the journal closes or the target is gone."""
        if self.state.gone:
            return
        journal = self._context.journal
        async for event in journal.cursor(self.state.delivered_up_to):
            await self._settle(event)
            if self.state.gone:
                return

    async def drain(self, upto: int) -> None:
        """Return when nothing up to the event numbered `upto` is owed; the caller's deadline."""
        while self._seen_up_to < upto and not self.state.gone:
            self._progress = trio.Event()
            await self._progress.wait()

    async def deliver_owed(self) -> None:
        """Deliver what the journal holds now, and return; the caller sets the deadline."""
        self._try_at = trio.current_time()
        for event in list(self._context.journal.read(self.state.delivered_up_to)):
            if self.state.gone:
                return
            await self._settle(event)

    def owed(self) -> int:
        """Return how many events are owed now."""
        after = self.state.delivered_up_to
        return sum(self._options.wants(event) for event in self._context.journal.read(after))

    async def _settle(self, event: Event) -> None:
        if self._options.wants(event):
            # What has left this machine must not be forgotten by it.
            with trio.move_on_after(_DURABLE_WITHIN_S):
                await self._context.journal.synced(event.seq)
            await self._try_until_settled(event)
        self._seen_up_to = event.seq
        self._progress.set()

    async def _try_until_settled(self, event: Event) -> None:
        identity = message_id(event.bot_id, event.seq)
        (body,) = self._dialect.messages(event)
        while True:
            await trio.sleep_until(self._try_at)
            outcome = await self._sender.post(identity, body)
            attempt = self.state.attempts + 1
            if outcome.verdict is Verdict.DELIVERED:
                self.delivered += 1
                self._save(self.state.settled(event.seq))
                self._report_attempt(event, attempt, outcome, None)
                return
            exhausted = attempt >= self._options.max_attempts
            if outcome.verdict is not Verdict.RETRY or exhausted:
                await self._abandon(event, attempt, outcome, body)
                return
            pause = backoff_s(
                attempt,
                self._options.first_retry_s,
                self._options.longest_retry_s,
                self._random,
            )
            pause = max(pause, outcome.retry_after_s or 0.0)
            self._try_at = trio.current_time() + pause
            again_at = self._wall_clock() + timedelta(seconds=pause)
            self._save(self.state.failed(attempt, again_at))
            self._report_attempt(event, attempt, outcome, pause)

    def _pause_left_s(self) -> float:
        """Return what is left of the pause that an earlier process began."""
        if self.state.next_try_at is None:
            return 0.0
        left_s = (self.state.next_try_at - self._wall_clock()).total_seconds()
        longest_s = max(self._options.longest_retry_s, self._options.longest_retry_after_s)
        return min(max(0.0, left_s), longest_s)

    async def _abandon(self, event: Event, attempt: int, outcome: SendOutcome, body: str) -> None:
        error = outcome.error or "no reason was given"
        identity = message_id(event.bot_id, event.seq)
        letter = partial(self._dead_letters.add, identity, attempt, error, body, self._wall_clock())
        try:
            with trio.CancelScope(shield=True):  # a local file: milliseconds
                await trio.to_thread.run_sync(letter)
        except OSError as trouble:
            self._tell_of_trouble(trouble)
        gone = outcome.verdict is Verdict.GONE
        self._save(DeliveryState(delivered_up_to=event.seq, gone=gone))
        self._report_attempt(event, attempt, outcome, None)
        self._report(
            DeliveryAbandoned(
                sink=self._context.name,
                target=self._options.target,
                event_seq=event.seq,
                attempts=attempt,
                error=error + ("; the target is told nothing more" if gone else ""),
            )
        )

    def _save(self, state: DeliveryState) -> None:
        self.state = state
        try:
            self._state_file.save(state)
        except OSError as trouble:
            self._tell_of_trouble(trouble)

    def _tell_of_trouble(self, trouble: OSError) -> None:
        """Say once that nothing can be noted; delivering goes on, and a restart may repeat some."""
        if not self._told_of_trouble:
            self._told_of_trouble = True
            data = {"error": trouble.strerror or str(trouble), "folder": str(self._folder)}
            self._report(
                PluginEvent(plugin=self._context.name, name="state_not_written", data=data)
            )

    def _report_attempt(
        self, event: Event, attempt: int, outcome: SendOutcome, pause: float | None
    ) -> None:
        error = outcome.error
        self._report(
            DeliveryAttempted(
                sink=self._context.name,
                target=self._options.target,
                event_seq=event.seq,
                attempt=attempt,
                ok=outcome.verdict is Verdict.DELIVERED,
                status=outcome.status,
                error=self._context.redactor.redact(error) if error is not None else None,
                next_try_s=round(pause, 3) if pause is not None else None,
            )
        )

    def _report(self, event: Event) -> None:
        try:
            self._context.report(event)
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself; delivering goes on
