"""Any batch engine as a transcriber: finals in order, bounded calls, drafts that yield."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio

import meetcore
from meetcore import (
    Chunk,
    StreamRequest,
    TranscriberCapabilities,
    TranscriberContext,
    TranscriberError,
    UntranscribedAudio,
    UtteranceText,
    UtteranceTranscriber,
    Word,
)
from meetcore.model.errors import found_in
from meetcore.testing import ProviderConformance, TranscriberConformance, synthetic_voice
from tests.meetcore.conftest import Stage, events_of, kinds


class Toy(UtteranceTranscriber):
    """Says how loud it was; takes as long, and fails, as the test says."""

    name = "toy"
    capabilities = TranscriberCapabilities(partials=False, call_timeout_s=10.0)

    def __init__(self, *, partials: bool = False, **more):
        super().__init__()
        if partials:
            self.capabilities = TranscriberCapabilities(partials=True)
            self.draft_every_s = 0.5
        for name, value in more.items():
            setattr(self, name, value)
        self.calls: list[meetcore.UtteranceAudio] = []
        self.now = self.most = 0

    async def takes(self, utterance):
        await trio.sleep(0.1)

    async def transcribe(self, utterance):
        self.calls.append(utterance)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.takes(utterance)
        finally:
            self.now -= 1
        loud = bool(np.abs(utterance.pcm.astype(int)).max() > 100)
        word = Word("voice", 0.0, utterance.duration_s, 0.9)
        return UtteranceText(text="voice" if loud else "", words=(word,) if loud else ())


class Faulty(Toy):
    """Misbehaves as its test says, call after call."""

    def __init__(self, *faults, **more):
        super().__init__(**more)
        self.faults = list(faults)

    async def takes(self, utterance):
        fault = self.faults.pop(0) if self.faults else None
        if fault == "hang":
            await trio.sleep_forever()
        if isinstance(fault, Exception):
            raise fault
        await trio.sleep(fault or 0.1)


def network() -> TranscriberError:
    return TranscriberError("network", "cut", retryable=True)


class TestToy(TranscriberConformance):
    def make_transcriber(self):
        return Toy()

    def speech(self):
        return synthetic_voice(1.0), "voice"

    @asynccontextmanager
    async def break_provider(self, how):
        faults = {
            "refuses": TranscriberError("auth", "no", retryable=False, remedy="Set the key."),
            "fails": TranscriberError("server", "oh", retryable=True),
            "hangs": "hang",
        }
        yield Faulty(faults[how])


class TestDrafting(TestToy):
    def make_transcriber(self):
        return Toy(partials=True, takes=no_time)


async def no_time(utterance):
    await trio.lowlevel.checkpoint()


class _Limited(Toy):
    limited_until = 0.0

    async def takes(self, utterance):
        await trio.sleep(0.1)
        wait_s = self.limited_until - trio.current_time()
        if wait_s > 0:
            raise TranscriberError("rate", "slow down", retryable=True, retry_after_s=wait_s)


class TestToyProvider(ProviderConformance):
    misbehaviours = frozenset({"late_final", "disconnect", "rate_limit", "stall"})

    @asynccontextmanager
    async def misbehave(self, how):
        if how == "rate_limit":
            limited_until = trio.current_time() + 6.0  # the first utterance ends before that
            yield _Limited(limited_until=limited_until)
            return
        faults = {
            "late_final": [6.0, 5.0, 6.0],
            "disconnect": [None, network()],
            "stall": ["hang"],
        }
        yield Faulty(*faults[how])


@asynccontextmanager
async def streaming(toy, folder, results, track_id="one", **more):
    async with toy.open(TranscriberContext(bot_id="b", folder=folder)):
        request = StreamRequest(bot_id="b", track_id=track_id, emit=results.append, **more)
        async with toy.stream(request) as stream:
            yield stream


async def utter(stream, name, start, seconds=1.0):
    await stream.begin_utterance(name, start)
    pcm = synthetic_voice(seconds)
    for at in range(0, len(pcm), 1600):
        await stream.feed(Chunk("one", start + at, pcm[at : at + 1600]))
    await stream.end_utterance(name, start + len(pcm), "silence")


async def test_finals_come_in_the_order_they_were_spoken_however_long_each_takes(
    tmp_path, autojump_clock
):
    results, toy = [], Faulty(5.0, 0.1, 1.0)
    async with streaming(toy, tmp_path, results) as stream:
        for number in range(3):
            await utter(stream, f"u{number}", number * 32_000)
        assert trio.current_time() == 0.0, "an utterance waits for the one before"
        await stream.flush()
    assert [result.utterance_id for result in results] == ["u0", "u1", "u2"]
    assert trio.current_time() == 5.0
    assert toy.most == 3


async def test_never_more_calls_than_the_engine_takes(tmp_path, autojump_clock):
    results, toy = [], Toy(max_in_flight=2)
    async with streaming(toy, tmp_path, results) as stream:
        for number in range(6):
            await utter(stream, f"u{number}", number * 32_000)
        await stream.flush()
    assert len(results) == 6
    assert toy.most == 2


async def test_an_utterance_is_told_with_what_was_wished_for_and_its_words_are_placed(
    tmp_path, autojump_clock
):
    results, toy = [], Toy()
    wish = {"language": "de", "vocabulary": ("Ada",)}
    async with streaming(toy, tmp_path, results, **wish) as stream:
        await utter(stream, "u", 160_000)
        await stream.flush()
    (call,) = toy.calls
    assert (call.language, call.vocabulary, call.draft) == ("de", ("Ada",), False)
    assert (call.start_sample, call.end_sample) == (160_000, 176_000)
    assert "16000 samples" in repr(call)
    (word,) = results[0].words
    assert (word.start_s, word.end_s) == (10.0, 11.0)


async def test_a_hole_in_what_was_fed_moves_nothing(tmp_path, autojump_clock):
    toy = Toy()
    async with streaming(toy, tmp_path, []) as stream:
        await stream.begin_utterance("u", 0)
        await stream.feed(Chunk("one", 0, np.full(1600, 5, np.int16)))
        await stream.feed(Chunk("one", 3200, np.full(1600, 7, np.int16)))
        await stream.end_utterance("u", 4800, "silence")
        await stream.flush()
    expected = [5] * 1600 + [0] * 1600 + [7] * 1600
    assert toy.calls[0].pcm.tolist() == expected


async def test_an_utterance_that_cannot_be_taken_is_declared_and_the_next_goes_on(
    tmp_path, autojump_clock
):
    class Picky(Toy):
        async def transcribe(self, utterance):
            if utterance.start_sample == 0:
                return UntranscribedAudio(start_sample=0, end_sample=16_000, cause="too_large")
            return await super().transcribe(utterance)

    results = []
    async with streaming(Picky(), tmp_path, results) as stream:
        await utter(stream, "u1", 0)
        await utter(stream, "u2", 32_000)
        await stream.flush()
    assert isinstance(results[0], UntranscribedAudio)
    assert results[1].final


async def test_a_call_that_hangs_ends_the_stream_in_time(tmp_path, autojump_clock):
    with pytest.raises(ExceptionGroup) as caught:
        async with streaming(Faulty("hang"), tmp_path, []) as stream:
            await utter(stream, "u1", 0)
            await stream.flush()
    error = found_in(caught.value, TranscriberError)
    assert (error.kind, error.retryable) == ("network", True)
    assert trio.current_time() == 10.0


# --- drafts ---------------------------------------------------------------------------------


async def speak_live(stream, name, start, seconds):
    await stream.begin_utterance(name, start)
    pcm = synthetic_voice(seconds)
    for at in range(0, len(pcm), 1600):
        await trio.sleep(0.1)
        await stream.feed(Chunk("one", start + at, pcm[at : at + 1600]))
    await stream.end_utterance(name, start + len(pcm), "silence")


async def test_drafts_come_while_somebody_speaks_and_revisions_rise(tmp_path, autojump_clock):
    results = []
    async with streaming(Toy(partials=True), tmp_path, results) as stream:
        await speak_live(stream, "u", 0, 3.0)
        await stream.flush()
    assert [result.final for result in results] == [False] * 5 + [True]
    assert [result.revision for result in results] == [1, 2, 3, 4, 5, 6]


async def test_a_draft_yields_its_place_to_a_final(tmp_path, autojump_clock):
    class Slow(Toy):
        async def takes(self, utterance):
            await trio.sleep(100.0 if utterance.draft else 1.0)

    results, toy = [], Slow(partials=True, max_in_flight=1)
    toy.capabilities = TranscriberCapabilities(call_timeout_s=1000.0)
    other = []
    async with streaming(toy, tmp_path, results) as stream:
        request = StreamRequest(bot_id="b", track_id="two", emit=other.append)
        async with toy.stream(request) as second, trio.open_nursery() as nursery:
            nursery.start_soon(speak_live, stream, "long", 0, 6.0)
            await trio.sleep(1.0)
            assert toy.now == 1, "a draft is on its way"
            await utter(second, "short", 0)
            await second.flush()
            assert trio.current_time() < 3.0
        await stream.flush()
    assert [result.utterance_id for result in other] == ["short"]
    assert results[-1].final


async def test_a_draft_that_fails_ends_nothing(tmp_path, autojump_clock):
    results, toy = [], Faulty(network(), partials=True)
    async with streaming(toy, tmp_path, results) as stream:
        await speak_live(stream, "u", 0, 3.0)
        await stream.flush()
    assert [result.final for result in results] == [True]
    assert len(toy.calls) == 2, "after a failure there are no drafts for a while"


# --- under the core's supervisor --------------------------------------------------------------


async def test_an_engine_that_is_away_for_half_a_minute_costs_no_word(tmp_path, autojump_clock):
    class Away(Toy):
        back_at = 0.0

        async def takes(self, utterance):
            await trio.sleep(0.05)
            if trio.current_time() < self.back_at:
                raise network()

    stage, toy = Stage(), Away()
    async with stage.bot(tmp_path, transcriber=toy) as bot:
        stage.admit()
        stage.track("ada")
        toy.back_at = trio.current_time() + 30.0
        for _ in range(5):
            await stage.live(1.0, "ada", voice=True)
            await stage.live(2.0, "ada")
        await stage.live(30.0, "ada")
        await bot.stop()
    events = events_of(bot)
    assert len(kinds(events, meetcore.SegmentFinalized)) == 5
    assert not kinds(events, meetcore.TranscriptionGap)
    assert kinds(events, meetcore.TranscriberRestarted)
    assert not kinds(events, meetcore.TranscriptionStopped)
