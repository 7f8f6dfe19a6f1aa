"""Taking back what was kept of somebody who is excluded since the beginning.

What was shown is withdrawn at once, as every correction is, so that each file, sink and client
shows it no more; the words themselves are then written over in the journal (see
`meetcore.log.withdrawing`). Recordings are made silent by who writes them, when they are complete.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import trio

from meetcore.bot.context import BotContext
from meetcore.log.mailbox import Wake
from meetcore.log.withdrawing import blank_lines, excluded_in
from meetcore.model.errors import MeetcoreError, brief
from meetcore.model.events import SegmentFinalized

__all__ = ["Withdrawal"]

_LOG = logging.getLogger("meetcore.bot")


class Withdrawal:
    """Takes back what one bot kept.

    Args:
        bot: The bot's records.
        given_out: Says what of the meeting so far cannot be taken back from everywhere.
    """

    def __init__(self, bot: BotContext, given_out: Callable[[], tuple[str, ...]]) -> None:
        self._bot = bot
        self._wake = Wake()
        self._due = False
        bot.exclusions.remains = given_out
        bot.exclusions.withdraw = self._withdraw
        bot.exclusions.hidden = self._ask

    def _withdraw(self, participant_id: str) -> None:
        """Withdraw all that somebody said, at once."""
        during = self._bot.exclusions.times.during
        for segment in self._bot.transcript.segments:
            who, name = segment.participant_id, segment.speaker_name
            if during(who, segment.start_s, segment.end_s, name):
                self._bot.record(SegmentFinalized(segment=segment.without_text()))
        self._ask()

    def _ask(self) -> None:
        self._due = True
        self._wake.set()

    async def run(self) -> None:
        """Write over what has to go, whenever something has, for ever."""
        while True:
            await self._wake.wait()
            await self.finish()

    async def finish(self) -> None:
        """Write over what has to go, if anything has; a failure is logged, and tried at the end."""
        if not self._due:
            return
        self._due = False
        journal = self._bot.journal
        try:
            with trio.CancelScope(shield=True):  # a thread at work is waited for, for its file
                found = await trio.to_thread.run_sync(excluded_in, journal.path)
                change = found.change()
                journal.amend(change)
                await trio.to_thread.run_sync(partial(blank_lines, journal.path, change))
        except (MeetcoreError, OSError) as error:
            _LOG.error("bot=%s could not blank its journal: %s", self._bot.id, brief(error))
            self._due = True
