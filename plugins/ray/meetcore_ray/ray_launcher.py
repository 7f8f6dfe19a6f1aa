"""Launches each bot in a detached actor of a Ray cluster, and adopts those that are there.

Ray places actors, and keeps them going when a server does not. What a bot does is told over the
bus, what it leaves is in the store, and what its actor knows is whether its process runs. An actor
is never restarted: whether a meeting is joined once more is for people to say.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import trio
from attrs import evolve

from meetcore import (
    BotBus,
    BotConfig,
    BotSpec,
    ClusterBot,
    ClusterLauncher,
    CommandFailed,
    FleetFull,
    MeetcoreError,
    RunningBot,
    StorageUnavailable,
    finishing_s,
    have_it_leave,
    load_config,
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
_FULL_AGAIN_S = 5.0
_LEAVE_TIMEOUT_S = 60.0
_TIDY_WITHIN_S = 15.0
_FREED_WITHIN_S = 10.0
_FREED_EVERY_S = 0.05
_MARGIN_S = 600.0
_LAUNCH_MARGIN_S = 120.0


class RayLauncher(ClusterLauncher):
    """A detached actor for each bot.

    Args:
        options: As in `[plugins.ray]`.
    """

    name: ClassVar[str] = "ray"
    how_to_share: ClassVar[str] = (
        "shared_folder = true in [plugins.ray] where all have the same folder"
    )
    Options = RayOptions

    def __init__(self, options: RayOptions) -> None:
        self.options = options
        self.launch_within_s = options.start_timeout_s + _LAUNCH_MARGIN_S
        self._driver: DriverProcess | None = None
        self._uses = 0
        self._opening = trio.Lock()

    @property
    def shares_folder(self) -> bool:
        """Whether all have the same folder."""
        return self.options.shared_folder

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

        Launched twice it is launched once: the actor that is there is the bot's. So an actor is
        ended only when it is known that its bot does not come up. Where the launch is cancelled,
        or nobody can say, it may be in the meeting, or another server's.

        Raises:
            FleetFull: No node has room; says what the cluster has.
            CommandFailed: The bot did not come up; says why.
            ClusterSilent: The cluster does not answer now.
            StorageUnavailable: Neither the bus nor the store can say whether it came up.
        """
        bus = self.needed_bus()
        name = actor_name(spec.bot_id)
        needs = self.options.needs(spec.platform)
        order, longest_s = self._order(spec)
        bot = RayBot(spec.bot_id, bus, self, nursery)
        async with self.cluster() as driver:
            driver.expect(name)
            try:
                await driver.ask("make", name=name, needs=needs, order=order, longest_s=longest_s)
                failed = await self._until_it_takes_commands(driver, bot, needs)
                if failed is not None:
                    await self.end_now(name)
                    raise failed
            except BaseException:
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
            spec = evolve(spec.placed_in(self.options.work_folder), leaves_nothing=True)
        longest_s = longest_life_s(config)
        if longest_s is not None:
            longest_s += spec.waits_s()
        return spec_to_json(spec), longest_s

    async def _until_it_takes_commands(
        self, driver: DriverProcess, bot: RayBot, needs: dict[str, float]
    ) -> FleetFull | CommandFailed | None:
        """Return None when a bot takes commands, or why it will not.

        Raises:
            ClusterSilent, StorageUnavailable, OSError, trio.TooSlowError: Nobody can say.
        """
        began, state = trio.current_time(), driver.state(bot.name)
        deadline = began + self.options.start_timeout_s
        unknown: Exception | None = None
        while trio.current_time() < deadline:
            try:
                if await self.runs(bot.bot_id):
                    return None
                unknown = None
            except (StorageUnavailable, OSError, trio.TooSlowError) as error:
                unknown = error
            with trio.move_on_after(_LOOK_EVERY_S):
                await driver.until_over(bot.name)
            if state.over is not None:
                words = state.over.get("words") or end_of(state.over).evidence.detail
                return CommandFailed(f"The bot did not come up: {words}")
            if not state.up and trio.current_time() - began > self.options.unschedulable_s:
                words = room_in_words(needs, await driver.ask("room"))
                return FleetFull(
                    f"No node of the Ray cluster has room for a bot: {words}.",
                    "Wait for a bot to end, add nodes, or ask for less in [plugins.ray].",
                    retry_after_s=_FULL_AGAIN_S,
                )
        if unknown is not None:
            raise unknown
        return CommandFailed(
            f"The bot's actor {bot.name!r} is there, but its bot took no commands within "
            f"{self.options.start_timeout_s:g} s.",
            "Look into Ray's logs on its node. Does the node reach the bus and the store?",
        )

    # --- those that are there -----------------------------------------------------------------

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        """Return a bot whose actor is there, whoever made it; the bus need not be there.

        Raises:
            ClusterSilent, StorageUnavailable, OSError, trio.TooSlowError: Nobody can say.
        """
        bus = self.needed_bus()
        async with self.cluster() as driver:
            name = actor_name(bot_id)
            driver.expect(name)
            found = await driver.ask("find", name=name)
            try:
                runs = found["there"] and await self.runs(bot_id)
            except BaseException:
                driver.forget(name)
                raise
            if not runs:
                driver.forget(name)
                return None
            bot = RayBot(bot_id, bus, self, nursery)
            await self._begin_to_look_after(bot, nursery)
        return bot

    async def list(self) -> list[str]:
        """Return the bots whose actors are there."""
        self.needed_bus()
        async with self.cluster() as driver:
            names = (await driver.ask("list"))["names"]
        return sorted(name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))

    # --- while one runs -----------------------------------------------------------------------

    async def _look_after(self, bot: RayBot) -> None:
        """Wait for the bot's end and say why, where it was none in order."""
        try:
            async with self._kept():
                await self._until_gone(bot)
        except Exception:  # noqa: BLE001  one bot's trouble is its own
            _LOG.exception("bot=%s cannot be waited for", bot.bot_id)

    async def _until_gone(self, bot: RayBot) -> None:
        gone = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_actor, bot)
                nursery.start_soon(self.watch_silence, bot, self.options.unresponsive_limit_s)
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
        end = end_of(bot.ended) if bot.ended is not None else None
        if end is not None and end.failed and not bot.abandoned:
            _LOG.warning("bot=%s its actor failed: %s", bot.bot_id, end.evidence.detail)
            self.note(bot, end.reason, end.evidence)
        else:
            self.note_silence(bot)

    async def tell_to_leave(self, name: str) -> bool:
        """Have an actor tell its bot to leave; return whether it is told. Raises nothing."""
        told = False
        with trio.move_on_after(_TIDY_WITHIN_S), suppress(MeetcoreError):
            async with self.cluster() as driver:
                told = bool((await driver.ask("leave", name=name))["told"])
        return told

    async def end_now(self, name: str) -> None:
        """End an actor and its bot at once; raises nothing."""
        with trio.move_on_after(_TIDY_WITHIN_S, shield=True), suppress(MeetcoreError):
            async with self.cluster() as driver:
                await driver.ask("kill", name=name, up=driver.state(name).up)


class RayBot(ClusterBot):
    """A bot held by an actor: what it tells and takes goes over the bus.

    Attributes:
        name: Of its actor.
        abandoned: Whether it was ended from here, on purpose.
        ended: How its process or its actor ended; None while that is not known.
        looked_after: Set when its actor is watched.
    """

    def __init__(
        self, bot_id: str, bus: BotBus, launcher: RayLauncher, nursery: trio.Nursery
    ) -> None:
        super().__init__(bot_id, bus, launcher.store)
        self.name = actor_name(bot_id)
        self.abandoned = False
        self.ended: dict[str, Any] | None = None
        self.looked_after = trio.Event()
        self._over = trio.Event()
        self._launcher = launcher
        self._nursery = nursery

    @property
    def over(self) -> bool:
        """Whether its process or its actor has ended."""
        return self.ended is not None

    def note_over(self, ended: dict[str, Any]) -> None:
        """Take how its process or its actor ended."""
        self.ended = ended
        self._over.set()

    async def leave_otherwise(self) -> bool:
        """Have its actor tell it, by a signal."""
        return await self._launcher.tell_to_leave(self.name)

    def abandon(self) -> None:
        """End its actor at once; its process is killed with what it started."""
        self.abandoned = True
        self._nursery.start_soon(self._launcher.end_now, self.name)

    async def gone(self) -> None:
        """Return when its process or its actor has ended, or nobody runs it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_over, nursery.cancel_scope)
            await super().gone()
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


def actor_name(bot_id: str) -> str:
    """Return the name of a bot's actor: the same each time, so it is launched once."""
    return f"{_PREFIX}{bot_id}"


def longest_life_s(config: BotConfig) -> float | None:
    """Return how long a bot can live by its own rules, with a margin; None for without end."""
    rules = config.automatic_leave
    if rules.max_duration_s is None or rules.waiting_room_s is None:
        return None
    own_s = rules.join_s + rules.waiting_room_s + rules.max_duration_s
    ending_s = config.leave_timeout_s + config.drain_timeout_s + finishing_s(config)
    return own_s + ending_s + _MARGIN_S
