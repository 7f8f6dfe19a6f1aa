"""Many bots in one process: a limit, scheduled starts, an orderly end, and recovery of what was."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypedDict, Unpack

import trio

from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.bot.factory import prepare_bot, require_trio
from meetcore.fleet.launchers import launcher_of
from meetcore.fleet.launching.bus_bot import BusBot, published
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher, TaskBot
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.fleet.recovery import RecoveredBot, recover_all, recover_bot
from meetcore.log.stores import store_of
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.model.config import BotConfig, changed, load_config, written
from meetcore.model.errors import BusUnavailable, ConfigError, FleetFull, brief
from meetcore.model.events import Event
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.settings import BotSettings, PluginSettings
from meetcore.plugin.bus import BotBus
from meetcore.plugin.launcher import BotSpec, Launcher, RunningBot
from meetcore.plugin.registry import Plugins
from meetcore.plugin.sink import Sink
from meetcore.plugin.store import BotStore
from meetcore.plugin.transcriber import Transcriber

__all__ = ["Fleet", "OpenFleetOptions", "StartOptions", "open_fleet"]


class StartOptions(BotSettings, total=False):
    """Everything that `Fleet.start` takes besides the link."""

    join_at: datetime | None
    config: BotConfig | None
    plugins: PluginSettings
    transcriber: Transcriber | str | None
    sinks: Sequence[Sink | str]
    passcode: str | None


class OpenFleetOptions(TypedDict, total=False):
    """Everything that `open_fleet` takes besides the configuration."""

    plugins: Plugins | None
    limit: int
    launcher: Launcher | None
    recover_first: bool


_LOG = logging.getLogger("meetcore")
_LOOK_AT_BUS_EVERY_S = 10.0
_BURY_WITHIN_S = 60.0
_FORGET_WITHIN_S = 10.0


class Fleet:
    """Bots that run side by side. Make one with `open_fleet`.

    Attributes:
        limit: How many bots may be there at once, scheduled ones included.
        running: Every bot that is not gone, by id, wherever it runs.
        launcher: Where those of `launch` run.
        config: What bots have in common.
        plugins: The loaded plugins.
        store: Where bots are found by their ids.
        bus: On which bots of other machines are found; None where there is none.
        bus_trouble: Why the bus is away, in words; empty while it is there.
        recovered: What was finished at the start of what an earlier process left.
        buries: Whether a bot of which nothing is kept is deleted as soon as it is gone; otherwise
            whoever uses the fleet does it, when it knows how the bot ended.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        config: BotConfig,
        plugins: Plugins,
        limit: int,
        launcher: Launcher | None = None,
        store: BotStore | None = None,
        bus: BotBus | None = None,
    ) -> None:
        self.limit = limit
        self.running: dict[str, RunningBot] = {}
        self.recovered: list[RecoveredBot] = []
        self.config = config
        self.plugins = plugins
        self.store = store or store_of(config, plugins)
        self.launcher = launcher or InProcessLauncher(plugins)
        self._check_launcher()
        self.launcher.store = self.store
        self.bus = bus
        self.bus_trouble = ""
        self.launcher.bus = bus
        self._nursery = nursery
        self._closing = False
        self._launching = 0
        self._launched: set[str] = set()
        self._one_less = trio.Event()
        self.buries = True

    def _check_launcher(self) -> None:
        """Refuse to run bots elsewhere of which nothing is kept, or all is encrypted.

        Memory is one machine's, and so is a key that is named by where it is.

        Raises:
            ConfigError: It would.
        """
        here = (InProcessLauncher, ChildProcessLauncher)
        if isinstance(self.store, UnkeptFleetStore) and not isinstance(self.launcher, here):
            raise ConfigError(
                "Nothing can be kept only of bots that run on this machine, in this process or "
                f"one each; the launcher is {self.launcher.name!r}.",
                "Leave the launcher out, or keep all.",
            )
        if self.config.store.encrypt is not None and not isinstance(self.launcher, here):
            raise ConfigError(
                "A folder is encrypted by bots that run on this machine, in this process or one "
                f"each; the launcher is {self.launcher.name!r}.",
                "Leave the launcher out, or encrypt in [store].",
            )

    def start(
        self,
        url: str,
        *,
        join_at: datetime | None = None,
        config: BotConfig | None = None,
        plugins: PluginSettings | None = None,
        transcriber: Transcriber | str | None = None,
        sinks: Sequence[Sink | str] = (),
        passcode: str | None = None,
        **changes: Unpack[BotSettings],
    ) -> Bot:
        """Send a bot, now or at a time.

        Args:
            url: The meeting's link.
            join_at: When it is to join, aware; None for now.
            config: In place of the fleet's configuration.
            plugins: Options of plugins by name, as in a configuration file's `[plugins.NAME]`.
            transcriber: Name or object.
            sinks: Names or objects besides those of the configuration.
            passcode: What the meeting asks guests for; wins over one in the link.
            changes: Fields of the configuration that are different for this bot.

        Returns:
            The bot, on its way.

        Raises:
            FleetFull: The limit is reached, or the fleet is closing.
            MeetcoreError: Whatever `open_bot` raises.
        """
        self._check_room()
        if join_at is not None and join_at.tzinfo is None:
            raise ConfigError(f"join_at must say its time zone; {join_at} does not.")
        given: dict[str, object] = {**changes}
        if isinstance(transcriber, str):
            given["transcriber"] = transcriber
            transcriber = None
        if plugins is not None:
            given["plugins"] = plugins
        if isinstance(sinks, str):
            raise ConfigError(f"sinks is a list of sinks, not {sinks!r}.", f"Write [{sinks!r}].")
        ears = LiveAudio()
        runner = prepare_bot(
            url,
            changed(config or self.config, given),
            self.plugins,
            store=self.store if isinstance(self.store, UnkeptFleetStore) else None,
            transcriber=transcriber,
            sinks=[*sinks, ears],
            scheduled_for=join_at.astimezone(UTC) if join_at else None,
            passcode=passcode,
        )
        running = TaskBot(runner, ears, self.bus)
        self._nursery.start_soon(running.run)
        self._keep(running)
        return runner.bot

    @property
    def bots(self) -> dict[str, Bot]:
        """Those that run in this process and have not ended, by id."""
        return {key: each.bot for key, each in self.running.items() if isinstance(each, TaskBot)}

    def get(self, bot_id: str) -> Bot | RunningBot | None:
        """Return a bot by its id, None where there is none (any more)."""
        return self.bots.get(bot_id) or self.running.get(bot_id)

    def __repr__(self) -> str:
        return f"<Fleet with {len(self.running)} of {self.limit} bots>"

    def _check_room(self) -> None:
        if self._closing:
            raise FleetFull("The fleet is closing and takes no more bots.")
        if len(self.running) + self._launching >= self.limit:
            raise FleetFull(
                f"All {self.limit} places of the fleet are taken.",
                "Wait for a bot to end, or raise the limit.",
            )

    def _less(self) -> None:
        self._one_less.set()
        self._one_less = trio.Event()

    async def launch(self, spec: BotSpec) -> RunningBot:
        """Send a bot to wherever the launcher runs bots; returns when it takes commands.

        Raises:
            FleetFull: The limit is reached, or the fleet is closing.
            MeetcoreError: It could not be started.
        """
        self._check_room()
        keep = load_config(overrides=written(spec.settings), environ={}).retention.keep
        if (keep == "nothing") != await self._is_unkept(spec.bot_id, claimed=keep == "nothing"):
            raise ConfigError(
                "A fleet keeps all of its bots, or nothing of any.",
                "Set keep in [retention] for the whole fleet, or to 'as_ordered'.",
            )
        self._launching += 1
        try:
            if not isinstance(self.launcher, InProcessLauncher):
                self.plugins.check_revisers(spec.plugin_files)
            bot = await self.launcher.launch(spec, self._nursery)
        finally:
            self._launching -= 1
        self._launched.add(bot.bot_id)
        self._keep(bot)
        return bot

    async def _is_unkept(self, bot_id: str, *, claimed: bool = False) -> bool:
        """Whether a bot is in memory, or would be; `claimed` has it be, where there is a choice."""
        store = self.store
        if not isinstance(store, UnkeptFleetStore):
            return False
        if claimed:
            await trio.to_thread.run_sync(store.claim, bot_id)
        return await trio.to_thread.run_sync(store.in_memory, bot_id)

    async def adopt(self, bot_id: str) -> RunningBot | None:
        """Return a bot that another process launched and that runs, or None."""
        bot = await self.launcher.adopt(bot_id, self._nursery) or await self._on_bus(bot_id)
        if bot is not None:
            self._launched.add(bot.bot_id)
            self._keep(bot)
        return bot

    async def reach(self, bot_id: str) -> RunningBot | None:
        """Return a bot that runs and that another process looks after, or None.

        It takes no place here, and stays when the fleet ends.
        """
        here = self.running.get(bot_id) or await self.launcher.reach(bot_id)
        return here or await self._on_bus(bot_id)

    async def published(self, bot_id: str, after: int) -> list[Event]:
        """Return what a bot that is no more told on the bus after an event; within 10 s.

        None where there is no bus, or it does not answer.
        """
        return [] if self.bus is None else await published(self.bus, bot_id, after)

    async def watch_bus(self, bus: BotBus) -> None:
        """Tell when the bus is away and when it is back, for ever."""
        while True:
            try:
                await bus.ping()
            except Exception as error:  # noqa: BLE001  bots go on, whatever is wrong with it
                if not self.bus_trouble:
                    _LOG.error("the bus is away; bots go on without it: %s", error)
                self.bus_trouble = brief(error)
            else:
                if self.bus_trouble:
                    _LOG.warning("the bus is there again")
                self.bus_trouble = ""
            await trio.sleep(_LOOK_AT_BUS_EVERY_S)

    async def _on_bus(self, bot_id: str) -> RunningBot | None:
        """Return a bot that shows itself on the bus, None if there is none, or no bus now."""
        if self.bus is not None:
            with suppress(BusUnavailable):
                if await self.bus.alive(bot_id):
                    return BusBot(bot_id, self.bus, self.store)
        return None

    def _keep(self, bot: RunningBot) -> None:
        self.running[bot.bot_id] = bot
        self._nursery.start_soon(self._until_gone, bot)

    async def _until_gone(self, bot: RunningBot) -> None:
        try:
            await bot.gone()
        except Exception:  # noqa: BLE001  one bot's trouble is its own
            _LOG.exception("bot=%s cannot be waited for; its place is free again", bot.bot_id)
        else:
            await self._bury(bot.bot_id)
        finally:
            self.running.pop(bot.bot_id, None)
            self._launched.discard(bot.bot_id)
            self._less()

    async def _bury(self, bot_id: str) -> None:
        """Delete what is left of a bot, if it is one of which nothing is kept."""
        store = self.store
        if not (self.buries and isinstance(store, UnkeptFleetStore)):
            return
        try:
            if not await trio.to_thread.run_sync(store.in_memory, bot_id):
                return
        except Exception as error:  # noqa: BLE001  what may be kept is not deleted
            _LOG.error("bot=%s it is not known whether it is kept: %s", bot_id, brief(error))
            return
        try:
            await recover_bot(store, bot_id, plugins=self.plugins, config=self.config)
        except Exception as error:  # noqa: BLE001  one bot's trouble is its own
            _LOG.warning("bot=%s could not be brought to its end: %s", bot_id, brief(error))
        try:
            await store.bury(bot_id)
        except Exception as error:  # noqa: BLE001  one bot's trouble is its own
            _LOG.error("bot=%s of it something is left in memory: %s", bot_id, brief(error))
        await self._forget_on_bus(bot_id)

    async def _forget_on_bus(self, bot_id: str) -> None:
        """Have the bus let go of a bot of which nothing is kept, within 10 s."""
        if self.bus is None:
            return
        try:
            with trio.fail_after(_FORGET_WITHIN_S):
                await self.bus.forget(bot_id)
        except Exception as error:  # noqa: BLE001  then it goes with its time
            _LOG.error("bot=%s the bus has what it told for a while: %s", bot_id, brief(error))

    async def bury_the_rest(self) -> None:
        """Delete what is left of bots of which nothing is kept and that run no more; 60 s."""
        if self.buries and isinstance(self.store, UnkeptFleetStore):
            with trio.CancelScope(shield=True), trio.move_on_after(_BURY_WITHIN_S):
                try:
                    for bot_id in await self.store.bury_ended():
                        await self._forget_on_bus(bot_id)
                except Exception as error:  # noqa: BLE001  what the bots did is done
                    _LOG.error("of bots something is left in memory: %s", brief(error))

    def stop_all(self, detail: str = "fleet stopped") -> None:
        """Ask every bot to leave; they are gone when the fleet's block ends."""
        self._closing = True
        for key, bot in self.bots.items():
            if key not in self._launched and not bot.ended:
                bot_runner_of(bot).conclude(EndReason.STOP_REQUESTED, Evidence("fleet", detail))
        if self._launched & self.running.keys():
            self._nursery.cancel_scope.cancel()

    async def wait_empty(self) -> None:
        """Return when no bot is left. No deadline of its own."""
        await trio.lowlevel.checkpoint()
        while self.running:
            await self._one_less.wait()


@asynccontextmanager
async def _burying() -> AsyncIterator[list[Fleet]]:
    """Hold a list of fleets; what they left in memory is deleted when their bots are gone."""
    fleets: list[Fleet] = []
    try:
        yield fleets
    finally:
        for fleet in fleets:
            await fleet.bury_the_rest()


@asynccontextmanager
async def open_fleet(
    config: BotConfig | None = None,
    *,
    plugins: Plugins | None = None,
    limit: int = 50,
    launcher: Launcher | None = None,
    recover_first: bool = True,
) -> AsyncIterator[Fleet]:
    """Hold a fleet; leaving the block stops every bot and waits for them.

    Args:
        config: What bots have in common.
        plugins: Loaded plugins; by default all that are installed.
        limit: How many bots at once.
        launcher: Where `launch` runs them; by default the one that `config` names, or here.
        recover_first: Whether what an earlier process left in the folder is finished
            first: journals ended, recordings closed, deliveries made.

    Raises:
        NotInTrio: Under asyncio, or in a blocking program.
        ConfigError: A limit below 1.
    """
    require_trio("open_fleet")
    if limit < 1:
        raise ConfigError(f"A fleet's limit must be at least 1, not {limit!r}.")
    config = config or BotConfig()
    plugins = plugins if plugins is not None else Plugins(files=config.plugin_files)
    launcher = launcher or launcher_of(config, plugins)
    store = store_of(config, plugins)
    recovered: list[RecoveredBot] = []
    if recover_first:
        recovered = await recover_all(store, plugins=plugins, config=config)
    bus = plugins.bus(config.bus.url, config) if config.bus.url else None
    launcher.store, launcher.bus = store, bus
    launcher.check()
    trouble: Exception | None = None
    with store.scratch():
        async with (
            bus.open() if bus else nullcontext(),
            _burying() as fleets,
            trio.open_nursery() as nursery,
        ):
            fleet = Fleet(
                nursery,
                config=config,
                plugins=plugins,
                limit=limit,
                launcher=launcher,
                store=store,
                bus=bus,
            )
            fleet.recovered = recovered
            if bus is not None:
                bus.soon(partial(fleet.watch_bus, bus))  # until the bus is closed, after the bots
            fleets.append(fleet)
            try:
                yield fleet
            except Exception as error:  # noqa: BLE001  raised again below, outside of the nursery
                trouble = error
            finally:
                fleet.stop_all()
    if trouble is not None:
        raise trouble
