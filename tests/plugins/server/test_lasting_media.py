"""Files that are made while their bot's data may be deleted: who gives up is not held up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import trio
from trio.testing import MockClock

from meetcore_server.lasting_media import LastingMedia


class SlowMedia:
    """Takes a file and never says so."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def stat(self, name: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return name if name in self.names else None

    async def put(self, name: str, path: Path) -> None:
        del path
        self.names.add(name)
        await trio.sleep_forever()

    async def delete(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        self.names.discard(name)


async def test_whoever_is_cancelled_waits_a_moment_and_the_file_goes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def nobody_says() -> bool:
        await trio.sleep_forever()
        raise AssertionError("nobody ends it")

    media = SlowMedia()
    began = trio.current_time()
    with trio.move_on_after(10):
        await LastingMedia(cast("Any", media), nobody_says).put("made.wav", tmp_path / "source")
    assert trio.current_time() - began == 13
    assert not media.names
