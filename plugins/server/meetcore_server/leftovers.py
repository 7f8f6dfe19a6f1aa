"""What bots that have ended left on this machine and could not carry to the store any more."""

from __future__ import annotations

import logging

import trio

from meetcore import BotStore, JournalBusy, MeetcoreError
from meetcore.model import brief

__all__ = ["carry_the_rest"]

_LOG = logging.getLogger("meetcore.server")
_AGAIN_AFTER_S = 60.0
_WITHIN_S = 3600.0


async def carry_the_rest(store: BotStore) -> None:
    """Have the store take what an earlier process of a bot could not carry, until it has it all.

    A bot that runs sees to it itself. One that the store does not know was deleted: it stays so.
    """
    while left := await store.uncarried():
        for bot_id in left:
            try:
                with trio.fail_after(_WITHIN_S):
                    if await store.log(bot_id).exists():
                        async with store.checkout(bot_id):
                            _LOG.info("bot=%s what it left here is carried", bot_id)
            except JournalBusy:
                continue
            except (MeetcoreError, OSError, trio.TooSlowError) as error:
                _LOG.warning("bot=%s what it left here stays for now: %s", bot_id, brief(error))
        await trio.sleep(_AGAIN_AFTER_S)
