"""Segments of a recording go through the revisers, as those of a call do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import trio
from attrs import frozen

from meetcore.bot.context import BotContext
from meetcore.bot.revising import Revision
from meetcore.log.mailbox import Wake
from meetcore.model.commands import Command
from meetcore.model.config import BotConfig
from meetcore.model.errors import CommandRefused
from meetcore.model.events import PluginEvent
from meetcore.model.lifecycle import State
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Roster, SpeakingTimeline
from meetcore.model.transcript import Segment, Transcript
from meetcore.plugin.hook_calls import HookImplementation

__all__ = ["revise_recorded"]


@frozen
class _RecordedView:
    """A recording as revisers see a bot: it is in no meeting, and can do nothing."""

    _bot: BotContext

    @property
    def id(self) -> str:
        return self._bot.id

    @property
    def link(self) -> MeetingLink:
        return MeetingLink(platform="recording", native_id=self._bot.id, url="")

    @property
    def config(self) -> BotConfig:
        return self._bot.config

    @property
    def state(self) -> State | None:
        return State.PROCESSING

    @property
    def roster(self) -> Roster:
        return self._bot.roster

    @property
    def timeline(self) -> SpeakingTimeline:
        return self._bot.timeline

    @property
    def transcript(self) -> Transcript:
        return self._bot.transcript

    async def events(self, *, after: int = 0, drafts: bool = False) -> AsyncIterator[Any]:
        await trio.lowlevel.checkpoint()
        nothing: tuple[Any, ...] = ()
        for event in nothing:
            yield event

    async def perform(self, command: Command) -> None:
        await trio.lowlevel.checkpoint()
        raise CommandRefused(f"A recording cannot {command.type}: the meeting is over.")

    def report(self, event: PluginEvent) -> None:
        self._bot.record(event)


async def revise_recorded(
    bot: BotContext, segments: Iterable[Segment], revisers: Sequence[HookImplementation]
) -> list[Segment]:
    """Return what revisers make of segments; what one withholds is an event of the bot's.

    Args:
        bot: The records of the recording.
        segments: What was said.
        revisers: The plugins' `meetcore_revise_segment`, in order.
    """
    changed = Wake()
    revision = Revision(bot, _RecordedView(bot), revisers, changed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revision.run)
        for segment in segments:
            revision.take(segment)
        while revision.pending:
            await changed.wait()
        nursery.cancel_scope.cancel()
    return bot.transcript.segments
