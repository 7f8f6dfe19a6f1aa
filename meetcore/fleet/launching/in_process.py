"""Where a bot runs. The embedded launcher: here, in this process, as a task."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import trio

from meetcore.audio.chunk import Chunk
from meetcore.bot.bot_runner import BotRunner
from meetcore.bot.factory import prepare_bot
from meetcore.fleet.launching.bus_reception import shown_on
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.log.stores import store_of
from meetcore.model.commands import Command
from meetcore.model.config import load_config, written
from meetcore.model.drafts import Draft
from meetcore.model.events import Event
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.plugin.bus import BotBus
from meetcore.plugin.launcher import BotSpec, Launcher, RunningBot
from meetcore.plugin.page_view import LookIn
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore

__all__ = ["InProcessLauncher", "TaskBot"]

_LOG = logging.getLogger("meetcore")


class TaskBot(RunningBot):
    """A bot that runs in this process, and is shown on the bus if there is one."""

    def __init__(self, runner: BotRunner, ears: LiveAudio, bus: BotBus | None = None) -> None:
        self.runner = runner
        self.bot = runner.bot
        self.bot_id = self.bot.id
        self._ears = ears
        self._bus = bus
        self._gone = trio.Event()

    async def run(self) -> None:
        """Run the bot to its end. Raises nothing but `Cancelled`."""
        try:
            async with shown_on(self.bot, self._ears, self._bus):
                await self.runner.run()
        except Exception:  # noqa: BLE001  one bot's trouble is its own
            _LOG.exception("bot=%s crashed", self.bot_id)
        finally:
            self._gone.set()

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what happens after a `seq`."""
        async for item in self.bot.events(after=after, drafts=True):
            yield item

    async def perform(self, command: Command) -> None:
        """Carry out a command."""
        await self.bot.perform(command)

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of its page."""
        return await self.bot.screenshot(picture_format, by=by)

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        """Look at its page."""
        return self.bot.look_in(by=by)

    def abandon(self) -> None:
        """End it at once."""
        self.bot.abandon()

    async def gone(self) -> None:
        """Return when it does not run any more."""
        await self._gone.wait()

    @asynccontextmanager
    async def hear(self) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with its audio."""
        await trio.lowlevel.checkpoint()
        with self._ears.listening() as chunks:
            yield chunks


class InProcessLauncher(Launcher):
    """Runs bots in the caller's process. A bot's own trouble never leaves its task.

    Args:
        plugins: The loaded plugins; by default all that are installed.
    """

    name: ClassVar[str] = "in_process"

    def __init__(self, plugins: Plugins | None = None) -> None:
        self._plugins = plugins

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> TaskBot:
        """Start a bot as a task of the nursery."""
        await trio.lowlevel.checkpoint()
        if self._plugins is None:
            self._plugins = Plugins(files=spec.plugin_files)
        ears = LiveAudio()
        config = load_config(overrides=written(spec.settings), environ={})
        store: BotStore | None = getattr(self, "store", None)
        store = store or store_of(config, self._plugins)
        await store.prepare(spec.bot_id)
        runner = prepare_bot(
            spec.url,
            config,
            self._plugins,
            store=store,
            bot_id=spec.bot_id,
            platform=spec.platform,
            sinks=[ears],
            scheduled_for=spec.scheduled_for,
        )
        running = TaskBot(runner, ears, self.bus)
        nursery.start_soon(running.run)
        return running
