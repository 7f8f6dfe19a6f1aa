"""The program piper while it runs: the voice is loaded once, then it speaks line after line.

It is given a folder and reads text from its input, a line at a time. Of each line it writes a WAV
file into the folder, and then `INFO:__main__:Wrote PATH` to its standard error. Answers come in the
order of the lines, so what was asked for and is not wanted any more is passed over when it comes.
Nobody reads while nobody waits for an answer: between two lines it has nothing to say.

What is spoken is in no argument and no log, and in a file only until it has been read. The program
ends with its input, and so with this process, however that ends.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import wave
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import trio
from attrs import define

from meetcore import MeetcoreError
from meetcore.log import scratch_folder

__all__ = ["INSTALL", "AskedLine", "PiperProgram"]

INSTALL = (
    "Install piper in an environment of its own (`python -m venv /opt/piper`, "
    "`/opt/piper/bin/pip install piper-tts`), and name it in [plugins.piper]: "
    'command = ["/opt/piper/bin/piper"].'
)

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 1.0
LONGEST_S = 180.0
_LONGEST_LOG_BYTES = 64 * 1024
_LONGEST_QUOTE_CHARS = 200
_PHONEMES = re.compile(r"\[{2,}")
"""Between `[[` and `]]` piper takes letters for phonemes."""
_WROTE = re.compile(r"INFO:\w*:Wrote (.+)")
_REMEDY = (
    "Check command and voice in [plugins.piper]; `meetcore doctor piper` has it speak a word. "
    "It is started again for the next text."
)
_UNSPEAKABLE = (
    "There may be something in this sentence that it cannot speak. It is started again for the "
    "next text."
)


@define(eq=False)
class AskedLine:
    """A line that is to be spoken, and its sound once that is there: int16 mono PCM."""

    text: str
    pcm: bytes | None = None


class PiperProgram:
    """One run of piper. `PiperProgram.started` begins it.

    Args:
        process: The program, its input and standard error open.
        folder: Where it writes what it speaks.
        sample_rate_hz: The rate that is to have.
        held: Closed at the end; holds the folder.
    """

    def __init__(
        self, process: trio.Process, folder: Path, sample_rate_hz: int, held: ExitStack
    ) -> None:
        self._process = process
        self._folder = folder
        self._sample_rate_hz = sample_rate_hz
        self._held = held
        self._waiting: deque[AskedLine] = deque()
        self._writing = trio.Lock()
        self._reading = trio.Lock()
        self._log = b""
        self._last_words = ""
        self._began_s = trio.current_time()
        self._has_spoken = False

    @classmethod
    async def started(
        cls, command: Sequence[str], arguments: Sequence[str], sample_rate_hz: int
    ) -> PiperProgram:
        """Start it; that its voice is loaded is only known when it has spoken.

        Raises:
            MeetcoreError: There is no such program.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder())
            try:
                process = await trio.lowlevel.open_process(
                    [*command, *arguments, "--output-dir", str(folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**os.environ, "PYTHONUTF8": "1"},
                    start_new_session=True,  # Ctrl-C is the bot's to understand
                )
            except OSError as error:
                raise MeetcoreError(
                    f"The program {command[0]} cannot be started: {error.strerror}.", INSTALL
                ) from error
            return cls(process, folder, sample_rate_hz, stack.pop_all())

    @property
    def may_be_loading(self) -> bool:
        """Whether it has not spoken yet and was started a short while ago."""
        return not self._has_spoken and trio.current_time() < self._began_s + START_TIMEOUT_S

    async def ask(self, text: str) -> AskedLine:
        """Have a line spoken; `answer` waits for its sound.

        Raises:
            MeetcoreError: It has ended.
        """
        assert self._process.stdin is not None
        asked = AskedLine(text)
        line = _PHONEMES.sub("[", text)
        async with self._writing:
            try:
                await self._process.stdin.send_all(line.encode(errors="replace") + b"\n")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise await self._ended() from None
            self._waiting.append(asked)  # no checkpoint before it: what was sent is expected
        return asked

    async def answer(self, asked: AskedLine) -> bytes:
        """Return the sound of a line.

        Raises:
            MeetcoreError: It has ended, or wrote something else.
        """
        async with self._reading:
            while asked.pcm is None:
                path = await self._next_path()
                spoken = self._waiting.popleft() if self._waiting else AskedLine("")
                spoken.pcm = self._read(path)
                self._has_spoken = True
        return asked.pcm

    async def end(self) -> None:
        """End it at once, and remove what it wrote."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        try:
            # One that the system does not let die is left: nobody's meeting waits for it.
            deadline = trio.current_time() + END_TIMEOUT_S
            with trio.CancelScope(shield=True, deadline=deadline):
                await self._process.stdin.aclose()
                if self._process.returncode is None:
                    with suppress(OSError):
                        os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        finally:
            await trio.aclose_forcefully(self._process.stderr)
            self._held.close()

    async def _next_path(self) -> Path:
        """Return the path of what it wrote next, read from its log."""
        assert self._process.stderr is not None
        while True:
            line, found, rest = self._log.partition(b"\n")
            if found:
                self._log = rest
                text = line.decode(errors="replace").rstrip()
                if wrote := _WROTE.fullmatch(text):
                    return Path(wrote[1])
                self._last_words = text or self._last_words
                continue
            try:
                data = await self._process.stderr.receive_some(4096)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                raise await self._ended()
            self._log = (self._log + data)[-_LONGEST_LOG_BYTES:]

    async def _ended(self) -> MeetcoreError:
        """Return what there is to say of a program that ended: how, and its last words."""
        with trio.move_on_after(END_TIMEOUT_S):
            await self._process.wait()
            await self._read_last_words()
        code = self._process.returncode
        how = "closed its standard error" if code is None else f"ended with exit code {code}"
        words = self._quotable(self._last_words)
        remedy = _UNSPEAKABLE if self._has_spoken else _REMEDY
        return MeetcoreError(f"piper {how}{': ' if words else ''}{words or '.'}", remedy)

    async def _read_last_words(self) -> None:
        assert self._process.stderr is not None
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            while data := await self._process.stderr.receive_some(4096):
                self._log = (self._log + data)[-_LONGEST_LOG_BYTES:]
        lines = [line for line in self._log.decode(errors="replace").splitlines() if line.strip()]
        self._last_words = lines[-1] if lines else self._last_words

    def _quotable(self, line: str) -> str:
        """Return a line of its log, empty where it has a word of what is to be spoken."""
        spoken = {word for asked in self._waiting for word in _words(asked.text)}
        if spoken & _words(line):
            return ""
        return "".join(c for c in line if c.isprintable())[:_LONGEST_QUOTE_CHARS]

    def _read(self, path: Path) -> bytes:
        """Return what it wrote, and remove it."""
        if path.parent != self._folder or path.is_symlink():
            raise MeetcoreError("piper says that it wrote a file outside of its folder.", _REMEDY)
        try:
            with wave.open(str(path), "rb") as file:
                form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                pcm = file.readframes(round(LONGEST_S * self._sample_rate_hz))
            path.unlink()
        except (OSError, wave.Error, EOFError) as error:
            raise MeetcoreError("piper wrote no sound that can be read.", _REMEDY) from error
        if form != (1, 2, self._sample_rate_hz):
            raise MeetcoreError(
                f"piper wrote sound of {form[0]} channels, {8 * form[1]} bits and {form[2]} Hz; "
                f"the voice says 1, 16 and {self._sample_rate_hz}.",
                _REMEDY,
            )
        return pcm


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))
