"""What can be read of bots that run in another thread: the part their two faces share.

`meetcore.from_asyncio` and `meetcore.blocking` add the calls, each in its own manner.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from meetcore.audio.ledger import Ledger
from meetcore.bot.bot import Bot
from meetcore.fleet.fleet import Fleet
from meetcore.fleet.recovery import RecoveredBot
from meetcore.model.config import BotConfig
from meetcore.model.lifecycle import Ending, State
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Roster, SpeakingTimeline
from meetcore.model.transcript import Transcript

__all__ = ["BotProxy", "FleetProxy"]

B = TypeVar("B", bound="BotProxy")


class BotProxy:
    """A bot on the Trio side. Its reducers are that side's own objects: read, do not change them.

    Args:
        inner: The bot.
    """

    def __init__(self, inner: Bot) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def id(self) -> str:
        """The bot's id."""
        return self._inner.id

    @property
    def folder(self) -> Path:
        """Where everything of it lies."""
        return self._inner.folder

    @property
    def link(self) -> MeetingLink:
        """The meeting."""
        return self._inner.link

    @property
    def config(self) -> BotConfig:
        """Its configuration."""
        return self._inner.config

    @property
    def platform_name(self) -> str:
        """The platform that took the link."""
        return self._inner.platform_name

    @property
    def state(self) -> State | None:
        """Where it is in its life."""
        return self._inner.state

    @property
    def kept_in(self) -> str:
        """Where it is kept, for people: its folder, unless its store says otherwise."""
        return self._inner.kept_in

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal state."""
        return self._inner.ended

    @property
    def ending(self) -> Ending:
        """Why it ends, once it does."""
        return self._inner.ending

    @property
    def failure(self) -> Exception | None:
        """The trouble of its own that ended it, if any."""
        return self._inner.failure

    @property
    def roster(self) -> Roster:
        """Who is in the meeting."""
        return self._inner.roster

    @property
    def timeline(self) -> SpeakingTimeline:
        """Who spoke when."""
        return self._inner.timeline

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        return self._inner.transcript

    @property
    def ledger(self) -> Ledger:
        """The account of audio."""
        return self._inner.ledger


class FleetProxy(Generic[B]):
    """A fleet on the Trio side.

    Args:
        inner: The fleet.
        face: Makes what the caller sees of one of its bots.

    Attributes:
        limit: How many bots may be there at once.
        config: What bots have in common.
        recovered: What was finished at the start of what an earlier process left.
    """

    def __init__(self, inner: Fleet, face: Callable[[Bot], B]) -> None:
        self._inner = inner
        self._face = face
        self.limit = inner.limit
        self.config: BotConfig = inner.config
        self.recovered: list[RecoveredBot] = inner.recovered

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def bots(self) -> dict[str, B]:
        """Those that run in this process and have not ended, by id."""
        return {key: self._face(bot) for key, bot in list(self._inner.bots.items())}
