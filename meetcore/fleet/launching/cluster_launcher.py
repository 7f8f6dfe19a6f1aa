"""What launchers have in common whose bots a cluster places: a bus, a shared store, one silence.

The cluster says whether a bot's process runs. What the bot does is told over the bus, and what it
leaves is in the store.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import trio

from meetcore.fleet.launching.bus_bot import BusBot
from meetcore.fleet.launching.bus_reception import ALIVE_S
from meetcore.fleet.launching.given_up import GivenUp, note_given_up
from meetcore.model.commands import Command, Stop
from meetcore.model.config import BotConfig
from meetcore.model.errors import (
    BusUnavailable,
    CommandFailed,
    CommandRefused,
    ConfigError,
    StorageUnavailable,
    brief,
)
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.bus import BotBus
from meetcore.plugin.launcher import Launcher, RunningBot
from meetcore.plugin.store import BotStore

__all__ = ["ClusterBot", "ClusterLauncher", "finishing_s"]

_LOG = logging.getLogger("meetcore")
STOP_WITHIN_S = 15.0
_LEAVES_WITHIN_S = 60.0
_ASK_EVERY_S = 5.0
_STORE_WITHIN_S = 10.0
_AWAY = (StorageUnavailable, OSError, trio.TooSlowError)


def finishing_s(config: BotConfig) -> float:
    """Return how long the end of a bot's recordings may take beyond its other limits, in seconds.

    A video is rewritten when the meeting is over: a second for every 20 s of it, on a slow disk.
    """
    if not config.video:
        return 0.0
    longest_s = config.automatic_leave.max_duration_s
    return 3600.0 if longest_s is None else min(3600.0, longest_s / 20)


class ClusterBot(BusBot):
    """A bot that a cluster has placed: heard and commanded over the bus.

    Args:
        bot_id: Its id.
        bus: The bus, open.
        store: Where its log is.

    Attributes:
        released: Whether another looks after it.
        leaving_until: Trio's time up to which it may be leaving, since it was told to stop a
            moment ago: who gives it up before lets it leave in order. None if it was not told.
        unresponsive_since: Trio's time since when the bus, which takes what bots tell, has not
            heard of it; None while it does, or the bus cannot say.
    """

    def __init__(self, bot_id: str, bus: BotBus, store: BotStore) -> None:
        super().__init__(bot_id, bus, store)
        self.released = False
        self.leaving_until: float | None = None
        self.unresponsive_since: float | None = None

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the cluster has said that it has ended."""

    async def alive(self) -> bool:
        """Return whether the bus heard of it not long ago.

        Raises:
            BusUnavailable: The bus cannot say now.
        """
        return await self._bus.alive(self.bot_id)

    async def perform(self, command: Command) -> None:
        """Have the bot carry out a command; at most 35 s.

        One that is to stop and does not answer over the bus, which may be away, is told by what
        holds it: it has the time to leave, and to finish what it recorded.
        """
        if not isinstance(command, Stop):
            await super().perform(command)
            return
        if self.leaving_until is None:
            self.leaving_until = trio.current_time() + _LEAVES_WITHIN_S
        try:
            with trio.fail_after(STOP_WITHIN_S):
                await super().perform(command)
        except (CommandFailed, trio.TooSlowError) as error:
            if not await self.leave_otherwise():
                raise CommandFailed("The bot does not answer over the bus.") from error
            _LOG.warning("bot=%s is told to stop without the bus: %s", self.bot_id, brief(error))

    async def leave_otherwise(self) -> bool:
        """Have it leave in order, told by what holds it; within 20 s. Return whether it is told."""
        await trio.lowlevel.checkpoint()
        return False

    def release(self) -> None:
        """Look after it no more."""
        self.released = True

    def tell_silence(self, silent_s: float) -> None:
        """Tell it for how long it was not heard of, soon; it writes that into its journal."""
        asked = {"silent_s": round(silent_s, 1)}
        self._bus.soon(partial(self._ask_quietly, asked))

    async def _answer_to(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.over:
            raise CommandRefused("The bot has ended.")
        return await super()._answer_to(asked)


class ClusterLauncher(Launcher):
    """Launches bots that a cluster places; knows nothing of any cluster.

    Attributes:
        how_to_share: What to write where machines share no store, for the user.
    """

    how_to_share: ClassVar[str]

    @property
    @abstractmethod
    def shares_folder(self) -> bool:
        """Whether a folder is a store that servers and bots share here."""

    def check(self) -> None:
        """Say at the start what is missing: a bus, or a store that all share."""
        self.needed_bus()

    def needed_bus(self) -> BotBus:
        """Return the bus.

        Raises:
            ConfigError: There is none, or no store that all share.
        """
        if self.bus is None:
            raise ConfigError(
                f"The launcher {self.name!r} needs a bus, on which bots of other machines are "
                "heard.",
                'Write [bus] url = "redis://…".',
            )
        if self.store.name == "folder" and not self.shares_folder:
            raise ConfigError(
                f"The launcher {self.name!r} needs a store that servers and bots share; a folder "
                "of this machine is none.",
                f'Write [store] url = "s3://…", or {self.how_to_share}.',
            )
        return self.bus

    async def reach(self, bot_id: str) -> RunningBot | None:
        """Return a bot that somebody else looks after, if it is on the bus."""
        bus = self.needed_bus()
        with suppress(BusUnavailable):
            if await bus.alive(bot_id):
                return BusBot(bot_id, bus, self.store)
        return None

    async def runs(self, bot_id: str) -> bool:
        """Return whether a bot is on the bus, or, where that cannot be known, run by the store.

        Raises:
            StorageUnavailable, OSError, trio.TooSlowError: The store cannot say either.
        """
        bus = self.needed_bus()
        try:
            if await bus.alive(bot_id):
                return True
            await bus.probe(bot_id)
        except BusUnavailable:
            with trio.fail_after(_STORE_WITHIN_S):
                return await self.store.runner(bot_id) is not None
        return False

    def note(
        self, bot: ClusterBot, reason: EndReason, evidence: Evidence, *, silent_s: float = 0.0
    ) -> None:
        """Leave word why a bot ended, where its recovery looks.

        Args:
            bot: The bot.
            reason: What it ends for.
            evidence: What was seen of it.
            silent_s: For how long it had not been heard of, where that was the reason.
        """
        try:
            place = self.store.workplace(bot.bot_id)
            note_given_up(place, GivenUp(reason, silent_s=silent_s, seen=evidence))
        except OSError as error:
            _LOG.warning("bot=%s why it ended cannot be noted: %s", bot.bot_id, error)

    def note_silence(self, bot: ClusterBot) -> None:
        """Leave word that a bot which nobody runs any more had not been heard of before."""
        if bot.unresponsive_since is not None:
            self._note_silence(bot, trio.current_time() - bot.unresponsive_since)

    def _note_silence(self, bot: ClusterBot, silent_s: float) -> None:
        words = f"the bus has not heard of it for {silent_s:.0f} s"
        evidence = Evidence("unresponsive", words)
        self.note(bot, EndReason.CRASHED, evidence, silent_s=silent_s)

    async def watch_silence(self, bot: ClusterBot, limit_s: float | None) -> None:
        """Say that a bot is not heard of, and end it when that goes on for too long.

        Silence counts only while the bus takes what bots tell. It is seen within 15 s, and stands
        in `bot.unresponsive_since`. A bot is ended only where the store agrees: as long as it
        renews a lease there that would lapse otherwise, it is merely out of reach.

        Returns when it has ended the bot; no deadline of its own.

        Args:
            bot: The bot.
            limit_s: For how long it may be silent; None for ever.
        """
        silence = _Silence()
        while True:
            await trio.sleep(_ASK_EVERY_S)
            heard = None if bot.released else await self._heard_of(bot)
            silence.take(heard)
            since = silence.since
            if since is None:
                _end_silence(bot, heard=heard is True)
                continue
            silent_s = trio.current_time() - since
            if bot.unresponsive_since is None:
                bot.unresponsive_since = since
                what = (bot.bot_id, silent_s)
                _LOG.warning(
                    "bot.unresponsive bot=%s the bus has not heard of it for %.0f s", *what
                )
            if limit_s is not None and silent_s > limit_s and not await self._has_lease(bot):
                _LOG.error("bot=%s is given up: silent for %.0f s", bot.bot_id, silent_s)
                self._note_silence(bot, silent_s)
                bot.leaving_until = trio.current_time()  # who hangs does not leave, if told or not
                bot.abandon()
                return

    async def _heard_of(self, bot: ClusterBot) -> bool | None:
        """Return whether the bus has heard of a bot lately; None where it cannot say."""
        try:
            if await bot.alive():
                return True
            await self.needed_bus().probe(bot.bot_id)
        except BusUnavailable:
            return None
        return False

    async def _has_lease(self, bot: ClusterBot) -> bool:
        """Whether a bot renews a lease in the store; where it cannot say, it may."""
        if not self.store.leases_lapse:
            return False
        try:
            with trio.fail_after(_STORE_WITHIN_S):
                return await self.store.runner(bot.bot_id) is not None
        except _AWAY as error:
            _LOG.info("bot=%s is not given up: %s", bot.bot_id, brief(error))
            return True


class _Silence:
    """For how long a bot has not been heard of, from what the bus says now and then.

    Attributes:
        since: Trio's time since when; None while it is heard of, or nobody can say.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self._began: float | None = None
        self._known = False

    def take(self, heard: bool | None) -> None:
        """Take whether it was heard of, None where the bus cannot say.

        Where the bus could not say the last time, or was not asked yet, a bot gets until the next
        time: it may be about to come back.
        """
        now = trio.current_time()
        if heard is not False:
            self.since = self._began = None
            self._known = heard is True
        elif self._began is None:
            self._began = now - ALIVE_S if self._known else now
            self.since = self._began if self._known else None
        else:
            self.since = self._began


def _end_silence(bot: ClusterBot, *, heard: bool) -> None:
    """Take back that a bot is not heard of; one that is heard of again is told for how long."""
    if bot.unresponsive_since is not None:
        silent_s = trio.current_time() - bot.unresponsive_since
        bot.unresponsive_since = None
        if heard:
            _LOG.warning("bot=%s is heard of again after %.0f s", bot.bot_id, silent_s)
            bot.tell_silence(silent_s)
