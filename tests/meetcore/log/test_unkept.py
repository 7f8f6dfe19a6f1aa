"""A bot of which nothing is kept: whoever watches sees all of it, and no byte of it stays."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from meetcore import (
    BotConfig,
    Chunk,
    ConfigError,
    Event,
    Plugins,
    RetentionConfig,
    SegmentFinalized,
    Sink,
    recover,
)
from meetcore.log import scratch_folder
from meetcore.log.unkept import TOMBSTONE_NAME, remove_unkept
from meetcore.testing import ScriptedTranscriber, SimMeeting

MEETING = """
title = "Nothing stays"
seed = 9
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Xanthippe Quillfeather"
[[lines]]
who = "ada"
at_s = 3
text = "aardvark zeppelin marmalade"
[[lines]]
who = "ada"
at_s = 8
text = "kumquat"
[[chat]]
who = "ada"
at_s = 5
text = "walrus in writing"
[end]
at_s = 14
"""
WORDS = ("aardvark", "zeppelin", "marmalade", "kumquat", "walrus", "Xanthippe", "Quillfeather")


class Listener(Sink):
    name = "listener"
    wants_audio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.sound: list[bytes] = []

    async def deliver(self, event: Event) -> None:
        self.text += event.to_json()

    async def on_audio(self, chunk: Chunk) -> None:
        if np.abs(chunk.pcm).max() > 1000:
            self.sound.append(chunk.pcm[:400].tobytes())


class Keeper(Sink):
    name = "keeper"
    keeps: ClassVar[bool] = True


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


def config_of(disk: Path, memory: Path) -> BotConfig:
    return BotConfig(out_dir=disk, retention=RetentionConfig(keep="nothing", memory=memory))


def contents(*places: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for place in places
        for path in place.rglob("*")
        if path.is_file() and os.access(path, os.R_OK)
    }


def leaks(found: dict[Path, bytes], sounds: list[bytes]) -> list[tuple[str, str]]:
    wanted = [(word, word.encode(form)) for word in WORDS for form in ("utf-8", "utf-16-le")]
    wanted += [("sound", sound) for sound in sounds]
    return [(path.name, name) for path, data in found.items() for name, it in wanted if it in data]


async def test_whoever_watches_sees_it_and_nothing_of_it_is_on_a_disk(
    tmp_path: Path,
    memory: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    meeting, sink, seen = SimMeeting(MEETING), Listener(), []
    async with meeting.open_bot(
        tmp_path / "meetings",
        config=config_of(tmp_path / "meetings", memory),
        transcriber=ScriptedTranscriber(meeting.script),
        sinks=[sink],
    ) as bot:
        with scratch_folder() as scratch:
            assert scratch.is_relative_to(memory)
        async for event in bot.events():
            seen.append(event)
            assert leaks(contents(tmp_path), sink.sound) == []
        assert bot.folder.is_relative_to(memory)
        assert leaks(contents(memory), [])  # it is there, as long as it runs
    assert all(word in sink.text for word in WORDS)
    assert len(sink.sound) > 2
    assert contents(memory) == {}
    found = contents(tmp_path)
    assert [path.name for path in found] == [TOMBSTONE_NAME]
    assert leaks(found, sink.sound) == []
    about = json.loads(next(iter(found.values())))
    segments = sum(isinstance(event, SegmentFinalized) for event in seen)
    assert about["events"] == len(seen)
    assert about["segments"] == segments == 2
    assert (about["participants"], about["chat_messages"]) == (1, 1)
    assert about["seconds"] == pytest.approx(14, abs=0.5)
    assert (about["state"], about["reason"]) == ("completed", "meeting_ended")
    assert about["bytes"] > 1000
    assert about["requested_at"] < about["in_call_at"] < about["ended_at"]
    assert [p.name for p in (tmp_path / "meetings").iterdir()] == [bot.id]


async def test_cut_short_it_is_gone_as_well(
    tmp_path: Path, memory: Path, autojump_clock: MockClock
) -> None:
    meeting = SimMeeting(MEETING)
    with trio.move_on_after(6):
        async with meeting.open_bot(
            tmp_path,
            config=config_of(tmp_path, memory),
            transcriber=ScriptedTranscriber(meeting.script),
        ):
            await trio.sleep_forever()
    assert contents(memory) == {}
    assert leaks(contents(tmp_path), []) == []
    assert [path.name for path in contents(tmp_path)] == [TOMBSTONE_NAME]


async def test_a_sink_that_makes_files_has_no_place(tmp_path: Path, memory: Path) -> None:
    meeting = SimMeeting(MEETING)
    with pytest.raises(ConfigError, match="'keeper' makes files"):
        async with meeting.open_bot(tmp_path, config=config_of(tmp_path, memory), sinks=[Keeper()]):
            pass
    assert contents(memory) == contents(tmp_path) == {}


async def test_where_the_folder_is_on_a_disk_it_is_refused(tmp_path: Path) -> None:
    meeting = SimMeeting(MEETING)
    disk = Path("/proc")
    with pytest.raises(ConfigError, match="/proc is on a disk"):
        async with meeting.open_bot(tmp_path, config=config_of(tmp_path, disk)):
            pass


async def test_what_a_killed_bot_left_in_memory_goes_with_recover(
    tmp_path: Path, memory: Path, mock_clock: MockClock
) -> None:
    mock_clock.rate = 10  # a clock that jumps would end the meeting while a thread is at work
    meeting = SimMeeting(MEETING)
    root = memory / f"meetcore-{os.getuid()}"
    async with meeting.open_bot(
        tmp_path,
        config=config_of(tmp_path, memory),
        transcriber=ScriptedTranscriber(meeting.script),
    ) as bot:
        await trio.sleep(7)
        assert remove_unkept(memory) == 0  # it runs
        left = root / "killed"
        left.mkdir()
        (left / "journal.jsonl").write_bytes(bot.journal.path.read_bytes())
        await recover(tmp_path, plugins=Plugins(entry_points=False), config=bot.config)
        assert not left.exists()
        assert bot.folder.exists()
