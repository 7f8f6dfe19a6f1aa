"""A screen of a bot's own, which nobody sees, and its recording.

Where there is an Xvfb, a bot whose meeting is recorded as video has its browser visible on one, and
what it shows is encoded by a process beside: a tenth of a core for 720p at 15 frames a second. The
screen and its recorder are processes apart: where the recorder dies or hangs the meeting goes on,
and another recorder is started.

The screen lets in who has its cookie (MIT-MAGIC-COOKIE-1), which only this user can read: whoever
may open a display sees what is on it, and can type.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trio

from meetcore.log import scratch_folder
from meetcore_browser.errors import BrowserError
from meetcore_browser.screen.frames import DELTA, KEY, ScreenFrame, ScreenFrameReader

__all__ = ["Screen", "ScreenFailed", "open_screen", "xvfb_path"]

START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 5.0
READ_BYTES = 256 * 1024
MOST_RECORDERS = 5
"""How many recorders one meeting may use up: what dies each time will die again."""
BETWEEN_RECORDERS_S = 1.0
PATIENCE_S = 10.0
"""After how long without a picture a recorder is taken for hung; the first may take longer."""

_COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"
_ANY_FAMILY = 0xFFFF
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
        authority: Path of the file with its cookie, for `$XAUTHORITY`.
        recorder_pid: Process id of what records it now, None for nobody.
    """

    def __init__(self, display: str, authority: Path, width: int, height: int) -> None:
        self.display = display
        self.authority = authority
        self.recorder_pid: int | None = None
        self._size = (str(width), str(height))

    async def record(
        self,
        frames_per_s: int,
        take: Callable[[ScreenFrame], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """Record it, for a nursery of the caller's; returns when that cannot be done any more.

        A recorder that gives no picture for `PATIENCE_S` is ended as one that failed.

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
        env = {**os.environ, "XAUTHORITY": str(self.authority)}
        for _ in range(MOST_RECORDERS):
            try:
                async with _process(command, stdout=subprocess.PIPE, env=env) as process:
                    self.recorder_pid = process.pid
                    tell({"failed": await _hand_on(process, take, tell)})
            except ScreenFailed as error:
                tell({"failed": error.message})
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
    with trio.move_on_after(START_TIMEOUT_S) as patience:
        try:
            while data := await process.stdout.receive_some(READ_BYTES):
                for frame in reader.feed(bytes(data)):
                    if frame.kind in (KEY, DELTA):
                        patience.deadline = trio.current_time() + PATIENCE_S
                        take(frame)
                    elif "failed" in frame.news:
                        why = str(frame.news["failed"])
                    else:
                        tell(frame.news)
        except (OSError, trio.BrokenResourceError, BrowserError, ValueError) as error:
            why = why or f"{type(error).__name__}: {error}"
    if patience.cancelled_caught:
        why = why or "no picture came any more: what records the screen hangs"
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
    with ExitStack() as stack:
        try:
            authority = stack.enter_context(scratch_folder()) / "screen.cookie"
            _write_cookie(authority)
        except OSError as error:
            raise _not_started(error) from error
        async with _server(xvfb, width, height, authority) as display:
            yield Screen(display, authority, width, height)


@asynccontextmanager
async def _server(xvfb: str, width: int, height: int, authority: Path) -> AsyncIterator[str]:
    """Run a screen that lets in who has the cookie; give its name."""
    try:
        reading, writing = os.pipe()
    except OSError as error:
        raise _not_started(error) from error
    try:
        # No TCP, and nothing of it outlives its last program.
        server = [
            *(xvfb, "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24"),
            *("-nolisten", "tcp", "-noreset", "-auth", str(authority)),
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
            yield f":{number}"
    finally:
        for descriptor in (reading, writing):
            if descriptor >= 0:
                os.close(descriptor)


def _not_started(error: OSError) -> ScreenFailed:
    return ScreenFailed(f"The bot's own screen cannot be started: {error}.")


def _write_cookie(path: Path) -> None:
    """Write a new cookie as an X authority file (Xau): one entry, for whatever display asks."""
    parts = (b"", b"", _COOKIE_NAME, secrets.token_bytes(16))  # address, number, name, data
    counted = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(struct.pack(">H", _ANY_FAMILY) + counted)


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
    """Run a process that ends with its input; on exit it is gone, with its children.

    Raises:
        ScreenFailed: It cannot be started.
    """
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the bot's to understand: the meeting is left first
            **options,
        )
    except OSError as error:  # no process or descriptor may be left on this machine
        name = Path(command[0]).name
        raise ScreenFailed(f"The screen's {name} cannot be started: {error}.") from error
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
