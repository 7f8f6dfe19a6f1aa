"""Taking a server out of service: no new bots, what it holds to others, its clients elsewhere.

    begun            for `notice_s`          then                         drained
    ├────────────────┼───────────────────────┼────────────────────────────┤
    no orders,       whatever parts          others have its bots; its     no bot, no socket
    /ready: 503      requests notices it     sockets close with 1012

Where no other server is there, its bots are seen through here, and sockets close after the last of
them. A bot cannot be moved: one that runs as a process of this machine, or in this server's own,
goes on there until it ends, whoever looks after it.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import trio
from attrs import frozen

from meetcore import RunningBot, State
from meetcore.model import brief

if TYPE_CHECKING:
    from meetcore_server.service import BotService

__all__ = ["CLOSE_CODE", "DrainState", "Draining"]

_LOG = logging.getLogger("meetcore.server")
CLOSE_CODE = 1012
"""What RFC 6455's registry calls "service restart": come again, it is nothing that you did."""

_REASON = "this server is draining: connect again, and go on after your last event"
_LOOK_EVERY_S = 0.2
_LOOK_AROUND_WITHIN_S = 30.0


@frozen(kw_only=True)
class DrainState:
    """How far a server is.

    Attributes:
        since: When it was told to drain; None where it was not.
        closed: Whether its sockets were closed, and new ones are refused.
        host: The machine's name.
        pid: The server's process.
        instance: Names this run of the server, and no other.
        takers: How many other servers take over its bots.
        handed_over: Whether they have them.
        bots: How many it looks after that are under way.
        scheduled: How many it looks after whose time has not come.
        bots_here: How many run on this machine, whoever looks after them, and end with it.
        sockets: How many WebSockets are open.
    """

    since: datetime | None
    closed: bool
    host: str
    pid: int
    instance: str
    takers: int
    handed_over: bool
    bots: int
    scheduled: int
    bots_here: int
    sockets: int

    @property
    def drained(self) -> bool:
        """Whether nothing is left that ends with the machine."""
        return self.closed and not (self.bots or self.bots_here or self.sockets)


class Draining:
    """Takes a server out of service, and brings it back.

    Args:
        service: The bots.
        notice_s: How long its clients stay first, while it takes no orders.

    Attributes:
        since: When it was told to; None where it was not.
        closed: Whether new sockets are refused.
        sockets: Tells how many WebSockets are open.
        part: Closes them, with a code and a reason.
        send_elsewhere: Has the other connections end after their next answer, or no longer.
    """

    def __init__(self, service: BotService, notice_s: float) -> None:
        self.since: datetime | None = None
        self.closed = False
        self.sockets: Callable[[], int] = lambda: 0
        self.part: Callable[[int, str], None] = lambda code, reason: None
        self.send_elsewhere: Callable[[bool], None] = lambda elsewhere: None
        self._service = service
        self._notice_s = notice_s
        self._instance = uuid4().hex[:12]
        self._begun = trio.Event()
        self._yields = False
        self._scope = trio.CancelScope()
        self._found: dict[str, RunningBot] = {}

    def begin(self) -> None:
        """Drain from now on; where it does already, nothing changes."""
        self._yields = False
        if self.since is not None:
            return
        _LOG.warning("this server drains: it takes no more orders")
        self.since = self._service.now()
        self._service.membership.go()
        self._begun.set()

    def yield_to_newer(self, newer: bool) -> None:
        """Drain while a server of a newer version, which has changed the tables, takes over."""
        if newer and self.since is None:
            _LOG.warning("a newer version has changed the tables of the database: it takes over")
            self.begin()
            self._yields = True
        elif self._yields and not newer and not self._service.membership.ending:
            _LOG.warning("no server of the newer version is there any more")
            self.undo()

    def undo(self) -> None:
        """Serve as before; what was handed over stays with the others."""
        if self.since is None:
            return
        _LOG.warning("this server drains no longer: it takes orders")
        self.since, self.closed, self._yields = None, False, False
        self.send_elsewhere(False)
        self._scope.cancel()
        self._begun = trio.Event()
        self._service.membership.stay()

    def state(self) -> DrainState:
        """Return how far it is."""
        membership, under_way = self._service.membership, self._under_way
        return DrainState(
            since=self.since,
            closed=self.closed,
            host=socket.gethostname(),
            pid=os.getpid(),
            instance=self._instance,
            takers=membership.takers,
            handed_over=membership.handed_over,
            bots=under_way,
            scheduled=len(self._service.live.all()) - under_way,
            bots_here=len(self._here),
            sockets=self.sockets(),
        )

    @property
    def _under_way(self) -> int:
        return sum(live.row.state is not State.SCHEDULED for live in self._service.live.all())

    @property
    def _here(self) -> set[str]:
        running = self._service.supervisor.fleet.running.values()
        return {bot.bot_id for bot in running if bot.on_this_machine} | set(self._found)

    async def run(self) -> None:
        """Do it when it is told to, until cancelled. Raises nothing but `Cancelled`."""
        while True:
            await self._begun.wait()
            with trio.CancelScope() as self._scope:
                if self.since is not None:  # it may have been undone before this task ran
                    await self._drain()
            self._found.clear()

    async def _drain(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_around, nursery)
            await trio.sleep(self._notice_s)
            membership = self._service.membership
            membership.go(hand_over=True)
            while True:
                nothing_left = not (self._under_way or self._here)
                if not self.closed and (membership.handed_over or nothing_left):
                    self.closed = True
                    self.send_elsewhere(True)
                if self.closed:
                    self.part(CLOSE_CODE, _REASON)
                await trio.sleep(_LOOK_EVERY_S)

    async def _look_around(self, nursery: trio.Nursery) -> None:
        """Find the bots of this machine that other servers look after."""
        fleet = self._service.supervisor.fleet
        try:
            with trio.fail_after(_LOOK_AROUND_WITHIN_S):
                for bot_id in await fleet.launcher.list():
                    bot = None if bot_id in fleet.running else await fleet.launcher.reach(bot_id)
                    if bot is None:
                        continue
                    if not bot.on_this_machine:
                        return  # none of this launcher's bots does
                    self._found[bot_id] = bot
                    nursery.start_soon(self._until_gone, bot)
        except Exception as error:  # noqa: BLE001  it drains, whatever was wrong here
            words = "whether more bots run on this machine cannot be known: %s"
            _LOG.warning(words, brief(error))

    async def _until_gone(self, bot: RunningBot) -> None:
        try:
            await bot.gone()
        except Exception as error:  # noqa: BLE001  one bot's trouble is its own
            _LOG.warning("bot=%s cannot be waited for: %s", bot.bot_id, brief(error))
        finally:
            self._found.pop(bot.bot_id, None)
