"""What is said: samples, a file, a synthesizer's sound, or what a voice agent gives as it goes."""

from __future__ import annotations

import wave
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import trio
from attrs import frozen

from meetcore.model.errors import CommandRefused, NoSynthesizer
from meetcore.plugin.synthesizer import SynthesisRequest, Synthesizer

__all__ = ["OpenedSource", "SourceToSay", "SpeechSource", "closing", "opened_at_its_turn"]

SpeechSource: TypeAlias = bytes | bytearray | memoryview | Path | str | AsyncIterable[bytes | str]
"""Int16 mono PCM; a WAV file's path; text; or pieces of PCM, as a voice agent gives them.

Among the pieces, text says what the sound after it says, up to the next text.
"""

CLOSE_TIMEOUT_S = 5.0


@frozen
class OpenedSource:
    """A source whose turn it is.

    Attributes:
        rate_hz: The rate of its sound.
        pieces: The sound, and text among it.
        length_s: How long it is as a whole, None where that is not known beforehand.
    """

    rate_hz: int
    pieces: AsyncIterable[bytes | str]
    length_s: float | None = None


@frozen
class SourceToSay:
    """Something to be said, opened when its turn comes.

    Attributes:
        open: Opens it.
        words: What it says, empty where that is not known.
        plugin: Who makes the sound, empty for no plugin.
        pieces: What it holds already, None for nothing; whoever gives them is not left waiting.
    """

    open: Callable[[], Awaitable[OpenedSource]]
    words: str = ""
    plugin: str = ""
    pieces: AsyncIterable[bytes | str] | None = None

    async def let_go(self) -> None:
        """Learn that its turn never comes; a few seconds."""
        if self.pieces is not None:
            async with closing(self.pieces):
                pass


def opened_at_its_turn(
    source: SpeechSource,
    sample_rate_hz: int,
    synthesizer: Synthesizer | None,
    request: Callable[[str], SynthesisRequest],
) -> SourceToSay:
    """Return what is to be said.

    Args:
        source: As it was given.
        sample_rate_hz: The rate of PCM.
        synthesizer: Who makes speech of text, None for nobody.
        request: Makes what a synthesizer is asked.

    Raises:
        CommandRefused: It cannot be said.
    """
    if isinstance(source, str):
        return _synthesized(source, synthesizer, request)
    if isinstance(source, Path):
        return SourceToSay(partial(_file, source))
    if isinstance(sample_rate_hz, bool) or not 1_000 <= sample_rate_hz <= 384_000:
        raise CommandRefused(f"{sample_rate_hz!r} is no sample rate in Hz.")
    if isinstance(source, (bytes, bytearray, memoryview)):
        pcm = bytes(source)
        if not pcm or len(pcm) % 2:
            raise CommandRefused(
                f"{len(pcm)} bytes are no int16 mono PCM.", "Give whole samples, at least one."
            )
        return SourceToSay(partial(_at_once, _whole(sample_rate_hz, pcm)))
    if isinstance(source, AsyncIterable):
        return SourceToSay(partial(_at_once, OpenedSource(sample_rate_hz, source)), pieces=source)
    raise CommandRefused(
        f"A {type(source).__name__} cannot be said.",
        "Give PCM as bytes, a Path to a WAV file, text, or an async iterator of PCM.",
    )


def _synthesized(
    text: str,
    synthesizer: Synthesizer | None,
    request: Callable[[str], SynthesisRequest],
) -> SourceToSay:
    if synthesizer is None:
        raise NoSynthesizer(
            "There is nobody to say a text: no synthesizer is configured.",
            "Set `synthesizer` to an installed one, for instance `flite` of meetcore[flite], or "
            "give PCM.",
        )
    if not text.strip():
        raise CommandRefused("There is no text to be said.")

    async def synthesize() -> OpenedSource:
        return OpenedSource(synthesizer.sample_rate_hz, synthesizer.synthesize(request(text)))

    return SourceToSay(synthesize, text, synthesizer.name)


async def _at_once(opened: OpenedSource) -> OpenedSource:
    return opened


def _whole(rate_hz: int, pcm: bytes) -> OpenedSource:
    return OpenedSource(rate_hz, _single(pcm), len(pcm) / 2 / rate_hz)


async def _single(pcm: bytes) -> AsyncIterator[bytes]:
    yield pcm


@asynccontextmanager
async def closing(
    pieces: AsyncIterable[bytes | str],
) -> AsyncGenerator[AsyncIterator[bytes | str]]:
    """Iterate, and let go of what an async generator or a channel holds, in a few seconds."""
    iterator = aiter(pieces)
    try:
        yield iterator
    finally:
        let_go = getattr(iterator, "aclose", None)
        if let_go is not None:
            with trio.CancelScope(shield=True) as patience:
                patience.deadline = trio.current_time() + CLOSE_TIMEOUT_S
                await let_go()


async def _file(path: Path) -> OpenedSource:
    return await trio.to_thread.run_sync(_read_wav, path)


def _read_wav(path: Path) -> OpenedSource:
    """Read a WAV file of int16 samples; several channels become one.

    Raises:
        CommandRefused: It cannot be read, or has other samples.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate_hz = (
                file.getsampwidth(),
                file.getnchannels(),
                file.getframerate(),
            )
            if width != 2:
                raise CommandRefused(f"{path} has samples of {8 * width} bits, not of 16.")
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (OSError, EOFError, wave.Error) as error:
        raise CommandRefused(f"{path} cannot be read as a WAV file: {error}.") from error
    if channels > 1:
        mixed = pcm[: len(pcm) // channels * channels].reshape(-1, channels).mean(axis=1)
        pcm = mixed.astype("<i2")
    return _whole(rate_hz, pcm.tobytes())
