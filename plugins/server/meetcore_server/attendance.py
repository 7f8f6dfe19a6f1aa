"""Sees every bot through: launched when its time comes, accompanied, recovered when it dies.

What is to be done follows from the row and the journal alone, so it makes no difference whether a
bot was ordered a moment ago or by a server that was killed: it is adopted if it runs, launched if
it was never under way and its time is near, and otherwise its journal is ended as `crashed`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import trio
from attrs import define, evolve, field

from meetcore.beginning import begin
from meetcore.children.launcher import is_running
from meetcore.commands import Stop
from meetcore.config import load_config
from meetcore.contracts import BotSpec, RunningBot
from meetcore.errors import CommandFailed, CommandRefused, FleetFull, MeetcoreError, brief
from meetcore.events import StateChanged
from meetcore.fleet import Fleet
from meetcore.folders import journal_path, make_bot_folder
from meetcore.journal import Journal
from meetcore.lifecycle import EndReason, Evidence, State, check_transition
from meetcore.meeting import MeetingLink
from meetcore.orders import BotOrder, BotRow, NotNow
from meetcore.plugins import Plugins
from meetcore.recovery import recover
from meetcore_server.live import LiveBot, LiveBots

__all__ = ["Attendance", "write_beginning"]

_LOG = logging.getLogger("meetcore.server")
_WAKE_EVERY_S = 60.0
_AGAIN_AFTER_S = 0.5
LATEST_S = 600.0
"""A bot that should have joined longer ago than this, while no server ran, joins no more."""


def write_beginning(spec: BotSpec, link: MeetingLink) -> None:
    """Make a bot's folder and write the first two entries of its journal, down to the disk.

    Raises:
        StorageUnavailable: It cannot be written.
    """
    config = load_config(overrides=spec.settings, environ={})
    folder = make_bot_folder(config.out_dir, spec.bot_id)
    journal = Journal(journal_path(folder), spec.bot_id, fsync=config.fsync)
    try:
        begin(
            journal,
            link,
            config,
            transcriber=config.transcriber,
            sinks=config.sinks,
            scheduled_for=spec.scheduled_for,
        )
    finally:
        journal.close()


def _end_unstarted(folder: Path, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
    """Write the end of a bot that was never under way."""
    journal = Journal(journal_path(folder), bot_id)
    try:
        last = journal.last_event
        old = last.state if isinstance(last, StateChanged) else None
        completes = reason is EndReason.STOP_REQUESTED
        new = State.COMPLETED if completes else State.FAILED
        check_transition(old, new, recovering=True)
        journal.append(StateChanged(state=new, previous=old, reason=reason, evidence=evidence))
    finally:
        journal.close()


@define(eq=False)
class _Wait:
    """What can be said to a bot that does not run yet.

    Attributes:
        stopped: Why it is not to come at all.
        launching: Whether it is too late for another time.
        scope: Ends the waiting for its time.
    """

    stopped: str | None = None
    launching: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)


class Attendance:
    """Looks after all bots.

    Args:
        fleet: Where they run.
        live: Those that have not ended.
        spec_of: Makes the spec of a bot's order.
        order_of: Reads a bot's order.
        now: The wall time.
        give_up: Ends the row of a bot whose journal is beyond repair.
        recovery_plugins: The plugins with which what a dead bot left is finished.
        nursery: Where they are looked after.
    """

    def __init__(
        self,
        fleet: Fleet,
        live: LiveBots,
        *,
        spec_of: Callable[[str, BotOrder], BotSpec],
        order_of: Callable[[BotRow], Awaitable[BotOrder]],
        now: Callable[[], datetime],
        give_up: Callable[[BotRow], Awaitable[None]],
        recovery_plugins: Plugins,
        nursery: trio.Nursery,
    ) -> None:
        self._fleet = fleet
        self._live = live
        self._spec_of = spec_of
        self._order_of = order_of
        self._now = now
        self._give_up = give_up
        self._plugins = recovery_plugins
        self._nursery = nursery
        self._waits: dict[str, _Wait] = {}

    async def begin(self, row: BotRow, spec: BotSpec, link: MeetingLink) -> LiveBot:
        """Write down that a bot was ordered, and see it through from here on."""
        await trio.to_thread.run_sync(write_beginning, spec, link)
        live = self._live.add(row)
        await self._live.catch_up(live)
        self._nursery.start_soon(self._see_through, live, spec)
        return live

    async def resume(self, row: BotRow) -> None:
        """Go on with a bot that an earlier server looked after."""
        path = journal_path(row.folder)
        order = await self._order_of(row)
        spec: BotSpec | None = None
        try:
            spec = self._spec_of(row.bot_id, evolve(order, join_at=row.scheduled_for))
        except MeetcoreError as error:
            _LOG.warning("bot=%s its order cannot be taken any more: %s", row.bot_id, error)
        if spec is not None and not path.exists():  # killed between the row and the journal
            await trio.to_thread.run_sync(write_beginning, spec, _link_of(row))
        live = self._live.add(row)
        await self._live.catch_up(live)
        live.running = await self._fleet.adopt(row.bot_id, row.folder)
        _LOG.info("bot=%s %s", row.bot_id, "adopted" if live.running else "not running")
        self._nursery.start_soon(self._see_through, live, spec)

    # --- what can be asked -----------------------------------------------------------------

    async def stop(self, live: LiveBot, detail: str) -> None:
        """Have a bot leave, or not come at all."""
        if live.running is not None:
            await self._say_stop(live, detail)
            return
        wait = self._waits.get(live.row.bot_id)
        if wait is not None:
            wait.stopped = detail or "stop"
            wait.scope.cancel()
            if live.row.state is State.SCHEDULED:
                with trio.move_on_after(5.0):
                    await live.ended.wait()

    async def _say_stop(self, live: LiveBot, detail: str) -> None:
        assert live.running is not None
        try:
            await live.running.perform(Stop(detail))
        except CommandRefused:
            return  # it has ended, or is about to
        except CommandFailed:
            live.running.abandon()

    def reschedule(self, live: LiveBot, row: BotRow, spec: BotSpec) -> None:
        """Give a scheduled bot another time or order.

        Raises:
            NotNow: It is under way.
        """
        wait = self._waits.get(row.bot_id)
        if wait is None or wait.launching or live.row.state is not State.SCHEDULED:
            raise NotNow(live.row.state, "The bot is not scheduled any more.")
        live.row = row
        wait.scope.cancel()
        self._nursery.start_soon(self._see_through, live, spec)

    # --- a bot's life ------------------------------------------------------------------------

    async def _see_through(self, live: LiveBot, spec: BotSpec | None) -> None:
        row = live.row
        unstarted = live.running is None and live.story.state in (State.SCHEDULED, State.REQUESTED)
        if unstarted and not await self._launch(live, spec):
            return
        if live.running is None:  # a server that was killed may have launched it a moment ago
            live.running = await self._fleet.adopt(row.bot_id, row.folder)
        if live.running is not None:
            await self._until_gone(live, live.running)
        await self._live.catch_up(live)
        if not live.story.ended:
            await self._recover(live)
            await self._live.catch_up(live)
        if not live.story.ended:
            _LOG.error("bot=%s its journal could not be brought to an end", row.bot_id)
            await self._give_up(row)
        self._live.remove(live)

    async def _until_gone(self, live: LiveBot, running: RunningBot) -> None:
        """Accompany a bot until it is gone; where the connection to it breaks, begin again."""
        while True:
            await self._live.accompany(live)
            with trio.move_on_after(_AGAIN_AFTER_S) as patience:
                await running.gone()
            if not patience.cancelled_caught:
                return

    async def _launch(self, live: LiveBot, spec: BotSpec | None) -> bool:
        """Launch a bot at its time; return False if somebody else looks after it from now on."""
        wait = self._waits[live.row.bot_id] = _Wait()
        try:
            with wait.scope:
                await self._until(live.row.scheduled_for)
            if wait.scope.cancelled_caught and wait.stopped is None:
                return False  # it has another time, and another task
            if wait.stopped is not None:
                await self._end(live, EndReason.STOP_REQUESTED, Evidence("command", wait.stopped))
                return True
            asked_at = live.row.scheduled_for or live.row.created_at
            if self._now() - asked_at > timedelta(seconds=LATEST_S):
                missed = Evidence("recovery", "no server ran when it was to join")
                await self._end(live, EndReason.CRASHED, missed)
                return True
            if spec is None:
                refused = Evidence("recovery", "its order cannot be taken any more")
                await self._end(live, EndReason.CRASHED, refused)
                return True
            try:
                live.running = await self._launched(spec, wait, asked_at)
            except MeetcoreError as error:
                _LOG.warning("bot=%s could not be launched: %s", live.row.bot_id, brief(error))
                await self._end(live, EndReason.CRASHED, Evidence("launch", brief(error)))
                return True
            if live.running is None and wait.stopped is None:
                return False  # it was given another time while it waited for a place
            if live.running is None:
                await self._end(live, EndReason.STOP_REQUESTED, Evidence("command", wait.stopped))
            elif wait.stopped is not None:
                await self._say_stop(live, wait.stopped)
        finally:
            if self._waits.get(live.row.bot_id) is wait:
                del self._waits[live.row.bot_id]
        return True

    async def _launched(self, spec: BotSpec, wait: _Wait, asked_at: datetime) -> RunningBot | None:
        """Launch a bot as soon as there is a place for it; None if it is not to come meanwhile.

        Raises:
            FleetFull: There was no place until it was too late.
            MeetcoreError: It could not be started.
        """
        while not wait.scope.cancel_called:
            wait.launching = True
            try:
                return await self._fleet.launch(spec)
            except FleetFull:
                if self._now() - asked_at > timedelta(seconds=LATEST_S):
                    raise
            wait.launching = False
            await trio.sleep(_AGAIN_AFTER_S)
        return None

    async def _until(self, when: datetime | None) -> None:
        """Return at a wall time; the clock may be set meanwhile."""
        await trio.lowlevel.checkpoint()
        while when is not None and self._now() < when:  # noqa: ASYNC110  it is a wall clock
            await trio.sleep(min((when - self._now()).total_seconds(), _WAKE_EVERY_S))

    async def _end(self, live: LiveBot, reason: EndReason, evidence: Evidence) -> None:
        row = live.row
        if is_running(row.folder):
            return
        await trio.to_thread.run_sync(_end_unstarted, row.folder, row.bot_id, reason, evidence)

    async def _recover(self, live: LiveBot) -> None:
        """Finish what a dead bot left: its journal's end, its recording."""
        row = live.row
        order = await self._order_of(row)
        try:
            config = load_config(overrides=self._spec_of(row.bot_id, order).settings, environ={})
        except MeetcoreError:
            config = self._fleet.config  # an order that nobody could take any more
        for done in await recover(row.folder, plugins=self._plugins, config=config):
            for line in (*done.notes, *done.trouble):
                _LOG.info("bot=%s recovered: %s", row.bot_id, line)


def _link_of(row: BotRow) -> MeetingLink:
    return MeetingLink(platform=row.platform, native_id=row.native_id, url=row.public_url)
