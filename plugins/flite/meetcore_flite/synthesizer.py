"""Text to speech by the program `flite`, a process for each sentence."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import trio
from attrs import frozen

from meetcore import (
    ConfigError,
    MeetcoreError,
    SynthesisRequest,
    Synthesizer,
    spoken_sentences,
)
from meetcore.log import scratch_folder

__all__ = ["PROGRAM", "REMEDY", "VOICES", "FliteOptions", "FliteSynthesizer"]

PROGRAM = "flite"
REMEDY = "On Debian or Ubuntu: apt-get install flite."
VOICES = ("slt", "rms", "awb", "kal16", "kal")
RATES = (0.5, 2.0)
SENTENCE_TIMEOUT_S = 10.0
PIECE_S = 0.1


@frozen(kw_only=True)
class FliteOptions:
    """The options of `[plugins.flite]`.

    Attributes:
        voice: `slt` (a woman), `rms`, `awb` (men), `kal16`, `kal` (older and rougher).
        rate: How fast it speaks, 0.5 to 2.
    """

    voice: str = "slt"
    rate: float = 1.0


class FliteSynthesizer(Synthesizer[FliteOptions]):
    """Speaks English, offline and at once.

    Raises:
        ConfigError: There is no such voice, or the rate is out of bounds.
    """

    name: ClassVar[str] = "flite"

    def __init__(self, options: FliteOptions | None = None) -> None:
        super().__init__(options)
        if self.options.voice not in VOICES:
            raise ConfigError(
                f"[plugins.flite] voice is {self.options.voice!r}.",
                f"There are: {', '.join(VOICES)}.",
            )
        if not RATES[0] <= self.options.rate <= RATES[1]:
            raise ConfigError(
                f"[plugins.flite] rate is {self.options.rate:g}.",
                f"Take one from {RATES[0]:g} to {RATES[1]:g}.",
            )
        self.sample_rate_hz = 8_000 if self.options.voice == "kal" else 16_000

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes | str]:
        """Yield the speech in pieces of 100 ms, sentence by sentence, each after its text."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise MeetcoreError(f"The program {PROGRAM} is not installed.", REMEDY)
        for sentence in spoken_sentences(request.text):
            pcm = await self._speech(program, sentence)
            yield sentence
            size = round(self.sample_rate_hz * PIECE_S) * 2
            for start in range(0, len(pcm), size):
                yield pcm[start : start + size]

    async def _speech(self, program: str, sentence: str) -> bytes:
        with scratch_folder() as folder:
            command, spoken = self._command(program, sentence, folder)
            with trio.move_on_after(SENTENCE_TIMEOUT_S) as scope:
                done = await trio.run_process(
                    command,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    capture_stdout=True,
                    capture_stderr=True,
                )
            if scope.cancelled_caught:
                raise MeetcoreError(f"flite did not speak within {SENTENCE_TIMEOUT_S:g} s.")
            if done.returncode:
                raise MeetcoreError(f"flite failed (exit code {done.returncode}).")
            return self._pcm(spoken)

    def _command(self, program: str, sentence: str, folder: Path) -> tuple[list[str], Path]:
        """Return the command that speaks a sentence, and the file that it writes.

        The sentence goes by a file: an argument could be seen by everybody on the machine.
        """
        said, spoken = folder / "said.txt", folder / "spoken.wav"
        said.write_text(sentence, encoding="utf-8")
        stretch = f"duration_stretch={1 / self.options.rate:.3f}"
        command = [program, "-voice", self.options.voice, "--setf", stretch]
        return [*command, "-f", str(said), "-o", str(spoken)], spoken

    def _pcm(self, path: Path) -> bytes:
        try:
            with wave.open(str(path), "rb") as file:
                form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                pcm = file.readframes(file.getnframes())
        except (OSError, wave.Error, EOFError) as error:
            raise MeetcoreError("flite wrote no sound that can be read.") from error
        if form != (1, 2, self.sample_rate_hz):
            raise MeetcoreError(f"flite wrote sound of another form: {form}.")
        return pcm
