"""What launchers have in common whose bots a cluster places: a bus, a shared store, one silence.

The cluster says whether a bot's process runs. What the bot does is told over the bus, and what it
leaves is in the store.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import suppress
from typing import Any, ClassVar

import trio

from meetcore.fleet.launching.bus_bot import BusBot
from meetcore.fleet.launching.given_up import GivenUp, note_given_up
from meetcore.model.errors import BusUnavailable, CommandRefused, ConfigError
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.bus import BotBus
from meetcore.plugin.launcher import Launcher, RunningBot
from meetcore.plugin.store import BotStore

__all__ = ["ClusterBot", "ClusterLauncher"]

_LOG = logging.getLogger("meetcore")
_ASK_EVERY_S = 5.0


class ClusterBot(BusBot):
    """A bot that a cluster has placed: heard and commanded over the bus.

    Args:
        bot_id: Its id.
        bus: The bus, open.
        store: Where its log is.

    Attributes:
        released: Whether another looks after it.
    """

    def __init__(self, bot_id: str, bus: BotBus, store: BotStore) -> None:
        super().__init__(bot_id, bus, store)
        self.released = False

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

    def release(self) -> None:
        """Look after it no more."""
        self.released = True

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

    def note(self, bot: ClusterBot, reason: EndReason, evidence: Evidence) -> None:
        """Leave word why a bot ended, where its recovery looks."""
        try:
            place = self.store.workplace(bot.bot_id)
            note_given_up(place, GivenUp(reason, seen=evidence))
        except OSError as error:
            _LOG.warning("bot=%s why it ended cannot be noted: %s", bot.bot_id, error)

    async def watch_silence(self, bot: ClusterBot, limit_s: float | None) -> None:
        """End a bot that the bus has not heard of for too long, though the bus is there.

        Returns when it has; no deadline of its own.

        Args:
            bot: The bot.
            limit_s: For how long it may be silent; None for ever, and this returns at once.
        """
        heard_at = trio.current_time()
        while limit_s is not None:
            await trio.sleep(_ASK_EVERY_S)
            try:
                alive = await bot.alive()
            except BusUnavailable:
                alive = True  # of which nothing can be known now
            if alive or bot.released:
                heard_at = trio.current_time()
            elif (silent_s := trio.current_time() - heard_at) > limit_s:
                _LOG.error("bot=%s is given up: silent for %.0f s", bot.bot_id, silent_s)
                words = f"the bus has not heard of it for {silent_s:.0f} s"
                self.note(bot, EndReason.CRASHED, Evidence("unresponsive", words))
                bot.abandon()
                return
