"""The bus `redis` over a broker of Debian's, and bots of their own processes over that bus."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing
from uuid import uuid4

import pytest
import trio
from attrs import evolve

from meetcore import (
    BotBus,
    BotSpec,
    BusUnavailable,
    Chunk,
    Command,
    Draft,
    Event,
    Launcher,
    LookIn,
    PagePicture,
    PictureFormat,
    RunningBot,
)
from meetcore.fleet.launching.bus_bot import BusBot
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.testing import BusConformance, LauncherConformance
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.redis.broker import Broker, open_broker


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


class TestRedisBus(BusConformance):
    @pytest.fixture(autouse=True)
    def _broker(self, broker: Broker) -> None:
        self._url = broker.url
        self._prefix = f"t-{uuid4().hex[:8]}"

    def make_bus(self) -> BotBus:
        return RedisBus(self._url, RedisOptions(prefix=self._prefix))


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[Broker]]:
    with ExitStack() as stack:
        yield [stack.enter_context(open_broker()) for _ in range(3)]


def url_of(brokers: list[Broker]) -> str:
    return "redis://" + ",".join(f"127.0.0.1:{each.port}" for each in brokers)


class TestSeveralBrokers(BusConformance):
    @pytest.fixture(autouse=True)
    def _brokers(self, brokers: list[Broker]) -> None:
        self._url = url_of(brokers)
        self._prefix = f"t-{uuid4().hex[:8]}"

    def make_bus(self) -> BotBus:
        return RedisBus(self._url, RedisOptions(prefix=self._prefix))


async def test_bots_are_on_all_brokers_and_one_that_is_killed_takes_only_its_own_along() -> None:
    with ExitStack() as stack:
        brokers = [stack.enter_context(open_broker()) for _ in range(3)]
        here, there = RedisBus(url_of(brokers)), RedisBus(url_of(brokers))
        fewer = [RedisBus(url_of([each for each in brokers if each is not b])) for b in brokers]
        bots = [f"b-{number}" for number in range(30)]
        async with here.open(), there.open():
            for bot_id in bots:
                claim = await here.claim(bot_id)
                assert await here.publish(bot_id, claim, [], alive_s=60.0)
            assert await there.living() == sorted(bots)
            await there.ping()
            brokers[1].kill()
            lost = []
            for bot_id in bots:
                try:
                    assert await there.alive(bot_id)
                except BusUnavailable:
                    lost.append(bot_id)
            assert 3 <= len(lost) <= 20
            with pytest.raises(BusUnavailable, match="cannot be reached"):
                await there.ping()
            # With a broker less, those of the others stay where they are.
            async with fewer[1].open():
                assert await fewer[1].living() == sorted(set(bots) - set(lost))
                for bot_id in set(bots) - set(lost):
                    assert await fewer[1].alive(bot_id)


class _OverTheBus(Launcher):
    """Launches processes of this machine, and sees them as another machine does: over the bus."""

    name = "over_the_bus"

    def __init__(self, here: ChildProcessLauncher, url: str) -> None:
        self._here = here
        self._url = url

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        self._here.store = self.store
        settings = {**spec.settings, "bus": {"url": self._url}}
        child = await self._here.launch(evolve(spec, settings=settings), nursery)
        return await self._seen(child, nursery)

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        self._here.store = self.store
        child = await self._here.adopt(bot_id, nursery)
        return child and await self._seen(child, nursery)

    async def reach(self, bot_id: str) -> RunningBot | None:
        self._here.store = self.store
        return await self._here.reach(bot_id)

    async def list(self) -> list[str]:
        self._here.store = self.store
        return await self._here.list()

    async def _seen(self, child: RunningBot, nursery: trio.Nursery) -> RunningBot:
        bus = RedisBus(self._url)
        await nursery.start(_hold, bus, child)
        return _Seen(child, BusBot(child.bot_id, bus, self.store))


class _Seen(RunningBot):
    """What it tells and takes goes over the bus; its end is its process's."""

    def __init__(self, child: RunningBot, far: BusBot) -> None:
        self.bot_id = child.bot_id
        self._child = child
        self._far = far

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        async with aclosing(self._far.items(after)) as items:
            async for item in items:
                yield item

    async def perform(self, command: Command) -> None:
        await self._far.perform(command)

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        return await self._far.screenshot(picture_format, by=by)

    def look_in(self, *, by: str = "") -> AbstractAsyncContextManager[LookIn]:
        return self._far.look_in(by=by)

    def abandon(self) -> None:
        self._child.abandon()

    def release(self) -> None:
        self._child.release()

    async def gone(self) -> None:
        await self._child.gone()

    def hear(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Chunk]]:
        return self._far.hear()


async def _hold(
    bus: BotBus,
    child: RunningBot,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hold a bus open for as long as there is something to be heard over it."""
    async with bus.open():
        task_status.started()
        await child.gone()
        await trio.sleep(1.0)


class TestBotsOverTheBus(LauncherConformance):
    @pytest.fixture(autouse=True)
    def _broker(self, broker: Broker) -> None:
        self._url = broker.url

    def make_launcher(self) -> Launcher:
        return _OverTheBus(ChildProcessLauncher(), self._url)

    def make_lasting_launcher(self) -> Launcher:
        return _OverTheBus(ChildProcessLauncher(stop_with_launcher=False), self._url)
