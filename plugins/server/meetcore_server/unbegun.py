"""Orders that had not begun when their server was told to end: they end with it, and join never."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from meetcore import EndReason, Evidence, Fleet, State
from meetcore.fleet import InProcessLauncher
from meetcore.gateway import BotRow
from meetcore.model import brief

if TYPE_CHECKING:
    from meetcore_server.service import BotService

__all__ = ["end_unbegun"]

_LOG = logging.getLogger("meetcore.server")
_WITHIN_S = 10.0
_BEFORE = (None, State.SCHEDULED, State.REQUESTED)


async def end_unbegun(service: BotService, fleet: Fleet) -> None:
    """Write the end of the bots that were ordered and not launched, where bots leave with a server.

    For when nobody looks after them any more. It takes 10 s at most, also where it is cancelled,
    and raises nothing: what cannot be written now is seen to by the next server. Bots scheduled
    for later stay, and so do all where other servers take over.
    """
    membership = service.membership
    if not membership.ending or membership.takers or not _leave_with(fleet):
        return
    with trio.CancelScope(shield=True), trio.move_on_after(_WITHIN_S) as limit:
        try:
            for row in await service.stores.bots.unfinished():
                await membership.hold()
                await _end(service, fleet, row)
        except Exception as error:  # noqa: BLE001  it ends, whatever was wrong here
            _LOG.warning("orders that had not begun may begin later: %s", brief(error))
    if limit.cancelled_caught:
        _LOG.warning("orders that had not begun may begin later: to end them took too long")


def _leave_with(fleet: Fleet) -> bool:
    """Whether the launcher has bots leave when their server ends."""
    launcher = fleet.launcher
    return isinstance(launcher, InProcessLauncher) or any(
        getattr(settings, "stop_with_launcher", False)
        for settings in (launcher, getattr(launcher, "options", None))
    )


async def _end(service: BotService, fleet: Fleet, row: BotRow) -> None:
    later = row.scheduled_for is not None and row.scheduled_for > service.now()
    if later or row.state not in _BEFORE or row.bot_id in fleet.running:
        return
    if service.membership.shared:
        holder = await service.stores.bots.held_by(row.bot_id)
        if holder != service.membership.number:
            return
    log = service.store.log(row.bot_id, urgent=True)
    if not await log.exists():
        return  # it was never acknowledged
    state = (await log.history()).state
    if state in _BEFORE and await service.store.runner(row.bot_id) is None:
        ending = Evidence("command", "the server was told to end")
        await service.store.end(row.bot_id, EndReason.STOP_REQUESTED, ending)
        _LOG.info("bot=%s had not begun, and does not", row.bot_id)
