"""Recordings laid on the meeting's clock, and files cut at any byte."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk, Pcm
from meetcore_files.audio_file import audio_file_class
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s, remake
from meetcore_files.recorder import RecordedFile, Recorder, stem_for_track

RATE = 16_000
BLOCK = 1_600


def tone(seconds: float, frequency_hz: float = 440.0) -> Pcm:
    at = np.arange(int(seconds * RATE)) / RATE
    return (8_000 * np.sin(2 * np.pi * frequency_hz * at)).astype(np.int16)


def chunks(track_id: str, start_s: float, pcm: Pcm) -> list[Chunk]:
    start = int(start_s * RATE)
    return [Chunk(track_id, start + at, pcm[at : at + BLOCK]) for at in range(0, len(pcm), BLOCK)]


def record(
    folder: Path,
    heard: list[Chunk],
    *,
    audio_format: str = "opus",
    offset_s: float = 0.0,
    tracks: bool = True,
    mix: bool = True,
) -> dict[str, RecordedFile]:
    files: list[RecordedFile] = []
    options = FilesOptions(format=audio_format, tracks=tracks, mix=mix)
    recorder = Recorder(folder, options, int(offset_s * RATE), files.append)
    for chunk in heard:
        recorder.hear(chunk)
    recorder.close()
    return {file.path.stem: file for file in files}


def loudness(path: Path) -> list[bool]:
    """Return for each tenth of a second whether it is loud."""
    with av.open(str(path)) as container:
        pcm = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        block = container.streams.audio[0].rate // 10
    loud = 1_000 if pcm.dtype == np.int16 else 1_000 / 32_768
    whole = pcm[: len(pcm) // block * block].reshape(-1, block)
    return [bool(each) for each in np.abs(whole).mean(axis=1) > loud]


def loud_stretches(path: Path) -> list[tuple[float, float]]:
    flags = [False, *loudness(path), False]
    edges = [n for n in range(1, len(flags)) if flags[n] != flags[n - 1]]
    return [((a - 1) / 10, (b - 1) / 10) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("audio_format", ["opus", "flac", "mp3", "m4a", "wav"])
def test_what_is_missing_is_silence_of_exactly_its_length(
    tmp_path: Path, audio_format: str
) -> None:
    heard = chunks("t1", 2.0, tone(1)) + chunks("t1", 5.5, tone(1)) + chunks("t1", 70, tone(1))
    file = record(tmp_path, heard, audio_format=audio_format)["track-t1"]
    assert loud_stretches(file.path) == [(2.0, 3.0), (5.5, 6.5), (70.0, 71.0)]
    assert file.samples == 71 * RATE
    assert played_duration_s(file.path) == pytest.approx(71.0, abs=0.1)


def test_the_recording_begins_with_the_meeting_and_not_with_the_first_sound(
    tmp_path: Path,
) -> None:
    files = record(tmp_path, chunks("t1", 0, tone(1)), offset_s=3.0)
    assert loud_stretches(files["track-t1"].path) == [(3.0, 4.0)]
    assert loud_stretches(files["mix"].path) == [(3.0, 4.0)]


def test_sound_from_before_the_meeting_is_left_out(tmp_path: Path) -> None:
    files = record(tmp_path, chunks("t1", 0, tone(3)), offset_s=-1.0)
    assert loud_stretches(files["track-t1"].path) == [(0.0, 2.0)]


def test_the_mix_holds_every_track_at_its_time_also_late_and_ended_ones(tmp_path: Path) -> None:
    first, late = chunks("t1", 0, tone(2)), chunks("t2", 9, tone(2, 900))
    background = chunks("t3", 0, np.zeros(12 * RATE, np.int16))
    heard = sorted(first + late + background, key=lambda chunk: chunk.start_sample)
    files = record(tmp_path, heard)
    assert loud_stretches(files["mix"].path) == [(0.0, 2.0), (9.0, 11.0)]
    assert files["mix"].samples == 12 * RATE
    assert loud_stretches(files["track-t2"].path) == [(9.0, 11.0)]


def test_a_long_pause_costs_neither_memory_nor_time_and_keeps_the_clock(
    tmp_path: Path,
) -> None:
    heard = chunks("t1", 0, tone(1)) + chunks("t1", 300, tone(1))
    files = record(tmp_path, heard)
    for file in files.values():
        assert loud_stretches(file.path) == [(0.0, 1.0), (300.0, 301.0)]
        assert file.path.stat().st_size < 200_000


@pytest.mark.parametrize("silent_ms", [30, 990, 1_010, 5_005])
def test_digital_silence_of_any_length_is_kept_to_the_sample(
    tmp_path: Path, silent_ms: int
) -> None:
    silence = np.zeros(silent_ms * 16, np.int16)
    sound = np.concatenate([tone(1.01), silence, tone(1)])
    file = record(tmp_path, chunks("t1", 0, sound), mix=False)["track-t1"]
    assert file.samples == len(sound)
    with av.open(str(file.path)) as container:
        decoded = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    loud = np.flatnonzero(np.abs(decoded) > 0.1) / 48_000
    assert loud[-1] == pytest.approx(len(sound) / RATE, abs=0.01)
    if silent_ms > 100:
        before = loud[loud < 1.01 + silent_ms / 2000]
        after = loud[loud > 1.01 + silent_ms / 2000]
        assert before[-1] == pytest.approx(1.01, abs=0.015)
        assert after[0] == pytest.approx(1.01 + silent_ms / 1000, abs=0.015)


def test_a_repeated_chunk_is_written_once(tmp_path: Path) -> None:
    heard = chunks("t1", 0, tone(1))
    files = record(tmp_path, heard[:6] + heard[4:], mix=False)
    assert files["track-t1"].samples == RATE


def test_only_what_was_asked_for_is_written(tmp_path: Path) -> None:
    assert set(record(tmp_path, chunks("t1", 0, tone(1)), tracks=False)) == {"mix"}
    assert set(record(tmp_path, chunks("t1", 0, tone(1)), mix=False)) == {"track-t1"}


@given(st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=8, unique=True))
def test_tracks_have_safe_and_different_file_names(track_ids: list[str]) -> None:
    stems = [stem_for_track(track_id) for track_id in track_ids]
    assert len(set(stems)) == len(stems)
    assert all("/" not in stem and not stem.startswith(".") for stem in stems)
    assert all(len(stem) < 80 and stem.isascii() for stem in stems)


@pytest.fixture(scope="module", params=["opus", "flac", "mp3", "m4a", "wav"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    noise = np.random.default_rng(7).normal(0, 3_000, 20 * RATE).astype(np.int16)
    kind = audio_file_class(request.param)
    file = kind(folder / f"track-t1{kind.suffix}", 24, {"title": "Noise"})
    for at in range(0, len(noise), BLOCK):
        file.write(noise[at : at + BLOCK])
    growing = folder / f"growing{kind.suffix}"
    growing.write_bytes(file.path.read_bytes())
    file.close()
    if request.param in ("m4a", "wav"):  # while it grows it is another than afterwards
        return growing
    return file.path


@pytest.mark.law(4)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0.02, 1.0))
def test_a_file_cut_at_any_byte_plays_up_to_there_and_is_remade_whole(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    data = whole.read_bytes()
    cut = tmp_path_factory.mktemp("cut") / whole.name
    cut.write_bytes(data[: int(len(data) * share)])
    played_s = played_duration_s(cut)
    assert played_s >= 20 * share - 1.0
    remake(cut)
    assert played_duration_s(cut) == pytest.approx(played_s, abs=0.05)
    with av.open(str(cut)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(played_s, abs=0.05)
    assert not list(cut.parent.glob(".*"))
