"""One transcription in a process of its own: asked for over its input, told over its output.

It ends with the server: it sees its input close, also where the server is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import trio

from meetcore import MeetcoreError

__all__ = ["COMMAND", "TranscriptionFailed", "transcribe_in_process"]

COMMAND: Sequence[str] = (sys.executable, "-m", "meetcore", "transcription-job")
_LONGEST_LINE = 1 << 20
_LAST_WORDS = 2000
_GONE_WITHIN_S = 10.0


class TranscriptionFailed(MeetcoreError):
    """A recording could not be transcribed."""

    code = "transcription_failed"


async def transcribe_in_process(
    job: Mapping[str, Any],
    *,
    limit_s: float,
    progress: Callable[[float], None],
    command: Sequence[str] = COMMAND,
) -> None:
    """Have a recording transcribed; returns when the transcript is written.

    Args:
        job: What `meetcore transcription-job` reads. It may hold secrets, and is on no disk and in
            no argument.
        limit_s: After that it is ended.
        progress: Told how much of the recording was taken, 0 to 1.
        command: What is run.

    Raises:
        TranscriptionFailed: It says why.
    """
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise TranscriptionFailed(
            f"No process can be started for it: {error.strerror or error}."
        ) from error
    words = bytearray()
    outcome: dict[str, Any] | None = None
    try:
        with trio.move_on_after(limit_s) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_last_words, process, words)
                outcome = await _talk(process, job, progress)
                await process.wait()
    finally:
        await _end(process)
    if scope.cancelled_caught:
        raise TranscriptionFailed(
            f"It was not done after {limit_s:.0f} s and was ended.",
            "Ask again: a faster transcriber, or a smaller model, takes less.",
        )
    if outcome is None:
        said = " ".join(words.decode("utf-8", "replace").split())[-300:]
        how = f"ended with {process.returncode}"
        raise TranscriptionFailed(f"Its process {how} and said nothing of it. {said}".rstrip())
    if "error" in outcome:
        told = outcome["error"]
        raise TranscriptionFailed(str(told.get("message")), str(told.get("remedy") or ""))


async def _talk(
    process: trio.Process, job: Mapping[str, Any], progress: Callable[[float], None]
) -> dict[str, Any] | None:
    """Send a job, and read lines until one says what came of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(trio.BrokenResourceError):  # it ended at once: its last words say why
        await process.stdin.send_all(json.dumps(dict(job)).encode() + b"\n")
    waiting = bytearray()
    async for piece in process.stdout:
        waiting += piece
        *lines, rest = waiting.split(b"\n")
        for line in lines:
            told = _told(bytes(line))
            if "progress" in told:
                progress(float(told["progress"]))
            elif "done" in told or "error" in told:
                return told
        waiting = bytearray(rest[-_LONGEST_LINE:])
    return None


def _told(line: bytes) -> dict[str, Any]:
    """Return what a line says; a plugin may print other things."""
    with suppress(ValueError):
        told = json.loads(line)
        if isinstance(told, dict):
            return told
    return {}


async def _keep_last_words(process: trio.Process, words: bytearray) -> None:
    assert process.stderr is not None
    async for piece in process.stderr:
        words += piece
        del words[:-_LAST_WORDS]


async def _end(process: trio.Process) -> None:
    """End the process with all that it started, and close its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _GONE_WITHIN_S):
        await process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                await stream.aclose()
