"""Sees its bots through: launched when their time comes, accompanied, recovered when they die.

What is to be done follows from the row and the journal alone, so it makes no difference whether a
bot was ordered a moment ago or by a server that was killed: it is adopted if it runs, launched if
it was never under way and its time is near, and otherwise its journal is ended as `crashed`.

Each bot has a `Supervision`, a task of its own from which no trouble comes out. A bot that another
server looks after has none here; where somebody asks for it, a `Following`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import trio
from attrs import evolve

from meetcore import (
    BotSpec,
    BotStore,
    CommandFailed,
    CommandRefused,
    Fleet,
    MeetcoreError,
    MeetingLink,
    Plugins,
    State,
    StateChanged,
    Stop,
    StorageUnavailable,
)
from meetcore.gateway import BotRequest, BotRow, NotNow
from meetcore.log import Threads
from meetcore.model import brief
from meetcore_server.bot_supervision import Supervision
from meetcore_server.following import Following
from meetcore_server.live import LiveBot, LiveBots
from meetcore_server.membership import Membership
from meetcore_server.orders_to_specs import beginning
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.holding import NotHeld
from meetcore_server.troubles import Trouble

__all__ = ["BotSupervisor"]

_LOG = logging.getLogger("meetcore.server")
T = TypeVar("T")
_WRITE_WITHIN_S = 20.0
_LOOKED_WITHIN_S = 20.0
_STOPPED_WITHIN_S = 5.0
_WRITERS = 8
RESCHEDULED = "rescheduled"
STOP = "stop"


class BotSupervisor:
    """Looks after all bots.

    Args:
        fleet: Where they run.
        live: Those that have not ended.
        membership: This server among others.
        rows: The bots in the database.
        spec_of: Makes the spec of a bot's order.
        order_of: Reads a bot's order.
        now: The wall time.
        give_up: Ends the row of a bot whose journal takes no end.
        forget: Forgets an order that was never acknowledged; returns whether it was one.
        recovery_plugins: The plugins with which what a dead bot left is finished.
        finish_within_s: For how long the process of a bot that has ended may go on carrying.
        nursery: Where they are looked after.
    """

    def __init__(
        self,
        fleet: Fleet,
        live: LiveBots,
        membership: Membership,
        rows: BotRows,
        *,
        spec_of: Callable[[str, BotRequest], BotSpec],
        order_of: Callable[[BotRow], Awaitable[BotRequest]],
        now: Callable[[], datetime],
        give_up: Callable[[BotRow, StateChanged], Awaitable[BotRow]],
        forget: Callable[[BotRow], Awaitable[bool]],
        recovery_plugins: Plugins,
        finish_within_s: float,
        nursery: trio.Nursery,
    ) -> None:
        self.fleet = fleet
        self.live = live
        self.membership = membership
        self.rows = rows
        self.spec_of = spec_of
        self.order_of = order_of
        self.now = now
        self.give_up = give_up
        self.forget = forget
        self.plugins = recovery_plugins
        self.finish_within_s = finish_within_s
        self._nursery = nursery
        self._supervisions: dict[str, Supervision] = {}
        self._followings: dict[str, Following] = {}
        self._threads = Threads(_WRITERS)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return what a function gives that blocks for a moment."""
        return await self._threads.run(work, within_s=_WRITE_WITHIN_S)

    @property
    def store(self) -> BotStore:
        """Where bots are found by their ids."""
        return self.fleet.store

    @property
    def troubles(self) -> dict[str, Trouble]:
        """What is wrong now with the supervision of bots, by id."""
        return {
            bot_id: each.trouble
            for bot_id, each in self._supervisions.items()
            if each.trouble is not None
        }

    async def begin(self, row: BotRow, spec: BotSpec, link: MeetingLink) -> LiveBot:
        """Write down that a bot was ordered, and see it through from here on.

        Raises:
            NotHeld: This server was taken for dead meanwhile; it is written down.
            StorageUnavailable, OSError, trio.TooSlowError: It could not be written down; nothing
                of it is left in the store.
        """
        with trio.fail_after(_WRITE_WITHIN_S):
            await self.store.begin(row.bot_id, beginning(spec, link))
        try:
            with trio.fail_after(_WRITE_WITHIN_S):
                await self.membership.hold()
        except NotHeld:
            raise
        except (StorageUnavailable, trio.TooSlowError):
            with (
                trio.CancelScope(shield=True, deadline=trio.current_time() + _WRITE_WITHIN_S),
                suppress(MeetcoreError, OSError),
            ):
                await self.store.delete(row.bot_id)
            raise
        supervision = await self._taken_over(row, spec)
        with trio.move_on_after(_LOOKED_WITHIN_S):
            await supervision.looked.wait()
        return supervision.live

    async def resume(self, rows: Iterable[BotRow]) -> None:
        """Go on with the bots that an earlier server looked after.

        Returns when it is known how each stands; those of which that cannot be known in 20 s are
        seen to as soon as it can.
        """
        new = [row for row in rows if row.bot_id not in self._supervisions]
        resumed = [await self._taken_over(row) for row in new]
        with trio.move_on_after(_LOOKED_WITHIN_S):
            for each in resumed:
                await each.looked.wait()
        for each in resumed:
            running = each.live.running is not None
            _LOG.info("bot=%s %s", each.live.row.bot_id, "adopted" if running else "not running")

    async def _taken_over(self, row: BotRow, spec: BotSpec | None = None) -> Supervision:
        """Look after a bot from now on; who followed it here goes on doing so."""
        following = self._followings.pop(row.bot_id, None)
        if following is not None:
            await following.end()
        live = self.live.add(row)
        live.running = None
        supervision = self._supervisions[row.bot_id] = Supervision(self, live, spec)
        self._nursery.start_soon(supervision.run)
        return supervision

    def let_go(self, supervision: Supervision) -> None:
        """Let a bot go that has ended."""
        self._supervisions.pop(supervision.live.row.bot_id, None)
        self.live.remove(supervision.live)

    # --- bots of other servers ----------------------------------------------------------------

    async def give_up_all(self) -> None:
        """Look after nothing any more: others do. Who follows a bot here goes on doing so."""
        supervisions, self._supervisions = self._supervisions, {}
        for each in supervisions.values():
            await each.end()
            if each.live.running is not None:
                each.live.running.release()
        for each in supervisions.values():
            self._follow(each.live)

    def _follow(self, live: LiveBot) -> Following:
        live.ours, live.running = False, None
        following = self._followings[live.row.bot_id] = Following(self, live)
        self._nursery.start_soon(following.run)
        return following

    async def attend(self, row: BotRow) -> LiveBot | None:
        """Return a bot that has not ended, whoever looks after it; None where it has, or is gone.

        Returns when its history so far is there, in 20 s at most.
        """
        live = self.live.get(row.bot_id)
        if not self.membership.shared or row.ended or row.deleted_at is not None:
            return live
        if (supervision := self._supervisions.get(row.bot_id)) is not None:
            with trio.move_on_after(_LOOKED_WITHIN_S):
                await supervision.looked.wait()  # it was taken over a moment ago
            return live
        if live is None:
            live = self.live.add(row, ours=False)
            self._follow(live)
        following = self._followings.get(row.bot_id)
        if following is not None:
            with trio.move_on_after(_LOOKED_WITHIN_S):
                await following.looked.wait()
        return live

    def unfollowed(self, following: Following) -> None:
        """Let a bot go that has ended, or for which nobody asks."""
        live = following.live
        self._followings.pop(live.row.bot_id, None)
        if live.history.ended:
            self.live.remove(live)
        else:
            self.live.forget(live)

    # --- what can be asked --------------------------------------------------------------------

    async def stop(self, live: LiveBot, detail: str) -> None:
        """Have a bot leave, or not come at all."""
        bot_id = live.row.bot_id
        supervision = self._supervisions.get(bot_id)
        if supervision is not None:
            await supervision.stop(detail)
            if live.running is None and await self._runs_elsewhere(live):
                membership = self.membership
                await membership.servers.ask_all(membership.number, STOP, bot_id, detail)
            return
        server = await self.rows.held_by(bot_id) if self.membership.shared else None
        if server is not None:
            await self._have_stopped(live, server, detail)

    async def _runs_elsewhere(self, live: LiveBot) -> bool:
        """Whether a bot of this server runs where only another one reaches it."""
        there = self.membership.shared and live.row.state not in (State.SCHEDULED, State.REQUESTED)
        return there and await self.store.runner(live.row.bot_id) is not None

    async def stop_here(self, bot_id: str, detail: str) -> None:
        """Have a bot leave, as another server asks: it is this one's, or runs in its process."""
        live = self.live.get(bot_id)
        if live is not None and live.ours:
            await self.stop(live, detail)
        elif (running := self.fleet.running.get(bot_id)) is not None:
            with suppress(CommandRefused):  # it has ended, or is about to
                await running.perform(Stop(detail or "stop"))

    async def _have_stopped(self, live: LiveBot, server: int, detail: str) -> None:
        """Have a bot of another server leave: itself where it is reached, or by that server."""
        if live.running is not None:
            try:
                await live.running.perform(Stop(detail or "stop"))
            except CommandRefused:
                return  # it has ended, or is about to
            except CommandFailed:
                _LOG.info("bot=%s is not reached; its server is asked", live.row.bot_id)
            else:
                return
        await self.membership.servers.ask(server, STOP, live.row.bot_id, detail)
        if live.row.state is State.SCHEDULED:
            with trio.move_on_after(_STOPPED_WITHIN_S):
                await live.ended.wait()

    async def reschedule(
        self, row: BotRow, spec: BotSpec, write: Callable[[], Awaitable[BotRow]]
    ) -> BotRow:
        """Give a scheduled bot another time or order; `write` writes it down.

        Raises:
            NotNow: It is under way. Nothing was written.
        """
        supervision = self._supervisions.get(row.bot_id)
        if supervision is not None:
            return await supervision.reschedule(spec, write)
        server = await self.rows.held_by(row.bot_id) if self.membership.shared else None
        if server is None:
            raise NotNow(row.state, "The bot is not scheduled any more.")
        try:
            changed = await write()
        except StorageUnavailable:
            with suppress(StorageUnavailable):  # it may be written: then that one has to know
                await self.membership.servers.ask(server, RESCHEDULED, row.bot_id)
            raise
        await self.membership.servers.ask(server, RESCHEDULED, row.bot_id)
        return changed

    async def reread(self, bot_id: str) -> None:
        """Take the order that another server wrote down for a bot of this one."""
        supervision = self._supervisions.get(bot_id)
        if supervision is None:
            return
        row = await self.rows.get(bot_id)
        order = evolve(await self.order_of(row), join_at=row.scheduled_for)

        async def written() -> BotRow:
            await trio.lowlevel.checkpoint()
            return row

        try:
            await supervision.reschedule(self.spec_of(bot_id, order), written)
        except NotNow:
            _LOG.info("bot=%s was under way before its new order was known", bot_id)
        except MeetcoreError as error:
            _LOG.warning("bot=%s its new order cannot be taken: %s", bot_id, brief(error))
