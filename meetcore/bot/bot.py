"""A bot, as everybody sees it who does not run it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol, overload

from meetcore.bot.askable import AskableBot
from meetcore.bot.command_runner import CommandRunner
from meetcore.bot.context import BotContext
from meetcore.bot.life import Life
from meetcore.bot.looks import BotLooks
from meetcore.bot.speaking import SpeechQueue
from meetcore.log.subscription import Subscription
from meetcore.model.commands import Command
from meetcore.model.drafts import Draft
from meetcore.model.events import Event, PluginEvent, StateChanged
from meetcore.model.lifecycle import Ending, State
from meetcore.model.meeting import MeetingLink
from meetcore.plugin.platform import Call
from meetcore.plugin.store import BotStore, Lease

__all__ = ["Bot", "BotRun"]


class BotRun(Protocol):
    """Whoever runs a bot, as the bot needs it.

    Attributes:
        lease: The right to write it, once it runs, where a store gave one.
    """

    lease: Lease | None

    async def wait_ended(self) -> StateChanged:
        """Return the terminal event once there is one."""
        ...

    def abandon(self) -> None:
        """End at once."""


class Bot(AskableBot):
    """One attendance at one meeting. `open_bot` makes one, or a fleet's `start`.

    Attributes:
        id: The bot's id.
        folder: Where everything of it lies.
        store: Where it is kept, None where that is its folder.
        link: The meeting.
        platform_name: The platform that took the link.
        config: Its configuration.
        roster: Who is in the meeting.
        timeline: Who spoke when.
        transcript: What was said.
        ledger: The account of audio.
        journal: The log.
    """

    def __init__(
        self,
        runner: BotRun,
        context: BotContext,
        life: Life,
        speeches: SpeechQueue,
        looks: BotLooks,
        command_runner: CommandRunner,
        *,
        link: MeetingLink,
        platform_name: str,
        store: BotStore | None,
    ) -> None:
        self.id = context.id
        self.folder = context.folder
        self.store = store
        self.link = link
        self.platform_name = platform_name
        self.config = context.config
        self.roster = context.roster
        self.timeline = context.timeline
        self.transcript = context.transcript
        self.ledger = context.ledger
        self.journal = context.journal
        self._runner = runner
        self._context = context
        self._life = life
        self._speeches = speeches
        self._looks = looks
        self._command_runner = command_runner

    def __repr__(self) -> str:
        where = f"{self.link.platform} {self.link.native_id}"
        return f"<Bot {self.id} {self.state} at {where}>"

    # --- what can be seen ---------------------------------------------------------------

    @property
    def state(self) -> State | None:
        """Where the bot is in its life."""
        return self._life.state

    @property
    def kept_in(self) -> str:
        """Where it is kept, for people: its folder, unless its store says otherwise."""
        return str(self.folder) if self.store is None else self.store.kept_in(self.id)

    @property
    def lease(self) -> Lease | None:
        """The right to write it, once it runs, where a store gave one."""
        return self._runner.lease

    @property
    def ended(self) -> bool:
        """Whether the bot is in a terminal state."""
        return self._life.ended

    @property
    def ending(self) -> Ending:
        """Why it ends, once it does."""
        return self._life.ending

    @property
    def failure(self) -> Exception | None:
        """The first trouble of our own that it met, None for none."""
        return self._life.failure

    @property
    def call(self) -> Call | None:
        """The call, while there is one."""
        return self._life.call

    def meeting_now(self) -> float | None:
        """Return the meeting time in seconds, None before the call."""
        return self._context.meeting_now()

    @overload
    def events(self, *, after: int = 0, drafts: Literal[False] = False) -> AsyncIterator[Event]: ...

    @overload
    def events(self, *, after: int = 0, drafts: Literal[True]) -> AsyncIterator[Event | Draft]: ...

    def events(self, *, after: int = 0, drafts: bool = False) -> AsyncIterator[Any]:
        """Yield the bot's events from the beginning (or after a `seq`), live, to the terminal one.

        Args:
            after: The last `seq` that is not wanted.
            drafts: Whether mutable segments are shown too, in their place between events.
        """
        return Subscription(self.journal, self._context.drafts if drafts else None, after=after)

    async def wait_ended(self) -> StateChanged:
        """Return the terminal event once there is one. No deadline of its own."""
        return await self._runner.wait_ended()

    # --- what can be asked ----------------------------------------------------------------

    async def perform(self, command: Command) -> None:
        """Carry out a command; see `CommandRunner.perform` for its errors. At most 30 s."""
        await self._command_runner.perform(command)

    def report(self, event: PluginEvent) -> None:
        """Have the journal say what a plugin has to say, unless the bot has ended."""
        if not self._context.journal.closed:
            self._context.record(event)

    def abandon(self) -> None:
        """End at once: no leave-taking, no drain. What was captured is kept; recovery ends it."""
        self._runner.abandon()
