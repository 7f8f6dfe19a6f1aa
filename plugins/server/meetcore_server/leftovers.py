"""What bots that have ended left on this machine and could not carry to the store any more."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from meetcore import BotStore, JournalBusy
from meetcore.log import is_running
from meetcore.model import brief

__all__ = ["carry_the_rest"]

_LOG = logging.getLogger("meetcore.server")
_AGAIN_AFTER_S = 60.0
_WITHIN_S = 3600.0
_LIST_WITHIN_S = 60.0


async def carry_the_rest(
    store: BotStore, looked_after: Callable[[str], bool] = lambda bot_id: False
) -> None:
    """Have the store take what an earlier process of a bot could not carry, for ever.

    There may be something at any time: a process that is killed leaves it while the server runs.
    A bot that runs sees to it itself, though its lease may have lapsed for a moment. One that the
    store does not know was deleted: it stays so.

    Args:
        store: Where it is to be.
        looked_after: Whether this server looks after a bot, which then needs nothing of this.
    """
    said: dict[str, str] = {}
    while True:
        for bot_id in await _left_here(store):
            if looked_after(bot_id) or _runs_here(store, bot_id):
                continue
            try:
                with trio.fail_after(_WITHIN_S):
                    if await store.log(bot_id).exists():
                        async with store.checkout(bot_id):
                            _LOG.info("bot=%s what it left here is carried", bot_id)
                said.pop(bot_id, None)
            except JournalBusy:
                continue
            except Exception as error:  # noqa: BLE001  one bot's trouble is its own
                if said.get(bot_id) != (detail := brief(error)):
                    _LOG.warning("bot=%s what it left here stays for now: %s", bot_id, detail)
                said[bot_id] = detail
        await trio.sleep(_AGAIN_AFTER_S)


def _runs_here(store: BotStore, bot_id: str) -> bool:
    """Whether a process of this machine writes a bot's journal, whoever looks after the bot."""
    try:
        return is_running(store.workplace(bot_id))
    except Exception as error:  # noqa: BLE001  one bot's trouble is its own
        _LOG.warning("bot=%s whether it runs here cannot be known: %s", bot_id, brief(error))
        return True


async def _left_here(store: BotStore) -> list[str]:
    """Return the bots that left something here; none where that cannot be known now."""
    try:
        with trio.fail_after(_LIST_WITHIN_S):
            return list(await store.uncarried())
    except Exception as error:  # noqa: BLE001  it is asked again, whatever was wrong
        _LOG.warning("what ended bots left here cannot be known now: %s", brief(error))
        return []
