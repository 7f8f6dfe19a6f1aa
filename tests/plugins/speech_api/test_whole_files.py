"""Recordings are handed over as whole files where the provider takes them."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

import meetcore
from meetcore.bot.recorded import RecordedTrack, transcribe_recording
from meetcore_speech_api.testing.faults import StandInFault
from tests.plugins.speech_api.meetings import talk
from tests.plugins.speech_api.test_fault_table import PROVIDERS

SAID = talk(5, 3, speakers=(0, 0, 0, 1, 1))


@pytest.fixture
def clock():
    return MockClock(autojump_threshold=0.02)


def track(track_id="room", **more):
    blocks = [SAID.sound[at : at + 7000] for at in range(0, len(SAID.sound), 7000)]
    return RecordedTrack(track_id=track_id, pcm=lambda: iter(blocks), **more)


def made(name, *faults):
    kind, at = PROVIDERS[name]
    stand_in = kind.of(SAID.words, SAID.sound, faults)
    return stand_in, at(stand_in)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_recording_is_sent_whole_and_its_words_are_where_they_were_said(name, clock):
    stand_in, make = made(name)
    shown: list[float] = []
    async with stand_in.serving() as url:
        result = await transcribe_recording(
            [track(start_s=100.0, several=True)],
            make(url),
            progress=lambda _, seconds: shown.append(seconds),
        )
    assert not stand_in.sessions, "nothing was streamed"
    words = [word for segment in result.segments for word in segment.words]
    assert [word.text for word in words] == SAID.texts
    for word, truth in zip(words, SAID.words, strict=True):
        assert word.start_s == pytest.approx(100 + truth.start_s, abs=0.01)
    assert len({word.speaker for word in words}) == 2
    assert result.audio_s == pytest.approx(len(SAID.sound) / 16_000)
    assert sum(shown) == pytest.approx(result.audio_s)
    assert result.speech_s > 3


@pytest.mark.parametrize("name", PROVIDERS)
async def test_what_was_kept_of_a_track_is_not_sent_again(name, clock):
    stand_in, make = made(name)
    kept: dict[tuple[str, int], meetcore.Hypothesis] = {}

    def keep(track_id, start_sample, hypothesis):
        kept[track_id, start_sample] = hypothesis

    async with stand_in.serving() as url:
        first = await transcribe_recording([track()], make(url), finalized=keep)
        asked = len(stand_in.questions)
        second = await transcribe_recording([track()], make(url), kept=kept)
        assert len(stand_in.questions) == asked
        partly = dict(kept)
        del partly[min(partly)]
        third = await transcribe_recording([track()], make(url), kept=partly)
    assert second.segments == third.segments == first.segments
    assert len(stand_in.questions) > asked, "a part of what came is not all of it"


async def test_trouble_that_passes_is_tried_again_and_other_trouble_is_told(clock):
    busy = StandInFault(kind="refuse", status=429, headers=(("Retry-After", "4"),))
    stand_in, make = made("deepgram", busy)
    async with stand_in.serving() as url:
        result = await transcribe_recording([track()], make(url))
    assert [word.text for segment in result.segments for word in segment.words] == SAID.texts
    stand_in, make = made("deepgram", StandInFault(kind="refuse", status=402, connections=()))
    with pytest.raises(meetcore.TranscriberError, match="paid for") as caught:
        async with stand_in.serving() as url:
            await transcribe_recording([track()], make(url))
    assert caught.value.kind == "quota"
    assert len(stand_in.questions) == 1
