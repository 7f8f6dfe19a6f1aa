"""Launches each bot in a detached actor of a Ray cluster, and adopts those that are there.

Ray places actors, and keeps them going when a server does not. What a bot does is told over the
bus, what it leaves is in the store, and what its actor knows is whether its process runs. An actor
is never restarted: whether a meeting is joined once more is for people to say.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any, ClassVar

import trio
from attrs import evolve

from meetcore import (
    BotBus,
    BotConfig,
    BotSpec,
    BusBot,
    BusUnavailable,
    Chunk,
    Command,
    CommandFailed,
    CommandRefused,
    ConfigError,
    Draft,
    EndReason,
    Event,
    Evidence,
    FleetFull,
    GivenUp,
    Launcher,
    LookIn,
    MeetcoreError,
    PagePicture,
    PictureFormat,
    RunningBot,
    StorageUnavailable,
    have_it_leave,
    load_config,
    note_given_up,
    spec_to_json,
)
from meetcore_ray.actor_ends import end_of, room_in_words
from meetcore_ray.cluster import DriverProcess
from meetcore_ray.options import RayOptions

__all__ = ["RayBot", "RayLauncher"]

_LOG = logging.getLogger("meetcore.ray")
_PREFIX = "meetcore:"
_LOOK_EVERY_S = 0.5
_ASK_EVERY_S = 5.0
_AGAIN_AFTER_S = 2.0
_LEAVE_TIMEOUT_S = 60.0
_TIDY_WITHIN_S = 15.0
_FREED_WITHIN_S = 10.0
_FREED_EVERY_S = 0.05
_MARGIN_S = 600.0


class RayLauncher(Launcher):
    """A detached actor for each bot.

    Args:
        options: As in `[plugins.ray]`.
    """

    name: ClassVar[str] = "ray"
    Options = RayOptions

    def __init__(self, options: RayOptions) -> None:
        self.options = options
        self._driver: DriverProcess | None = None
        self._uses = 0
        self._opening = trio.Lock()

    def check(self) -> None:
        """Say at the start what is missing: a bus, or a store that nodes share."""
        self._bus()

    def _bus(self) -> BotBus:
        if self.bus is None:
            raise ConfigError(
                "The launcher 'ray' needs a bus, on which bots of other machines are heard.",
                'Write [bus] url = "redis://…".',
            )
        if self.store.name == "folder" and not self.options.shared_folder:
            raise ConfigError(
                "The launcher 'ray' needs a store that servers and nodes share; a folder of this "
                "machine is none.",
                'Write [store] url = "s3://…", or shared_folder = true in [plugins.ray] where '
                "all have the same.",
            )
        return self.bus

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[DriverProcess]:
        """Hold the way to the cluster, which all share that use it at the time.

        Raises:
            ClusterSilent: There is none now.
        """
        async with self._kept():
            async with self._opening:
                if self._driver is not None and self._driver.dead:
                    await self._driver.close()
                    self._driver = None
                if self._driver is None:
                    self._driver = await DriverProcess.begun(self.options)
                driver = self._driver
            yield driver

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        """Keep the way to the cluster, once there is one, until the block ends."""
        self._uses += 1
        try:
            yield
        finally:
            self._uses -= 1
            if not self._uses and self._driver is not None:
                driver, self._driver = self._driver, None
                await driver.close()

    # --- sending one --------------------------------------------------------------------------

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        """Make an actor; return when its bot takes commands.

        Launched twice it is launched once: the actor that is there is the bot's.

        Raises:
            FleetFull: No node has room; says what the cluster has.
            CommandFailed: The bot did not come up; says why.
            StorageUnavailable: The cluster does not answer; nothing of it runs.
        """
        bus = self._bus()
        name = actor_name(spec.bot_id)
        needs = self.options.needs(spec.platform)
        order, longest_s = self._order(spec)
        bot = RayBot(spec.bot_id, bus, self, nursery)
        async with self.cluster() as driver:
            driver.expect(name)
            try:
                await driver.ask("make", name=name, needs=needs, order=order, longest_s=longest_s)
                await self._until_it_takes_commands(driver, bot, needs)
            except BaseException:
                await self.end_now(name)
                driver.forget(name)
                raise
            await self._begin_to_look_after(bot, nursery)
        return bot

    async def _begin_to_look_after(self, bot: RayBot, nursery: trio.Nursery) -> None:
        """Look after a bot; return when that has the way to the cluster too, so that it stays."""
        nursery.start_soon(self._look_after, bot)
        with trio.move_on_after(_ASK_EVERY_S):
            await bot.looked_after.wait()

    def _order(self, spec: BotSpec) -> tuple[str, float | None]:
        """Return a bot's order as its node gets it, and after how long it is ended anyway."""
        config = load_config(overrides=spec.settings, environ={})
        if not self.options.shared_folder:
            spec = evolve(spec, settings={**spec.settings, "out_dir": self.options.work_folder})
        longest_s = longest_life_s(config) if spec.scheduled_for is None else None
        return spec_to_json(spec), longest_s

    async def _until_it_takes_commands(
        self, driver: DriverProcess, bot: RayBot, needs: dict[str, float]
    ) -> None:
        """Return when a bot is on the bus.

        Raises:
            FleetFull, CommandFailed, ClusterSilent: It will not be.
        """
        began, state = trio.current_time(), driver.state(bot.name)
        deadline = began + self.options.start_timeout_s
        while trio.current_time() < deadline:
            with suppress(BusUnavailable):
                if await bot.alive():
                    return
            with trio.move_on_after(_LOOK_EVERY_S):
                await driver.until_over(bot.name)
            if state.over is not None:
                words = state.over.get("words") or end_of(state.over).evidence.detail
                raise CommandFailed(f"The bot did not come up: {words}")
            if not state.up and trio.current_time() - began > self.options.unschedulable_s:
                words = room_in_words(needs, await driver.ask("room"))
                raise FleetFull(
                    f"No node of the Ray cluster has room for a bot: {words}.",
                    "Wait for a bot to end, add nodes, or ask for less in [plugins.ray].",
                )
        raise CommandFailed(
            f"The bot's actor {bot.name!r} is there, but its bot took no commands within "
            f"{self.options.start_timeout_s:g} s.",
            "Look into Ray's logs on its node. Does the node reach the bus and the store?",
        )

    # --- those that are there -----------------------------------------------------------------

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        """Return a bot whose actor is there, whoever made it."""
        bus = self._bus()
        async with self.cluster() as driver:
            name = actor_name(bot_id)
            driver.expect(name)
            found = await driver.ask("find", name=name)
            if not found["there"] or not await bus.alive(bot_id):
                driver.forget(name)
                return None
            bot = RayBot(bot_id, bus, self, nursery)
            await self._begin_to_look_after(bot, nursery)
        return bot

    async def reach(self, bot_id: str) -> RunningBot | None:
        """Return a bot that somebody else looks after, if it is on the bus."""
        bus = self._bus()
        with suppress(BusUnavailable):
            if await bus.alive(bot_id):
                return BusBot(bot_id, bus, self.store)
        return None

    async def list(self) -> list[str]:
        """Return the bots whose actors are there."""
        self._bus()
        async with self.cluster() as driver:
            names = (await driver.ask("list"))["names"]
        return sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))

    # --- while one runs -----------------------------------------------------------------------

    async def _look_after(self, bot: RayBot) -> None:
        """Wait for the bot's end and say why, where it was none in order."""
        async with self._kept():
            await self._until_gone(bot)

    async def _until_gone(self, bot: RayBot) -> None:
        gone = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_actor, bot)
                nursery.start_soon(self._watch_silence, bot)
                await bot.gone()
                gone = True
                nursery.cancel_scope.cancel()
        finally:
            if not gone and self.options.stop_with_launcher and not bot.released:
                await self._have_it_leave(bot)
        if gone and not bot.released:
            self._settle(bot)
            await self.end_now(bot.name)
            if self._driver is not None:
                self._driver.forget(bot.name)

    async def _have_it_leave(self, bot: RayBot) -> None:
        """Have a bot leave whose launcher is told to end, within a minute."""
        with trio.move_on_after(_LEAVE_TIMEOUT_S, shield=True) as limit:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_actor, bot)
                await have_it_leave(bot)
                nursery.cancel_scope.cancel()
        if limit.cancelled_caught:
            with trio.CancelScope(shield=True):
                await self.end_now(bot.name)

    async def _watch_actor(self, bot: RayBot) -> None:
        """Wait for the actor's end, also over several ways to the cluster; then say so."""
        while True:
            try:
                async with self.cluster() as driver:
                    bot.looked_after.set()
                    state = driver.state(bot.name)
                    found = await driver.ask("find", name=bot.name)
                    if not found["there"] and state.over is None:
                        bot.note_over({"died": "actor"})
                        return
                    bot.note_over(await driver.until_over(bot.name))
                    return
            except MeetcoreError as error:
                _LOG.warning("bot=%s its actor is not watched now: %s", bot.bot_id, error)
            await trio.sleep(_AGAIN_AFTER_S)

    def _settle(self, bot: RayBot) -> None:
        """Note why a bot's actor failed, for whoever ends the bot's journal."""
        end = end_of(bot.over) if bot.over is not None else None
        if end is not None and end.failed and not bot.abandoned:
            _LOG.warning("bot=%s its actor failed: %s", bot.bot_id, end.evidence.detail)
            self.note(bot, end.reason, end.evidence)

    def note(self, bot: RayBot, reason: EndReason, evidence: Evidence) -> None:
        """Leave word why a bot ended, where its recovery looks."""
        try:
            place = self.store.workplace(bot.bot_id)
            note_given_up(place, GivenUp(reason, seen=evidence))
        except OSError as error:
            _LOG.warning("bot=%s why it ended cannot be noted: %s", bot.bot_id, error)

    async def _watch_silence(self, bot: RayBot) -> None:
        """End a bot that the bus has not heard of for too long, though the bus is there."""
        limit_s = self.options.unresponsive_limit_s
        heard_at = trio.current_time()
        while limit_s is not None:
            await trio.sleep(_ASK_EVERY_S)
            try:
                alive = await bot.alive()
            except BusUnavailable:
                alive = True  # of which nothing can be known now
            if alive or bot.released:
                heard_at = trio.current_time()
            elif (silent_s := trio.current_time() - heard_at) > limit_s:
                _LOG.error("bot=%s is given up: silent for %.0f s", bot.bot_id, silent_s)
                words = f"the bus has not heard of it for {silent_s:.0f} s"
                self.note(bot, EndReason.CRASHED, Evidence("unresponsive", words))
                bot.abandon()
                return

    async def end_now(self, name: str) -> None:
        """End an actor and its bot at once; raises nothing."""
        with trio.move_on_after(_TIDY_WITHIN_S, shield=True), suppress(MeetcoreError):
            async with self.cluster() as driver:
                await driver.ask("kill", name=name, up=driver.state(name).up)


class RayBot(RunningBot):
    """A bot held by an actor: what it tells and takes goes over the bus.

    Attributes:
        name: Of its actor.
        released: Whether another looks after it.
        abandoned: Whether it was ended from here, on purpose.
        over: How its process or its actor ended; None while that is not known.
        looked_after: Set when its actor is watched.
    """

    on_this_machine: ClassVar[bool] = False

    def __init__(
        self, bot_id: str, bus: BotBus, launcher: RayLauncher, nursery: trio.Nursery
    ) -> None:
        self.bot_id = bot_id
        self.name = actor_name(bot_id)
        self.released = False
        self.abandoned = False
        self.over: dict[str, Any] | None = None
        self.looked_after = trio.Event()
        self._over = trio.Event()
        self._bus = bus
        self._launcher = launcher
        self._nursery = nursery
        self._far = BusBot(bot_id, bus, launcher.store)

    async def alive(self) -> bool:
        """Return whether the bus heard of it not long ago."""
        return await self._bus.alive(self.bot_id)

    def note_over(self, over: dict[str, Any]) -> None:
        """Take how its process or its actor ended."""
        self.over = over
        self._over.set()

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what happens after a `seq`."""
        async with aclosing(self._far.items(after)) as items:
            async for item in items:
                yield item

    async def perform(self, command: Command) -> None:
        """Have it carry out a command."""
        self._check_not_over()
        await self._far.perform(command)

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of its page."""
        self._check_not_over()
        return await self._far.screenshot(picture_format, by=by)

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        """Look at its page."""
        self._check_not_over()
        return self._far.look_in(by=by)

    def _check_not_over(self) -> None:
        if self.over is not None:
            raise CommandRefused("The bot has ended.")

    def abandon(self) -> None:
        """End its actor at once; its process is killed with what it started."""
        self.abandoned = True
        self._nursery.start_soon(self._launcher.end_now, self.name)

    def release(self) -> None:
        """Look after it no more."""
        self.released = True

    async def gone(self) -> None:
        """Return when its process or its actor has ended, or nobody runs it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_over, nursery.cancel_scope)
            await self._far.gone()
            nursery.cancel_scope.cancel()

    async def _until_over(self, waiting: trio.CancelScope) -> None:
        """Wait for the actor's end; its process, which ends with it, may take a moment longer."""
        await self._over.wait()
        with trio.move_on_after(_FREED_WITHIN_S):
            while await self._runs():  # noqa: ASYNC110  nobody tells
                await trio.sleep(_FREED_EVERY_S)
        waiting.cancel()

    async def _runs(self) -> bool:
        try:
            return await self._launcher.store.runner(self.bot_id) is not None
        except (StorageUnavailable, OSError):
            return False

    def hear(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with its audio."""
        return self._far.hear()


def actor_name(bot_id: str) -> str:
    """Return the name of a bot's actor: the same each time, so it is launched once."""
    return f"{_PREFIX}{bot_id}"


def longest_life_s(config: BotConfig) -> float | None:
    """Return how long a bot can live by its own rules, with a margin; None for without end."""
    rules = config.automatic_leave
    if rules.max_duration_s is None or rules.waiting_room_s is None:
        return None
    own_s = rules.join_s + rules.waiting_room_s + rules.max_duration_s
    return own_s + config.leave_timeout_s + config.drain_timeout_s + _MARGIN_S
