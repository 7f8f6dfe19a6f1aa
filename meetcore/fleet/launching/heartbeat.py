"""Whether a bot's process answers: asked every few seconds, noted when it does not, given up late.

A process can live and do nothing: stopped, or its event loop blocked by a plugin. Nothing in it
can say so. So whoever launched or adopted it asks, over a connection of its own each time:

* `UNRESPONSIVE_AFTER_S` after its last answer it counts as unresponsive: that is logged, and
  `ChildBot.unresponsive_since` says since when. When it answers again, it is told, and writes
  `bot.unresponsive` into its journal itself: nobody else writes there while it lives.
* after the operator's limit, or when its leave rules let it be no longer in the call or in the
  waiting room if that is sooner, it is given up: the reason is left in its folder, its group is
  killed, and recovery writes `bot.unresponsive` and the end. The other rules are not kept from
  outside: they need what only the bot's process knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from meetcore.fleet.launching.given_up import GivenUp, note_given_up
from meetcore.fleet.launching.protocol import FrameKind, FrameReader, frame, json_frame
from meetcore.log.folders import journal_path
from meetcore.log.journal import read_journal
from meetcore.model.errors import MeetcoreError, brief, found_in
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.plugin.store import Runner

if TYPE_CHECKING:
    from meetcore.fleet.launching.child_bot import ChildBot

__all__ = ["Pulse"]

_LOG = logging.getLogger("meetcore")
ASK_EVERY_S = 5.0
UNRESPONSIVE_AFTER_S = 15.0
_STEP_S = 1.0
_STOOD_STILL_S = 2.0
_WENT_AWAY = (OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError)


class Pulse:
    """Asks one process whether it answers.

    Args:
        bot: The bot.
        runner: What of its leave rules is kept for it.
        limit_s: When a process that answers nothing is given up; None for never.
        wall_clock: Gives the wall time.
    """

    def __init__(
        self,
        bot: ChildBot,
        runner: Runner,
        *,
        limit_s: float | None,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bot = bot
        self._limit_s = limit_s
        self._runner = runner
        self._now = wall_clock
        self._answered_at = trio.current_time()

    @property
    def _silent_s(self) -> float:
        return trio.current_time() - self._answered_at

    async def watch(self) -> None:
        """Ask for ever. Raises nothing but `Cancelled`."""
        while True:
            try:
                await self._ask()
            except Exception as error:  # noqa: BLE001  one bot's trouble is its own
                if not any(found_in(error, kind) for kind in _WENT_AWAY):
                    _LOG.warning("bot=%s cannot be asked: %s", self._bot_id, brief(error))
                # Otherwise it has ended, or goes: whoever waits for its end sees that.
            await trio.sleep(ASK_EVERY_S)

    @property
    def _bot_id(self) -> str:
        return self._bot.bot_id

    async def _ask(self) -> None:
        # Where we stood still ourselves since the last answer, that time does not count.
        earliest = trio.current_time() - ASK_EVERY_S
        self._answered_at = max(self._answered_at, earliest)
        async with await self._bot.connect() as stream:
            await stream.send_all(frame(FrameKind.PING))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._lose_patience, self._answered_at)
                await _pong(stream)
                self._answered_at = trio.current_time()
                nursery.cancel_scope.cancel()
            since = self._bot.unresponsive_since
            if since is not None:
                silent_s = trio.current_time() - since
                self._bot.unresponsive_since = None
                _LOG.warning("bot=%s its process answers again", self._bot_id)
                message = {"silent_s": round(silent_s, 1)}
                await stream.send_all(json_frame(FrameKind.WAS_SILENT, message))

    async def _lose_patience(self, answered_at: float) -> None:
        """Say that the process does not answer, and give it up when its time has come."""
        await _run_until(answered_at + UNRESPONSIVE_AFTER_S)
        self._bot.unresponsive_since = answered_at
        _LOG.warning(
            "bot.unresponsive bot=%s its process has not answered for %.0f s",
            self._bot_id,
            self._silent_s,
        )
        reason = EndReason.CRASHED
        limit = answered_at + self._limit_s if self._limit_s is not None else float("inf")
        left_s, its_reason = await self._left()
        if trio.current_time() + left_s < limit:
            reason, limit = its_reason, trio.current_time() + left_s
        await _run_until(limit)
        self._give_up(reason)

    def _give_up(self, reason: EndReason) -> None:
        if self._bot.released:
            return
        why = GivenUp(reason, self._silent_s)
        _LOG.error("bot=%s is given up: %s", self._bot_id, why.evidence.detail)
        try:
            note_given_up(self._bot.workplace, why)
        except OSError as error:
            _LOG.warning("bot=%s why it is given up cannot be noted: %s", self._bot_id, error)
        self._bot.abandon()

    async def _left(self) -> tuple[float, EndReason]:
        """Return for how long the bot may still be where it is, infinity for no limit; and why."""
        try:
            state, since = await trio.to_thread.run_sync(_where, self._bot.workplace)
        except (OSError, MeetcoreError):
            state = since = None
        reason, limit_s = EndReason.CRASHED, None
        if state is State.IN_CALL:
            reason, limit_s = EndReason.MAX_DURATION, self._runner.max_duration_s
        elif state is State.AWAITING_ADMISSION:
            reason, limit_s = EndReason.ADMISSION_TIMEOUT, self._runner.waiting_room_s
        if since is None or limit_s is None:
            return float("inf"), reason
        left_s = limit_s - (self._now() - since).total_seconds()
        if left_s + self._silent_s <= 0 and state is State.AWAITING_ADMISSION:
            return float("inf"), reason  # it answered past it: a person, say, had the page
        return left_s, reason


async def _run_until(at: float) -> None:
    """Return at a time, later by as much as this process itself stood still meanwhile.

    What it did not hear while it was stopped, or its machine slept, nobody else is to blame for.
    """
    while (now := trio.current_time()) < at:
        step_s = min(_STEP_S, at - now)
        await trio.sleep(step_s)
        late_s = trio.current_time() - now - step_s
        if late_s > _STOOD_STILL_S:
            at += late_s


def _where(folder: Path) -> tuple[State | None, datetime | None]:
    """Return where a bot is, in the waiting room or the call it was in last, and since when."""
    state, since, in_call_at = None, None, None
    for event in read_journal(journal_path(folder)):
        if isinstance(event, StateChanged):
            state, since = event.state, event.at
            if state is State.IN_CALL:
                in_call_at = in_call_at or since
    if state is State.AWAITING_ADMISSION or in_call_at is None:
        return state, since
    return State.IN_CALL, in_call_at


async def _pong(stream: trio.SocketStream) -> None:
    """Return when the process has answered. No deadline of its own."""
    reader = FrameReader()
    while data := await stream.receive_some(4096):
        if any(each.kind is FrameKind.PONG for each in reader.feed(bytes(data))):
            return
    raise trio.BrokenResourceError("the process went away")
