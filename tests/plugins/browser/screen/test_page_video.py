"""A recorder that hangs, cannot be started, or goes with its document: told, and taken up again."""

from __future__ import annotations

import base64
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from meetcore.model.signals import PictureHealth
from meetcore_browser.screen import screen as screens
from meetcore_browser.screen.frames import packed, packed_news
from meetcore_browser.screen.page_video import VIDEO_TRACK, PageVideo
from meetcore_browser.screen.screen import MOST_RECORDERS, Screen, ScreenFailed, open_screen
from meetcore_browser.testing import DeclaredLoss, KeepingCallEvents

PIECE = base64.b64encode(b"picture").decode()


@define
class Tab:
    """A page that says yes to whatever it is asked."""

    asked: list[Any] = field(factory=list)
    say: Callable[[], str | None] = lambda: None

    async def __call__(self, wanted: Any) -> str | None:
        self.asked.append(wanted)
        return None if wanted is None else self.say()


def page_video(
    events: KeepingCallEvents,
    *,
    screen: Screen | None = None,
    tab: Tab | None = None,
    sound_time: Callable[[float], float | None] = lambda wall_s: wall_s,
) -> PageVideo:
    return PageVideo(
        events, sound_time, size=(64, 36), frames_per_s=5, screen=screen, ask_tab=tab or Tab()
    )


def health(events: KeepingCallEvents) -> list[tuple[bool, str]]:
    return [(each.healthy, each.detail) for each in events.of_type(PictureHealth)]


@pytest.fixture
def screen(tmp_path: Any) -> Screen:
    return Screen(":999", tmp_path / "cookie", 64, 36)


@define
class Recorders:
    """Stands for the processes that record a screen: what each of them writes."""

    started: list[trio.testing.MemorySendStream] = field(factory=list)

    @asynccontextmanager
    async def __call__(self, command: Any, **options: Any) -> AsyncIterator[Any]:
        writing, reading = trio.testing.memory_stream_one_way_pair()
        self.started.append(writing)

        @define
        class Process:
            stdout: Any = reading
            pid: int = len(self.started)

        yield Process()

    async def write(self, data: bytes) -> None:
        await self.started[-1].send_all(data)


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> Recorders:
    made = Recorders()
    monkeypatch.setattr(screens, "_process", made)
    return made


async def test_a_recorder_that_hangs_is_told_and_another_takes_its_place(
    autojump_clock: trio.testing.MockClock,
    screen: Screen,
    recorders: Recorders,
    events: KeepingCallEvents,
) -> None:
    video = page_video(events, screen=screen)
    video.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(video.run)
        await trio.sleep(1)
        for at in range(30):
            await recorders.write(packed(b"K", float(at), b"picture"))
            await trio.sleep(0.2)
        # News are no pictures.
        for _ in range(9):
            await recorders.write(packed_news(0.0, picture="moving", for_s=0))
            await trio.sleep(1)
        assert len(recorders.started) == 1
        await trio.sleep(4)
        assert len(recorders.started) == 2
        assert [healthy for healthy, _ in health(events)] == [False]
        assert "hangs" in health(events)[0][1]
        await recorders.write(packed(b"K", 50.0, b"picture"))
        await trio.sleep(1)
        assert [healthy for healthy, _ in health(events)] == [False, True]
        assert len(events.fragments) == 31
        nursery.cancel_scope.cancel()


async def test_a_recorder_that_cannot_be_started_ends_nothing_but_the_picture(
    autojump_clock: trio.testing.MockClock,
    screen: Screen,
    events: KeepingCallEvents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    async def refuse(command: list[str], **options: Any) -> trio.Process:
        tried.append(command)
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(trio.lowlevel, "open_process", refuse)
    video = page_video(events, screen=screen)
    video.begin()
    await video.run()
    assert len(tried) == MOST_RECORDERS
    [(healthy, detail)] = health(events)
    assert not healthy
    assert "temporarily unavailable" in detail


async def test_a_screen_that_cannot_be_started_is_one_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(command: list[str], **options: Any) -> trio.Process:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(screens, "xvfb_path", lambda: "/usr/bin/Xvfb")
    monkeypatch.setattr(trio.lowlevel, "open_process", refuse)
    with pytest.raises(ScreenFailed, match="Too many open files"):
        async with open_screen(64, 36):
            pass


async def test_pictures_that_have_no_place_on_the_sounds_clock_are_counted_and_told(
    autojump_clock: trio.testing.MockClock,
    screen: Screen,
    recorders: Recorders,
    events: KeepingCallEvents,
) -> None:
    runs = False
    video = page_video(events, screen=screen, sound_time=lambda wall_s: wall_s if runs else None)
    video.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(video.run)
        await trio.sleep(1)
        for _ in range(12):
            await recorders.write(packed(b"K", 1.0, b"picture"))
            await trio.sleep(1)
        assert len(events.media_losses) == 12
        assert events.media_losses[0] == DeclaredLoss(VIDEO_TRACK, 0, 1, "no_clock")
        [(healthy, detail)] = health(events)
        assert not healthy
        assert "sound does not run" in detail
        runs = True
        await recorders.write(packed(b"K", 13.0, b"picture"))
        await trio.sleep(1)
        assert health(events)[1:] == [(True, "the picture")]
        assert len(recorders.started) == 1
        nursery.cancel_scope.cancel()


async def test_a_tab_is_recorded_anew_in_the_document_that_comes_next(
    autojump_clock: trio.testing.MockClock, events: KeepingCallEvents
) -> None:
    tab = Tab()
    video = page_video(events, tab=tab)
    video.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(video.run)
        # As often as a page likes: no recorder has failed.
        for document in range(MOST_RECORDERS + 2):
            await trio.sleep(2)
            assert len(tab.asked) == document + 1
            video.from_tab(document, {"data": PIECE, "frame": 1}, float(document))
            video.from_tab(document + 100, None, None)  # a frame that ended
            await trio.sleep(2)
            assert len(tab.asked) == document + 1
            video.from_tab(document, None, None)
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert [healthy for healthy, _ in health(events)] == [False, True] * (MOST_RECORDERS + 1) + [
        False
    ]
    assert "another document" in health(events)[0][1]


async def test_a_tabs_recorder_that_hangs_is_stopped_and_asked_again(
    autojump_clock: trio.testing.MockClock, events: KeepingCallEvents
) -> None:
    tab = Tab()
    video = page_video(events, tab=tab)
    video.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(video.run)
        for at in range(20):
            await trio.sleep(1)
            video.from_tab(1, {"data": PIECE, "frame": 1}, float(at))
        assert len(tab.asked) == 1
        await trio.sleep(12)
        assert tab.asked[1] is None
        assert len(tab.asked) == 3
        assert [healthy for healthy, _ in health(events)] == [False]
        video.from_tab(1, {"data": PIECE, "frame": 1}, 40.0)
        assert [healthy for healthy, _ in health(events)] == [False, True]
        nursery.cancel_scope.cancel()


async def test_a_tab_that_fails_each_time_is_given_up(
    autojump_clock: trio.testing.MockClock, events: KeepingCallEvents
) -> None:
    tab = Tab(say=lambda: "NotAllowedError")
    video = page_video(events, tab=tab)
    video.begin()
    await video.run()
    assert len(tab.asked) == MOST_RECORDERS
    assert health(events) == [(False, "the picture broke off: NotAllowedError")]


async def test_a_tab_that_is_black_or_stands_still_is_told_like_a_screen(
    autojump_clock: trio.testing.MockClock, events: KeepingCallEvents
) -> None:
    video = page_video(events)
    for second in range(40):
        level = 90 + second % 2 if second < 5 or second > 30 else 16
        sample = base64.b64encode(bytes([level] * 64)).decode()
        await trio.sleep(1.1)
        video.from_tab(1, {"sample": sample}, None)
    assert [each.healthy for each in events.of_type(PictureHealth)] == [False, True]
    assert "black" in health(events)[0][1]
