"""Orders that were answered with an error: nothing of them may stay, whatever the database did.

A row can be there all the same: it was written before the rest failed, or its COMMIT was done and
the answer never came. Such a row would hold a place and an idempotency key for a bot that nobody
sends, so it is taken back, now or as soon as the database answers.
"""

from __future__ import annotations

import logging

import trio

from meetcore import State, StorageUnavailable
from meetcore.gateway import BotRow, NoSuchBot
from meetcore_server.storage.bots import BotRows

__all__ = ["RefusedOrders"]

_LOG = logging.getLogger("meetcore.server")
_FORGET_WITHIN_S = 35.0
_WRITTEN_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.25


class RefusedOrders:
    """The refused orders of this server whose rows may still be there.

    Args:
        rows: The bots in the database.
    """

    def __init__(self, rows: BotRows) -> None:
        self._rows = rows
        self._ids: set[str] = set()

    async def take_back(self, bot_id: str) -> None:
        """Forget an order, if it is there; where not now, as soon as it can be. At most 35 s."""
        self._ids.add(bot_id)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _FORGET_WITHIN_S):
            try:
                await self.forget()
            except StorageUnavailable as error:
                _LOG.error("bot=%s was refused, its row stays for now: %s", bot_id, error)

    async def forget(self) -> None:
        """Forget those that could not be taken back so far.

        Raises:
            StorageUnavailable: It cannot be done now, either.
        """
        for bot_id in list(self._ids):
            await self._rows.forget(bot_id)
            self._ids.discard(bot_id)

    async def check_written(self, row: BotRow) -> None:
        """Return when an order that its idempotency key found is known to stand.

        Of one that nothing was noted of, another request, maybe of another server, does not know
        yet whether it stands, or it was refused and its row is still to go.

        Raises:
            StorageUnavailable: It was refused, or it is not known within 10 s.
        """
        if row.state not in (State.SCHEDULED, State.REQUESTED):
            return
        with trio.move_on_after(_WRITTEN_WITHIN_S):
            try:
                while not await self._rows.last_seq(row.bot_id):
                    await self._rows.get(row.bot_id)
                    await trio.sleep(_LOOK_EVERY_S)
            except NoSuchBot:
                pass
            else:
                return
        raise StorageUnavailable(
            "An order with this idempotency key was not written down, or is not yet.",
            "Nothing may be kept of it; order again.",
        )
