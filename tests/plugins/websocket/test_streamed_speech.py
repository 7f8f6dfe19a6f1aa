"""Sound that comes bit by bit is said as speeches, which end by themselves."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import CommandRefused
from meetcore_websocket.streamed_speech import PAUSE_S, StreamedSpeech
from tests.plugins.websocket.users_server import Saying

WORD = b"\1\0" * 1_600
SILENCE = b"\0\0" * 1_600
RATE_HZ = 16_000


class Mouth:
    """Says what it is given, as it comes; or nothing of it yet."""

    def __init__(self, nursery: trio.Nursery | None) -> None:
        self.nursery = nursery
        self.speeches: list[Saying] = []

    def __call__(self, source: Any, *, sample_rate_hz: int = RATE_HZ, **_: Any) -> Saying:
        saying = Saying(sample_rate_hz, source)
        self.speeches.append(saying)
        if self.nursery is not None:
            self.nursery.start_soon(saying.read)
        return saying

    @property
    def said(self) -> list[bytes]:
        return [bytes(each.said) for each in self.speeches]


async def test_a_pause_ends_a_speech_and_what_comes_later_is_another(autojump_clock: Any) -> None:
    async with trio.open_nursery() as nursery:
        mouth = Mouth(nursery)
        voice = StreamedSpeech(mouth)
        for pause_s in (0.0, 0.5, PAUSE_S - 0.1, PAUSE_S + 0.1, 0.3):
            await trio.sleep(pause_s)
            voice.take(WORD, RATE_HZ)
        await trio.sleep(2 * PAUSE_S)
    assert mouth.said == [WORD * 3, WORD * 2]
    assert all(each.ended for each in mouth.speeches)


async def test_another_rate_is_another_speech(autojump_clock: Any) -> None:
    async with trio.open_nursery() as nursery:
        mouth = Mouth(nursery)
        voice = StreamedSpeech(mouth)
        for rate_hz in (48_000, 48_000, 24_000):
            voice.take(WORD, rate_hz)
        await trio.sleep(2 * PAUSE_S)
    assert [(each.rate_hz, len(each.said)) for each in mouth.speeches] == [
        (48_000, 2 * len(WORD)),
        (24_000, len(WORD)),
    ]


async def test_an_interrupt_silences_every_speech_that_may_go_on(autojump_clock: Any) -> None:
    mouth = Mouth(None)
    voice = StreamedSpeech(mouth)
    assert voice.interrupt() == 0
    for rate_hz in (48_000, 24_000, 24_000):
        voice.take(WORD, rate_hz)
    assert voice.interrupt() == 2
    assert [each.interrupted for each in mouth.speeches] == [True, True]
    voice.take(WORD, 24_000)
    assert [each.interrupted for each in mouth.speeches] == [True, True, False]
    await trio.lowlevel.checkpoint()


async def test_a_speech_that_somebody_ended_is_followed_by_another(autojump_clock: Any) -> None:
    mouth = Mouth(None)
    voice = StreamedSpeech(mouth)
    voice.take(WORD, RATE_HZ)
    await mouth.speeches[0].source.aclose()
    voice.take(WORD, RATE_HZ)
    assert len(mouth.speeches) == 2


def test_what_cannot_be_said_is_refused_each_time() -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise CommandRefused("Not now.")

    voice = StreamedSpeech(refuse)
    for _ in range(2):
        with pytest.raises(CommandRefused):
            voice.take(WORD, RATE_HZ)
    voice.take(SILENCE, RATE_HZ)  # there is nothing in it to be said


@given(st.lists(st.sampled_from([WORD, SILENCE, SILENCE * 25]), max_size=40))
def test_all_that_is_no_silence_is_said_once_and_no_speech_begins_with_silence(
    pieces: list[bytes],
) -> None:
    async def speak() -> list[bytes]:
        async with trio.open_nursery() as nursery:
            mouth = Mouth(nursery)
            voice = StreamedSpeech(mouth)
            for piece in pieces:
                voice.take(piece, RATE_HZ)
            await trio.sleep(2 * PAUSE_S)
        assert voice.dropped_s == 0
        return mouth.said

    said = trio.run(speak, clock=trio.testing.MockClock(autojump_threshold=0))
    assert sum(each.count(b"\1") for each in said) == sum(each.count(b"\1") for each in pieces)
    assert all(each.startswith(b"\1") for each in said)
