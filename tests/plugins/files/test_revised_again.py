"""A recording that is transcribed once more is revised before anything of it is on the disk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import trio
import trio.lowlevel
from attrs import evolve

from meetcore import (
    BotConfig,
    Chunk,
    ConfigError,
    ExclusionConfig,
    Hypothesis,
    Journal,
    NameSource,
    ParticipantExcluded,
    PluginEvent,
    Plugins,
    RecordedTrack,
    Segment,
    SpeakingStarted,
    SpeakingStopped,
    StreamRequest,
    TrackOpened,
    Transcriber,
    TranscriberCapabilities,
    TranscriberStream,
    UnknownOption,
    hookimpl,
)
from meetcore.log import journal_path
from meetcore.testing.voice import synthetic_voice
from meetcore_files.media import RecordedMedia
from meetcore_files.transcription_run import TranscriptionRun


class Says(Transcriber):
    name = "says"
    capabilities = TranscriberCapabilities(partials=False, idle_timeout_s=None)

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        yield SaysStream(request)


class SaysStream(TranscriberStream):
    def __init__(self, request: StreamRequest) -> None:
        self.request = request

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        await trio.lowlevel.checkpoint()

    async def feed(self, chunk: Chunk) -> None:
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        await trio.lowlevel.checkpoint()
        end_s = end_sample / 16_000
        text = f"aardvark {utterance_id}"
        self.request.emit(
            Hypothesis(
                utterance_id=utterance_id, revision=1, text=text, final=True,
                start_s=end_s - 0.5, end_s=end_s,
            )
        )  # fmt: skip


class Strict:
    @hookimpl(fail_closed=True)
    def meetcore_revise_segment(self, segment: Segment) -> Segment:
        if segment.text.endswith("2"):
            raise ValueError("this one is too much")
        return evolve(segment, text=segment.text.replace("aardvark", "[animal]"))


class Lenient:
    @hookimpl
    def meetcore_revise_segment(self, segment: Segment) -> Segment:
        return evolve(segment, text=segment.text.upper())


def blocks() -> Iterator[np.ndarray]:
    voice, quiet = synthetic_voice(1.0), np.zeros(16_000, np.int16)
    yield from (quiet, voice, quiet, voice, quiet)


def run_with(folder: Path, reviser: object, **tables: object) -> TranscriptionRun:
    tracks = (RecordedTrack(track_id="a", pcm=blocks),)
    recording = RecordedMedia(source="a.wav", tracks=tracks, duration_s=5.0)
    plugins = Plugins(entry_points=False, objects={"reviser": reviser})
    config = BotConfig(plugins=tables)
    return TranscriptionRun(recording, Says(), config, folder, "again", plugins)


def test_what_a_strict_reviser_has_not_seen_is_never_on_the_disk(tmp_path: Path) -> None:
    run = run_with(tmp_path, Strict())
    seen: list[Path] = []
    run.take_up()
    result = run.transcribe(lambda track, seconds: seen.extend(tmp_path.iterdir()))
    assert seen == list(tmp_path.iterdir()) == []
    run.write(result, ("json",), fillers=True)
    text = (tmp_path / "again.json").read_text("utf-8")
    body = json.loads(text)
    assert [each["text"] for each in body["segments"]] == ["[animal] a-0001"]
    assert [(each["plugin"], each["cause"]) for each in body["withheld"]] == [("reviser", "failed")]
    assert "aardvark" not in text


def test_with_others_a_run_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    run_with(tmp_path, Lenient()).transcribe(lambda track, seconds: None)
    again = run_with(tmp_path, Lenient())
    again.take_up()
    assert len(again.known) == 2
    result = again.transcribe(lambda track, seconds: None)
    assert [each.text for each in result.segments] == ["AARDVARK A-0001", "AARDVARK A-0002"]


def test_where_a_plugin_with_settings_is_missing_nothing_is_transcribed(tmp_path: Path) -> None:
    with pytest.raises(UnknownOption, match="redact"):
        run_with(tmp_path, Lenient(), redact={}).transcribe(lambda track, seconds: None)


@pytest.mark.parametrize(("over_a_mix", "heard"), [("drop_words", 1), ("keep", 2)])
def test_who_was_excluded_on_a_mix_is_not_heard_again(
    tmp_path: Path, over_a_mix: Literal["drop_words", "keep"], heard: int
) -> None:
    """The first utterance is nobody's, as far as is known, and the second is Ada's."""
    files = tmp_path / "files"
    files.mkdir()
    journal = Journal(journal_path(tmp_path), "b", fsync=False)
    source = NameSource.ACTIVE_SPEAKER
    for event in (
        TrackOpened(track_id="a", participant_id=None, kind="mix", name_source=source),
        ParticipantExcluded(participant_id="ben", name="Ben", since_s=0.0),
        SpeakingStarted(participant_id="ada", name="Ada", start_s=3.0, source=source),
        SpeakingStopped(participant_id="ada", name="Ada", end_s=4.0, source=source),
    ):
        journal.append(event)
    journal.close()
    run = run_with(tmp_path, Lenient())
    run.recording = evolve(run.recording, folder=files)
    run.config = evolve(run.config, exclusion=ExclusionConfig(over_a_mix=over_a_mix))
    assert len(run.transcribe(lambda track, seconds: None).segments) == heard


@pytest.mark.parametrize("as_heard", [False, True])
def test_what_a_plugin_took_out_of_the_calls_words_does_not_come_back(
    tmp_path: Path, as_heard: bool
) -> None:
    with closing(Journal(journal_path(tmp_path), "b", fsync=False)) as journal:
        journal.append(PluginEvent(plugin="redact", name="revises"))
    run = run_with(tmp_path, Lenient())
    run.recording = evolve(run.recording, folder=tmp_path)
    run.as_heard = as_heard
    if as_heard:
        assert run.transcribe(lambda track, seconds: None).segments
    else:
        with pytest.raises(ConfigError, match="no word passed by redact"):
            run.transcribe(lambda track, seconds: None)


def test_nor_does_it_by_a_file_of_the_recording_that_is_named_by_itself(tmp_path: Path) -> None:
    with closing(Journal(journal_path(tmp_path), "b", fsync=False)) as journal:
        journal.append(PluginEvent(plugin="redact", name="revises"))
    (tmp_path / "files").mkdir()
    file = tmp_path / "files" / "mix.opus"
    file.touch()
    run = run_with(tmp_path, Lenient())
    run.recording = evolve(run.recording, source=str(file))
    with pytest.raises(ConfigError, match="no word passed by redact"):
        run.transcribe(lambda track, seconds: None)


def test_whom_words_did_not_pass_by_in_the_call_is_asked_again(tmp_path: Path) -> None:
    with closing(Journal(journal_path(tmp_path), "b", fsync=False)) as journal:
        journal.append(PluginEvent(plugin="reviser", name="revises"))
    run = run_with(tmp_path, Strict())
    run.recording = evolve(run.recording, folder=tmp_path)
    assert [each.text for each in run.transcribe(lambda *_: None).segments] == ["[animal] a-0001"]
