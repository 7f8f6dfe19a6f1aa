"""What a plugin sees of a bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol, overload

from meetcore.model.commands import Command
from meetcore.model.config import BotConfig
from meetcore.model.drafts import Draft
from meetcore.model.events import Event, PluginEvent
from meetcore.model.lifecycle import State
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Roster, SpeakingTimeline
from meetcore.model.transcript import Transcript

__all__ = ["BotView"]


class BotView(Protocol):
    """A bot as hooks get it. Its records are to be read, not written."""

    @property
    def id(self) -> str:
        """The bot's id."""
        ...

    @property
    def link(self) -> MeetingLink:
        """The meeting."""
        ...

    @property
    def config(self) -> BotConfig:
        """Its configuration."""
        ...

    @property
    def state(self) -> State | None:
        """Where it is in its life."""
        ...

    @property
    def roster(self) -> Roster:
        """Who is in the meeting."""
        ...

    @property
    def timeline(self) -> SpeakingTimeline:
        """Who spoke when."""
        ...

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        ...

    @overload
    def events(  # noqa: D418  the reference shows it
        self, *, after: int = 0, drafts: Literal[False] = False
    ) -> AsyncIterator[Event]:
        """Yield its events after a `seq`, then live ones, to the last; drafts where wanted."""
        ...

    @overload
    def events(self, *, after: int = 0, drafts: Literal[True]) -> AsyncIterator[Event | Draft]: ...

    async def perform(self, command: Command) -> None:
        """Carry out a command, in 30 s at most.

        Raises:
            CommandRefused: It makes no sense now, or (`CapabilityMissing`) not here.
            CommandFailed: It was tried and did not work, or not in time.
        """
        ...

    def report(self, event: PluginEvent) -> None:
        """Have the bot's journal say something that the core has no word for."""
        ...
