"""`meetcore sound-job`, what a server decodes strangers' sound with."""

from __future__ import annotations

import io
import math
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from meetcore_files.sound_job import sound_job

RATE_HZ = 44_100


def encoded(container: str, codec: str, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> bytes:
    """Return a tone of 440 Hz as a media file with two channels."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as made:
        stream = made.add_stream(codec, rate=rate_hz, layout="stereo")
        tone = 0.25 * np.sin(2 * math.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)
        pcm = np.repeat((tone * 32767).astype(np.int16), 2)[np.newaxis, :]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            made.mux(packet)
    return file.getvalue()


def decode(data: bytes, *arguments: str) -> tuple[int, bytes, str]:
    done = CliRunner().invoke(sound_job, arguments, input=data)
    return done.exit_code, done.stdout_bytes, done.stderr


@pytest.fixture(autouse=True)
def _unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own process keeps its limits."""
    monkeypatch.setattr("meetcore_files.sound_job._bound_this_process", lambda: None)


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [("mp3", "libmp3lame", 44_100), ("ogg", "libopus", 48_000), ("wav", "pcm_s24le", 44_100),
     ("wav", "pcm_u8", 8_000), ("mp4", "aac", 44_100), ("flac", "flac", 44_100)],
)  # fmt: skip
def test_any_kind_of_sound_comes_as_one_channel_at_the_rate_that_is_asked_for(
    container: str, codec: str, rate_hz: int
) -> None:
    code, pcm, _ = decode(encoded(container, codec, rate_hz=rate_hz), "--rate", "24000")
    assert code == 0
    samples = np.frombuffer(pcm, "<i2")
    assert abs(len(samples) - 24_000) < 2_400
    spectrum = np.abs(np.fft.rfft(samples[6_000:18_000].astype(float)))
    assert abs(np.argmax(spectrum) * 2 - 440) <= 2
    assert 4_000 < np.abs(samples[6_000:18_000]).max() < 10_000


@pytest.mark.parametrize("data", [b"", b"<html>", b"ID3" + b"\0" * 5_000, b"RIFF\0\0\0\0WAVEfmt "])
def test_what_holds_no_sound_is_refused_in_a_line(data: bytes) -> None:
    code, pcm, said = decode(data)
    assert (code, pcm) == (1, b"")
    assert "no sound" in said
    assert "Traceback" not in said


def test_what_takes_too_long_or_is_too_large_is_refused() -> None:
    code, _, said = decode(encoded("wav", "pcm_s16le", seconds=1.5), "--longest", "1")
    assert (code, "1 s" in said) == (1, True)
    code, _, said = decode(b"x" * (16 * 1024 * 1024 + 1))
    assert (code, "bytes" in said) == (1, True)


def test_a_file_that_breaks_off_gives_what_there_is(tmp_path: Path) -> None:
    whole = encoded("mp3", "libmp3lame", seconds=2.0)
    code, pcm, _ = decode(whole[: len(whole) // 2], "--rate", "16000")
    assert code == 0
    assert 8_000 < len(pcm) // 2 < 24_000
