"""Where bots run."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import trio
from attrs import evolve, field, frozen

from meetcore.model.commands import Command, Stop
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandFailed, CommandRefused, NotInTrio
from meetcore.model.events import Event
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.plugin.bus import BotBus
from meetcore.plugin.page_view import LookIn
from meetcore.plugin.store import BotStore

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk

__all__ = ["BotSpec", "Launcher", "RunningBot", "have_it_leave"]

_LOG = logging.getLogger("meetcore")


@frozen(kw_only=True)
class BotSpec:
    """A bot to be run, as plain data that can cross to another process.

    Attributes:
        bot_id: Its id, by which it is found in the store.
        url: The meeting's link; may hold a passcode.
        settings: Everything of `BotConfig`, plain, as in a TOML file. May hold secrets.
        platform: The platform that is to take the link, None for the one that knows it.
        scheduled_for: When it is to join, None for now.
        plugin_files: Python files to load as plugins where it runs.
        leaves_nothing: Whether the machine it runs on keeps no copy of what the store has whole,
            for one that no server deletes it from.
    """

    bot_id: str
    url: str = field(repr=False)
    settings: Mapping[str, Any] = field(factory=dict, repr=False)
    platform: str | None = None
    scheduled_for: datetime | None = None
    plugin_files: tuple[str, ...] = ()
    leaves_nothing: bool = False

    def placed_in(self, folder: str) -> BotSpec:
        """Return the order for a machine with a folder of its own to work in.

        Paths of the server's machine are none there: where bots work, of the store as well.
        """
        plugins = {
            name: {**table, "workplaces": folder} if "workplaces" in table else table
            for name, table in self.settings.get("plugins", {}).items()
        }
        return evolve(self, settings={**self.settings, "out_dir": folder, "plugins": plugins})

    def waits_s(self) -> float:
        """Return how long it is until the bot's time, in seconds; 0 where it has none."""
        if self.scheduled_for is None:
            return 0.0
        return max(0.0, (self.scheduled_for - datetime.now(UTC)).total_seconds())


class RunningBot(ABC):
    """A bot that runs somewhere, for whoever looks after it.

    Attributes:
        bot_id: Its id.
        on_this_machine: Whether it runs on this machine, and ends with it.
    """

    bot_id: str
    on_this_machine: ClassVar[bool] = True

    @abstractmethod
    def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what its journal holds after a `seq`, then what happens, with drafts between.

        Ends after the terminal event, or without one when the bot is gone. To be closed by
        whoever does not read it to its end.
        """

    @abstractmethod
    async def perform(self, command: Command) -> None:
        """Have it carry out a command; at most 30 s. Raises as `Bot.perform` does."""

    @abstractmethod
    def abandon(self) -> None:
        """End it at once, without leave-taking; recovery finishes what it left."""

    @abstractmethod
    async def gone(self) -> None:
        """Return when nothing of it runs any more. No deadline of its own."""

    def release(self) -> None:
        """Look after it no more: another does. It goes on when its launcher's nursery ends.

        Of a bot that cannot outlive its launcher nothing changes.
        """
        return

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of its page; raises as `Bot.screenshot` does. At most 35 s."""
        del picture_format, by
        raise CommandRefused("Where this bot runs nobody sees its page.")

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        """Look at its page while the block lasts; raises as `Bot.look_in` does."""
        del by
        raise CommandRefused("Where this bot runs nobody sees its page.")

    @abstractmethod
    def hear(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with its audio, all tracks at 16 kHz; what is not taken is dropped."""


async def have_it_leave(bot: RunningBot) -> None:
    """Tell a bot to leave, and return when it is gone; end it at once where that fails.

    For launchers whose bots go with them. No deadline of its own.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
    """
    if not trio.lowlevel.in_trio_run():
        raise NotInTrio("have_it_leave", elsewhere=False)
    try:
        with suppress(CommandRefused, CommandFailed):
            await bot.perform(Stop("the launcher is going"))
        await bot.gone()
    except Exception:  # noqa: BLE001  one bot's trouble is its own
        _LOG.exception("bot=%s does not leave, is ended", bot.bot_id)
        bot.abandon()


class Launcher(ABC):
    """Decides where bots run. A crash of one must not pass to its siblings.

    Attributes:
        name: Name of the launcher, as in `launcher = "…"`.
        store: Where bots are found by their ids; set by the fleet before anything is launched.
        bus: On which bots of other machines show themselves, open; set by the fleet, None where
            there is none.
        launch_within_s: After how many seconds `launch` has come back, or hangs: whoever waits for
            it cancels it then.
    """

    name: ClassVar[str]
    store: BotStore
    bus: BotBus | None = None
    launch_within_s: float = 90.0

    def check(self) -> None:
        """Say at the start what is missing; called once `store` and `bus` are set.

        Raises:
            ConfigError: It cannot launch anything, as it is set.
        """
        return

    @abstractmethod
    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        """Start a bot; return when it takes commands. Cancelling the nursery ends it in order.

        Where bots run on machines of others, one whose launch is cancelled, or of which nobody can
        say now, may be on its way all the same: launched once more, it is launched once.

        Raises:
            FleetFull: There is no room for it now; later there may be.
            StorageUnavailable, BusUnavailable: That cannot be done, or not be known, now.
            MeetcoreError: It could not be started; nothing of it runs.
        """

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        """Return a bot that runs, though an earlier process or another one launched it, or None."""
        return None

    async def reach(self, bot_id: str) -> RunningBot | None:
        """Return a bot that runs and that somebody else looks after, to listen and to command.

        Nothing is done about it here: not when it falls silent, and not when the caller ends. None
        where there is none, or no way to it from here.
        """
        return None

    async def list(self) -> list[str]:
        """Return the ids of the bots that run and that can be adopted."""
        return []

    async def capacity(self) -> int | None:
        """Return how many more bots there is room for; None where nobody can say."""
        return None
