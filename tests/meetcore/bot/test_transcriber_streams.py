"""Streams of a transcriber: how many, for how long, what they are told and what they used."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import meetcore
from meetcore.model.errors import TranscriberError
from meetcore.model.signals import TrackGone
from tests.meetcore.conftest import Stage, events_of, kinds


class Counted(meetcore.Transcriber):
    """Says `said` with a voice's label for every utterance, and counts its streams."""

    name = "counted"

    def __init__(self, label: str | None = None, **limits: Any) -> None:
        super().__init__()
        self.capabilities = meetcore.TranscriberCapabilities(**limits)
        self.label = label
        self.requests: list[meetcore.StreamRequest] = []
        self.open_now: list[str] = []
        self.most = 0
        self.final_after_s = 0.0
        self.fail_at: set[int] = set()

    @asynccontextmanager
    async def stream(self, request):
        self.requests.append(request)
        self.open_now.append(request.track_id)
        self.most = max(self.most, len(self.open_now))
        try:
            yield CountedStream(self, request, len(self.requests))
        finally:
            self.open_now.remove(request.track_id)
            request.used(meetcore.ProviderUsage(billed_s=1.5, cost=0.01, currency="USD"))


class CountedStream(meetcore.TranscriberStream):
    def __init__(self, owner, request, number):
        self.owner, self.request, self.number = owner, request, number
        self.start = 0

    async def begin_utterance(self, utterance_id, start_sample):
        await trio.lowlevel.checkpoint()
        self.start = start_sample

    async def feed(self, chunk):
        await trio.lowlevel.checkpoint()
        if self.number in self.owner.fail_at:
            raise TranscriberError("network", "cut", retryable=True)

    async def end_utterance(self, utterance_id, end_sample, cause):
        await trio.sleep(self.owner.final_after_s)
        word = meetcore.Word(
            "said", self.start / 16_000, end_sample / 16_000, speaker=self.owner.label
        )
        self.request.emit(
            meetcore.Hypothesis(
                utterance_id=utterance_id, revision=1, text="said", words=(word,), final=True
            )
        )


async def speak(stage: Stage, *tracks: str, quiet_s: float = 2.0) -> None:
    await stage.live(1, *tracks, voice=True)
    await stage.live(quiet_s, *tracks)


async def test_a_stream_that_has_nothing_to_do_is_closed_and_opened_again_at_speech(
    tmp_path, autojump_clock
):
    stage, transcriber = Stage(), Counted(idle_timeout_s=10)
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        assert not transcriber.requests, "nobody spoke yet"
        await speak(stage, "a", quiet_s=5)
        assert transcriber.open_now == ["a"]
        await stage.live(8, "a")
        assert transcriber.open_now == []
        await speak(stage, "a")
        assert len(transcriber.requests) == 2
    assert len(kinds(events_of(bot), meetcore.SegmentFinalized)) == 2
    assert not kinds(events_of(bot), meetcore.TranscriberRestarted)
    assert bot.ledger.balanced


async def test_without_a_limit_a_stream_stays_open(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Counted(idle_timeout_s=None)
    async with stage.bot(tmp_path, transcriber=transcriber):
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a", quiet_s=90)
        assert transcriber.open_now == ["a"]


async def test_what_a_stream_used_is_told_when_it_is_closed(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Counted()
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a")
    (used,) = kinds(events_of(bot), meetcore.TranscriberUsage)
    (entry,) = bot.ledger.entries()
    assert (used.transcriber, used.track_id) == ("counted", "a")
    assert used.audio_s == round(entry.delivered / 16_000, 3)
    assert used.open_s >= 1
    assert (used.billed_s, used.cost, used.currency) == (1.5, 0.01, "USD")


async def test_a_provider_never_has_more_streams_than_it_takes_and_all_speech_comes(
    tmp_path, autojump_clock
):
    stage, transcriber = Stage(), Counted(max_streams=2)
    transcriber.final_after_s = 0.7
    tracks = ["a", "b", "c", "d"]
    async with stage.bot(
        tmp_path, config=a_config(tmp_path, "tracks"), transcriber=transcriber
    ) as bot:
        stage.admit()
        for track in tracks:
            stage.track(track, track)
        for _ in range(3):
            await speak(stage, *tracks)
    said = [event.segment.track_id for event in kinds(events_of(bot), meetcore.SegmentFinalized)]
    assert sorted(said) == sorted(tracks * 3)
    assert transcriber.most == 2
    assert bot.ledger.balanced


@pytest.mark.parametrize(("limit_s", "restarts"), [(20.0, 1), (120.0, 0)])
async def test_how_long_a_final_may_take_is_the_transcribers_to_say(
    tmp_path, autojump_clock, limit_s, restarts
):
    class Late(Counted):
        @asynccontextmanager
        async def stream(self, request):
            async with trio.open_nursery() as nursery, super().stream(request) as stream:
                late = stream.end_utterance

                async def end_utterance(*what):
                    nursery.start_soon(late, *what)
                    await trio.lowlevel.checkpoint()

                stream.end_utterance = end_utterance
                yield stream
                nursery.cancel_scope.cancel()

    stage, transcriber = Stage(), Late(final_timeout_s=limit_s)
    transcriber.final_after_s = 60.0
    async with stage.bot(tmp_path, transcriber=transcriber, drain_timeout_s=5) as bot:
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a", quiet_s=30)
        assert len(kinds(events_of(bot), meetcore.TranscriberRestarted)) == restarts


async def test_a_stream_that_does_not_open_is_given_up_and_tried_again(tmp_path, autojump_clock):
    class Stuck(Counted):
        @asynccontextmanager
        async def stream(self, request):
            if not self.requests:
                self.requests.append(request)
                await trio.sleep_forever()
            async with super().stream(request) as stream:
                yield stream

    stage, transcriber = Stage(), Stuck(open_timeout_s=5)
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a", quiet_s=10)
    (restart,) = kinds(events_of(bot), meetcore.TranscriberRestarted)
    assert restart.kind == "network"
    assert len(kinds(events_of(bot), meetcore.SegmentFinalized)) == 1


async def test_a_stream_is_told_language_vocabulary_and_whether_to_tell_voices_apart(
    tmp_path, autojump_clock
):
    stage, transcriber = Stage(), Counted()
    config = meetcore.BotConfig(
        out_dir=tmp_path,
        fsync=False,
        language="de",
        vocabulary=("meetcore", "Trio"),
        transcription=meetcore.TranscriptionConfig(diarize=True),
    )
    async with stage.bot(tmp_path, config=config, transcriber=transcriber):
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a")
    (request,) = transcriber.requests
    assert (request.language, request.vocabulary, request.diarize) == (
        "de",
        ("meetcore", "Trio"),
        True,
    )


async def test_after_a_reconnect_a_voices_label_is_another(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Counted(label="1")
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a")
        transcriber.fail_at = {1}
        await speak(stage, "a", quiet_s=10)
    said = [event.segment for event in kinds(events_of(bot), meetcore.SegmentFinalized)]
    assert [segment.words[0].speaker for segment in said] == ["1", "1~2"]


def a_config(tmp_path: Any, streams: str) -> meetcore.BotConfig:
    return meetcore.BotConfig(
        out_dir=tmp_path, fsync=False, transcription=meetcore.TranscriptionConfig(streams=streams)
    )


def finalized(bot: meetcore.Bot) -> list[meetcore.Segment]:
    return [event.segment for event in kinds(events_of(bot), meetcore.SegmentFinalized)]


async def test_the_mix_is_one_stream_whose_text_is_named_by_who_spoke(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Counted()
    async with stage.bot(
        tmp_path, config=a_config(tmp_path, "mix"), transcriber=transcriber
    ) as bot:
        stage.admit()
        for who in ("ada", "bob", "cem"):
            stage.join(who)
            stage.track(f"t-{who}", who)
        for who in ("ada", "bob"):
            for at in range(30):
                await trio.sleep(0.1)
                for other in ("ada", "bob", "cem"):
                    stage.sound(f"t-{other}", 0.1, voice=other == who and at < 10)
    assert {request.track_id for request in transcriber.requests} == {"mixed-tracks"}
    said = finalized(bot)
    assert [(s.track_id, s.speaker_name) for s in said] == [
        ("mixed-tracks", "Ada"),
        ("mixed-tracks", "Bob"),
    ]
    assert said[0].start_s < 1 < said[1].start_s
    assert bot.ledger.balanced
    accounts = {(e.track_id, e.consumer): e for e in bot.ledger.entries()}
    assert set(accounts) == {
        *((f"t-{who}", "mix") for who in ("ada", "bob", "cem")),
        ("mixed-tracks", "transcriber"),
    }
    assert accounts["t-ada", "mix"].delivered == 6 * 16_000
    assert accounts["mixed-tracks", "transcriber"].captured == 6 * 16_000


async def test_auto_has_tracks_while_there_are_streams_for_them_and_else_the_mix(
    tmp_path, autojump_clock
):
    stage, transcriber = Stage(), Counted(max_streams=2)
    async with stage.bot(
        tmp_path, config=a_config(tmp_path, "auto"), transcriber=transcriber
    ) as bot:
        stage.admit()
        for track in "ab":
            stage.track(track, track)
        await speak(stage, "a", "b")
        assert sorted(transcriber.open_now) == ["a", "b"]
        stage.at["c"] = stage.at["a"]
        stage.track("c", "c")
        await speak(stage, "a", "b", "c")
        assert "mixed-tracks" in transcriber.open_now
        stage.events.observe(TrackGone("c"))
        await speak(stage, "a", "b")
    assert transcriber.most == 2
    tracks = [segment.track_id for segment in finalized(bot)]
    assert tracks.count("mixed-tracks") == 1
    assert (tracks.count("a"), tracks.count("b")) == (2, 2)
    assert bot.ledger.balanced


async def test_speech_that_goes_on_when_tracks_become_a_mix_is_cut_and_nothing_is_lost(
    tmp_path, autojump_clock
):
    stage, transcriber = Stage(), Counted(max_streams=1)
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(2, "a", voice=True)
        stage.at["b"] = stage.at["a"]
        stage.track("b", "bob")
        for _ in range(20):
            await trio.sleep(0.1)
            stage.sound("a", 0.1)
            stage.sound("b", 0.1, voice=False)
        stage.events.observe(TrackGone("b"))
        await stage.live(2, "a", voice=True)
        await stage.live(2, "a")
    said = finalized(bot)
    assert [segment.track_id for segment in said] == ["a", "mixed-tracks", "a"]
    assert said[0].end_s == pytest.approx(2.0, abs=0.25)
    assert said[1].end_s == pytest.approx(said[2].start_s, abs=0.5)
    assert bot.ledger.balanced


async def test_a_pause_is_in_no_mix(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Counted()
    async with stage.bot(
        tmp_path, config=a_config(tmp_path, "mix"), transcriber=transcriber
    ) as bot:
        stage.admit()
        stage.track("a", "ada")
        await speak(stage, "a")
        await bot.pause()
        await speak(stage, "a", quiet_s=4)
        await bot.resume()
        await speak(stage, "a")
    assert len(finalized(bot)) == 2
    accounts = {(e.track_id, e.consumer): e for e in bot.ledger.entries()}
    assert accounts["a", "mix"].withheld == 5 * 16_000
    assert bot.ledger.balanced
