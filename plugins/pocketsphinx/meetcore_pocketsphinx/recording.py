"""Reads a recording from disk and plays its utterances into a stream, as a call would."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import soxr

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.audio.utterance import SpeechBegan, SpeechEnded, UtteranceDetector
from meetcore.audio.vad import FRAME_SAMPLES, VoiceDetector
from meetcore.model.errors import MeetcoreError
from meetcore.plugin.transcriber import TranscriberStream

__all__ = ["feed_utterances", "read_wav"]

_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10


def read_wav(path: Path) -> Pcm:
    """Return a WAV file's sound as int16 mono at 16 kHz.

    Raises:
        MeetcoreError: It cannot be read or is not 16-bit PCM.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise MeetcoreError(
            f"{path} cannot be read as a WAV file: {error}.",
            "Convert it first, for instance with `ffmpeg -i FILE -ar 16000 -ac 1 out.wav`.",
        ) from error
    if width != 2:
        raise MeetcoreError(f"{path} has {8 * width}-bit samples.", "16-bit PCM is needed.")
    samples = np.frombuffer(raw[: len(raw) - len(raw) % (2 * channels)], dtype="<i2")
    mono = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    if rate != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate, SAMPLE_RATE_HZ)
    return np.ascontiguousarray(mono, dtype=np.int16)


def _marks(pcm: Pcm) -> list[SpeechBegan | SpeechEnded]:
    voice, detector = VoiceDetector(), UtteranceDetector()
    marks: list[SpeechBegan | SpeechEnded] = []
    for start in range(0, len(pcm), FRAME_SAMPLES):
        marks.extend(detector.feed(voice.feed(pcm[start : start + FRAME_SAMPLES])))
    last = detector.interrupt(len(pcm), "track_closed")
    return [*marks, last] if last is not None else marks


async def feed_utterances(stream: TranscriberStream, pcm: Pcm, track_id: str) -> None:
    """Find the utterances in `pcm` and transcribe each; `feed` paces it to the transcriber."""
    start, number = 0, 0
    for mark in _marks(pcm):
        if isinstance(mark, SpeechBegan):
            start, number = mark.start_sample, number + 1
            await stream.begin_utterance(f"u{number}", start)
            continue
        for at in range(start, mark.end_sample, _BLOCK_SAMPLES):
            block = pcm[at : min(at + _BLOCK_SAMPLES, mark.end_sample)]
            await stream.feed(Chunk(track_id, at, block))
        await stream.end_utterance(f"u{number}", mark.end_sample, mark.cause)
    await stream.flush()
