"""A provider learns better who spoke, and which words are settled: the core keeps both straight."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

import meetcore
from meetcore.model.errors import TranscriberError
from tests.meetcore.conftest import Stage, events_of, kinds


class Scripted(meetcore.Transcriber):
    """Hears a word each half second; `acts` says what is settled, breaks and is corrected."""

    name = "scripted-words"

    def __init__(self, **acts):
        super().__init__()
        self.acts = acts
        self.streams = []

    @asynccontextmanager
    async def stream(self, request):
        made = ScriptedWords(self, request)
        self.streams.append(made)
        yield made


class DraftSink(meetcore.Sink):
    name = "drafts"
    wants_drafts = True

    def __init__(self):
        super().__init__()
        self.drafts = []

    async def deliver_draft(self, draft):
        self.drafts.append(draft)


class ScriptedWords(meetcore.TranscriberStream):
    def __init__(self, owner, request):
        self.owner, self.request = owner, request
        self.begun, self.fed, self.revision = [], 0, 0

    async def begin_utterance(self, utterance_id, start_sample):
        await trio.lowlevel.checkpoint()
        self.key, self.start, self.fed = utterance_id, start_sample, 0
        self.begun.append(start_sample)

    def words(self, label):
        count = self.fed // 8000
        return tuple(
            meetcore.Word(
                f"w{(self.start // 800 + each * 10) * 50}",
                self.start / 16_000 + each / 2,
                self.start / 16_000 + each / 2 + 0.5,
                0.9,
                label,
            )
            for each in range(count)
        )

    def emit(self, *, final, label="0", settled=0):
        self.revision += 1
        words = self.words(label)
        self.request.emit(
            meetcore.Hypothesis(
                utterance_id=self.key, revision=self.revision, final=final, words=words,
                text=" ".join(word.text for word in words), settled_words=settled,
            )
        )  # fmt: skip

    async def feed(self, chunk):
        await trio.lowlevel.checkpoint()
        self.fed += chunk.samples
        settles = self.owner.acts.get("settles", 0) if self is self.owner.streams[0] else 0
        self.emit(final=False, settled=min(settles, self.fed // 8000))
        if self.owner.acts.get("breaks") and self.fed >= self.owner.acts["breaks"] * 16_000:
            raise self.owner.acts.get("with") or TranscriberError("network", "cut", retryable=True)

    async def end_utterance(self, utterance_id, end_sample, cause):
        await trio.lowlevel.checkpoint()
        self.emit(final=True)
        label = self.owner.acts.get("corrected")
        if label is not None:
            self.emit(final=True, label=label)


async def test_a_final_after_the_final_corrects_labels_and_nothing_else(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Scripted(corrected="1")
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.events.observe(meetcore.TrackAppeared("room", None, kind="mix"))
        stage.at["room"] = 0.0
        await stage.live(2, "room", voice=True)
        await stage.live(2, "room")
    first, second = [each.segment for each in kinds(events_of(bot), meetcore.SegmentFinalized)]
    assert {word.speaker for word in first.words} == {"0"}
    assert {word.speaker for word in second.words} == {"1"}
    assert (second.id, second.text, second.correction) == (first.id, first.text, True)
    assert second.revision > first.revision


async def test_a_final_that_comes_again_as_it_was_changes_nothing(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Scripted(corrected="0")
    async with stage.bot(tmp_path, transcriber=transcriber) as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(2, "a", voice=True)
        await stage.live(2, "a")
    assert len(kinds(events_of(bot), meetcore.SegmentFinalized)) == 1


async def test_settled_words_are_kept_and_only_the_rest_is_heard_again(tmp_path, autojump_clock):
    stage, transcriber = Stage(), Scripted(settles=3, breaks=2.5)
    sink = DraftSink()
    async with stage.bot(tmp_path, transcriber=transcriber, sinks=[sink]) as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(3, "a", voice=True)
        await stage.live(6, "a")
    assert {draft.stable_words for draft in sink.drafts} == {1, 2, 3}, "as they were settled"
    assert sink.drafts[-1].stable_words == 3, "what an earlier stream settled stays so"
    (said,) = [each.segment for each in kinds(events_of(bot), meetcore.SegmentFinalized)]
    first, second = transcriber.streams
    assert second.begun[0] == first.begun[0] + 24_000
    starts = [word.start_s for word in said.words]
    assert starts == sorted(set(starts))
    assert len({word.text for word in said.words}) == len(said.words) >= 6
    assert bot.ledger.balanced


@pytest.mark.parametrize("retryable", [True, False])
async def test_what_was_settled_is_said_though_the_rest_never_comes(
    tmp_path, autojump_clock, retryable
):
    trouble = TranscriberError("quota", "no credit", retryable=retryable, remedy="Buy some.")
    stage, transcriber = Stage(), Scripted(settles=2, breaks=1.5)
    transcriber.acts["with"] = trouble
    async with stage.bot(tmp_path, transcriber=transcriber, drain_timeout_s=60) as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(2, "a", voice=True)
        await stage.live(20, "a")
    events = events_of(bot)
    (said,) = [each.segment for each in kinds(events, meetcore.SegmentFinalized)]
    gaps = kinds(events, meetcore.TranscriptionGap)
    assert len(said.words) >= 2
    assert min(gap.start_s for gap in gaps) >= said.words[-1].end_s - 0.01
    if not retryable:
        (stopped,) = kinds(events, meetcore.TranscriptionStopped)
        assert stopped.detail == "no credit Buy some."
