"""What a broker does on a bad day, and what it costs: no event, no meeting, at most some drafts."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from attrs import define, field
from coredis import Redis

import meetcore
from meetcore import (
    Bot,
    BusItem,
    BusUnavailable,
    CommandFailed,
    CommandRefused,
    ConfigError,
    Event,
    Secret,
)
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.bot.factory import prepare_bot
from meetcore.fleet.launching.bus_bot import BusBot
from meetcore.fleet.launching.bus_reception import BusReception
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.log.folder_store import FolderStore
from meetcore.model.commands import SendChat, Stop
from meetcore.model.lifecycle import State
from meetcore.plugin.registry import Plugins
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.redis.broker import Broker, open_broker

BOTS = 4


@define
class Talking:
    """A bot that writes into the chat all the time, and what somebody elsewhere has of it."""

    bot: Bot
    reception: BusReception
    far: BusBot
    seqs: list[int] = field(factory=list)
    sent: int = 0

    async def live(self) -> None:
        async with trio.open_nursery() as own:
            await own.start(self.reception.run)
            await bot_runner_of(self.bot).run()
            await self.reception.told()
            own.cancel_scope.cancel()

    async def talk(self) -> None:
        while not self.bot.ended:
            if self.bot.state is State.RECORDING:
                with suppress(CommandFailed, CommandRefused):  # it leaves at this moment
                    await self.bot.perform(SendChat(f"message {self.sent}"))
                self.sent += 1
            await trio.sleep(0.05)

    async def follow(self) -> None:
        async with aclosing(self.far.items()) as items:
            async for item in items:
                if isinstance(item, Event):
                    self.seqs.append(item.seq)

    def up_to_date(self) -> bool:
        return self.reception.published_seq == self.bot.journal.last_seq


async def talking(
    stack: AsyncExitStack, nursery: trio.Nursery, broker: Broker, folder: Path
) -> list[Talking]:
    """Start some bots; each has a bus of its own, as in a process of its own."""
    there = RedisBus(broker.url)
    await stack.enter_async_context(there.open())
    plugins, made = Plugins(entry_points=False, files=(PLUGIN_FILE,)), []
    for number in range(BOTS):
        config = meetcore.BotConfig(out_dir=folder, fsync=False, transcriber="scripted")
        here, ears = RedisBus(broker.url), LiveAudio()
        await stack.enter_async_context(here.open())
        bot_id = f"b-{number}-{uuid4().hex[:6]}"
        bot = prepare_bot("simulated:stay", config, plugins, bot_id=bot_id, sinks=[ears]).bot
        far = BusBot(bot_id, there, FolderStore(folder, fsync=False))
        each = Talking(bot, BusReception(bot, ears, here), far)
        for work in (each.live, each.talk):
            nursery.start_soon(work)
        made.append(each)
    return made


async def until_told(bots: list[Talking]) -> None:
    while not all(each.up_to_date() for each in bots):  # noqa: ASYNC110  looked at from outside
        await trio.sleep(0.05)


async def run_through(tmp_path: Path, broker: Broker, trouble: object) -> list[Talking]:
    """Have bots talk through a trouble; return what came of them."""
    with trio.fail_after(150):
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            bots = await talking(stack, nursery, broker, tmp_path)
            followers = await stack.enter_async_context(trio.open_nursery())
            for each in bots:
                followers.start_soon(each.follow)
            while not all(each.sent > 3 for each in bots):  # noqa: ASYNC110  from outside
                await trio.sleep(0.05)
            await trouble(broker, bots)  # type: ignore[operator]
            while not all(each.sent > 10 for each in bots):  # noqa: ASYNC110
                await trio.sleep(0.05)
            for each in bots:
                await each.bot.perform(Stop("enough"))
    return bots


def check(bots: list[Talking]) -> None:
    """Nothing is missing, nothing came twice, and every bot is at its end."""
    for each in bots:
        assert each.bot.ended
        assert each.seqs == list(range(1, each.bot.journal.last_seq + 1))
        assert each.sent > 10


async def test_a_broker_killed_again_and_again_costs_no_event(tmp_path):
    async def kill(broker: Broker, bots: list[Talking]) -> None:
        for down_s in (0.3, 0.6, 2.5):
            broker.kill()
            before = [each.sent for each in bots]
            await trio.sleep(down_s)
            broker.start()
            await until_told(bots)
            assert all(each.sent > was for each, was in zip(bots, before, strict=True))

    with open_broker() as broker:
        check(await run_through(tmp_path, broker, kill))


async def test_one_that_lost_all_it_had_costs_no_event(tmp_path):
    async def lose(broker: Broker, bots: list[Talking]) -> None:
        for _ in range(2):
            broker.kill()
            for file in broker.folder.rglob("*.aof*"):
                file.unlink()
            broker.start()
            await until_told(bots)

    with open_broker() as broker:
        check(await run_through(tmp_path, broker, lose))


async def test_one_that_stands_still_holds_up_no_bot(tmp_path):
    async def freeze(broker: Broker, bots: list[Talking]) -> None:
        broker.freeze()
        before = [each.sent for each in bots]
        await trio.sleep(7.0)
        broker.thaw()
        assert all(each.sent - was > 20 for each, was in zip(bots, before, strict=True))
        await until_told(bots)

    with open_broker() as broker:
        check(await run_through(tmp_path, broker, freeze))


async def test_one_that_stands_still_again_and_again_as_on_a_slow_disk_holds_up_no_bot(tmp_path):
    """Redis waits for its disk with everything else, where it brings each entry there."""

    async def stutter(broker: Broker, bots: list[Talking]) -> None:
        before = [each.sent for each in bots]
        for _ in range(12):
            broker.freeze()
            await trio.sleep(0.4)
            broker.thaw()
            await trio.sleep(0.1)
        assert all(each.sent - was > 20 for each, was in zip(bots, before, strict=True))
        await until_told(bots)

    with open_broker() as broker:
        check(await run_through(tmp_path, broker, stutter))


@pytest.mark.long
def test_a_network_that_is_parted_for_a_while_costs_no_event(tmp_path):
    """In network namespaces of its own: the way to the broker takes nothing, and tells nobody."""
    apart = namespace()
    script = [sys.executable, "-m", "tests.plugins.redis.partition", str(tmp_path), "15"]
    done = subprocess.run(
        [*apart, *script], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "nothing was lost" in done.stdout


def namespace() -> tuple[str, ...]:
    """Return what runs a program in a network namespace of its own, as whoever we are."""
    for way in (("unshare", "--net"), ("unshare", "--net", "--map-root-user")):
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way
    pytest.skip("Nobody may make a network namespace here.")


async def test_one_whose_memory_is_full_gets_it_all_when_it_has_room(tmp_path, caplog):
    async def fill(broker: Broker, bots: list[Talking]) -> None:
        async with Redis("127.0.0.1", broker.port) as operator:
            await operator.config_set({"maxmemory": "1mb"})  # less than it has in use
            await trio.sleep(2.0)
            assert not any(each.up_to_date() for each in bots)
            other = RedisBus(broker.url)
            async with other.open():
                with pytest.raises(BusUnavailable, match="has no memory left"):
                    await other.claim("b-another")
            await operator.config_set({"maxmemory": "0"})
        await until_told(bots)

    with open_broker("--maxmemory-policy", "noeviction") as broker:
        check(await run_through(tmp_path, broker, fill))
    assert "the bus is back after" in caplog.text


@pytest.mark.parametrize("trouble", ["full", "replica"])
async def test_one_that_answers_and_takes_nothing_says_so_when_it_is_probed(trouble):
    with open_broker("--maxmemory-policy", "noeviction") as broker, trio.fail_after(60):
        bus = RedisBus(broker.url)
        async with bus.open(), Redis("127.0.0.1", broker.port) as operator:
            await bus.probe("b-1")
            if trouble == "full":
                await operator.config_set({"maxmemory": "1mb"})
            else:
                await operator.replicaof("127.0.0.1", 9)
            assert not await bus.alive("b-1")
            with pytest.raises(BusUnavailable, match=r"no memory left|is a replica"):
                await bus.probe("b-1")


async def test_many_who_begin_to_follow_at_once_wake_the_reader_a_few_times_for_all():
    with open_broker() as broker, trio.fail_after(60):
        bus = RedisBus(broker.url)
        async with bus.open(), Redis("127.0.0.1", broker.port) as operator:
            bots = [f"b-{number}" for number in range(50)]
            for bot_id in bots:
                claim = await bus.claim(bot_id)
                assert await bus.publish(bot_id, claim, [BusItem(1, b"{}")], alive_s=60.0)
            told: list[str] = []

            async def follow(bot_id: str) -> None:
                async with aclosing(bus.follow(bot_id)) as items:
                    async for item in items:
                        if item is not None:
                            told.append(bot_id)
                            return

            await operator.config_resetstat()
            async with trio.open_nursery() as nursery:
                for bot_id in bots:
                    nursery.start_soon(follow, bot_id)
            asked = str((await operator.info("commandstats")).get("cmdstat_xadd", "calls=0"))
            await follow(bots[0])  # later, too
    assert sorted(told) == sorted([*bots, bots[0]])
    assert int(re.findall(r"calls\W+(\d+)", asked)[0]) <= 10


async def test_what_was_asked_of_a_bot_does_not_stay():
    """However long the bot has been there: it may be a password that somebody typed for it."""
    with open_broker() as broker, trio.fail_after(60):
        bus, other = RedisBus(broker.url), RedisBus(broker.url)
        async with bus.open(), other.open(), Redis("127.0.0.1", broker.port) as operator:
            claim = await bus.claim("b-1")
            [key] = [key async for key in operator.scan_iter(match="*asked*")]
            await operator.delete([key])  # as when nobody asked anything for an hour
            with pytest.raises(trio.TooSlowError):
                await other.ask("b-1", b"the password", within_s=0.3)
            assert 0 < await operator.pttl(key) <= 3_600_000
            async with trio.open_nursery() as nursery:

                async def answer() -> None:
                    async with aclosing(bus.requests("b-1", claim)) as requests:
                        async for request in requests:
                            await bus.answer(request, b"done")

                nursery.start_soon(answer)
                assert await other.ask("b-1", b"another", within_s=20.0) == b"done"
                while await operator.xlen(key):  # noqa: ASYNC110  also what came too late
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
            await bus.leave("b-1", claim)
            assert not await operator.exists([key])


async def test_what_a_bot_did_not_do_in_time_does_not_stay_either():
    with open_broker() as broker, trio.fail_after(60):
        bus, other = RedisBus(broker.url), RedisBus(broker.url)
        async with bus.open(), other.open(), Redis("127.0.0.1", broker.port) as operator:
            claim = await bus.claim("b-1")
            [key] = [key async for key in operator.scan_iter(match="*asked*")]
            async with trio.open_nursery() as nursery:

                async def take() -> None:
                    async with aclosing(bus.requests("b-1", claim)) as requests:
                        async for _ in requests:
                            pass

                nursery.start_soon(take)
                with pytest.raises(trio.TooSlowError):
                    await other.ask("b-1", b"the password", within_s=0.5)
                while await operator.xlen(key) > 1:  # noqa: ASYNC110  the claim stays
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
            [broker_bus] = bus._shards.values() if hasattr(bus, "_shards") else [bus]
            assert broker_bus._taken == {}


async def test_many_questions_that_wait_hold_up_nothing_else():
    with open_broker() as broker, trio.fail_after(60):
        bus = RedisBus(broker.url)
        async with bus.open():
            claim = await bus.claim("b-1")
            async with trio.open_nursery() as nursery:

                async def ask(number: int) -> None:
                    await bus.ask(f"b-frozen-{number}", b"look", within_s=60.0)

                for number in range(150):
                    nursery.start_soon(ask, number)
                await trio.sleep(1.0)
                with trio.fail_after(4):
                    assert await bus.publish("b-1", claim, [BusItem(1, b"{}")], alive_s=60.0)
                    assert await bus.alive("b-1")
                    async with aclosing(bus.follow("b-1")) as items:
                        assert await anext(items) == BusItem(1, b"{}")
                nursery.cancel_scope.cancel()


async def test_a_password_that_is_wrong_or_missing_is_said_and_not_shown():
    with open_broker("--requirepass", "the-right-one") as broker, trio.fail_after(30):
        for password in (None, Secret("the-wrong-one")):
            bus = RedisBus(broker.url, RedisOptions(password=password))
            async with bus.open():
                with pytest.raises(BusUnavailable) as refused:
                    await bus.alive("b-1")
            assert "password in [plugins.redis]" in refused.value.remedy
            assert "the-wrong-one" not in f"{refused.value} {bus!r} {bus._options!r}"
        right = RedisBus(broker.url, RedisOptions(password=Secret("the-right-one")))
        async with right.open():
            assert not await right.alive("b-1")


async def test_nobody_there_is_said_within_seconds():
    with open_broker() as broker:
        broker.kill()
        with trio.fail_after(20):
            bus = RedisBus(broker.url)
            async with bus.open():
                with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1:\d+ cannot be reached"):
                    await bus.alive("b-1")


@pytest.mark.parametrize(
    "url",
    [
        *("redis://", "redis://host:port", "redis://host/name", "redis://host?db=1", "redis:host"),
        *("redis://one,", "redis://one,two:port", "redis://one,one:6379"),
    ],
)
def test_a_url_that_names_no_broker_is_refused(url):
    with pytest.raises(ConfigError, match=r"\[bus\]"):
        RedisBus(url)


def test_a_password_in_the_url_is_refused():
    with pytest.raises(ConfigError, match="has a password in it") as refused:
        meetcore.BusConfig(url="redis://bot:secret-word@broker:6379")
    assert "secret-word" not in str(refused.value)
    assert "MEETCORE_PLUGINS__REDIS__PASSWORD" in refused.value.remedy
