"""What a bot whose process died left is finished: its journal's end, its recording."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from meetcore import Event, MeetcoreError, load_config, recover_bot
from meetcore_server.live import LiveBot

if TYPE_CHECKING:
    from meetcore_server.supervisor import BotSupervisor

__all__ = ["finish_dead"]

_LOG = logging.getLogger("meetcore.server")
Step = Callable[..., Awaitable[Any]]
"""Asks something of others, for a limited time."""


async def finish_dead(its: BotSupervisor, live: LiveBot, step: Step) -> None:
    """Finish what a dead bot left.

    Args:
        its: With the store, the orders, the plugins.
        live: The bot.
        step: By which others are asked.

    Raises:
        JournalBusy: Somebody runs it.
        StorageUnavailable: It cannot be had.
    """
    row = live.row
    order = await step(its.order_of, row)
    try:
        settings = its.spec_of(row.bot_id, order).settings
        config = load_config(overrides=settings, environ={})
    except MeetcoreError:
        config = its.fleet.config  # an order that nobody could take any more
    told = partial(_told_after, its, live, step)
    recovered = await recover_bot(
        its.store, row.bot_id, plugins=its.plugins, config=config, told=told
    )
    for done in recovered:
        for line in (*done.notes, *done.trouble):
            _LOG.info("bot=%s recovered: %s", row.bot_id, line)


async def _told_after(its: BotSupervisor, live: LiveBot, step: Step, seq: int) -> Sequence[Event]:
    """Return what was told after an event: here, and to others who listened to the bot."""
    if not its.store.lags:
        return ()
    elsewhere = await step(its.fleet.published, live.row.bot_id, seq)
    told = {event.seq: event for event in (*elsewhere, *live.log.told(seq))}
    return [told[number] for number in sorted(told)]
