"""What a bot leaves is for the user alone that it runs as."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

import meetcore
from meetcore.fleet import moving
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher

from .running import SHORT, http, ordered, serving, until

pytestmark = pytest.mark.folder_store


def wrong_modes(folder: Path) -> dict[str, str]:
    """The files and folders that others may look into, from a folder on."""
    modes = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    return {
        path.relative_to(folder).as_posix(): oct(mode)
        for path, mode in modes.items()
        if mode != (0o700 if path.is_dir() else 0o600)
    }


@pytest.mark.parametrize(
    ("launcher", "audio"), [(InProcessLauncher, "opus"), (ChildProcessLauncher, "flac")]
)
async def test_every_file_is_its_owners_alone_and_so_is_every_folder(tmp_path, launcher, audio):
    before = os.umask(0o022)
    try:
        config = {"sinks": ["files"], "plugins": {"files": {"format": audio}}}
        own = None if launcher is InProcessLauncher else launcher()
        async with (
            serving(tmp_path, launcher=own, config=config) as server,
            http(server) as client,
        ):
            bot = await ordered(client, SHORT)
            await until(client, bot["id"], "completed")
    finally:
        os.umask(before)
    folder = tmp_path / "bots" / bot["id"]
    assert wrong_modes(folder) == {}
    assert list(folder.rglob(f"*{audio}"))


PLUGINS_WITH_SINKS = ("agents", "meetstream", "rtmp", "spoke", "webhook", "websocket")


def sinks_that_reach_nobody(port: int) -> dict[str, dict[str, object]]:
    """Every sink there is, with a target that takes no connection."""
    there = f"127.0.0.1:{port}"
    pushed = {"url": f"ws://{there}/", "flush_timeout_s": 0.1}
    dialled = {"url": f"ws://{there}/"}
    return {
        "agent": {},
        "files": {},
        "meetstream_audio": dialled,
        "meetstream_control": dialled,
        "meetstream_transcript": dialled,
        "meetstream_video": dialled,
        "picture": {"url": f"http://{there}/a.png"},
        "rtmp": {"url": f"rtmp://{there}/live/key", "flush_timeout_s": 0.1},
        "spoke_stream": {"output": f"ws://{there}/"},
        "webhook": {"url": f"http://{there}/", "max_attempts": 1, "flush_timeout_s": 5.0},
        "websocket": {},
        "websocket_push": pushed,
    }


async def test_what_any_sink_leaves_is_its_owners_alone_also_in_the_callers_process(
    tmp_path: Path,
) -> None:
    before = os.umask(0o022)
    try:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            sinks = sinks_that_reach_nobody(nobody.getsockname()[1])
            assert set(sinks) == set(meetcore.Plugins().sinks)
            async with (
                serving(
                    tmp_path,
                    dialects=PLUGINS_WITH_SINKS,
                    config={"sinks": list(sinks), "plugins": sinks},
                ) as server,
                http(server) as client,
            ):
                bot = await ordered(client, SHORT)
                await until(client, bot["id"], "completed")
    finally:
        os.umask(before)
    folder = tmp_path / "bots" / bot["id"]
    assert wrong_modes(folder) == {}
    assert (folder / "webhook" / "dead-letters.jsonl").stat().st_size > 0


def test_what_is_moved_is_its_owners_alone_whatever_it_was(tmp_path: Path) -> None:
    left = tmp_path / "left"
    (left / "files").mkdir(parents=True, mode=0o755)
    for name in ("journal.jsonl", "files/mix.opus"):
        (left / name).write_bytes(b"x")
        (left / name).chmod(0o644)
    moving._copy(left, tmp_path / "right")
    assert wrong_modes(tmp_path / "right") == {}
    assert (tmp_path / "right/files/mix.opus").read_bytes() == b"x"
