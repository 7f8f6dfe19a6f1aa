"""Deletes what has been kept long enough, when its time comes."""

from __future__ import annotations

import logging
from datetime import timedelta

import trio

from meetcore import BotStore, MeetcoreError, StorageUnavailable
from meetcore.gateway import BotRow, NotNow
from meetcore.log import UnkeptFleetStore
from meetcore.model import brief
from meetcore_server.service import BotService

__all__ = ["keep_retention"]

_LOG = logging.getLogger("meetcore.server")
_LOOK_EVERY_S = 30.0
_SOON_S = 0.5
_DELETE_WITHIN_S = 120.0
_ROUND_WITHIN_S = 3600.0
_DELIVERED_SOON = timedelta(seconds=2)
_DELIVER_FOR = timedelta(hours=1)


async def keep_retention(service: BotService) -> None:
    """Delete the data of each bot that is due, for ever. A deletion that failed is tried again.

    It looks when the next is due, when a bot ends, and every 30 s in any case.
    """
    while True:
        pause_s = _LOOK_EVERY_S
        try:
            with trio.fail_after(_ROUND_WITHIN_S):
                pause_s = await _round(service)
        except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
            _say("retention", error)
        with trio.move_on_after(pause_s):
            await service.bot_ended.wait()


async def _round(service: BotService) -> float:
    """Delete what is due; return for how long there is nothing to do."""
    await service.forget_refused()
    for row in await service.stores.bots.due_for_deletion(service.now()):
        if service.live.get(row.bot_id) is not None:
            continue
        try:
            with trio.fail_after(_DELETE_WITHIN_S):
                if await _is_to_be_delivered(service, row):
                    continue
                count = await service.delete_data(row)
        except NotNow:
            continue  # another server is at it
        except Exception as error:  # noqa: BLE001  one bot's trouble is its own
            _say(f"bot={row.bot_id} its data could not be deleted", error)
        else:
            _LOG.info("bot=%s its %d files were kept long enough", row.bot_id, count)
    try:
        await service.clear_copies()
    except StorageUnavailable as error:  # one copy that stays holds up nothing else
        _say("copies of deleted bots", error)
    await service.clean_tombstones()
    upcoming = await service.stores.bots.next_deletion()
    if upcoming is None:
        return _LOOK_EVERY_S
    left_s = (upcoming - service.now()).total_seconds()
    return min(_LOOK_EVERY_S, max(_SOON_S, left_s))


async def _is_to_be_delivered(service: BotService, row: BotRow) -> bool:
    """Whether a bot that works in memory stays for what its webhooks are owed; then for later."""
    now = service.now()
    if row.ended_at is None or now - row.ended_at > _DELIVER_FOR:
        return False
    if not await _works_in_memory(service.store, row.bot_id):
        return False
    if not await service.webhooks.cursors.owes(row.bot_id):
        return False
    await service.stores.bots.delete_later(row.bot_id, now + _DELIVERED_SOON)
    return True


async def _works_in_memory(store: BotStore, bot_id: str) -> bool:
    """Whether nothing of a bot stays."""
    if not isinstance(store, UnkeptFleetStore):
        return False
    return await trio.to_thread.run_sync(store.in_memory, bot_id)


def _say(what: str, error: Exception) -> None:
    known = isinstance(error, (MeetcoreError, OSError, trio.TooSlowError))
    _LOG.warning("%s: %s", what, brief(error), exc_info=None if known else error)
