"""Bots of a fleet of which nothing is kept: together in memory, and gone when they have ended."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import trio
from attrs import evolve

from meetcore import (
    BotConfig,
    BotSpec,
    ConfigError,
    Launcher,
    Plugins,
    RetentionConfig,
    RunningBot,
    SegmentFinalized,
    StoreConfig,
    open_fleet,
)
from meetcore.fleet import ChildProcessLauncher
from meetcore.fleet.recovery import recover_all
from meetcore.log import FolderStore, UnkeptFleetStore, scratch_folder
from meetcore.log.unkept import TOMBSTONE_NAME
from meetcore.model.events import StateChanged
from meetcore.testing.memory_bus import MemoryBroker, MemoryBus

SCRIPTED = Path(__file__).parents[2] / "scripted_meetings.py"
SHORT = "https://meet.google.com/short-hushhush"
STAY = "https://meet.google.com/stay-hushhush"
WORDS = (b"good morning", b"hushhush", b"Ada", b"Silent Name")


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(entry_points=False, files=[SCRIPTED])


@pytest.fixture
def config(tmp_path: Path, memory: Path) -> BotConfig:
    return BotConfig(
        out_dir=tmp_path / "bots",
        name="Silent Name",
        transcriber="scripted",
        retention=RetentionConfig(keep="nothing", memory=memory),
    )


def settings(config: BotConfig) -> dict[str, object]:
    retention = {"keep": config.retention.keep, "memory": str(config.retention.memory)}
    return {
        "out_dir": str(config.out_dir),
        "name": config.name,
        "transcriber": "scripted",
        "retention": retention,
    }


def spec_of(bot_id: str, config: BotConfig, url: str = SHORT) -> BotSpec:
    return BotSpec(bot_id=bot_id, url=url, settings=settings(config), plugin_files=(str(SCRIPTED),))


def contents(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def journals(place: Path) -> list[str]:
    return sorted(path.parent.name for path in place.rglob("journal.jsonl"))


def leaks(place: Path) -> list[str]:
    return [name for name, data in contents(place).items() for word in WORDS if word in data]


def tombstone_of(config: BotConfig, bot_id: str) -> dict[str, object]:
    about: dict[str, object] = json.loads((config.out_dir / bot_id / TOMBSTONE_NAME).read_bytes())
    return about


async def test_a_bot_of_a_fleet_is_in_memory_while_it_runs_and_gone_after_it(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins, autojump_clock: object
) -> None:
    async with open_fleet(config, plugins=plugins) as fleet:
        bot = fleet.start(SHORT)
        seen = [event async for event in bot.events()]
        assert bot.folder.is_relative_to(memory)
        with scratch_folder() as scratch:
            assert scratch.is_relative_to(memory)
        await fleet.wait_empty()
        assert journals(memory) == []
    assert sum(isinstance(event, SegmentFinalized) for event in seen) == 2
    assert contents(memory) == {}
    assert list(contents(tmp_path)) == [f"bots/{bot.id}/{TOMBSTONE_NAME}"]
    assert leaks(tmp_path) == []
    about = tombstone_of(config, bot.id)
    assert (about["state"], about["segments"]) == ("completed", 2)
    assert about["events"] == len(seen)


async def test_the_bus_has_nothing_either_of_a_bot_of_a_fleet_that_has_ended(
    config: BotConfig, plugins: Plugins, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it is away then, that is said: what it has goes with its time."""
    broker = MemoryBroker()
    bus = MemoryBus(broker)
    async with open_fleet(config, plugins=plugins) as fleet, bus.open():
        fleet.bus = bus
        first = fleet.start(SHORT)
        seen = [event async for event in first.events()]
        assert broker.bot(first.id).items
        await fleet.wait_empty()
        assert sum(isinstance(event, SegmentFinalized) for event in seen) == 2
        assert not broker.bot(first.id).items
        second = fleet.start(SHORT)
        await second.wait_ended()
        broker.away = True
        await fleet.wait_empty()
    assert f"bot={second.id} the bus has what it told for a while" in caplog.text


async def test_a_fleet_keeps_all_of_some_and_nothing_of_others_as_ordered(
    memory: Path, config: BotConfig, plugins: Plugins, autojump_clock: object
) -> None:
    ordered = evolve(config, retention=evolve(config.retention, keep="as_ordered"))
    specs = [
        spec_of("hushed", config, STAY),
        spec_of("kept", evolve(config, retention=evolve(config.retention, keep="all")), STAY),
    ]
    async with open_fleet(ordered, plugins=plugins) as fleet:
        hushed = fleet.start(SHORT, retention=config.retention)
        kept = fleet.start(SHORT)
        for spec in specs:
            await fleet.launch(spec)
        assert journals(memory) == sorted([hushed.id, "hushed"])
        assert journals(config.out_dir) == sorted([kept.id, "kept"])
        with pytest.raises(ConfigError, match="ordered when all was kept"):
            await fleet.launch(spec_of("kept", config))
        await hushed.wait_ended()
        await kept.wait_ended()
    assert contents(memory) == {}
    assert journals(config.out_dir) == sorted([kept.id, "kept"])
    for bot_id in (hushed.id, "hushed"):
        assert tombstone_of(config, bot_id)["kept"] == "nothing"


async def test_a_fleet_that_ends_leaves_nothing_of_the_bots_that_it_ended(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins, autojump_clock: object
) -> None:
    async with open_fleet(config, plugins=plugins) as fleet:
        mine = fleet.start(STAY)
        await fleet.launch(spec_of("launched", config, STAY))
        await trio.sleep(5)
        assert journals(memory) == sorted(["launched", mine.id])
    assert contents(memory) == {}
    assert leaks(tmp_path) == []
    assert len(contents(tmp_path)) == 2


async def test_a_process_of_its_own_works_in_memory_too(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins
) -> None:
    with trio.fail_after(120):
        async with open_fleet(config, plugins=plugins, launcher=ChildProcessLauncher()) as fleet:
            running = await fleet.launch(spec_of("child", config))
            states, words = [], 0
            async for item in running.items():
                states += [item.state.value] if isinstance(item, StateChanged) else []
                words += isinstance(item, SegmentFinalized)
                assert leaks(tmp_path) == []
            await running.gone()
            await fleet.wait_empty()
    assert states[-1] == "completed"
    assert words >= 2
    assert contents(memory) == {}
    assert leaks(tmp_path) == []
    assert tombstone_of(config, "child")["state"] == "completed"


async def test_a_killed_process_leaves_its_number_and_nothing_else(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins
) -> None:
    with trio.fail_after(120):
        async with open_fleet(config, plugins=plugins, launcher=ChildProcessLauncher()) as fleet:
            running = await fleet.launch(spec_of("killed", config, STAY))
            async with aclosing(running.items()) as items:
                async for item in items:
                    if isinstance(item, SegmentFinalized):
                        break
            running.abandon()
            await fleet.wait_empty()
    assert contents(memory) == {}
    assert leaks(tmp_path) == []
    assert tombstone_of(config, "killed")["reason"] == "crashed"


async def test_what_a_killed_fleet_left_in_memory_goes_with_the_next_or_with_recover(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins, autojump_clock: object
) -> None:
    store = UnkeptFleetStore(config)
    left: dict[str, bytes] = {}
    async with open_fleet(config, plugins=plugins) as fleet:
        bot = fleet.start(STAY)
        await trio.sleep(5)
        left = contents(bot.folder)
    for bot_id in ("one", "two"):
        folder = store.workplace(bot_id)
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(left["journal.jsonl"])
        if bot_id == "one":
            async with open_fleet(config, plugins=plugins) as fleet:
                assert [each.ended for each in fleet.recovered] == [True]
        else:
            await recover_all(store, plugins=plugins, config=config)
        assert contents(memory) == {}
        assert leaks(tmp_path) == []


async def test_bots_from_before_are_read_and_deleted_where_they_are(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins
) -> None:
    kept = evolve(config, retention=RetentionConfig())
    async with open_fleet(kept, plugins=plugins) as fleet:
        bot = fleet.start(SHORT)
        await fleet.wait_empty()
    store = UnkeptFleetStore(config)
    assert [record.bot_id async for record in store.records()] == [bot.id]
    assert (await store.log(bot.id).history()).ended
    async with open_fleet(config, plugins=plugins, recover_first=False) as fleet:
        with pytest.raises(ConfigError, match="ordered when all was kept"):
            await fleet.launch(spec_of(bot.id, config))
    assert journals(tmp_path) == [bot.id]
    assert (await store.delete(bot.id)).files > 0
    assert contents(tmp_path) == {}


class Elsewhere(Launcher):
    name = "elsewhere"

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        raise AssertionError("nobody launches here")


@pytest.mark.parametrize(
    ("changes", "launcher", "words"),
    [
        ({"store": StoreConfig(url="s3://bucket")}, None, "names a store to keep bots in"),
        ({}, Elsewhere(), "the launcher is 'elsewhere'"),
    ],
)
async def test_where_something_would_be_kept_or_be_elsewhere_a_fleet_does_not_begin(
    config: BotConfig,
    plugins: Plugins,
    memory: Path,
    changes: dict[str, object],
    launcher: Launcher | None,
    words: str,
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ConfigError, match=words), allow_unwrapped=True):
        async with open_fleet(
            evolve(config, **changes),  # type: ignore[arg-type]
            plugins=plugins,
            launcher=launcher,
            recover_first=False,
        ):
            pass
    assert contents(memory) == {}


async def test_one_fleet_does_not_keep_some_bots_and_nothing_of_others(
    tmp_path: Path, config: BotConfig, plugins: Plugins
) -> None:
    kept = evolve(config, retention=RetentionConfig())
    for fleets, others in ((config, kept), (kept, config)):
        async with open_fleet(fleets, plugins=plugins, recover_first=False) as fleet:
            with pytest.raises(ConfigError, match="for the whole fleet"):
                fleet.start(SHORT, config=others)
            with pytest.raises(ConfigError, match="nothing of any"):
                await fleet.launch(spec_of("one", others))
    assert not leaks(tmp_path)


async def test_an_order_that_is_taken_back_leaves_no_tombstone(
    tmp_path: Path, memory: Path, config: BotConfig, plugins: Plugins
) -> None:
    store = UnkeptFleetStore(config)
    await store.prepare("taken-back")
    assert (await store.delete("taken-back")).stayed == ""
    assert contents(tmp_path) == contents(memory) == {}


def test_two_folders_have_two_places_in_memory(config: BotConfig, tmp_path: Path) -> None:
    other = evolve(config, out_dir=tmp_path / "others")
    mine, its = UnkeptFleetStore(config), UnkeptFleetStore(other)
    assert mine.folder != its.folder
    assert isinstance(mine, FolderStore)
    assert mine.folder.stat().st_mode & 0o077 == 0
    assert mine.folder.stat().st_uid == os.getuid()
