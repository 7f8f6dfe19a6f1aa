"""What other servers of the database ask of this one, and the bots they were sent."""

from __future__ import annotations

import logging

import trio

from meetcore import StorageUnavailable
from meetcore.model import brief
from meetcore_server.complaints import Complaint
from meetcore_server.service import BotService
from meetcore_server.storage.servers import ServerMessage
from meetcore_server.supervisor import RESCHEDULED, STOP
from meetcore_server.transcriptions import FORGET

__all__ = ["SERVE_TARGET", "hear_neighbours"]

_LOG = logging.getLogger("meetcore.server")
SERVE_TARGET = "serve"
_LOOK_EVERY_S = 0.5
_ANSWER_WITHIN_S = 60.0
_AGAIN_AFTER_S = 5.0


async def hear_neighbours(service: BotService) -> None:
    """Do what other servers ask, and tell of the bots they were sent; for ever.

    Raises nothing but `Cancelled`. Asks the database nothing as long as no other server lives.
    """
    membership = service.supervisor.membership
    newest: int | None = None
    complaint = Complaint(_LOG, "what other servers ask cannot be known")
    async with trio.open_nursery() as nursery:
        under_way: set[int] = set()
        while True:
            await trio.sleep(_LOOK_EVERY_S)
            if not membership.others:
                newest = None
                continue
            try:
                for message in await membership.servers.asked(membership.number):
                    if message.id not in under_way:
                        under_way.add(message.id)
                        nursery.start_soon(_do, service, message, under_way)
                newest = await _tell_new(service, newest)
            except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
                complaint.wrong(brief(error))
            else:
                complaint.fine()


async def _tell_new(service: BotService, newest: int | None) -> int | None:
    """Tell who waits for new bots of those that came since; return the number of the newest."""
    if not service.watched:
        return None
    rows = service.stores.bots
    if newest is None:
        return await rows.newest()
    for row in await rows.newer_than(newest):
        newest = row.number
        if service.live.get(row.bot_id) is None:
            service.tell_new(row)
    return newest


async def _do(service: BotService, message: ServerMessage, under_way: set[int]) -> None:
    """Do what another server asks; what fails is done again at the next look."""
    try:
        with trio.fail_after(_ANSWER_WITHIN_S):
            await _obey(service, message)
            await service.supervisor.membership.servers.done(message)
    except Exception as error:  # noqa: BLE001  one request's trouble is its own
        what = f"{message.kind} of {message.subject}"
        _LOG.warning("%s, asked by another server, is tried again: %s", what, brief(error))
        await trio.sleep(_AGAIN_AFTER_S)
    finally:
        under_way.discard(message.id)


async def _obey(service: BotService, message: ServerMessage) -> None:
    if message.kind == STOP:
        await service.supervisor.stop_here(message.subject, message.detail)
    elif message.kind == RESCHEDULED:
        await service.supervisor.reread(message.subject)
        service.webhooks.targets_changed(message.subject)
    elif message.kind == FORGET:
        await service.transcriptions.forget(message.subject)
        try:
            await service.clear_copies(message.subject)
        except StorageUnavailable as error:  # it is tried again with every round of retention
            _LOG.warning("bot=%s its copy here stays for now: %s", message.subject, brief(error))
    elif message.kind == SERVE_TARGET:
        await service.webhooks.serve_soon(int(message.subject))
    else:
        _LOG.warning("another server asks for %r, which this version does not know", message.kind)
