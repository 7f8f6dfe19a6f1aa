"""One bot's supervision: the one place where its trouble is met, and from where none of it leaves.

What is to be done follows from the row and the journal alone, so whatever fails on the way is met
by looking again, after a pause: `Supervision._insist` does that.

| trouble | while | what is done |
|---|---|---|
| the database is away | ever | waited for: nothing is lost meanwhile, the journal has it |
| a folder, a disk, a deadline | it is to be launched | tried again until it is too late to join |
| anything else | it is to be launched | tried a few times, then it ends as crashed |
| who may have it does not answer | it was under way | asked again, ever: it may run |
| anything | it runs | looked at again; the bot goes on by itself |
| somebody has its journal | its end is to be written | accompanied; a dead one's lease lapses |
| the store is away | its end is to be written | waited for, a day: what there is goes there |
| anything else | its end is to be written | tried a few times, then its row alone is ended |

Every await has a deadline, or something that ends it: `_step` for what is asked of others, the end
of the process for what is listened to. A test finds each of them in this file, and lets it fail
and hang.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio
from attrs import evolve

from meetcore import (
    BotLog,
    BotSpec,
    BusUnavailable,
    CommandRefused,
    EndReason,
    Evidence,
    FleetFull,
    JournalBusy,
    JournalError,
    MeetcoreError,
    MeetingLink,
    RunningBot,
    State,
    Stop,
    StorageUnavailable,
)
from meetcore.gateway import BotRow, NotNow
from meetcore.model import backoff_s, brief
from meetcore_server.dead_bots import finish_dead
from meetcore_server.live import LiveBot
from meetcore_server.orders_to_specs import beginning
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.troubles import News, StoreAbsence, Trouble, is_of, may_pass

if TYPE_CHECKING:
    from meetcore_server.supervisor import BotSupervisor

__all__ = ["LATEST_S", "Supervision"]

_LOG = logging.getLogger("meetcore.server")
T = TypeVar("T")
LATEST_S = 600.0
"""A bot that should have joined longer ago than this joins no more."""
MOST_TRIES = 5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_WAKE_EVERY_S = 60.0
_STEP_WITHIN_S = 45.0
_RECOVER_WITHIN_S = 900.0
_STOP_AT_ONCE_S = 5.0
_SILENT_S = 30.0
_LINGER_S = 60.0
_AGAIN_AFTER_S = 0.5
_LATE_EVERY_S = 5.0


class _Phase(Enum):
    """How far a bot's supervision is."""

    BEFORE = "before it is under way"
    UNDER_WAY = "while it runs"
    ENDING = "at its end"


class Supervision:
    """Sees one bot through.

    Args:
        supervisor: Whose it is: with the fleet, the orders, the clock.
        live: The bot.
        spec: What it was ordered as; None to find out.

    Attributes:
        looked: Set when it is known how the bot stands, or that this cannot be known now.
        trouble: What is wrong now, None for nothing.
    """

    def __init__(
        self, supervisor: BotSupervisor, live: LiveBot, spec: BotSpec | None = None
    ) -> None:
        self.live = live
        self.looked = trio.Event()
        self.trouble: Trouble | None = None
        self._its = supervisor
        self._spec = spec
        self._spec_known = spec is not None
        self._phase = _Phase.BEFORE
        self._ending: tuple[EndReason, Evidence] | None = None
        self._stopped: str | None = None
        self._launching = self._asking = False
        self._waiting = trio.CancelScope()
        self._deciding = trio.Lock()
        self._no_place = self._unheard = ""
        self._forgotten = self._in_doubt = False
        self._told = self._tries = self._pauses = 0
        self._news, self._absence = News(), StoreAbsence()
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    # --- the guarded place -----------------------------------------------------------------

    async def run(self) -> None:
        """See the bot through. Raises nothing but `Cancelled`."""
        try:
            with self._scope:
                await self._insist(self._see_through)
                await self._insist(self._let_go)
                self.trouble = None
                self._its.let_go(self)
        finally:
            self.looked.set()
            self._over.set()

    async def end(self) -> None:
        """Look after the bot no more; another server does. Returns when nothing is under way."""
        self._scope.cancel()
        await self._over.wait()

    async def _let_go(self) -> None:
        await self._step(self._its.rows.let_go, self.live.row.bot_id)

    async def _see_through(self) -> None:
        await self._insist(self._before)
        if self._forgotten:
            return
        if self.live.running is not None:
            await self._see_out(self.live.running)
        self._phase = _Phase.ENDING
        await self._insist(self._end)

    async def _see_out(self, running: RunningBot) -> None:
        self._phase, self.live.running = _Phase.UNDER_WAY, running
        await self._accompany(running)
        self._phase, self.live.running = _Phase.ENDING, None

    async def _insist(
        self, attempt: Callable[[], Awaitable[None]], over: trio.Event | None = None
    ) -> None:
        """Do something until it is done, or `over`: after each trouble again, after a pause."""
        over = trio.Event() if over is None else over
        self._tries = self._pauses = 0
        while not over.is_set():
            try:
                await attempt()
            except BaseExceptionGroup as group:
                cancelled, others = group.split(trio.Cancelled)
                if others is not None:
                    self._note(others)
                if cancelled is not None:
                    raise cancelled from None
            except Exception as error:  # noqa: BLE001  one bot's trouble is its own
                self._note(error)
            else:
                return
            self._pauses += 1
            with trio.move_on_after(backoff_s(self._pauses, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)):
                await over.wait()

    def _note(self, error: BaseException) -> None:
        """Say what is wrong, and count it where there is a bound."""
        detail = brief(error)
        if self._news.take(error, detail):
            strange = None if may_pass(error) or isinstance(error, MeetcoreError) else error
            what = (self.live.row.bot_id, self._phase.value, detail)
            _LOG.warning("bot=%s trouble %s, to be tried again: %s", *what, exc_info=strange)
        self.trouble = Trouble(detail, concerns_all=self._phase is _Phase.ENDING or may_pass(error))
        self.looked.set()
        if is_of(error, DatabaseUnavailable, JournalBusy) or self._may_run(error):
            return
        if self._phase is _Phase.ENDING and self._absence.takes(error):
            return  # a row that was ended alone would leave what the bot left where it is
        if self.live.history.last_seq > self._told:  # it goes on, if slowly
            self._told, self._tries = self.live.history.last_seq, 0
        self._tries += 1
        if self._phase is not _Phase.BEFORE or self._tries < MOST_TRIES:
            return
        if self._too_late() or not may_pass(error):
            self._ending = (EndReason.CRASHED, Evidence("supervision", detail))

    def _may_run(self, error: BaseException) -> bool:
        """Whether a bot that was under way may run, since who could say does not answer."""
        silent = is_of(error, StorageUnavailable, BusUnavailable, trio.TooSlowError)
        asked = self._asking and self._phase is _Phase.BEFORE
        return asked and silent and not self._unstarted

    def _fine(self) -> None:
        """What was tried works."""
        self.trouble = None
        self._tries = self._pauses = 0
        self._absence.over()
        self.looked.set()

    async def _step(
        self, ask: Callable[..., Awaitable[T]], *args: object, within_s: float = _STEP_WITHIN_S
    ) -> T:
        """Ask something of others, for a limited time."""
        with trio.move_on_after(within_s) as limit:
            return await ask(*args)
        assert limit.cancelled_caught
        name = getattr(ask, "__name__", type(ask).__name__).strip("_").replace("_", " ")
        raise trio.TooSlowError(f"'{name}' did not come back within {within_s:g} s")

    async def _hold(self) -> None:
        """Make sure that this server is still the one, before what two must not do."""
        await self._step(self._its.membership.hold)

    # --- what can be asked -----------------------------------------------------------------

    async def stop(self, detail: str) -> None:
        """Have the bot leave, or not come at all; waits a little for what can be done at once."""
        self._stopped = detail or "stop"
        if self.live.running is not None:
            await self._say_stop(self.live.running, self._stopped)
        elif self._phase is _Phase.BEFORE:
            self._waiting.cancel()
            if self.live.row.state is State.SCHEDULED:
                with trio.move_on_after(_STOP_AT_ONCE_S):
                    await self.live.ended.wait()

    async def _say_stop(self, running: RunningBot, detail: str) -> None:
        self._unheard = detail
        try:
            await self._step(running.perform, Stop(detail))
            self._unheard = ""
        except CommandRefused:  # it has ended, or is about to
            self._unheard = ""
        except Exception as error:  # noqa: BLE001  whatever keeps it from hearing, it is to go
            _LOG.warning("bot=%s does not leave, is ended: %s", self.live.row.bot_id, brief(error))
            running.abandon()

    async def _repeat_stop(self, running: RunningBot) -> None:
        """Say once more, again and again, what a bot out of reach has not heard."""
        while True:
            await trio.sleep(_SILENT_S)
            if self._unheard:
                await self._say_stop(running, self._unheard)

    async def reschedule(self, spec: BotSpec, write: Callable[[], Awaitable[BotRow]]) -> BotRow:
        """Give a scheduled bot another time or order; `write` writes it down.

        Raises:
            NotNow: It is under way, or called off. Nothing was written.
        """
        async with self._deciding:
            settled = self._launching or self._ending is not None or self._stopped is not None
            scheduled = self._phase is _Phase.BEFORE and self.live.row.state is State.SCHEDULED
            if settled or not scheduled or self.live.running is not None:
                raise NotNow(self.live.row.state, "The bot is not scheduled any more.")
            self._waiting.cancel()
            try:
                row = await write()
            except StorageUnavailable:
                self._in_doubt = True  # which of both orders stands, only the row can say
                raise
            self.live.row, self._spec, self._spec_known = row, spec, True
            return row

    # --- before it is under way --------------------------------------------------------------

    async def _before(self) -> None:
        """Come to where the bot runs, or is to be brought to an end."""
        live = self.live
        if live.running is None and self._ending is None:
            await self._look()
        self._fine()
        if self._forgotten:
            return
        while live.running is None and self._unstarted and self._ending is None:
            await self._launch()
        while live.running is None and self._ending is None:
            live.running = await self._adopted()  # it may have been launched a moment ago
            if live.running is None and not await self._step(
                self._its.store.runner, live.row.bot_id
            ):
                return
            await self._step(self._its.live.catch_up, live)  # it runs where nobody reaches it
            await trio.sleep(0 if live.running else _AGAIN_AFTER_S)

    @property
    def _unstarted(self) -> bool:
        before = (None, State.SCHEDULED, State.REQUESTED)
        return self.live.row.state in before and self.live.history.state in before

    async def _look(self) -> None:
        """See how the bot stands: whether it runs, its order, its journal."""
        row = self.live.row
        self.live.running = await self._adopted()
        if not self._spec_known:
            if self.live.running is None and not await self._step(self._log.exists):
                # Killed between the row and the journal: it was never acknowledged.
                await self._hold()
                self._forgotten = await self._step(self._its.forget, row)
            if self._forgotten:
                return
            await self._read_order()
        if self._spec is not None and self.live.running is None and self._unstarted:
            await self._begin_if_missing(self._spec)
        await self._step(self._its.live.catch_up, self.live)

    async def _read_order(self) -> None:
        row = self.live.row
        order = evolve(await self._step(self._its.order_of, row), join_at=row.scheduled_for)
        try:
            self._spec = self._its.spec_of(row.bot_id, order)
        except MeetcoreError as error:
            self._spec = None
            _LOG.warning("bot=%s its order cannot be taken any more: %s", row.bot_id, error)
        self._spec_known = True

    async def _adopted(self) -> RunningBot | None:
        self._asking = True
        running = await self._step(self._its.fleet.adopt, self.live.row.bot_id)
        self._asking = False
        if running is not None and self._stopped is not None:  # asked for before it was found
            await self._say_stop(running, self._stopped)
        return running

    @property
    def _log(self) -> BotLog:
        return self._its.store.log(self.live.row.bot_id, urgent=True)

    async def _begin_if_missing(self, spec: BotSpec) -> None:
        """Write the beginning of a bot of which nothing is there any more."""
        row = self.live.row
        if not await self._step(self._log.exists):
            await self._hold()
            link = MeetingLink(platform=row.platform, native_id=row.native_id, url=row.public_url)
            await self._step(self._its.store.begin, row.bot_id, beginning(spec, link))

    async def _launch(self) -> None:
        try:
            await self._launch_in_time()
        finally:
            self._launching = False

    async def _launch_in_time(self) -> None:
        """Wait for the bot's time and launch it, or settle how it ends."""
        if self._in_doubt:
            self.live.row = await self._step(self._its.rows.get, self.live.row.bot_id)
            await self._read_order()
            self._in_doubt = False
        self._waiting = trio.CancelScope()
        if self._stopped is None:
            with self._waiting:
                await self._until_its_time()
        async with self._deciding:  # somebody may be giving it another time at this moment
            self._launching = self._stopped is None and not self._waiting.cancel_called
        if self._stopped is not None:
            self._ending = (EndReason.STOP_REQUESTED, Evidence("command", self._stopped))
        elif not self._launching or not await self._order_stands():
            return  # it has another time
        elif self._too_late():
            late = Evidence("recovery", "no server ran when it was to join")
            full = Evidence("launch", self._no_place)
            self._ending = (EndReason.CRASHED, full if self._no_place else late)
        elif self._spec is None:
            refused = Evidence("recovery", "its order cannot be taken any more")
            self._ending = (EndReason.CRASHED, refused)
        else:
            await self._launch_now(self._spec)

    async def _order_stands(self) -> bool:
        """Whether it is time by the newest order, which is what stands from now on.

        Where there are other servers, one of them may have written another order down.
        """
        row = self.live.row
        if row.scheduled_for is None or not self._its.membership.shared:
            return True
        self.live.row = row = await self._step(self._its.rows.may_launch, row.bot_id)
        await self._read_order()
        if row.scheduled_for is not None and row.scheduled_for > self._its.now():
            await self._step(self._its.rows.launches_later, row.bot_id)
            return False
        return True

    async def _launch_now(self, spec: BotSpec) -> None:
        await self._hold()
        try:
            fleet = self._its.fleet
            running = await self._step(fleet.launch, spec, within_s=fleet.launcher.launch_within_s)
        except FleetFull as full:
            self._launching = False
            self._no_place = brief(full)
            if self._its.membership.shared:
                await self._step(self._its.rows.launches_later, self.live.row.bot_id)
            self._waiting = trio.CancelScope()
            if self._stopped is None:
                with self._waiting:
                    await trio.sleep(full.retry_after_s or _AGAIN_AFTER_S)
            return
        except MeetcoreError as error:
            if may_pass(error):
                raise
            _LOG.warning("bot=%s could not be launched: %s", self.live.row.bot_id, brief(error))
            self._ending = (EndReason.CRASHED, Evidence("launch", brief(error)))
            return
        self.live.running = running
        if self._stopped is not None:
            await self._say_stop(running, self._stopped)

    def _too_late(self) -> bool:
        asked_at = self.live.row.scheduled_for or self.live.row.created_at
        return self._its.now() - asked_at > timedelta(seconds=LATEST_S)

    async def _until_its_time(self) -> None:
        """Return at the bot's time; the clock may be set meanwhile."""
        await trio.lowlevel.checkpoint()
        when = self.live.row.scheduled_for
        while when is not None and self._its.now() < when:
            left_s = (when - self._its.now()).total_seconds()
            await trio.sleep(min(left_s, _WAKE_EVERY_S))

    # --- while it runs -----------------------------------------------------------------------

    async def _accompany(self, running: RunningBot) -> None:
        """Accompany a bot until it is gone; where the connection to it breaks, begin again."""
        gone = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_when_gone, running, gone)
            nursery.start_soon(self._repeat_stop, running)
            while not gone.is_set():
                await self._insist(partial(self._listen, running, gone), over=gone)
                if self.live.history.ended:
                    await self._part_with(running, gone)
                    break
                with trio.move_on_after(_AGAIN_AFTER_S):
                    await gone.wait()
            nursery.cancel_scope.cancel()

    async def _part_with(self, running: RunningBot, gone: trio.Event) -> None:
        """Wait for the process of a bot that has ended, and end one that does not go.

        As long as it holds the bot in a store elsewhere it may be carrying the recording there:
        it gets the time that the server is set to.
        """
        until = trio.current_time() + self._its.finish_within_s
        while True:
            with trio.move_on_after(_LINGER_S):
                await gone.wait()
                return
            if trio.current_time() >= until or not await self._may_carry():
                break
        _LOG.warning("bot=%s has ended and does not go", running.bot_id)
        running.abandon()

    async def _may_carry(self) -> bool:
        """Whether a process has the bot still, in a store where everything has to be carried to."""
        if not self._its.store.lags:
            return False
        try:
            return bool(await self._step(self._its.store.runner, self.live.row.bot_id))
        except Exception as error:  # noqa: BLE001  it may be waiting for the same store
            _LOG.info("bot=%s is waited for: %s", self.live.row.bot_id, brief(error))
            return True

    async def _tell_when_gone(self, running: RunningBot, gone: trio.Event) -> None:
        try:
            await running.gone()
        except Exception as error:  # noqa: BLE001  whether it runs is known from its journal, too
            _LOG.warning("bot=%s cannot be waited for: %s", running.bot_id, brief(error))
            await self._insist(self._until_nobody_runs_it)
        gone.set()

    async def _until_nobody_runs_it(self) -> None:
        bot_id = self.live.row.bot_id
        while await self._step(self._its.store.runner, bot_id):  # noqa: ASYNC110  nobody tells
            await trio.sleep(_AGAIN_AFTER_S)

    async def _listen(self, running: RunningBot, gone: trio.Event) -> None:
        """Take what a bot tells until it ends, or is gone, or tells less than its journal does."""
        await self._step(self._its.live.catch_up, self.live)
        self._fine()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_soon_after, gone, nursery.cancel_scope)
            nursery.start_soon(self._mistrust_silence, nursery.cancel_scope)
            await self._its.live.accompany(self.live, running)
            nursery.cancel_scope.cancel()

    async def _mistrust_silence(self, listening: trio.CancelScope) -> None:
        """Look into the journal now and then: a connection can be open and broken."""
        while True:
            seq = self.live.history.last_seq
            await trio.sleep(_SILENT_S)
            if self.live.history.last_seq == seq:
                await self._step(self._its.live.catch_up, self.live)
                if self.live.history.last_seq > seq:
                    listening.cancel()

    # --- the end -----------------------------------------------------------------------------

    async def _end(self) -> None:
        """See to it that the journal has its end, and the row and everybody know it."""
        await self._hold()
        if self._tries >= MOST_TRIES and not self.live.history.ended:
            await self._give_up()
            return
        late_at = trio.current_time()
        while True:
            held = await self._step(self._its.store.runner, self.live.row.bot_id)
            await self._step(self._its.live.catch_up, self.live)
            if self.live.history.ended and not await self._told_more_than_is_kept():
                return
            if not held:
                break
            if not self.live.history.ended and trio.current_time() >= late_at:
                late_at = trio.current_time() + _LATE_EVERY_S
                await self._find_late()
            await trio.sleep(_AGAIN_AFTER_S)
        await self._write_end()

    async def _find_late(self) -> None:
        """Accompany a bot that came up after it had been given up."""
        try:
            running = await self._adopted()
        except Exception as error:  # noqa: BLE001  whoever has its journal is waited for
            if self._news.take(error, detail := brief(error)):
                _LOG.warning("bot=%s cannot be reached now: %s", self.live.row.bot_id, detail)
            return
        if running is not None:
            await self._see_out(running)

    async def _write_end(self) -> None:
        """Write the end of a bot that nobody runs; the lease of one that died has lapsed."""
        await self._hold()
        ended = self.live.history.ended
        if self._ending is not None and self._unstarted and not ended:
            await self._end_as(*self._ending)
        else:
            try:
                await self._step(self._recover, within_s=_RECOVER_WITHIN_S)
            except trio.TooSlowError as error:  # the store answered a moment ago
                raise JournalError(brief(error)) from error
        await self._step(self._its.live.catch_up, self.live)
        if not self.live.history.ended:
            raise JournalError("Its journal could not be brought to an end.")

    async def _told_more_than_is_kept(self) -> bool:
        """Whether its process was ended before the store had all that it had told."""
        if not self._its.store.lags:
            return False
        kept = await self._step(self._log.history)
        return kept.last_seq < self.live.history.last_seq

    async def _end_as(self, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that was never under way; nothing of it may be there."""
        if self._spec is not None:
            await self._begin_if_missing(self._spec)
        await self._step(self._its.store.end, self.live.row.bot_id, reason, evidence)

    async def _recover(self) -> None:
        """Finish what a dead bot left: its journal's end, its recording."""
        await finish_dead(self._its, self.live, self._step)

    async def _give_up(self) -> None:
        """End the row alone: the journal takes no end. Who follows is told it all the same."""
        live = self.live
        why = self.trouble.detail if self.trouble else ""
        reason, evidence = self._ending or (EndReason.CRASHED, Evidence("supervision", why))
        event = evolve(
            live.history.end_event(reason, evidence),
            bot_id=live.row.bot_id,
            seq=live.history.last_seq + 1,
            at=self._its.now(),
        )
        live.row = await self._step(self._its.give_up, live.row, event)
        _LOG.error("bot=%s its journal takes no end: %s", live.row.bot_id, why)
        await self._step(live.tell, event)


async def _cancel_soon_after(gone: trio.Event, scope: trio.CancelScope) -> None:
    """Cancel when a bot is gone and what was on its way has had time to come."""
    await gone.wait()
    await trio.sleep(_AGAIN_AFTER_S)
    scope.cancel()
