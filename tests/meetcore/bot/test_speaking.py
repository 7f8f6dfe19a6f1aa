"""What a bot says: streamed, one after the other, interrupted at once, every step in its time."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio

import meetcore
from meetcore.model.commands import InterruptSpeech, Speak
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.plugin.platform import Call, SpeechOutput
from meetcore.plugin.synthesizer import Synthesizer
from meetcore.testing import SimMeeting
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of, kinds

RATE = 8_000
QUIET = '[[people]]\nid = "ada"\nname = "Ada"\n[end]\nat_s = 600\n'


def pcm(seconds: float, level: int = 1000, rate_hz: int = RATE) -> bytes:
    return np.full(round(seconds * rate_hz), level, "<i2").tobytes()


class Talker(Synthesizer):
    """A second of sound for every word; some words are trouble."""

    name = "talker"
    sample_rate_hz = RATE
    open_now = 0

    async def synthesize(self, request):
        type(self).open_now += 1
        try:
            for word in request.text.split():
                if word == "stall":
                    await trio.sleep_forever()
                if word == "crash":
                    raise KeyError("voice")
                if word == "refuse":
                    raise CommandFailed("No such voice.")
                yield pcm(1)
        finally:
            type(self).open_now -= 1


class Talking:
    @meetcore.hookimpl
    def meetcore_register_synthesizers(self, register):
        register(Talker)


@asynccontextmanager
async def speaking(tmp_path, script: str = QUIET, **settings):
    meeting = SimMeeting(script)
    settings.setdefault("plugins", meeting.plugins(talking=Talking()))
    settings.setdefault("synthesizer", "talker")
    async with meeting.open_bot(tmp_path, **settings) as bot:
        async for event in bot.events():
            if isinstance(event, meetcore.ParticipantJoined) and event.participant.id == "ada":
                break
        yield meeting, bot
    assert Talker.open_now == 0, "a synthesizer was left open"
    check_journal(events_of(bot))


def told(bot) -> list[str]:
    """Return what the journal tells of speeches, in short."""
    events = [e for e in events_of(bot) if e.type.startswith("speech.")]
    return [
        f"{e.speech_id.partition('-')[2]} {e.type.partition('.')[2]}"
        + (f" {e.position_s:g} {e.cause}" if e.type == "speech.interrupted" else "")
        + (f" {e.duration_s:g}" if e.type == "speech.finished" else "")
        for e in events
    ]


async def stream(*pieces: bytes, every_s: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await trio.sleep(every_s)


async def test_what_is_said_is_heard_in_order_and_when(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (meeting, bot):
        odd = pcm(1, 3)
        speeches = [
            bot.say(pcm(2, 5), sample_rate_hz=RATE, text="hello"),
            bot.say("two words"),
            bot.say(stream(odd[:333], odd[333:], b""), sample_rate_hz=RATE),
        ]
        assert [await speech.wait() for speech in speeches] == [True] * 3
        assert [speech.position for speech in speeches] == pytest.approx([2.0, 2.0, 1.0])
    heard = [(said.at_s, said.pcm, said.sample_rate_hz) for said in meeting.said]
    assert heard == [
        (0.0, pcm(2, 5), RATE),
        (2.0, pcm(2), RATE),
        (4.0, odd, RATE),
    ]
    assert told(bot)[:4] == ["1 started", "1 finished 2", "2 started", "2 finished 2"]
    started = kinds(events_of(bot), meetcore.SpeechStarted)
    assert [event.text for event in started] == ["hello", "two words", ""]


async def test_a_file_is_said_as_it_is_its_channels_as_one(tmp_path):
    """On the real clock, since a thread reads it."""
    path = tmp_path / "hello.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(np.frombuffer(pcm(0.05, 7), "<i2"), 2).tobytes())
    script = QUIET + "[admission]\nafter_s = 0\n"
    async with speaking(tmp_path / "out", script) as (meeting, bot):
        assert await bot.say(path).wait()
        (tmp_path / "text.wav").write_text("no sound")
        for name in ("text.wav", "missing.wav"):
            with pytest.raises(CommandFailed, match="cannot be read as a WAV file"):
                await bot.say(tmp_path / name).wait()
    assert [(said.pcm, said.sample_rate_hz) for said in meeting.said] == [(pcm(0.05, 7), RATE)]


async def test_a_source_is_read_no_faster_than_it_is_played(tmp_path, autojump_clock):
    read: list[float] = []

    async def agent() -> AsyncIterator[bytes]:
        for _ in range(100):
            read.append(trio.current_time())
            yield pcm(0.1)

    async with speaking(tmp_path) as (meeting, bot):
        began = trio.current_time()
        speech = bot.say(agent(), sample_rate_hz=RATE)
        await trio.sleep(4)
        assert speech.position == pytest.approx(4.0)
        assert len([at for at in read if at <= began + 4]) <= 52
        speech.interrupt()
        speech.interrupt()
        assert await speech.wait() is False
        assert trio.current_time() == began + 4, "silent at once"
        speech.interrupt()
    (said,) = meeting.said
    assert said.duration_s == pytest.approx(4.0, abs=0.01)
    assert told(bot) == ["1 started", "1 interrupted 4 interrupted"]


async def test_a_speech_may_wait_take_the_place_or_be_refused(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (_, bot):
        first = bot.say("one two three")
        waiting = bot.say("four")
        await trio.sleep(1)
        with pytest.raises(CommandRefused, match="is speaking"):
            bot.say("five", when_speaking="refuse")
        with pytest.raises(CommandRefused, match="not one of append, interrupt, refuse"):
            bot.say("five", when_speaking="perhaps")
        urgent = bot.say("six", when_speaking="interrupt")
        assert [await each.wait() for each in (first, waiting, urgent)] == [False, False, True]
        free = bot.say("seven", when_speaking="refuse")
        assert await free.wait()
    assert told(bot) == [
        "1 started",
        "2 interrupted 0 replaced",
        "1 interrupted 1 replaced",
        "3 started",
        "3 finished 1",
        "4 started",
        "4 finished 1",
    ]


@pytest.mark.parametrize("how", ["interrupted", "everything interrupted", "the bot leaves"])
async def test_whoever_gives_a_speech_that_never_has_its_turn_is_not_left_waiting(
    tmp_path, autojump_clock, how
):
    send, receive = trio.open_memory_channel[bytes](0)

    async def give() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await send.send(pcm(1))

    async with speaking(tmp_path) as (_, bot):
        bot.say(pcm(60), sample_rate_hz=RATE)
        waiting = bot.say(receive, sample_rate_hz=RATE)
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(give)
            await trio.sleep(1)
            with trio.fail_after(5):
                if how == "interrupted":
                    waiting.interrupt()
                elif how == "everything interrupted":
                    await bot.perform(meetcore.InterruptSpeech())
                else:
                    await bot.stop()


class Hanging:
    """A source that does not let go."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await trio.sleep_forever()


async def test_sources_that_do_not_let_go_hold_up_the_end_for_a_few_seconds_in_all(
    tmp_path, autojump_clock
):
    async with speaking(tmp_path) as (_, bot):
        bot.say(pcm(600), sample_rate_hz=RATE)
        for _ in range(20):
            bot.say(Hanging(), sample_rate_hz=RATE)
        await trio.sleep(1)
        began = trio.current_time()
        await bot.stop()
        await bot.wait_ended()
        assert trio.current_time() - began < 20


async def test_a_stop_during_speech_interrupts_it_at_once(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (meeting, bot):
        speech, waiting = bot.say("one two three"), bot.say("four")
        await trio.sleep(1.5)
        began = trio.current_time()
        await bot.stop()
        assert [await speech.wait(), await waiting.wait()] == [False, False]
        assert trio.current_time() == began
        with pytest.raises(CommandRefused, match="cannot speak now"):
            bot.say("five")
        await bot.wait_ended()
    assert told(bot) == ["1 started", "2 interrupted 0 leaving", "1 interrupted 1.5 leaving"]
    assert [said.duration_s for said in meeting.said] == [1.5]


async def test_the_meetings_end_interrupts_it_too(tmp_path, autojump_clock):
    async with speaking(tmp_path, QUIET.replace("600", "2")) as (_, bot):
        speech = bot.say("one two three four")
        await bot.wait_ended()
        assert await speech.wait() is False
    assert told(bot) == ["1 started", "1 interrupted 2 leaving"]


async def test_a_synthesizer_that_stalls_ends_that_speech_only(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (meeting, bot):
        began = trio.current_time()
        stalled, after = bot.say("one stall two"), bot.say("three")
        with pytest.raises(CommandFailed, match="gave nothing for 15 s"):
            await stalled.wait()
        assert 14 <= trio.current_time() - began <= 16
        assert await after.wait()
        assert bot.state == "recording"
    assert told(bot)[1:] == ["1 interrupted 1 timed_out", "2 started", "2 finished 1"]
    assert [said.duration_s for said in meeting.said] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "said", "blamed"), [("crash", "KeyError", ["talker"]), ("refuse", "No such voice", [])]
)
async def test_a_synthesizer_that_fails_ends_that_speech_only(
    tmp_path, autojump_clock, text, said, blamed
):
    async with speaking(tmp_path, allow_failures=True) as (_, bot):
        broken, after = bot.say(f"one {text}"), bot.say("two")
        with pytest.raises(CommandFailed, match=said):
            await broken.wait()
        assert await after.wait()
    assert told(bot)[1] == "1 interrupted 1 failed" or told(bot)[1].startswith("1 interrupted 0")
    assert [e.plugin for e in kinds(events_of(bot), meetcore.PluginFailed)] == blamed


@pytest.mark.parametrize(("closing", "blamed"), [("", []), ("stall", []), ("crash", ["talker"])])
async def test_what_a_synthesizer_holds_is_let_go_when_the_bot_leaves(
    tmp_path, autojump_clock, monkeypatch, closing, blamed
):
    closed = []

    async def aclose(self):
        closed.append(trio.current_time())
        if closing == "stall":
            await trio.sleep_forever()
        if closing == "crash":
            raise KeyError("voice")

    monkeypatch.setattr(Talker, "aclose", aclose)
    async with speaking(tmp_path, allow_failures=True) as (_, bot):
        assert await bot.say("one").wait()
        assert closed == []
        bot.say("two")
    assert len(closed) == 1
    assert trio.current_time() - closed[0] <= 5
    assert [e.plugin for e in kinds(events_of(bot), meetcore.PluginFailed)] == blamed


@pytest.mark.parametrize("fault", ["hanging_call", "failing_call"])
async def test_a_call_that_does_not_speak_ends_each_speech_in_its_time(
    tmp_path, autojump_clock, fault
):
    script = f'{QUIET}[[faults]]\nkind = "{fault}"\nwhat = "speak"\n'
    async with speaking(tmp_path, script) as (_, bot):
        began = trio.current_time()
        for _ in range(2):
            with pytest.raises(CommandFailed, match=r"microphone|lets 'speak' fail"):
                await bot.say("one").wait()
        assert trio.current_time() - began == (20 if fault == "hanging_call" else 0)


async def test_what_cannot_be_said_is_refused_with_the_reason(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (_, bot):
        for source, why in (
            (b"", "no int16"),
            (b"123", "3 bytes"),
            ("  ", "no text"),
            (12, "A int cannot be said"),
        ):
            with pytest.raises(CommandRefused, match=why):
                bot.say(source)
        with pytest.raises(CommandRefused, match="no sample rate"):
            bot.say(b"12", sample_rate_hz=0)
        for _ in range(100):
            bot.say("one")
        with pytest.raises(CommandRefused, match="100 speeches"):
            bot.say("one")
    async with speaking(tmp_path / "mute", synthesizer=None) as (_, bot):
        with pytest.raises(CommandRefused, match="no synthesizer"):
            bot.say("hello")


async def test_where_a_platform_cannot_speak_it_is_said_at_once(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        with pytest.raises(CommandRefused, match="not in the call"):
            bot.say(b"12")
        stage.admit()
        with pytest.raises(CapabilityMissing, match="speak"):
            bot.say(b"12")
        with pytest.raises(CapabilityMissing, match="speak"):
            stage.call_capabilities = Call.capabilities
            bot.call.open_speech(16_000)


async def test_over_the_wire_speech_is_queued_and_interrupted_by_commands(tmp_path, autojump_clock):
    async with speaking(tmp_path) as (meeting, bot):
        began = trio.current_time()
        await bot.speak(pcm(1), RATE)
        await bot.perform(Speak(text="one two three", id="x", by="crm"))
        await bot.perform(Speak(text="one two three", id="x", by="crm"))
        assert trio.current_time() == began, "it has its place, that is all"
        await trio.sleep(2.5)
        await bot.perform(InterruptSpeech())
        await bot.perform(InterruptSpeech())
        await trio.sleep(3)
    assert [said.duration_s for said in meeting.said] == [1.0, 1.5]
    assert told(bot)[2:] == ["2 started", "2 interrupted 1.5 interrupted"]
    assert [e.by for e in kinds(events_of(bot), meetcore.SpeechStarted)] == ["", "crm"]
    assert end_of(events_of(bot)).state == "completed"


class Stuck(SpeechOutput):
    """A microphone that takes nothing and cannot be stopped."""

    played_s = 0.0

    async def write(self, pcm):
        await trio.sleep_forever()

    async def drain(self):
        await trio.sleep_forever()

    async def stop(self):
        await trio.sleep_forever()


async def takes_all(pcm: bytes) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("stuck_in", ["write", "drain"])
async def test_a_microphone_that_hangs_even_as_it_is_stopped_holds_up_no_end(
    tmp_path, autojump_clock, stuck_in
):
    async with speaking(tmp_path) as (_, bot):

        @asynccontextmanager
        async def open_speech(rate_hz):
            output = Stuck()
            if stuck_in == "drain":
                output.write = takes_all
            yield output

        bot.call.open_speech = open_speech
        began = trio.current_time()
        with pytest.raises(CommandFailed, match=r"took nothing|play it in time"):
            await bot.say(b"12").wait()
        assert trio.current_time() - began == pytest.approx(15, abs=0.1)
        bot.say(b"12")
        await trio.sleep(1)
        began = trio.current_time()
        await bot.stop()
        await bot.wait_ended()
        assert trio.current_time() - began <= 10
