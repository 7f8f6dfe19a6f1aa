"""Two people in one room, a second device in it, captions beside sound: through a whole bot."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio

import meetcore
from meetcore.model import command_from_wire
from meetcore.testing.voice import synthetic_voice
from tests.meetcore.conftest import Stage, events_of, kinds


class Recogniser(meetcore.Transcriber):
    """Hears on each track, utterance by utterance, what the test says: texts with labels."""

    name = "recogniser"

    def __init__(self, texts, confidence=None):
        super().__init__()
        self.texts = {track: list(each) for track, each in texts.items()}
        self.confidence = confidence or {}

    @asynccontextmanager
    async def stream(self, request):
        yield RecogniserStream(self, request)


class RecogniserStream(meetcore.TranscriberStream):
    def __init__(self, owner, request):
        self.owner, self.request = owner, request

    async def begin_utterance(self, utterance_id, start_sample):
        await trio.lowlevel.checkpoint()
        self.start = start_sample

    async def feed(self, chunk):
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id, end_sample, cause):
        await trio.lowlevel.checkpoint()
        track = self.request.track_id
        text, label = self.owner.texts[track].pop(0)
        each = (end_sample - self.start) / 16_000 / len(text.split())
        words = tuple(
            meetcore.Word(
                word, self.start / 16_000 + place * each, self.start / 16_000 + (place + 1) * each,
                self.owner.confidence.get(track, 0.9), label,
            )
            for place, word in enumerate(text.split())
        )  # fmt: skip
        self.request.emit(
            meetcore.Hypothesis(
                utterance_id=utterance_id, revision=1, text=text, words=words, final=True
            )
        )


def shown(bot):
    segments = [each.segment for each in kinds(events_of(bot), meetcore.SegmentFinalized)]
    return [(s.speaker_name, s.text) for s in meetcore.Transcript.of(segments).segments]


async def test_a_voice_in_a_room_is_named_by_a_command_while_the_bot_is_there(
    tmp_path, autojump_clock
):
    texts = {"room": [("one two three four", "A"), ("five six seven eight", "B"), ("nine", "B")]}
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=Recogniser(texts)) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("room", "ada")
        for _ in range(2):
            await stage.live(4, "room", voice=True)
            await stage.live(3, "room")
        assert [each.speaker_name for each in bot.transcript.segments] == [
            "Ada · speaker 1", "Ada · speaker 2",
        ]  # fmt: skip
        segment = bot.transcript.segments[1]
        with pytest.raises(meetcore.CommandRefused, match="No voice 'C' was told apart"):
            await bot.name_voice("room", "C", "Grace")
        with pytest.raises(meetcore.CommandRefused, match="on the track 'elsewhere'"):
            await bot.name_voice("elsewhere", "B", "Grace")
        await bot.name_voice(segment.track_id, segment.voice, "Grace")
        assert bot.transcript.segments[1].speaker_name == "Grace", "at once, whoever is silent"
        await stage.live(2, "room", voice=True)
        await stage.live(3, "room")
        assert [each.speaker_name for each in bot.transcript.segments][1:] == ["Grace", "Grace"]
        await bot.name_voice("room", "A", "Edith")
        await bot.name_voice("room", "A", " ")
    assert shown(bot) == [
        ("Ada · speaker 1", "one two three four"),
        ("Grace", "five six seven eight"),
        ("Grace", "nine"),
    ]
    named = kinds(events_of(bot), meetcore.VoiceNamed)
    assert [(each.voice, each.name) for each in named] == [
        ("B", "Grace"), ("A", "Edith"), ("A", None),
    ]  # fmt: skip


@pytest.mark.parametrize("withheld", [True, False])
async def test_a_second_device_in_the_room_says_nothing_twice(tmp_path, autojump_clock, withheld):
    said = "we will ship it on friday"
    texts = {"a": [(said, None), ("yes", None)], "b": [(said, None), ("yes", None)]}
    recogniser = Recogniser(texts, {"a": 0.9, "b": 0.6})
    config = meetcore.BotConfig(
        out_dir=tmp_path,
        fsync=False,
        transcription=meetcore.TranscriptionConfig(withhold_echoes=withheld),
    )
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=recogniser, config=config) as bot:
        stage.admit()
        for person, track in (("ada", "a"), ("ben", "b")):
            stage.join(person)
            stage.track(track, person)
        for seconds in (3, 1):
            await stage.live(seconds, "a", "b", voice=True)
            await stage.live(3, "a", "b")
    lines = shown(bot)
    assert sorted(lines[-2:]) == [("Ada", "yes"), ("Ben", "yes")], "both may say yes"
    assert sorted(lines[:-2]) == [("Ada", said), ("Ben", said)][: 1 if withheld else 2]
    gone = [
        each.segment
        for each in kinds(events_of(bot), meetcore.SegmentFinalized)
        if each.segment.withdrawn
    ]
    assert [each.track_id for each in gone] == ["b"] * withheld
    by_id = {each.segment.id for each in kinds(events_of(bot), meetcore.SegmentFinalized)}
    assert all(each.echo_of in by_id for each in gone)


async def test_captions_beside_the_sound_name_the_words_of_a_mix(tmp_path, autojump_clock):
    texts = {"mix": [("we will ship it on friday", None), ("certainly not without a test", None)]}
    stage = Stage()
    config = meetcore.BotConfig(
        out_dir=tmp_path,
        fsync=False,
        transcription=meetcore.TranscriptionConfig(captions_for_names=True),
    )
    async with stage.bot(tmp_path, transcriber=Recogniser(texts), config=config) as bot:
        assert stage.request.captions
        stage.admit()
        for person in ("ada", "ben"):
            stage.join(person)
        stage.events.observe(meetcore.TrackAppeared("mix", None, kind="mix"))
        stage.speaks("ben")
        await stage.live(3, "mix", voice=True)
        await stage.live(2, "mix")
        assert [s.speaker_name for s in bot.transcript.segments] == ["Ben"], "so the indicator says"
        stage.events.observe(meetcore.CaptionSeen(None, "Ada", "We'll ship it on Friday.", key="1"))
        await stage.live(3, "mix", voice=True)
        stage.events.observe(
            meetcore.CaptionSeen("ben", "Ben", "Certainly not without a test!", key="2")
        )  # fmt: skip
        await stage.live(6, "mix")
    lines = shown(bot)
    assert lines[-1] == ("Ben", "certainly not without a test")
    assert ("Ada", "ship it on friday") in lines
    sources = {s.text: s.speaker_source for s in bot.transcript.segments}
    assert sources["ship it on friday"] is meetcore.NameSource.CAPTION
    assert " ".join(text for _, text in lines) == (
        "we will ship it on friday certainly not without a test"
    )


def recorded(track_id, *seconds, **more):
    quiet = np.zeros(32_000, np.int16)
    sound = np.concatenate([quiet, *[p for s in seconds for p in (synthetic_voice(s), quiet)]])
    return meetcore.RecordedTrack(
        track_id=track_id,
        pcm=lambda: (sound[at : at + 4_000] for at in range(0, len(sound), 4_000)),
        participant_id=track_id,
        speaker_name=track_id.title(),
        **more,
    )


@pytest.mark.parametrize("withheld", [True, False])
async def test_a_recording_is_cut_by_voices_and_has_no_echo(withheld):
    texts = {
        "room": [("one two three four", "A"), ("we will ship it then", "B")],
        "ben": [("we will ship it then", None)],
    }
    config = meetcore.BotConfig(
        transcription=meetcore.TranscriptionConfig(withhold_echoes=withheld)
    )
    result = await meetcore.transcribe_recording(
        [recorded("room", 4, 4), recorded("ben", 4, start_s=6.1)],
        Recogniser(texts, {"room": 0.9, "ben": 0.5}),
        config,
    )
    lines = [(s.speaker_name, s.text) for s in result.segments]
    assert lines[:2] == [
        ("Room · speaker 1", "one two three four"),
        ("Room · speaker 2", "we will ship it then"),
    ]
    assert lines[2:] == [("Ben", "we will ship it then")] * (not withheld)
    assert not any(segment.correction for segment in result.segments)


def test_the_command_is_read_from_the_wire():
    command = command_from_wire(
        {"type": "name_voice", "data": {"track_id": "room", "voice": "B", "name": "Grace"}}
    )
    assert command == meetcore.NameVoice("room", "B", "Grace")
