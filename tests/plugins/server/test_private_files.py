"""What a bot leaves is for the user alone that it runs as."""

from __future__ import annotations

import os

import pytest

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher

from .running import SHORT, http, ordered, serving, until

pytestmark = pytest.mark.folder_store


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
    modes = {
        path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777
        for path in [folder, *folder.rglob("*")]
    }
    wrong = {
        name: oct(mode)
        for name, mode in modes.items()
        if mode != (0o700 if (folder / name).is_dir() else 0o600)
    }
    assert wrong == {}
    assert any(name.endswith(audio) for name in modes), modes
