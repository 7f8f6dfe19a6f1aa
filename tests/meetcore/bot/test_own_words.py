"""What the bot says, in words: in the transcript when asked, and never anybody else's."""

from __future__ import annotations

import numpy as np
import pytest
import trio

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting
from tests.meetcore.conftest import events_of, kinds

RATE = 8_000
TEXT = "good morning everybody I take notes of this meeting"
SCRIPT = """
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 3.0
text = "good morning everybody I take notes of this meeting"
[[lines]]
who = "ada"
at_s = 12.0
text = "thank you and where can we read them later"
[end]
at_s = 30
"""


def tone(seconds: float) -> bytes:
    at = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 400 * at)).astype("<i2").tobytes()


async def attended(tmp_path, *, say, **settings) -> list[meetcore.Event]:
    meeting = SimMeeting(SCRIPT)
    transcriber = ScriptedTranscriber(meeting.script)
    async with meeting.open_bot(tmp_path, transcriber=transcriber, **settings) as bot:
        async for event in bot.events():
            if isinstance(event, meetcore.ParticipantJoined) and event.participant.id == "ada":
                break
        await say(bot)
        await bot.wait_ended()
    return events_of(bot)


def shown(events: list[meetcore.Event]) -> list[meetcore.Segment]:
    transcript = meetcore.Transcript()
    for event in kinds(events, meetcore.SegmentFinalized):
        transcript.finalized(event.segment)
    return list(transcript.segments)


async def says_it(bot: meetcore.Bot) -> None:
    """Say what Ada's loudspeaker brings back 0.3 s later."""
    length_s = next(line.duration_s for line in SimMeeting(SCRIPT).script.lines)
    await trio.sleep(2.7)
    speech = bot.say(tone(length_s), sample_rate_hz=RATE, text=TEXT)
    assert await speech.wait()
    assert speech.said == TEXT


async def test_it_is_under_the_bots_name_when_asked_and_its_echo_is_not_adas(
    tmp_path, autojump_clock
):
    events = await attended(tmp_path, say=says_it, name="Notes", speech={"in_transcript": True})
    segments = shown(events)
    assert [(s.speaker_name, s.by_bot) for s in segments] == [("Notes", True), ("Ada", False)]
    own = segments[0]
    assert (own.text, own.participant_id, own.track_id) == (TEXT, "bot", "own-voice")
    assert own.start_s == pytest.approx(2.7, abs=0.05)
    assert [word.text for word in own.words] == TEXT.split()
    assert segments[1].text.startswith("thank you")
    gone = [e.segment for e in kinds(events, meetcore.SegmentFinalized) if e.segment.echo_of]
    assert [(each.track_id, each.echo_of) for each in gone] == [("ada", own.id)]


async def test_unasked_it_is_in_no_transcript_and_its_echo_is_nobodys_either(
    tmp_path, autojump_clock
):
    events = await attended(tmp_path, say=says_it)
    assert [segment.speaker_name for segment in shown(events)] == ["Ada"]


async def test_what_was_not_heard_is_not_in_it(tmp_path, autojump_clock):
    async def interrupted(bot: meetcore.Bot) -> None:
        speech = bot.say(tone(4), sample_rate_hz=RATE, text="one two three four five six")
        bot.say(tone(1), sample_rate_hz=RATE, text="never said")
        await trio.sleep(2)
        bot.say(tone(1), sample_rate_hz=RATE, when_speaking="interrupt")
        assert await speech.wait() is False

    events = await attended(tmp_path, say=interrupted, speech={"in_transcript": True})
    own = [segment.text for segment in shown(events) if segment.by_bot]
    cut = kinds(events, meetcore.SpeechInterrupted)
    assert own == ["one two three"]
    assert [(e.said, e.cause) for e in cut] == [("", "replaced"), ("one two three", "replaced")]


async def test_nothing_of_it_is_in_the_transcript_of_a_pause(tmp_path, autojump_clock):
    async def in_private(bot: meetcore.Bot) -> None:
        await bot.pause()
        assert await bot.say(tone(2), sample_rate_hz=RATE, text="in private").wait()
        await bot.resume()

    events = await attended(tmp_path, say=in_private, speech={"in_transcript": True})
    assert not any(segment.by_bot for segment in shown(events))


async def test_an_agent_tells_its_words_as_it_goes(tmp_path, autojump_clock):
    async def agent():
        yield "Yes."
        yield tone(0.5)
        yield "I am"
        yield tone(0.5)
        yield "here"
        yield tone(1.5)

    async def answers(bot: meetcore.Bot) -> None:
        speech = bot.say(agent(), sample_rate_hz=RATE)
        await trio.sleep(0.9)
        assert speech.said == "Yes. I am"
        speech.interrupt()
        await speech.wait()

    events = await attended(tmp_path, say=answers, speech={"in_transcript": True})
    (cut,) = kinds(events, meetcore.SpeechInterrupted)
    assert (cut.said, cut.text) == ("Yes. I am", "Yes. I am here")
    assert [s.text for s in shown(events) if s.by_bot] == ["Yes. I am"]
