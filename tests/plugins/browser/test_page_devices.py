"""What all documents of a page are asked for, where some of them hang, fail or go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
import trio.testing
from attrs import define

from meetcore.model.errors import CommandFailed
from meetcore_browser.errors import CallTimedOut
from meetcore_browser.page_devices import GRACE_S, PageDevices


@define
class Frame:
    """A document that takes some time, and then says something or fails."""

    takes_s: float
    says: Any = None
    detached: bool = False
    asked: int = 0

    async def evaluate(self, expression: str, argument: Any) -> Any:
        self.asked += 1
        await trio.sleep(self.takes_s)
        return self.says

    def is_detached(self) -> bool:
        return self.detached


@define
class Page:
    frames: list[Frame]

    @property
    def raw(self) -> Page:
        return self

    async def call(self, fn: Callable[..., Awaitable[Any]], *args: Any, timeout_s: float) -> Any:
        with trio.move_on_after(timeout_s):
            return await fn(*args)
        raise CallTimedOut("Frame.evaluate", timeout_s)


def devices(*frames: Frame) -> PageDevices:
    return PageDevices(cast("Any", Page(list(frames))))


async def test_a_frame_that_hangs_holds_up_nobody(autojump_clock: trio.testing.MockClock) -> None:
    hanging, taking = Frame(60.0), Frame(0.1, says={"width": 1})
    made = devices(hanging, taking)
    began = trio.current_time()
    await made.hide_picture()
    await made.stop_sharing()
    assert await made.shares()
    assert trio.current_time() - began == pytest.approx(3 * (0.1 + GRACE_S))
    async with made.open_speech(24_000):
        pass
    assert (hanging.asked, taking.asked) == (4, 4)


async def test_a_frame_that_hangs_counts_where_no_other_did_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    made = devices(Frame(60.0), Frame(0.1))
    with pytest.raises(CommandFailed, match="does not answer"):
        await made.hide_picture()
    with pytest.raises(CommandFailed, match="does not answer"):
        async with made.open_speech(24_000):
            pass
    gone = devices(Frame(60.0, detached=True), Frame(0.1))
    with pytest.raises(CommandFailed, match="not opened the bot's camera"):
        await gone.hide_picture()
    with pytest.raises(CommandFailed, match="not opened the bot's microphone"):
        async with gone.open_speech(24_000):
            pass
