"""A screen of a bot's own, which nobody sees, and its recording.

Where there is an Xvfb, a bot whose meeting is recorded as video has its browser visible on one, and
what it shows is encoded by a process beside: a tenth of a core for 720p at 15 frames a second. The
screen and its recorder are processes apart: where the recorder dies the meeting goes on, and
another recorder is started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

import trio

from meetcore_browser.errors import BrowserError
from meetcore_browser.screen.frames import DELTA, KEY, ScreenFrame, ScreenFrameReader

__all__ = ["Screen", "ScreenFailed", "open_screen", "xvfb_path"]

START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 5.0
READ_BYTES = 256 * 1024
MOST_RECORDERS = 5
"""How many recorders one meeting may use up: what dies each time will die again."""
BETWEEN_RECORDERS_S = 1.0

# The screen ends with the input of this shell, whose other end goes with whoever started it.
_KEEPER = '"$@" </dev/null >/dev/null 2>&1 & cat >/dev/null; kill $! 2>/dev/null; wait'


class ScreenFailed(BrowserError):
    """The screen of a bot's own did not start, or its recorder broke off."""


def xvfb_path() -> str | None:
    """Return where the virtual screen's program is, None where there is none."""
    return shutil.which("Xvfb")


class Screen:
    """A running virtual screen. Made by `open_screen`.

    Attributes:
        display: Its name, for `$DISPLAY`.
        recorder_pid: Process id of what records it now, None for nobody.
    """

    def __init__(self, display: str, width: int, height: int) -> None:
        self.display = display
        self.recorder_pid: int | None = None
        self._size = (str(width), str(height))

    async def record(
        self,
        frames_per_s: int,
        take: Callable[[ScreenFrame], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """Record it, for a nursery of the caller's; returns when that cannot be done any more.

        Args:
            frames_per_s: How often it is looked at.
            take: Takes each piece of the picture, in order; after a recorder that died the next
                one begins with a picture that stands by itself.
            tell: Takes news: `{"picture": "still" | "black" | "moving", "for_s": …}`, and
                `{"failed": why}`.
        """
        command = [
            *(sys.executable, "-m", "meetcore_browser.screen.worker"),
            *(self.display, *self._size, str(frames_per_s)),
        ]
        for _ in range(MOST_RECORDERS):
            async with _process(command, stdout=subprocess.PIPE) as process:
                self.recorder_pid = process.pid
                tell({"failed": await _hand_on(process, take, tell)})
            self.recorder_pid = None
            await trio.sleep(BETWEEN_RECORDERS_S)


async def _hand_on(
    process: trio.Process,
    take: Callable[[ScreenFrame], None],
    tell: Callable[[dict[str, Any]], None],
) -> str:
    """Hand on what a recorder writes; return why nothing more comes."""
    reader, why = ScreenFrameReader(), ""
    assert process.stdout is not None
    try:
        while data := await process.stdout.receive_some(READ_BYTES):
            for frame in reader.feed(bytes(data)):
                if frame.kind in (KEY, DELTA):
                    take(frame)
                elif "failed" in frame.news:
                    why = str(frame.news["failed"])
                else:
                    tell(frame.news)
    except (OSError, trio.BrokenResourceError, BrowserError, ValueError) as error:
        why = why or f"{type(error).__name__}: {error}"
    return why or "the process that records the screen ended"


@asynccontextmanager
async def open_screen(width: int, height: int) -> AsyncIterator[Screen]:
    """Open a screen that nobody sees; on exit it is gone.

    Args:
        width: In pixels.
        height: In pixels.

    Raises:
        ScreenFailed: It did not start.
    """
    xvfb = xvfb_path()
    if find_spec("av") is None:
        raise ScreenFailed(
            "The package av (PyAV) is not installed.", "pip install 'meetcore-browser[video]'"
        )
    if xvfb is None:
        raise ScreenFailed("There is no Xvfb on this machine.", "On Debian: apt-get install xvfb.")
    reading, writing = os.pipe()
    try:
        # No TCP, and nothing of it outlives its last program.
        server = [
            *(xvfb, "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24"),
            *("-nolisten", "tcp", "-noreset"),
        ]
        keeper = ["/bin/sh", "-c", _KEEPER, "meetcore-screen", *server]
        async with _process(keeper, pass_fds=[writing]):
            os.close(writing)
            writing = -1
            number = await _line(reading)
            if not number:
                raise ScreenFailed(
                    "The bot's own screen (Xvfb) did not start.",
                    "Run `Xvfb :99` by hand to see why.",
                )
            yield Screen(f":{number}", width, height)
    finally:
        for descriptor in (reading, writing):
            if descriptor >= 0:
                os.close(descriptor)


async def _line(descriptor: int) -> str:
    """Return what comes up to a line's end, or an empty text where nothing comes in time."""
    text = b""
    with trio.move_on_after(START_TIMEOUT_S):
        while not text.endswith(b"\n"):
            await trio.lowlevel.wait_readable(descriptor)
            if not (piece := os.read(descriptor, 64)):
                return ""
            text += piece
        return text.decode().strip()
    return ""


@asynccontextmanager
async def _process(command: Sequence[str], **options: Any) -> AsyncIterator[trio.Process]:
    """Run a process that ends with its input; on exit it is gone, with its children."""
    process = await trio.lowlevel.open_process(
        list(command),
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the bot's to understand: the meeting is left first
        **options,
    )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _end(process: trio.Process) -> None:
    assert process.stdin is not None
    with suppress(trio.BrokenResourceError):
        await process.stdin.aclose()
    with trio.move_on_after(END_TIMEOUT_S):
        async with trio.open_nursery() as nursery:
            if process.stdout is not None:
                nursery.start_soon(_drain, process.stdout)  # or it would wait for its reader
            await process.wait()
            nursery.cancel_scope.cancel()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while await stream.receive_some(READ_BYTES):
            pass
