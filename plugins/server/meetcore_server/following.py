"""A bot that another server looks after, followed here for those who ask this one about it.

Its log is the same for both, and where the launcher reaches the bot it is listened to and commanded
from here, too. Nothing that must be done once is done here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from meetcore.model import brief
from meetcore_server.live import LiveBot

if TYPE_CHECKING:
    from meetcore_server.supervisor import BotSupervisor

__all__ = ["Following"]

_LOG = logging.getLogger("meetcore.server")
_LOOK_WITHIN_S = 20.0
_AGAIN_AFTER_S = 0.5
_LISTEN_ANEW_S = 30.0
_NOBODY_ASKS_S = 60.0


class Following:
    """Follows one bot.

    Args:
        supervisor: Whose it is.
        live: The bot.

    Attributes:
        looked: Set when its history is there, or that cannot be had now.
    """

    def __init__(self, supervisor: BotSupervisor, live: LiveBot) -> None:
        self.live = live
        self.looked = trio.Event()
        self._its = supervisor
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    async def run(self) -> None:
        """Follow it until it has ended, or nobody asks for it. Raises nothing but `Cancelled`."""
        try:
            with self._scope:
                while self._wanted and not self.live.history.ended:
                    try:
                        await self._listen()
                    except Exception as error:  # noqa: BLE001  one bot's trouble is its own
                        bot_id = self.live.row.bot_id
                        _LOG.warning("bot=%s cannot be followed now: %s", bot_id, brief(error))
                    self.looked.set()
                    await trio.sleep(_AGAIN_AFTER_S)
        finally:
            self.looked.set()
            self._over.set()
        if not self._scope.cancelled_caught:
            self._its.unfollowed(self)

    async def end(self) -> None:
        """Follow it no more; who follows it here stays with it."""
        self._scope.cancel()
        await self._over.wait()

    @property
    def _wanted(self) -> bool:
        asked = trio.current_time() - self.live.asked_at < _NOBODY_ASKS_S
        return asked or any(len(feed) for feed in self.live.feeds.values())

    async def _listen(self) -> None:
        """Take what there is, then what the bot tells for a while, if it can be reached."""
        live = self.live
        with trio.fail_after(_LOOK_WITHIN_S):
            if live.running is None:
                live.running = await self._its.fleet.reach(live.row.bot_id)
            await self._its.live.catch_up(live)
        self.looked.set()
        if live.running is None or live.history.ended:
            return
        with trio.move_on_after(_LISTEN_ANEW_S):  # a connection can be open and broken
            await self._its.live.accompany(live, live.running)
        live.running = None
