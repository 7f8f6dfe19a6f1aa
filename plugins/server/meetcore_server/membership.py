"""This server among those that share its database: alive, or taken for dead.

Where it is the only one that can be (SQLite), it holds everything for as long as it runs, and none
of this costs anything. Otherwise it says a few times a minute that it lives. Before something is
done that two must not do (a bot launched, its end written), `hold` makes sure that this server is
still the one: a process may have stood still for a minute, and not know it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from meetcore import MeetcoreError, StorageUnavailable
from meetcore.gateway import BotRow
from meetcore.model import brief
from meetcore_server.complaints import Complaint
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.storage.servers import LIVES_S, Renewal, Servers, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Membership", "ServerDraining"]

_LOG = logging.getLogger("meetcore.server")
_RENEW_EVERY_S = 3.0
_AGAIN_AFTER_S = 1.0
_SURE_S = LIVES_S - 3.0
_LEAVE_WITHIN_S = 5.0


class ServerDraining(StorageUnavailable):
    """This server is being taken out of service, and takes nothing new."""

    code = "draining"

    def __init__(self) -> None:
        super().__init__(
            "This server is draining and takes nothing new.",
            "Ask again in a moment: another server answers, or this one when it is back.",
        )


class Membership:
    """Takes part under a number.

    Args:
        servers: The servers of the database.
        holder: Where the number is put, for whoever writes rows.
        terms: What all of them are set alike in.
        shared: Whether there can be others.

    Attributes:
        others: How many others lived when it was asked last.
        takers: How many of them take over what others leave: they do not drain.
        going: Whether this server was told to drain, or to end, and takes no more orders.
        handed_over: Whether others have what it held, since it drains.
        outdated: Whether a newer version has changed the tables, and a server of it takes over.
        ending: Whether this server was told to end: it does not stay, whoever comes or goes.
    """

    def __init__(self, servers: Servers, holder: Holder, terms: Terms, *, shared: bool) -> None:
        self.servers = servers
        self.shared = shared
        self.others = 0
        self.takers = 0
        self.going = False
        self.handed_over = False
        self.outdated = False
        self.ending = False
        self._hands_over = False
        self._holder = holder
        self._terms = terms
        self._sure_until = 0.0
        self._patient_until = 0.0
        self._wanted = trio.Event()
        self._tried = trio.Event()
        self._trouble = ""

    @property
    def number(self) -> int:
        """The number of this server; 0 while it has none."""
        return self._holder.number or 0

    @property
    def sure(self) -> bool:
        """Whether nobody can have taken this server for dead."""
        known = trio.current_time() < self._sure_until and self.number > 0
        return known or not self.shared

    def check_staying(self) -> None:
        """Raise where this server is going: it takes no more orders.

        Raises:
            ServerDraining: It is.
        """
        if self.going:
            raise ServerDraining

    def go(self, *, hand_over: bool = False) -> None:
        """Take no more orders, and nothing that others leave as long as another takes it.

        Args:
            hand_over: Whether what this server holds goes to the others, as soon as there are any.
        """
        self.going = True
        self._hands_over = self._hands_over or hand_over
        self._terms = evolve(self._terms, draining=True)
        self._wanted.set()

    def stay(self) -> None:
        """Be as any other again; what was handed over stays where it is."""
        self.going = self._hands_over = self.handed_over = False
        self._terms = evolve(self._terms, draining=False)
        self._wanted.set()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Sequence[BotRow]]:
        """Take part while the block runs; gives the bots to look after, which nobody else does.

        Raises:
            ServersDiffer: Another server that lives is set otherwise.
            DatabaseUnavailable: The database does not answer.
        """
        inherited = await self._enter()
        try:
            yield inherited
        finally:
            number = self.number
            with (
                trio.CancelScope(shield=True, deadline=trio.current_time() + _LEAVE_WITHIN_S),
                suppress(MeetcoreError),  # then it is taken for dead soon
            ):
                await self.servers.leave(number)

    async def _enter(self) -> Sequence[BotRow]:
        began = trio.current_time()
        self._holder.number, renewal = await self.servers.enter(self._terms)
        self._take(began, renewal)
        if renewal.moved:
            _LOG.warning(
                "the bots of this database were in another place until now; what was not moved "
                "there (`meetcore move`) is not found"
            )
        _say_gone(renewal)
        return renewal.inherited

    def _take(self, began: float, renewal: Renewal) -> None:
        self._sure_until = began + _SURE_S
        self.others, self.takers = renewal.others, renewal.takers
        self.outdated = renewal.outdated

    async def hold(self) -> None:
        """Return when it is sure that what this server holds is still its own.

        Raises:
            NotHeld: It is not: this server was taken for dead.
            DatabaseUnavailable: That cannot be known now.
        """
        if self.sure:
            await trio.lowlevel.checkpoint()
            return
        number, tried = self.number, self._tried
        self._wanted.set()
        await tried.wait()
        if self.number != number or not number:
            raise NotHeld("What this server looked after")
        if not self.sure:
            raise DatabaseUnavailable(
                f"Whether this server is taken for dead cannot be known now: {self._trouble}"
            )

    async def run(
        self,
        outlived: Callable[[], Awaitable[None]],
        inherited: Callable[[Sequence[BotRow]], None],
        outdated: Callable[[bool], None] = lambda outdated: None,
    ) -> None:
        """Say that this server lives, until cancelled. Raises nothing but `Cancelled`.

        Args:
            outlived: Called when it was taken for dead: what it looked after is not its own now.
            inherited: Called when others died, with the bots to look after from now on; returns at
                once.
            outdated: Called with whether a newer version takes over, each time that is known;
                returns at once.
        """
        pause_s = _RENEW_EVERY_S
        complaint = Complaint(_LOG, "this server cannot say that it lives")
        while self.shared:
            with trio.move_on_after(pause_s):
                await self._wanted.wait()
            self._wanted = trio.Event()
            pause_s = _RENEW_EVERY_S
            try:
                await self._renew(outlived, inherited)
                outdated(self.outdated)
            except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
                self._trouble = brief(error)
                complaint.wrong(self._trouble)
                pause_s = _AGAIN_AFTER_S
            else:
                self._trouble = ""
                complaint.fine()
            tried, self._tried = self._tried, trio.Event()
            tried.set()
        await trio.sleep_forever()

    async def _renew(
        self,
        outlived: Callable[[], Awaitable[None]],
        inherited: Callable[[Sequence[BotRow]], None],
    ) -> None:
        began = trio.current_time()
        if self.number:
            was_sure = self.sure
            # Where this one could not say it, the others could not, either: they get their time.
            if not was_sure:
                self._patient_until = began + LIVES_S
            patient = began < self._patient_until
            renewal = await self.servers.renew(self.number, patient=patient, terms=self._terms)
            if renewal is not None:
                self._take(began, renewal)
                hands_over = self._hands_over and not self.handed_over and renewal.takers > 0
                if renewal.gone or renewal.inherited:
                    self.handed_over = False
                    _say_gone(renewal)
                    inherited(renewal.inherited)
                elif hands_over and was_sure:
                    await self._hand_over(outlived)
                return
            _LOG.warning(
                "this server (number %d) was taken for dead: for %g s it stood still or could not "
                "reach its database. Others look after its bots; it goes on as one of them",
                self.number,
                LIVES_S,
            )
            self._holder.number = 0
            await outlived()
        inherited(await self._enter())

    async def _hand_over(self, outlived: Callable[[], Awaitable[None]]) -> None:
        """Leave what this server holds to the others, and go on as one that holds nothing."""
        number, began = self.number, trio.current_time()
        self._holder.number = 0  # until it is known, nothing is done that two must not do
        try:
            new = await self.servers.hand_over(number, self._terms)
        except BaseException:
            # It may be done: whether this server still holds anything, only a renewal can say.
            self._holder.number, self._sure_until = number, 0.0
            raise
        if new is None:
            self._holder.number = number
            return
        await outlived()
        self._holder.number, self._sure_until = new, began + _SURE_S
        self.handed_over = True
        _LOG.info("this server (number %d, now %d) handed over what it held", number, new)


def _say_gone(renewal: Renewal) -> None:
    """Say who is gone, and what was taken over."""
    ids = ", ".join(row.bot_id for row in renewal.inherited) or "none"
    for each in renewal.gone:
        _LOG.log(
            logging.INFO if each.left else logging.WARNING,
            "server number %d (process %d on %s) %s. Bots taken over: %s",
            each.number,
            each.pid,
            each.host,
            "has left" if each.left else "is dead",
            ids,
        )
