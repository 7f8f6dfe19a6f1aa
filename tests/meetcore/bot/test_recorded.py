"""Recordings take the path of a call, as fast as the transcriber goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio
import trio.lowlevel

from meetcore import (
    DROP,
    BotConfig,
    BotView,
    Chunk,
    Drop,
    Hypothesis,
    NotInTrio,
    Plugins,
    RecordedTrack,
    Segment,
    StreamRequest,
    Transcriber,
    TranscriberCapabilities,
    TranscriberError,
    TranscriberStream,
    Word,
    blocking,
    from_asyncio,
    hookimpl,
    transcribe_recording,
)
from meetcore.audio.chunk import Pcm
from meetcore.model.config import TranscriptionConfig
from meetcore.model.events import TranscriberRestarted
from meetcore.testing.voice import synthetic_voice


def sound(utterances: int) -> Pcm:
    voice, quiet = synthetic_voice(1.0), np.zeros(16_000, np.int16)
    return np.concatenate([quiet, *[voice, quiet] * utterances])


def track(track_id: str, utterances: int = 3, **more: object) -> RecordedTrack:
    pcm = sound(utterances)

    def blocks() -> Iterator[Pcm]:
        for start in range(0, len(pcm), 4_000):
            yield pcm[start : start + 4_000]

    return RecordedTrack(track_id=track_id, pcm=blocks, **more)  # type: ignore[arg-type]


class Counting(Transcriber):
    """Says which utterance of a track it is; notes what it was sent."""

    name = "counting"
    capabilities = TranscriberCapabilities(partials=False, idle_timeout_s=None)

    def __init__(
        self, *, fails_at: int = 0, for_good: bool = False, label: str | None = None
    ) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.most_ahead_s = 0.0
        self.fails_at, self.for_good, self.label = fails_at, for_good, label

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        yield CountingStream(self, request)


class CountingStream(TranscriberStream):
    def __init__(self, owner: Counting, request: StreamRequest) -> None:
        self.owner, self.request = owner, request
        self.start = 0

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        self.owner.begun.append(utterance_id)
        self.start = start_sample
        if len(self.owner.begun) == self.owner.fails_at:
            raise TranscriberError("server", "it fell over", retryable=not self.owner.for_good)

    async def feed(self, chunk: Chunk) -> None:
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        await trio.lowlevel.checkpoint()
        word = Word(utterance_id, self.start / 16_000, end_sample / 16_000, 0.9, self.owner.label)
        self.request.emit(
            Hypothesis(
                utterance_id=utterance_id, revision=1, text=utterance_id, words=(word,), final=True
            )
        )


async def test_every_track_is_transcribed_under_its_owners_name(
    autojump_clock: trio.abc.Clock,
) -> None:
    taken: dict[str, float] = {}

    def progress(track_id: str, seconds: float) -> None:
        taken[track_id] = taken.get(track_id, 0.0) + seconds

    result = await transcribe_recording(
        [
            track("a", participant_id="ada", speaker_name="Ada"),
            track("b", 2, participant_id="ben", speaker_name="Ben", start_s=100.0),
        ],
        Counting(),
        progress=progress,
    )
    assert [(each.speaker_name, each.text) for each in result.segments] == [
        *(("Ada", f"a-{number:04d}") for number in (1, 2, 3)),
        *(("Ben", f"b-{number:04d}") for number in (1, 2)),
    ]
    assert result.segments[-1].start_s > 100
    assert taken == {"a": 7.0, "b": 5.0}
    assert result.audio_s == 12.0
    assert 5.0 < result.speech_s < 12.0
    assert not result.gaps


async def test_what_an_earlier_run_finalized_is_not_sent_again(
    autojump_clock: trio.abc.Clock,
) -> None:
    kept: dict[tuple[str, int], Hypothesis] = {}

    def keep(track_id: str, start: int, hypothesis: Hypothesis) -> None:
        kept[track_id, start] = hypothesis

    broken = Counting(fails_at=3, for_good=True)
    with pytest.raises(TranscriberError, match="fell over"):
        await transcribe_recording([track("a", 4)], broken, finalized=keep)
    assert [heard.text for heard in kept.values()] == ["a-0001", "a-0002"]
    whole, again = Counting(), []
    result = await transcribe_recording(
        [track("a", 4)], whole, kept=kept, finalized=lambda *told: again.append(told[2].text)
    )
    assert whole.begun == again == ["a-0003", "a-0004"]
    assert [each.text for each in result.segments] == [f"a-{number:04d}" for number in (1, 2, 3, 4)]


async def test_trouble_that_passes_costs_no_words(autojump_clock: trio.abc.Clock) -> None:
    result = await transcribe_recording([track("a")], Counting(fails_at=2))
    assert [each.text for each in result.segments] == ["a-0001", "a-0002", "a-0003"]
    assert any(isinstance(event, TranscriberRestarted) for event in result.events)


async def test_voices_that_were_told_apart_have_a_label(autojump_clock: trio.abc.Clock) -> None:
    config = BotConfig(transcription=TranscriptionConfig(diarize=True))
    result = await transcribe_recording([track("mix", several=True)], Counting(label="2"), config)
    assert {each.speaker_name for each in result.segments} == {"Speaker 2"}


async def test_a_recording_without_speech_is_an_empty_transcript(
    autojump_clock: trio.abc.Clock,
) -> None:
    result = await transcribe_recording([track("a", 0)], Counting())
    assert (result.segments, result.audio_s, result.speech_s) == ((), 1.0, 0.0)


def test_where_trio_does_not_run_the_call_that_fits_is_named_and_does_the_same() -> None:
    async def under_asyncio() -> list[str]:
        with pytest.raises(NotInTrio, match="from_asyncio"):
            await transcribe_recording([track("a")], Counting())
        told: list[float] = []
        result = await from_asyncio.transcribe_recording(
            [track("a")], Counting(), progress=lambda _, seconds: told.append(seconds)
        )
        assert sum(told) == pytest.approx(result.audio_s)
        return [segment.text for segment in result.segments]

    texts = asyncio.run(under_asyncio())
    assert len(texts) == 3
    result = blocking.transcribe_recording([track("a")], Counting(), name="talk")
    assert [segment.text for segment in result.segments] == texts
    with pytest.raises(TranscriberError, match="it fell over"):
        blocking.transcribe_recording([track("a")], Counting(fails_at=1, for_good=True))


class Strict:
    """Hides numbers; drops the first utterance of a track, and cannot read the third."""

    @hookimpl(fail_closed=True)
    async def meetcore_revise_segment(self, bot: BotView, segment: Segment) -> Segment | Drop:
        await trio.lowlevel.checkpoint()
        assert bot.config.name == "Scribe"
        if segment.text.endswith("1"):
            return DROP
        if segment.text.endswith("3"):
            raise ValueError(segment.text)
        return attrs.evolve(segment, text=segment.text.replace("0002", "[number]"))


class Slow:
    """Never answers."""

    @hookimpl(fail_closed=True)
    async def meetcore_revise_segment(self, segment: Segment) -> None:
        await trio.sleep_forever()


async def test_revisers_see_every_segment_of_a_recording(autojump_clock: trio.abc.Clock) -> None:
    plugins = Plugins(entry_points=False, objects={"strict": Strict()})
    result = await transcribe_recording(
        [track("a", participant_id="ada", speaker_name="Ada")],
        Counting(),
        BotConfig(name="Scribe"),
        plugins=plugins,
    )
    assert [each.text for each in result.segments] == ["a-[number]"]
    assert [word.text for word in result.segments[0].words] == ["a-[number]"]
    assert [each.cause for each in result.withheld] == ["failed"]


async def test_a_reviser_that_hangs_withholds_a_recordings_words(
    autojump_clock: trio.abc.Clock,
) -> None:
    result = await transcribe_recording(
        [track("a")], Counting(), plugins=Plugins(entry_points=False, objects={"slow": Slow()})
    )
    assert not result.segments
    assert [each.cause for each in result.withheld] == ["timed_out"] * 3
