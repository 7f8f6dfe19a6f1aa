"""Text to speech by the program piper, which runs beside the bot from its first text on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import trio

from meetcore import MeetcoreError, SynthesisRequest, Synthesizer, spoken_sentences
from meetcore_piper.options import PiperOptions, voice_of
from meetcore_piper.program import AskedLine, PiperProgram

__all__ = ["PiperSynthesizer"]

ANSWER_TIMEOUT_S = 14.0
"""Below the 15 s after which a bot gives a synthesizer up: then it is told why."""
PIECE_S = 0.1


class PiperSynthesizer(Synthesizer[PiperOptions]):
    """Speaks any language that there is a voice for, offline, in a natural voice.

    Attributes:
        voice: The voice's file and rate.

    Raises:
        ConfigError: There is no such voice, or an option is out of bounds.
    """

    name: ClassVar[str] = "piper"

    def __init__(self, options: PiperOptions | None = None) -> None:
        super().__init__(options)
        self.voice = voice_of(self.options)
        self.sample_rate_hz = self.voice.sample_rate_hz
        self._program: PiperProgram | None = None
        self._starting = trio.Lock()

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes | str]:
        """Yield the speech in pieces of 100 ms, sentence by sentence, each after its text.

        The next sentence is being spoken while one is given.
        """
        sentences = spoken_sentences(request.text)
        asked = await self._ask(next(sentences, None))
        size = round(self.sample_rate_hz * PIECE_S) * 2
        while asked is not None:
            program, line = asked
            async with self._in_time(program):
                pcm = await program.answer(line)
            asked = await self._ask(next(sentences, None))
            yield line.text
            for start in range(0, len(pcm), size):
                yield pcm[start : start + size]

    async def aclose(self) -> None:
        """End the program; it is started again for the next text."""
        program, self._program = self._program, None
        if program is not None:
            await program.end()

    async def _ask(self, sentence: str | None) -> tuple[PiperProgram, AskedLine] | None:
        if sentence is None:
            return None
        program = await self._running()
        async with self._in_time(program):
            return program, await program.ask(sentence)

    async def _running(self) -> PiperProgram:
        async with self._starting:
            if self._program is None:
                self._program = await PiperProgram.started(
                    self.options.command, self._arguments(), self.sample_rate_hz
                )
            return self._program

    def _arguments(self) -> list[str]:
        arguments = ["--model", str(self.voice.path)]
        arguments += ["--length-scale", f"{1 / self.options.rate:.3f}"]
        if self.options.speaker is not None:
            arguments += ["--speaker", str(self.options.speaker)]
        return arguments

    @asynccontextmanager
    async def _in_time(self, program: PiperProgram) -> AsyncGenerator[None]:
        """Give the program its time for a step; where it fails, another one is started next."""
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                yield
        except trio.TooSlowError:
            if not program.may_be_loading:
                await self._gave_up(program)
            raise MeetcoreError(
                f"piper did not speak within {ANSWER_TIMEOUT_S:g} s.",
                "The machine may be overloaded, or too slow for this voice: voices of the quality "
                "low and medium are the fastest.",
            ) from None
        except MeetcoreError:
            await self._gave_up(program)
            raise

    async def _gave_up(self, program: PiperProgram) -> None:
        if self._program is program:
            await self.aclose()
