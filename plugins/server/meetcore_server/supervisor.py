"""Sees every bot through: launched when its time comes, accompanied, recovered when it dies.

What is to be done follows from the row and the journal alone, so it makes no difference whether a
bot was ordered a moment ago or by a server that was killed: it is adopted if it runs, launched if
it was never under way and its time is near, and otherwise its journal is ended as `crashed`.

Each bot has a `Supervision`, a task of its own from which no trouble comes out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

import trio

from meetcore import BotSpec, BotStore, Fleet, MeetingLink, Plugins, StateChanged
from meetcore.gateway import BotRequest, BotRow, NotNow
from meetcore.log import Threads
from meetcore_server.bot_supervision import Supervision, Trouble, beginning
from meetcore_server.live import LiveBot, LiveBots

__all__ = ["BotSupervisor"]

_LOG = logging.getLogger("meetcore.server")
T = TypeVar("T")
_WRITE_WITHIN_S = 20.0
_LOOKED_WITHIN_S = 20.0
_WRITERS = 8


class BotSupervisor:
    """Looks after all bots.

    Args:
        fleet: Where they run.
        live: Those that have not ended.
        spec_of: Makes the spec of a bot's order.
        order_of: Reads a bot's order.
        now: The wall time.
        give_up: Ends the row of a bot whose journal takes no end.
        forget: Forgets an order that was never acknowledged; returns whether it was one.
        recovery_plugins: The plugins with which what a dead bot left is finished.
        nursery: Where they are looked after.
    """

    def __init__(
        self,
        fleet: Fleet,
        live: LiveBots,
        *,
        spec_of: Callable[[str, BotRequest], BotSpec],
        order_of: Callable[[BotRow], Awaitable[BotRequest]],
        now: Callable[[], datetime],
        give_up: Callable[[BotRow, StateChanged], Awaitable[BotRow]],
        forget: Callable[[BotRow], Awaitable[bool]],
        recovery_plugins: Plugins,
        nursery: trio.Nursery,
    ) -> None:
        self.fleet = fleet
        self.live = live
        self.spec_of = spec_of
        self.order_of = order_of
        self.now = now
        self.give_up = give_up
        self.forget = forget
        self.plugins = recovery_plugins
        self._nursery = nursery
        self._supervisions: dict[str, Supervision] = {}
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
            StorageUnavailable, OSError, trio.TooSlowError: It could not be written down; nothing
                of it is left in the store.
        """
        with trio.fail_after(_WRITE_WITHIN_S):
            await self.store.begin(row.bot_id, beginning(spec, link))
        supervision = Supervision(self, self.live.add(row), spec)
        self._supervise(supervision)
        with trio.move_on_after(_LOOKED_WITHIN_S):
            await supervision.looked.wait()
        return supervision.live

    async def resume(self, rows: Iterable[BotRow]) -> None:
        """Go on with the bots that an earlier server looked after.

        Returns when it is known how each stands; those of which that cannot be known in 20 s are
        seen to as soon as it can.
        """
        resumed = [Supervision(self, self.live.add(row)) for row in rows]
        for each in resumed:
            self._supervise(each)
        with trio.move_on_after(_LOOKED_WITHIN_S):
            for each in resumed:
                await each.looked.wait()
        for each in resumed:
            running = each.live.running is not None
            _LOG.info("bot=%s %s", each.live.row.bot_id, "adopted" if running else "not running")

    def _supervise(self, supervision: Supervision) -> None:
        self._supervisions[supervision.live.row.bot_id] = supervision
        self._nursery.start_soon(supervision.run)

    def let_go(self, supervision: Supervision) -> None:
        """Let a bot go that has ended."""
        self._supervisions.pop(supervision.live.row.bot_id, None)
        self.live.remove(supervision.live)

    async def stop(self, live: LiveBot, detail: str) -> None:
        """Have a bot leave, or not come at all."""
        supervision = self._supervisions.get(live.row.bot_id)
        if supervision is not None:
            await supervision.stop(detail)

    async def reschedule(
        self, row: BotRow, spec: BotSpec, write: Callable[[], Awaitable[BotRow]]
    ) -> BotRow:
        """Give a scheduled bot another time or order; `write` writes it down.

        Raises:
            NotNow: It is under way. Nothing was written.
        """
        supervision = self._supervisions.get(row.bot_id)
        if supervision is None:
            raise NotNow(row.state, "The bot is not scheduled any more.")
        return await supervision.reschedule(spec, write)
