"""What the bot says: one speech after the other, each with a deadline for every step.

A speech is a stream: its source (samples, a file, a synthesizer, a voice agent) is read no faster
than the call plays it, so that an interruption is heard at once and its position is known.

Every step of a speech has its time, by one cancel scope whose deadline moves. A scope of its own
around `anext` or around opening the call's output would be torn where those hold a scope open
across their yields, as async generators of plugins do.
"""

from __future__ import annotations

import wave
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeAlias

import numpy as np
import trio
from attrs import frozen

from meetcore.bot.context import BotContext
from meetcore.bot.life import Life
from meetcore.log.mailbox import Wake
from meetcore.model.commands import WhenSpeaking
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    MeetcoreError,
    found_in,
)
from meetcore.model.events import Event, SpeechFinished, SpeechInterrupted, SpeechStarted
from meetcore.model.lifecycle import IN_CALL, State
from meetcore.plugin.platform import Capability, Platform, SpeechOutput
from meetcore.plugin.synthesizer import SynthesisRequest, Synthesizer

__all__ = ["Speech", "SpeechQueue", "SpeechSource"]

SpeechSource: TypeAlias = bytes | bytearray | memoryview | Path | str | AsyncIterable[bytes]
"""Int16 mono PCM; a WAV file's path; text; or pieces of PCM, as a voice agent gives them."""

PIECE_S = 0.1
SOURCE_TIMEOUT_S = 15.0
OUTPUT_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
LONGEST_WAITING = 100


class Speech:
    """Something that the bot says, or is to say. `Bot.say` makes one.

    Attributes:
        id: As in its events.
        text: What it says in words, empty where that is not known.
    """

    def __init__(self, speech_id: str, text: str, by: str, interrupt: Callable[[Speech], None]):
        self.id = speech_id
        self.text = text
        self._by = by
        self._interrupt = interrupt
        self._scope = trio.CancelScope()
        self._done = trio.Event()
        self._output: SpeechOutput | None = None
        self._position = 0.0
        self._cause = ""
        self._error: CommandFailed | None = None

    def __repr__(self) -> str:
        how = self._cause or ("finished" if self._done.is_set() else "to be said")
        return f"<Speech {self.id} {how}, {self.position:.1f} s>"

    @property
    def position(self) -> float:
        """How many seconds of it were really played."""
        return self._position if self._output is None else self._output.played_s

    async def wait(self) -> bool:
        """Return when it is over: True if it was said to its end, False if it was interrupted.

        No deadline of its own; each step of the speech has one.

        Raises:
            CommandFailed: It broke off by some trouble.
        """
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return not self._cause

    def interrupt(self) -> None:
        """Be silent; what is not said yet is not. Returns at once, and harmless afterwards."""
        self._interrupt(self)


@frozen
class _Source:
    """What is said: its pieces, made when its turn comes, and their rate in Hz."""

    open: Callable[[], Awaitable[tuple[int, AsyncIterable[bytes]]]]
    words: str = ""
    plugin: str = ""


class SpeechQueue:
    """Says what one bot has to say, in order.

    Args:
        context: The bot's records.
        life: Its state and its call.
        platform: What it can do at best.
        synthesizer: Who makes speech of text, None for nobody.
    """

    def __init__(
        self, context: BotContext, life: Life, platform: Platform, synthesizer: Synthesizer | None
    ) -> None:
        self._context = context
        self._life = life
        self._platform = platform
        self._synthesizer = synthesizer
        self._waiting: deque[tuple[Speech, _Source]] = deque()
        self._current: Speech | None = None
        self._wake = Wake()
        self._count = 0
        self._step = ""
        self._reading = False

    # --- what is asked ----------------------------------------------------------------

    def say(
        self,
        source: SpeechSource,
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: WhenSpeaking | str = WhenSpeaking.APPEND,
        text: str = "",
        by: str = "",
    ) -> Speech:
        """Give something its place among what is to be said; see `Bot.say`."""
        when = _policy(when_speaking)
        self._check_possible()
        read = self._read(source, sample_rate_hz)
        if self._current is not None or self._waiting:
            if when is WhenSpeaking.REFUSE:
                raise CommandRefused("The bot is speaking.", "Wait, append to it, or interrupt it.")
            if when is WhenSpeaking.INTERRUPT:
                self.interrupt_all("replaced")
        if len(self._waiting) >= LONGEST_WAITING:
            raise CommandRefused(f"{LONGEST_WAITING} speeches are waiting already.")
        self._count += 1
        speech = Speech(f"speech-{self._count}", text or read.words, by, self._interrupt)
        self._waiting.append((speech, read))
        self._wake.set()
        return speech

    def interrupt_all(self, cause: str) -> None:
        """End what is being said and forget what was to be."""
        for speech in [waiting[0] for waiting in self._waiting]:
            self._interrupt(speech, cause)
        if self._current is not None:
            self._interrupt(self._current, cause)

    def _interrupt(self, speech: Speech, cause: str = "interrupted") -> None:
        if speech._done.is_set() or speech._cause:
            return
        speech._cause = cause
        speech._scope.cancel()
        for waiting in self._waiting:
            if waiting[0] is speech:
                self._waiting.remove(waiting)
                self._settle(speech)
                return

    def _check_possible(self) -> None:
        life = self._life
        if life.state not in IN_CALL or life.call is None or life.ending.reason is not None:
            state = (life.state or State.REQUESTED).value
            raise CommandRefused(f"The bot is {state}, not in the call: it cannot speak now.")
        if Capability.SPEAK not in self._platform.capabilities & life.call.capabilities:
            raise CapabilityMissing(self._platform.name, Capability.SPEAK)

    def _read(self, source: SpeechSource, sample_rate_hz: int) -> _Source:
        if isinstance(source, str):
            return self._synthesized(source)
        if isinstance(source, Path):
            return _Source(partial(_file, source))
        if isinstance(sample_rate_hz, bool) or not 1_000 <= sample_rate_hz <= 384_000:
            raise CommandRefused(f"{sample_rate_hz!r} is no sample rate in Hz.")
        if isinstance(source, (bytes, bytearray, memoryview)):
            pcm = bytes(source)
            if not pcm or len(pcm) % 2:
                raise CommandRefused(
                    f"{len(pcm)} bytes are no int16 mono PCM.", "Give whole samples, at least one."
                )
            return _Source(partial(_at_once, sample_rate_hz, _single(pcm)))
        if isinstance(source, AsyncIterable):
            return _Source(partial(_at_once, sample_rate_hz, source))
        raise CommandRefused(
            f"A {type(source).__name__} cannot be said.",
            "Give PCM as bytes, a Path to a WAV file, text, or an async iterator of PCM.",
        )

    def _synthesized(self, text: str) -> _Source:
        synthesizer = self._synthesizer
        if synthesizer is None:
            raise CommandRefused(
                "There is nobody to say a text: no synthesizer is configured.",
                "Set `synthesizer` to an installed one, or give PCM.",
            )
        if not text.strip():
            raise CommandRefused("There is no text to be said.")
        request = SynthesisRequest(
            bot_id=self._context.id,
            text=text,
            language=self._context.config.language,
            redactor=self._context.redactor,
        )

        async def synthesize() -> tuple[int, AsyncIterable[bytes]]:
            return synthesizer.sample_rate_hz, synthesizer.synthesize(request)

        return _Source(synthesize, text, synthesizer.name)

    # --- speaking ---------------------------------------------------------------------

    async def run(self) -> None:
        """Say what there is to say, for ever."""
        try:
            while True:
                while self._waiting:
                    speech, source = self._waiting.popleft()
                    self._current = speech
                    await self._say(speech, source)
                    self._current = None
                await self._wake.wait()
        finally:
            self._current = None
            self.interrupt_all("leaving")

    async def _say(self, speech: Speech, source: _Source) -> None:
        finished = False
        try:
            with speech._scope:
                await self._play(speech, source)
                finished = True
        except Exception as error:  # noqa: BLE001  whatever it is, it ends this speech only
            if not speech._cause:
                self._failed(speech, source, error)
        finally:
            if finished:
                speech._cause = ""
            elif speech._scope.cancelled_caught and not speech._cause:
                speech._cause = "timed_out"
                speech._error = CommandFailed(f"The speech broke off: {self._step}.")
            else:
                speech._cause = speech._cause or "leaving"
            self._settle(speech)

    def _failed(self, speech: Speech, source: _Source, error: Exception) -> None:
        speech._cause = "failed"
        ours = found_in(error, MeetcoreError)
        if ours is None:
            whose = source.plugin if self._reading else self._platform.name
            if whose:
                self._context.plugin_failed(whose, "speech", error)
        words = str(ours) if ours is not None else f"{type(error).__name__}: {error}"
        speech._error = CommandFailed(f"The speech broke off: {words}")
        speech._error.__cause__ = error

    async def _play(self, speech: Speech, source: _Source) -> None:
        call = self._life.call
        assert call is not None, "the queue runs no longer than the call"
        self._within(speech, SOURCE_TIMEOUT_S, "its source did not open", reading=True)
        rate_hz, chunks = await source.open()
        async with _closing(chunks) as pieces:
            self._within(speech, OUTPUT_TIMEOUT_S, "the call did not open its microphone")
            async with call.open_speech(rate_hz) as output:
                speech._output = output
                try:
                    await self._pass_on(speech, pieces, output, rate_hz)
                except BaseException:
                    speech._scope.deadline = inf
                    with trio.CancelScope(shield=True) as patience:
                        patience.deadline = trio.current_time() + STOP_TIMEOUT_S
                        await output.stop()
                    raise
                finally:
                    speech._position, speech._output = output.played_s, None
                self._within(speech, OUTPUT_TIMEOUT_S, "the call did not close its microphone")
            speech._scope.deadline = inf

    async def _pass_on(
        self, speech: Speech, pieces: AsyncIterator[bytes], output: SpeechOutput, rate_hz: int
    ) -> None:
        written, piece_bytes, rest = 0, 2 * max(1, round(PIECE_S * rate_hz)), b""
        while True:
            nothing = f"its source gave nothing for {SOURCE_TIMEOUT_S:g} s"
            self._within(speech, SOURCE_TIMEOUT_S, nothing, reading=True)
            given = await anext(pieces, None)
            if given is None:
                break
            rest += given
            whole = len(rest) // 2 * 2
            for at in range(0, whole, piece_bytes):
                self._within(speech, OUTPUT_TIMEOUT_S, "the call took nothing any more")
                await output.write(rest[at : min(at + piece_bytes, whole)])
                if not written:
                    started = SpeechStarted(speech_id=speech.id, text=speech.text, by=speech._by)
                    self._context.record(started)
                written += min(piece_bytes, whole - at)
            rest = rest[whole:]
        left_s = max(0.0, written / 2 / rate_hz - output.played_s)
        self._within(speech, left_s + OUTPUT_TIMEOUT_S, "the call did not play it in time")
        await output.drain()

    def _within(self, speech: Speech, seconds: float, step: str, *, reading: bool = False) -> None:
        """Give the next step of the speech in hand its time."""
        if speech._scope.cancel_called:
            return
        speech._scope.deadline = trio.current_time() + seconds
        self._step, self._reading = step, reading

    def _settle(self, speech: Speech) -> None:
        position_s = round(speech.position, 3)
        if speech._cause:
            error = speech._error
            event: Event = SpeechInterrupted(
                speech_id=speech.id,
                position_s=position_s,
                cause=speech._cause,
                text=speech.text,
                detail=str(error) if error else "",
            )
        else:
            event = SpeechFinished(speech_id=speech.id, duration_s=position_s, text=speech.text)
        self._context.record(event)
        speech._done.set()


def _policy(when_speaking: WhenSpeaking | str) -> WhenSpeaking:
    try:
        return WhenSpeaking(when_speaking)
    except ValueError:
        known = ", ".join(WhenSpeaking)
        raise CommandRefused(f"when_speaking is {when_speaking!r}, not one of {known}.") from None


async def _at_once(rate_hz: int, chunks: AsyncIterable[bytes]) -> tuple[int, AsyncIterable[bytes]]:
    return rate_hz, chunks


async def _single(pcm: bytes) -> AsyncIterator[bytes]:
    yield pcm


@asynccontextmanager
async def _closing(chunks: AsyncIterable[bytes]) -> AsyncGenerator[AsyncIterator[bytes]]:
    """Iterate, and let go of what an async generator or a channel holds, in a few seconds."""
    pieces = aiter(chunks)
    try:
        yield pieces
    finally:
        let_go = getattr(pieces, "aclose", None)
        if let_go is not None:
            with trio.CancelScope(shield=True) as patience:
                patience.deadline = trio.current_time() + STOP_TIMEOUT_S
                await let_go()


async def _file(path: Path) -> tuple[int, AsyncIterable[bytes]]:
    return await trio.to_thread.run_sync(_read_wav, path)


def _read_wav(path: Path) -> tuple[int, AsyncIterable[bytes]]:
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
    return rate_hz, _single(pcm.tobytes())
