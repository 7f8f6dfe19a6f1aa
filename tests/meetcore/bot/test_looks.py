"""Screenshots, people who look at the bot's page, and one of them who takes it over."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore import (
    BotReleased,
    BotTakenOver,
    CapabilityMissing,
    CommandAnswered,
    CommandFailed,
    CommandRefused,
    KeyInput,
    MouseInput,
    PageView,
    PictureFormat,
    TextInput,
    page_input_from_wire,
)
from meetcore.bot.looks import IDLE_LIMIT_S, MOST_LOOKS
from meetcore.bot.state_pictures import FOLDER
from meetcore.model.page_input import page_input_to_wire
from meetcore.testing import SimMeeting, SimPage, grey_picture
from meetcore.testing.sim_page import SimPageCall
from tests.meetcore.conftest import Stage, events_of, kinds

MEETING = """
title = "Seen"
seed = 4
[admission]
after_s = 5
[[people]]
id = "ada"
name = "Ada"
host = true
[[lines]]
who = "ada"
at_s = 1
text = "can you see it"
[end]
at_s = 3000
"""


@asynccontextmanager
async def attending(tmp_path, page=None, **settings):
    page = page or SimPage()
    meeting = SimMeeting(MEETING, page=page)
    async with meeting.open_bot(tmp_path, **settings) as bot:
        while bot.call is None:  # noqa: ASYNC110
            await trio.sleep(0.01)
        yield bot, page


def hands(bot):
    return [
        (type(event).__name__, event.by, getattr(event, "cause", None))
        for event in events_of(bot)
        if isinstance(event, (BotTakenOver, BotReleased))
    ]


# --- screenshots -----------------------------------------------------------------------------


async def test_a_screenshot_is_given_in_every_state_with_a_page_and_noted_with_who_asked(
    tmp_path, autojump_clock
):
    async with attending(tmp_path) as (bot, _):
        assert bot.state == "awaiting_admission"
        first = await bot.screenshot(by="ada")
        assert first.image == grey_picture(PictureFormat.JPEG, "picture 1")
        await trio.sleep(10)
        assert bot.state == "recording"
        second = await bot.screenshot("png")
        assert (second.media_type, second.width) == ("image/png", 32)
        with pytest.raises(CommandRefused, match="bmp"):
            await bot.screenshot("bmp")
        await bot.stop()
        await bot.wait_ended()
        with pytest.raises(CommandRefused, match="no page"):
            await bot.screenshot()
    noted = [e for e in kinds(events_of(bot), CommandAnswered) if e.command == "screenshot"]
    assert [(e.ok, e.by) for e in noted] == [(True, "ada"), (True, "")]


async def test_a_platform_without_a_page_says_so(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        with pytest.raises(CapabilityMissing, match="cannot screenshot"):
            await bot.screenshot()
        with pytest.raises(CapabilityMissing, match="cannot look in"):
            async with bot.look_in():
                pass
        await bot.stop()
    noted = [(e.command, e.ok) for e in kinds(events_of(bot), CommandAnswered)]
    assert noted[:2] == [("screenshot", False), ("look_in", False)]


@pytest.mark.parametrize("how", ["hangs", "raises"])
async def test_a_page_that_hangs_or_breaks_is_a_typed_error_in_time(
    tmp_path, autojump_clock, monkeypatch, how
):
    async def bad(self, picture_format):
        if how == "raises":
            raise ZeroDivisionError("no pixels")
        await trio.sleep_forever()

    @asynccontextmanager
    async def opened(self):
        await bad(self, None)
        yield

    monkeypatch.setattr(SimPageCall, "screenshot", bad)
    monkeypatch.setattr(SimPageCall, "open_view", opened)
    async with attending(tmp_path) as (bot, _):
        started = trio.current_time()
        with pytest.raises(CommandFailed, match=r"not done within 10 s|no pixels"):
            await bot.screenshot()
        with pytest.raises(CommandFailed, match=r"within 10 s|no pixels"):
            async with bot.look_in():
                pass
        assert trio.current_time() - started < 21
        assert not bot.ended


# --- looking in -------------------------------------------------------------------------------


async def test_pictures_are_made_only_for_whoever_takes_them(tmp_path, autojump_clock):
    async with attending(tmp_path) as (bot, page):
        await trio.sleep(3)
        assert page.pictures == 0
        async with bot.look_in(by="ada") as look:
            await look.next_picture()
            await trio.sleep(3)  # a slow one: nothing is made meanwhile
            second = await look.next_picture()
            assert b"picture 2" in second.image
            assert page.views == 1
        assert (page.views, page.pictures) == (0, 2)


async def test_few_may_look_at_once_and_a_place_is_free_again(tmp_path, autojump_clock):
    async with attending(tmp_path) as (bot, page):
        async with AsyncExitStack() as stack:
            for _ in range(MOST_LOOKS):
                await stack.enter_async_context(bot.look_in())
            with pytest.raises(CommandRefused, match=f"{MOST_LOOKS} people"):
                await stack.enter_async_context(bot.look_in())
        async with bot.look_in() as look:
            await look.next_picture()
        assert page.most_views == MOST_LOOKS


async def test_a_look_ends_with_the_bot_also_where_the_page_gives_nothing(tmp_path, autojump_clock):
    page = SimPage(every_s=1e6)
    async with attending(tmp_path, page) as (bot, _), bot.look_in() as look:
        ended = trio.Event()

        async def watch():
            with pytest.raises(CommandFailed, match="has left"):
                await look.next_picture()
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(1)
            await bot.stop()
            with trio.fail_after(30):
                await ended.wait()
        await bot.wait_ended()
        with pytest.raises(CommandFailed, match="has left"):
            await look.next_picture()
    assert page.views == 0


# --- taking over -------------------------------------------------------------------------------


async def test_nobody_acts_who_has_not_taken_over_and_one_at_a_time_does(tmp_path, autojump_clock):
    async with attending(tmp_path) as (bot, page):
        async with bot.look_in(by="ada") as ada, bot.look_in(by="ben") as ben:
            with pytest.raises(CommandRefused, match="Take it over first"):
                await ada.act(MouseInput(action="down", x=0.5, y=0.5))
            await ada.release()  # of nothing
            await ada.take_over()
            await ada.take_over()  # has it already
            assert page.acting
            with pytest.raises(CommandRefused, match="Somebody else"):
                await ben.take_over()
            with pytest.raises(CommandRefused, match="Take it over first"):
                await ben.act(TextInput(text="me too"))
            await ada.act(KeyInput(down=True, key="Shift"))
            await ada.act(MouseInput(action="down", x=0.5, y=0.5))
            assert page.held == {"Shift", "left"}
            await ada.release()
            assert (page.held, page.acting) == (set(), False)
            with pytest.raises(CommandRefused, match="Take it over first"):
                await ada.act(TextInput(text="again"))
            await ben.take_over()
            await ben.act(TextInput(text="me now"))
        assert (page.held, page.acting) == (set(), False)
        assert [each.kind for each in page.inputs] == ["key", "mouse", "text"]
    assert hands(bot) == [
        ("BotTakenOver", "ada", None),
        ("BotReleased", "ada", "released"),
        ("BotTakenOver", "ben", None),
        ("BotReleased", "ben", "gone"),
    ]


async def test_it_is_given_back_after_idleness_but_not_while_somebody_acts(
    tmp_path, autojump_clock
):
    async with attending(tmp_path) as (bot, page), bot.look_in(by="ada") as look:
        await look.take_over()
        for _ in range(5):
            await trio.sleep(IDLE_LIMIT_S * 0.9)
            await look.act(TextInput(text="still here"))
        assert page.acting
        await trio.sleep(IDLE_LIMIT_S + 0.1)
        assert not page.acting
        with pytest.raises(CommandRefused, match="Take it over first"):
            await look.act(TextInput(text="too late"))
        await look.next_picture()  # one still sees
    assert hands(bot) == [("BotTakenOver", "ada", None), ("BotReleased", "ada", "idle")]


async def test_whoever_is_cut_off_gives_it_back(tmp_path, autojump_clock):
    async with attending(tmp_path) as (bot, page):
        with trio.move_on_after(1):
            async with bot.look_in(by="ada") as look:
                await look.take_over()
                await look.act(KeyInput(down=True, key="Control"))
                await trio.sleep_forever()
        assert (page.held, page.acting, page.views) == (set(), False, 0)
    assert hands(bot)[-1] == ("BotReleased", "ada", "gone")


async def test_a_bot_that_leaves_has_its_hands_back_at_once(tmp_path, autojump_clock):
    async with attending(tmp_path) as (bot, page), bot.look_in(by="ada") as look:
        await look.take_over()
        await bot.stop()
        assert not page.acting
        with pytest.raises(CommandRefused, match="leaving"):
            await look.take_over()
        await bot.wait_ended()
    assert hands(bot) == [("BotTakenOver", "ada", None), ("BotReleased", "ada", "leaving")]


async def test_a_page_that_hangs_when_it_is_let_go_holds_up_nobody(
    tmp_path, autojump_clock, monkeypatch
):
    async def never(self):
        await trio.sleep_forever()

    monkeypatch.setattr("meetcore.testing.sim_page._SimView.let_go", never)
    async with (
        attending(tmp_path) as (bot, page),
        bot.look_in(by="ada") as ada,
        bot.look_in(by="ben") as ben,
    ):
        await ada.take_over()
        with trio.fail_after(5):
            await ada.release()
            await ben.take_over()
        assert page.acting


# --- a picture for each state -------------------------------------------------------------------


async def kept(bot, state):
    """Return when there is a picture of a state, on a clock that does not jump: threads write."""
    with trio.fail_after(20):
        async for event in bot.events():
            if isinstance(event, meetcore.ArtifactWritten) and state in event.path:
                return


async def test_a_picture_of_each_state_that_lasts_is_a_file_of_the_bot(tmp_path):
    script = MEETING.replace("after_s = 5", "after_s = 0.5")
    meeting = SimMeeting(script, page=SimPage())
    async with meeting.open_bot(tmp_path, screenshots="states") as bot:
        await kept(bot, "awaiting_admission")
        await kept(bot, "recording")
        await bot.pause()
        await kept(bot, "paused")
    written = [e for e in kinds(events_of(bot), meetcore.ArtifactWritten) if e.kind == "screenshot"]
    shown = [event.path.rpartition("-")[2] for event in written]
    assert shown[:3] == ["awaiting_admission.jpg", "recording.jpg", "paused.jpg"]
    assert "in_call.jpg" not in shown, "that was over before there was a picture"
    for event in written:
        path = bot.folder / event.path
        assert path.stat().st_size == event.size_bytes
        assert path.stat().st_mode & 0o077 == 0
    assert not list((bot.folder / FOLDER).glob(".*"))


async def test_by_default_none_is_kept_and_a_page_that_gives_none_is_said(tmp_path, autojump_clock):
    async with attending(tmp_path / "off") as (bot, page):
        await trio.sleep(10)
        assert page.pictures == 0
    assert not (bot.folder / FOLDER).exists()
    page = SimPage(closed=True)
    async with attending(tmp_path / "bad", page, screenshots="states") as (bot, _):
        await trio.sleep(10)
        assert bot.state == "recording"
    said = [e.detail for e in kinds(events_of(bot), meetcore.StepTaken) if e.name == "screenshot"]
    assert any("recording" in each and "closed" in each for each in said)


async def test_where_nothing_is_kept_no_picture_is(tmp_path):
    meeting = SimMeeting(MEETING, page=SimPage())
    with pytest.raises(meetcore.ConfigError, match="screenshots is 'states'"):
        async with meetcore.open_bot(
            meeting.link,
            plugins=meeting.plugins(),
            out_dir=tmp_path,
            screenshots="states",
            retention={"keep": "nothing"},
        ):
            pass


# --- on the wire --------------------------------------------------------------------------------

SHARES = st.floats(0, 1)
INPUTS = st.one_of(
    st.builds(
        MouseInput,
        action=st.sampled_from(["move", "down", "up", "wheel"]),
        x=SHARES,
        y=SHARES,
        button=st.sampled_from(["left", "middle", "right"]),
        wheel_x=st.floats(-10_000, 10_000),
        wheel_y=st.floats(-10_000, 10_000),
    ),
    st.builds(KeyInput, down=st.booleans(), key=st.text(min_size=1, max_size=32)),
    st.builds(TextInput, text=st.text(min_size=1, max_size=2000)),
)


@given(INPUTS)
def test_what_is_done_comes_over_the_wire_as_it_was(what):
    assert page_input_from_wire(page_input_to_wire(what)) == what


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NEARLY = st.fixed_dictionaries(
    {"kind": st.sampled_from(["mouse", "key", "text", "nose"])},
    optional={
        name: JSON | st.sampled_from(["down", "left", 0.5, True])
        for name in ("action", "x", "y", "button", "wheel_x", "key", "down", "text", "more")
    },
)


@given(JSON | NEARLY)
def test_anything_else_is_refused_in_words(message):
    with suppress(CommandRefused):  # any other error fails the test
        what = page_input_from_wire(message)
        assert page_input_from_wire(page_input_to_wire(what)) == what


def test_a_key_and_a_text_are_in_no_repr():
    assert "hunter2" not in repr(TextInput(text="hunter2"))
    assert "'h'" not in repr(KeyInput(down=True, key="h"))


def test_a_view_is_a_contract():
    with pytest.raises(TypeError):
        PageView()  # type: ignore[abstract]
