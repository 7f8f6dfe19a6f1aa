"""The worker process as the Trio side sees it: started, fed, listened to, watched, ended.

Only the writer task writes to the pipe, so a stream that is cancelled can never leave half a frame
behind and spoil the other tracks. A worker that owes an answer and gives no sign of life for
`silence_limit_s` is killed; that is the deadline of every wait on it.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from meetcore import (
    FrameError,
    TranscriberError,
    WorkerAudio,
    WorkerFrames,
    WorkerMessage,
    encode_frame,
)
from meetcore_pocketsphinx.settings import WorkerSettings

__all__ = ["Listener", "WorkerProcess"]

Listener = Callable[[WorkerMessage | None], None]
"""Is told what the worker says about its track; None once when the worker is gone."""

_ERROR_TAIL_BYTES = 2_000
_CLOSE_S = 2.0


class WorkerProcess:
    """One running worker.

    Args:
        settings: How it decodes.
        start_timeout_s: How long it may take to get ready.
        silence_limit_s: How long it may owe an answer without giving a sign.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        start_timeout_s: float = 20.0,
        silence_limit_s: float = 10.0,
    ) -> None:
        self._settings = settings
        self._start_timeout_s = start_timeout_s
        self._silence_limit_s = silence_limit_s
        self._outgoing: deque[bytes] = deque()
        self._something_to_write = trio.Event()
        self._listeners: dict[int, Listener] = {}
        self._last_track = 0
        self._owed = 0
        self._last_sign_s = math.inf
        self._closing = False
        self._ready = trio.Event()
        self._error_tail = b""
        self.pid: int | None = None
        self.lost: TranscriberError | None = None
        """Why there is no worker any more; None while there is one."""

    @property
    def alive(self) -> bool:
        """Whether the worker is ready and takes requests."""
        return self._ready.is_set() and self.lost is None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the worker, report when it is ready, and serve it until it ends or is cancelled.

        The process is reaped when this returns, however it returns.

        Raises:
            TranscriberError: It did not start; what happens later is kept in `lost`.
        """
        try:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "meetcore_pocketsphinx.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise TranscriberError(
                "crashed", f"The pocketsphinx worker cannot be started: {error}.", retryable=True
            ) from error
        self.pid = process.pid
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, process)
                nursery.start_soon(self._keep_error_tail, process)
                nursery.start_soon(self._watch, nursery.cancel_scope)
                self.post(WorkerMessage({"op": "configure", "settings": self._settings.to_json()}))
                nursery.start_soon(self._start, nursery.cancel_scope, task_status)
                await self._read(process)
                nursery.cancel_scope.cancel()
        finally:
            await self._end(process)
        if not self._ready.is_set() and self.lost is not None:
            raise self.lost

    def add_track(self, listener: Listener) -> int:
        """Return a number for a new track, whose news go to `listener`."""
        self._last_track += 1
        self._listeners[self._last_track] = listener
        return self._last_track

    def remove_track(self, track: int) -> None:
        """Forget a track and let the worker drop what it has of it."""
        if self._listeners.pop(track, None) is not None and self.alive:
            self.post(WorkerMessage({"op": "close", "track": track}))

    def post(self, frame: WorkerMessage | WorkerAudio) -> None:
        """Queue a frame; what bounds the queue is each stream's window of unheard audio."""
        if isinstance(frame, WorkerAudio) or frame.body["op"] in ("configure", "end"):
            if not self._owed:
                self._last_sign_s = trio.current_time()
            self._owed += 1
        self._outgoing.append(encode_frame(frame))
        self._something_to_write.set()

    def close(self) -> None:
        """Let the worker end by itself after what it is at."""
        self._closing = True
        self._something_to_write.set()

    async def _start(self, scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        with trio.move_on_after(self._start_timeout_s):
            await self._ready.wait()
            task_status.started()
            return
        self._lose("server", f"was not ready within {self._start_timeout_s:g} s")
        scope.cancel()

    async def _write(self, process: trio.Process) -> None:
        assert process.stdin is not None
        try:
            while True:
                while self._outgoing:
                    await process.stdin.send_all(self._outgoing.popleft())
                if self._closing:
                    await process.stdin.aclose()
                    return
                self._something_to_write = trio.Event()
                await self._something_to_write.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the reader sees the end and says why

    async def _read(self, process: trio.Process) -> None:
        assert process.stdout is not None
        incoming = WorkerFrames()
        try:
            async for data in process.stdout:
                incoming.feed(data)
                for frame in incoming.frames():
                    self._take(frame)
                if self.lost is not None:
                    return
        except (FrameError, KeyError, TypeError, ValueError) as error:
            self._lose("protocol", f"sent something unreadable ({error})")
        except trio.BrokenResourceError:
            return

    def _take(self, frame: WorkerMessage | WorkerAudio) -> None:
        if isinstance(frame, WorkerAudio):
            raise FrameError("audio came back")
        self._last_sign_s = trio.current_time()
        body = frame.body
        event = body["event"]
        if event in ("ready", "heard", "final", "failed") or (
            event == "refused" and "track" not in body
        ):
            self._owed -= 1
        if event == "ready":
            self._ready.set()
        elif event == "refused" and "track" not in body:
            self.lost = refusal(body)
        elif event != "alive":
            listener = self._listeners.get(int(body["track"]))
            if listener is not None:
                listener(frame)

    async def _keep_error_tail(self, process: trio.Process) -> None:
        assert process.stderr is not None
        try:
            async for data in process.stderr:
                self._error_tail = (self._error_tail + data)[-_ERROR_TAIL_BYTES:]
        except trio.BrokenResourceError:
            return

    async def _watch(self, scope: trio.CancelScope) -> None:
        while True:
            await trio.sleep(self._silence_limit_s / 10)
            silent_s = trio.current_time() - self._last_sign_s
            if self._ready.is_set() and self._owed > 0 and silent_s > self._silence_limit_s:
                self._lose("server", f"gave no sign for {silent_s:.1f} s with work to do")
                scope.cancel()
                return

    async def _end(self, process: trio.Process) -> None:
        """Reap the process: after a moment's grace when it was asked to close, else at once."""
        with trio.CancelScope(shield=True):
            if self._closing and self.lost is None:
                assert process.stdin is not None
                await process.stdin.aclose()
                with trio.move_on_after(_CLOSE_S):
                    await process.wait()
            if process.poll() is None:
                process.kill()
            await process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    await pipe.aclose()
        if self.lost is None:
            self.lost = self._died(process)
        for listener in list(self._listeners.values()):
            listener(None)

    def _lose(self, kind: str, what: str) -> None:
        if self.lost is None:
            self.lost = TranscriberError(
                kind, f"The pocketsphinx worker {what}.{self._said()}", retryable=True
            )

    def _died(self, process: trio.Process) -> TranscriberError:
        code = process.returncode
        how = f"ended with code {code}"
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        return TranscriberError(
            "crashed", f"The pocketsphinx worker {how}.{self._said()}", retryable=True
        )

    def _said(self) -> str:
        lines = self._error_tail.decode(errors="replace").strip().splitlines()
        return f" It said: {lines[-1][:300]}" if lines else ""


def refusal(body: dict[str, Any]) -> TranscriberError:
    """Return the error for options that the worker refused; another try would not help."""
    return TranscriberError(
        "bad_request", str(body["message"]), retryable=False, remedy=str(body["remedy"])
    )
