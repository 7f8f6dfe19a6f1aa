"""Recordings that are complete, without somebody who was excluded afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

import av
import numpy as np
import pytest
from attrs import evolve

from meetcore import (
    SAMPLE_RATE_HZ,
    Chunk,
    Journal,
    NameSource,
    Participant,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantLeft,
    RecordedTrack,
    SpeakingStarted,
    SpeakingStopped,
    TrackOpened,
    TrackOwnerIdentified,
)
from meetcore.log import journal_path
from meetcore_files.audio_file import audio_file_class
from meetcore_files.media import RecordedMedia, sound_of
from meetcore_files.silencing import ExcludedSound, silence_excluded, without_excluded
from meetcore_files.video_file import VideoFile, finish_video
from tests.moving_pictures import FRAMES_PER_S, pictures

BEN = {"participant_id": "ben", "name": "Ben"}
TRACK = NameSource.TRACK


def tone(seconds: float, pitch_hz: float, start_s: float, end_s: float) -> np.ndarray:
    """Return a tone between two times, and silence around it."""
    at = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    wave = np.sin(2 * np.pi * pitch_hz * at) * ((at >= start_s) & (at < end_s))
    return (wave * 8000).astype(np.int16)


def write(path: Path, pcm: np.ndarray) -> Path:
    file = audio_file_class(path.suffix[1:])(path, 24)
    file.write(pcm)
    file.close()
    return path


def loudness(path: Path, start_s: float, end_s: float, pitch_hz: float) -> float:
    """Return how loud a tone is between two times; 1 is as it was written."""
    pcm = np.concatenate([*sound_of(str(path))]).astype(float)
    piece = pcm[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
    at = np.arange(len(piece)) / SAMPLE_RATE_HZ
    return float(abs(np.dot(piece, np.exp(-2j * np.pi * pitch_hz * at))) * 2 / len(piece) / 8000)


def excluded_ben(*, kind: str = "participant", remains: tuple[str, ...] = ()) -> ExcludedSound:
    found = ExcludedSound()
    for event in (
        TrackOpened(track_id="a", participant_id="ada", kind="participant", name_source=TRACK),
        TrackOpened(track_id="b", participant_id="ben", kind=kind, name_source=TRACK),
        SpeakingStarted(start_s=2.0, source=TRACK, **BEN),
        SpeakingStopped(end_s=4.0, source=TRACK, **BEN),
        ParticipantExcluded(**BEN, remains=remains),
        ParticipantIncluded(**BEN, from_s=8.0),
    ):
        found.take(event)
    assert found.due
    return found


@pytest.mark.parametrize("form", ["opus", "flac", "mp3", "m4a", "wav"])
def test_the_mix_and_the_video_keep_everybody_else(tmp_path: Path, form: str) -> None:
    ada, ben = tone(10, 440, 1, 9), tone(10, 880, 2, 4) + tone(10, 880, 8.5, 9.5)
    tracks = {"a": write(tmp_path / f"a.{form}", ada), "b": write(tmp_path / f"b.{form}", ben)}
    mix = write(tmp_path / f"mix.{form}", ada + ben)
    video = VideoFile(tmp_path / "video.mp4")
    for number, unit in enumerate(pictures(10.0)):
        if number == 1:
            video.sound(Chunk("mix", 0, ada + ben))
        video.picture(number / FRAMES_PER_S, unit)
    video.close()
    finish_video(video.path)
    with av.open(str(video.path)) as before:
        count = sum(1 for _ in before.decode(video=0))
    assert silence_excluded(tracks, mix, excluded_ben(), 24, {}, video.path) == 3
    for path in (tracks["b"], mix, video.path):
        assert loudness(path, 2.1, 3.9, 880) < 0.02, path.name
        assert loudness(path, 8.6, 9.4, 880) > 0.8, path.name  # they said yes again
    for path in (tracks["a"], mix, video.path):
        assert loudness(path, 2.1, 3.9, 440) > 0.8, path.name
    with av.open(str(video.path)) as container:
        assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
        assert sum(1 for _ in container.decode(video=0)) == count
        assert float(container.duration or 0) / 1e6 == pytest.approx(10, abs=0.3)
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_without_tracks_all_is_silent_while_they_spoke(tmp_path: Path) -> None:
    mix = write(tmp_path / "mix.opus", tone(10, 440, 0, 10))
    assert silence_excluded({}, mix, excluded_ben(), 24, {}) == 1
    assert loudness(mix, 1.6, 4.4, 440) < 0.02
    assert loudness(mix, 0, 1.4, 440) > 0.8
    assert loudness(mix, 4.7, 10, 440) > 0.8


@pytest.mark.parametrize(("remains", "silent"), [((), True), (("mix",), False)])
def test_a_track_of_everybody_is_silent_while_they_spoke_unless_it_is_to_stay(
    tmp_path: Path, remains: tuple[str, ...], silent: bool
) -> None:
    track = write(tmp_path / "b.flac", tone(10, 440, 0, 10))
    found = excluded_ben(kind="mix", remains=remains)
    silence_excluded({"b": track}, None, found, 24, {})
    assert (loudness(track, 1.6, 4.4, 440) < 0.02) is silent
    assert loudness(track, 4.7, 9.9, 440) > 0.8


def test_a_track_that_changed_hands_is_silent_where_it_was_theirs() -> None:
    found = ExcludedSound()
    for event in (
        TrackOpened(track_id="s", participant_id=None, kind="participant", name_source=TRACK),
        TrackOwnerIdentified(
            track_id="s", source=TRACK, confidence=1.0, since_s=10.0, participant_id="ben", name="B"
        ),
        TrackOwnerIdentified(
            track_id="s", source=TRACK, confidence=1.0, since_s=20.0, participant_id="ada", name="A"
        ),
        ParticipantExcluded(**BEN),
    ):
        found.take(event)
    assert found.on_track("s") == [(10.0, 20.0)]
    assert found.on_track("other") == []


@pytest.mark.parametrize("form", ["opus", "flac", "mp3", "m4a", "wav"])
@pytest.mark.parametrize("start_s", [3.0004, 3.0137, 3.0181, 3.0463])
def test_nothing_is_left_where_their_sound_began_amid_an_encoders_frame(
    tmp_path: Path, form: str, start_s: float
) -> None:
    end_s = start_s + 1.2
    track = write(tmp_path / f"s.{form}", tone(6, 440, start_s, end_s))
    found = ExcludedSound()
    opened = {"participant_id": None, "kind": "participant", "name_source": TRACK}
    owned = {"track_id": "s", "source": TRACK, "confidence": 1.0}
    for event in (
        TrackOpened(track_id="s", **opened),
        TrackOwnerIdentified(since_s=round(start_s, 3), participant_id="ben", name="B", **owned),
        TrackOwnerIdentified(since_s=round(end_s, 3), participant_id="ada", name="A", **owned),
        ParticipantExcluded(**BEN),
    ):
        found.take(event)
    assert np.abs(np.concatenate([*sound_of(str(track))])).max() > 6000
    silence_excluded({"s": track}, None, found, 24, {})
    assert np.abs(np.concatenate([*sound_of(str(track))])).max() < 30


def mixed_meeting() -> ExcludedSound:
    """Return who was excluded on a track that the platform mixes: Ben, from second 2 to 8."""
    found = ExcludedSound()
    ada = {"participant_id": "ada", "name": "Ada"}
    for event in (
        TrackOpened(track_id="all", participant_id=None, kind="mix", name_source=TRACK),
        ParticipantJoined(participant=Participant(id="ben", name="Ben"), meeting_s=1.0),
        ParticipantExcluded(**BEN, since_s=2.0),
        SpeakingStarted(start_s=3.0, source=TRACK, **BEN),
        SpeakingStopped(end_s=4.0, source=TRACK, **BEN),
        SpeakingStarted(start_s=5.5, source=TRACK, **ada),
        SpeakingStopped(end_s=6.0, source=TRACK, **ada),
        ParticipantLeft(**BEN, meeting_s=8.0),
    ):
        found.take(event)
    return found


def test_of_a_mix_only_what_others_said_is_transcribed_again() -> None:
    found = mixed_meeting()
    assert sorted(found.left_out("all", nobodys=False)) == [(2.5, 4.5)]
    assert sorted(found.left_out("all", nobodys=True)) == [(2.0, 5.0), (2.5, 4.5), (6.5, 8.0)]
    assert found.left_out(None, nobodys=False) == [(2.5, 4.5)]


def test_of_a_mix_nobodys_words_go_where_somebody_is_excluded_by_name_alone() -> None:
    found = mixed_meeting()
    found.take(ParticipantExcluded(participant_id="", name="Eve", since_s=20.0))
    assert found.left_out("all", nobodys=True)[-1] == (20.0, inf)
    assert found.left_out("all", nobodys=False) == [(2.5, 4.5)]


def test_a_recording_is_heard_again_without_who_was_excluded(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    journal = Journal(journal_path(tmp_path), "b", fsync=False)
    for event in (
        TrackOpened(track_id="all", participant_id=None, kind="mix", name_source=TRACK),
        ParticipantExcluded(**BEN, since_s=2.0),
        SpeakingStarted(start_s=3.0, source=TRACK, **BEN),
        SpeakingStopped(end_s=4.0, source=TRACK, **BEN),
        ParticipantIncluded(**BEN, from_s=6.0),
    ):
        journal.append(event)
    journal.close()

    def loud() -> Iterator[np.ndarray]:
        for _ in range(20):
            yield np.full(8000, 1000, np.int16)

    whole = RecordedTrack(track_id="all", pcm=loud)
    recording = RecordedMedia(source="b", tracks=(whole,), duration_s=10.0, folder=files)
    (kept,) = without_excluded(recording, nobodys=False)
    pcm = np.concatenate([*kept.pcm()])
    assert len(pcm) == 160_000
    assert [bool(pcm[round(at * 16_000)]) for at in (2.4, 2.6, 4.4, 4.6)] == [
        *(True, False, False, True),
    ]
    (kept,) = without_excluded(recording, nobodys=True)
    pcm = np.concatenate([*kept.pcm()])
    assert [bool(pcm[round(at * 16_000)]) for at in (1.9, 2.1, 5.9, 6.1)] == [
        *(True, False, False, True),
    ]
    elsewhere = evolve(recording, folder=tmp_path / "nowhere" / "files")
    assert without_excluded(elsewhere, nobodys=True) == (whole,)
