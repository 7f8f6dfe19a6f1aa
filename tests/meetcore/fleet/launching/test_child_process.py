"""A bot in a process of its own: launched, told of, commanded, heard, adopted, killed."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio

import meetcore
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.protocol import (
    BadFrame,
    FrameKind,
    FrameReader,
    audio_frame,
    chunk_in,
    frame,
    json_frame,
)
from meetcore.fleet.launching.sockets import socket_path
from meetcore.log.scratch import LOCK_NAME, PREFIX, scratch_root
from meetcore.model.errors import CommandRefused
from meetcore.testing import voice

PLUGIN = str(Path(__file__).parents[3] / "scripted_meetings.py")


def spec(out_dir: Path, link: str, bot_id: str = "b-1", **settings) -> meetcore.BotSpec:
    return meetcore.BotSpec(
        bot_id=bot_id,
        url=link,
        settings={"out_dir": str(out_dir), "transcriber": "scripted", **settings},
        plugin_files=(PLUGIN,),
    )


@asynccontextmanager
async def launched(out_dir: Path, link: str, **settings):
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher()
            yield await launcher.launch(spec(out_dir, link, **settings), nursery)


async def state_reached(bot, state: str):
    async with aclosing(bot.items()) as items:
        async for item in items:
            if isinstance(item, meetcore.StateChanged) and item.state == state:
                return item
    raise AssertionError(f"it never came to {state}")


async def test_it_takes_commands_and_says_why_it_refuses_one(tmp_path):
    async with launched(tmp_path, "https://meet.google.com/stay-x") as bot:
        with pytest.raises(CommandRefused, match="not in the call"):
            await bot.perform(meetcore.SendChat("too early"))
        await state_reached(bot, "recording")
        for _ in range(2):
            await bot.perform(meetcore.SendChat("hello everyone", id="x", by="crm"))
        with pytest.raises(meetcore.CapabilityMissing, match="cannot speak") as missing:
            await bot.perform(meetcore.Speak(b"\0\0", 16_000))
        assert missing.value.capability == "speak"
        await bot.perform(meetcore.Stop("enough"))
        await bot.gone()
        with pytest.raises(CommandRefused, match="has ended"):
            await bot.perform(meetcore.Stop())
    events = list(meetcore.read_journal(tmp_path / "b-1" / "journal.jsonl"))
    chats = [e.text for e in events if isinstance(e, meetcore.ChatReceived)]
    assert chats.count("hello everyone") == 1
    answers = [e for e in events if isinstance(e, meetcore.CommandAnswered)]
    assert ("x", "crm", True) in [(each.command_id, each.by, each.ok) for each in answers]
    assert events[-1].reason == "stop_requested"


async def test_it_greets(tmp_path):
    link = "https://meet.google.com/stay-x"
    async with launched(tmp_path, link, entry_message="I take notes.") as bot:
        async for item in bot.items():
            if isinstance(item, meetcore.ChatReceived) and item.by_bot:
                assert item.text == "I take notes."
                await bot.perform(meetcore.Stop())


def nobodys_folder() -> Path:
    """Make a folder as a browser's is when nobody lives who locked it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch_root()))
    (folder / LOCK_NAME).touch()
    return folder


async def test_a_bot_that_is_killed_ends_the_stream_and_leaves_no_process(tmp_path):
    async with launched(tmp_path, "https://meet.google.com/stay-x") as bot:
        await state_reached(bot, "in_call")
        pid = bot.pid
        children = psutil.Process(pid).children(recursive=True)
        left = nobodys_folder()
        os.kill(pid, signal.SIGKILL)
        items = [item async for item in bot.items()]
        await bot.gone()
        assert not any(
            isinstance(i, meetcore.StateChanged) and i.state == "completed" for i in items
        )
    assert not psutil.pid_exists(pid)
    assert not socket_path(tmp_path / "b-1").exists()
    assert left.name not in os.listdir(scratch_root())
    assert not [child for child in children if child.is_running()]
    (done,) = await meetcore.recover(tmp_path, plugins=meetcore.Plugins(entry_points=False))
    assert done.ended


async def test_frames_come_out_as_they_went_in_however_they_are_cut():
    pcm = voice.synthetic_voice(0.1, 120.0)
    chunk = meetcore.Chunk("t-1", 160, pcm)
    sent = [json_frame(FrameKind.COMMAND, {"id": 1}), audio_frame(chunk), frame(FrameKind.QUIT)]
    data = b"".join(sent)
    for size in (1, 7, len(data)):
        reader, found = FrameReader(), []
        for begin in range(0, len(data), size):
            found += reader.feed(data[begin : begin + size])
        assert [each.kind for each in found] == [FrameKind.COMMAND, FrameKind.AUDIO, FrameKind.QUIT]
        heard = chunk_in(found[1].content)
        assert (heard.track_id, heard.start_sample) == ("t-1", 160)
        assert (heard.pcm == pcm).all()
    with pytest.raises(BadFrame):
        FrameReader().feed(b"\0\0\0\1xx")
