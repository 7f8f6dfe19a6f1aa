"""Deletes what has been kept long enough, when its time comes."""

from __future__ import annotations

import logging

import trio

from meetcore.errors import MeetcoreError
from meetcore_server.service import BotService

__all__ = ["keep_retention"]

_LOG = logging.getLogger("meetcore.server")
_LOOK_EVERY_S = 30.0
_SOON_S = 0.5


async def keep_retention(service: BotService) -> None:
    """Delete the data of each bot that is due, for ever. A deletion that failed is tried again.

    It looks when the next is due, when a bot ends, and every 30 s in any case.
    """
    while True:
        await _delete_due(service)
        pause_s = _LOOK_EVERY_S
        try:
            upcoming = await service.stores.bots.next_deletion()
        except MeetcoreError:
            upcoming = None
        if upcoming is not None:
            left_s = (upcoming - service.now()).total_seconds()
            pause_s = min(pause_s, max(_SOON_S, left_s))
        with trio.move_on_after(pause_s):
            await service.bot_ended.wait()


async def _delete_due(service: BotService) -> None:
    try:
        for row in await service.stores.bots.due_for_deletion(service.now()):
            if service.live.get(row.bot_id) is None:
                count = await service.delete_data(row)
                _LOG.info("bot=%s its %d files were kept long enough", row.bot_id, count)
    except (MeetcoreError, OSError) as error:
        _LOG.warning("retention: %s", error)
