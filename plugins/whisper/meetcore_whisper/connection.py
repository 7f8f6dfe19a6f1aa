"""A bot's connection to the machine's worker: found, or started, and watched."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
import struct
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
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
from meetcore_whisper.settings import WIRE, WhisperWorkerSettings, worker_socket

__all__ = ["News", "WorkerConnection", "WorkerFinder", "finder"]

News = Callable[[Mapping[str, Any] | None], None]
"""Takes what the worker says about a track; None once when the worker is gone."""

PING_S = 2.0
SILENT_S = 12.0
GREETED_WITHIN_S = 25.0
"""A worker that says nothing for so long, though a model loads in a few seconds, stands still."""
_RETRY_S = 0.05
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's other threads spin while they wait for the next spectrum: a quarter of all CPU, for
nothing (measured with `benchmarks.fidelity`); the model has threads of its own."""
_DEATHS_LIMIT = 5
_DEATHS_WITHIN_S = 60.0
_READ_BYTES = 1 << 16


class WorkerConnection:
    """One bot's connection.

    Args:
        stream: The socket.
        log: Where the worker writes what it has to say before it dies.
        to_bot: Takes what the worker says to the whole bot.
    """

    def __init__(
        self, stream: trio.SocketStream, log: Path, to_bot: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._stream = stream
        self._log = log
        self._to_bot = to_bot
        self._frames = WorkerFrames()
        self._outgoing: deque[bytes] = deque()
        self._something_to_write = trio.Event()
        self._tracks: dict[int, News] = {}
        self._last_track = 0
        self._heard_at = trio.current_time()
        self.about: Mapping[str, Any] = {}
        self.lost: TranscriberError | None = None
        """Why there is no connection any more; None while there is one."""

    def add_track(self, news: News) -> int:
        """Return a number for a new track, about which `news` is told."""
        self._last_track += 1
        self._tracks[self._last_track] = news
        return self._last_track

    def remove_track(self, track: int) -> None:
        """Forget a track."""
        if self._tracks.pop(track, None) is not None and self.lost is None:
            self.post(WorkerMessage({"op": "close", "track": track}))

    def post(self, frame: WorkerMessage | WorkerAudio) -> None:
        """Send a frame, soon; the worker reads all the time, so little waits here."""
        self._outgoing.append(encode_frame(frame))
        self._something_to_write.set()

    async def greet(self, bot_id: str) -> None:
        """Say who is there and wait for the answer.

        Raises:
            TranscriberError: It is not a worker of this version, or it is gone.
        """
        hello = WorkerMessage({"op": "hello", "wire": WIRE, "bot": bot_id})
        try:
            await self._stream.send_all(encode_frame(hello))
            while True:
                data = await self._stream.receive_some(_READ_BYTES)
                if not data:
                    raise TranscriberError("crashed", "The worker hung up.", retryable=True)
                self._frames.feed(data)
                for frame in self._frames.frames():
                    if isinstance(frame, WorkerMessage) and frame.body["event"] == "ready":
                        self.about = frame.body
                        return
        except (trio.BrokenResourceError, FrameError, KeyError) as error:
            raise TranscriberError(
                "crashed", f"The worker hung up ({error}).", retryable=True
            ) from error

    async def run(self) -> None:
        """Serve the connection until it is lost or this is cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._watch, nursery.cancel_scope)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self._stream.socket.close()
            self._lose("crashed", f"is gone.{self._last_words()}")
            for news in list(self._tracks.values()):
                news(None)

    async def _write(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                while self._outgoing:
                    await self._stream.send_all(self._outgoing.popleft())
                self._something_to_write = trio.Event()
                await self._something_to_write.wait()

    async def _read(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            try:
                while data := await self._stream.receive_some(_READ_BYTES):
                    self._heard_at = trio.current_time()
                    self._frames.feed(data)
                    for frame in self._frames.frames():
                        self._take(frame)
            except (FrameError, KeyError, TypeError, ValueError) as error:
                self._lose("protocol", f"sent what cannot be read ({error}).")

    def _take(self, frame: WorkerMessage | WorkerAudio) -> None:
        if isinstance(frame, WorkerAudio):
            raise FrameError("audio came back")
        body = frame.body
        event = body["event"]
        if event == "pong":
            return
        if "track" not in body:
            self._to_bot(body)
            return
        news = self._tracks.get(int(body["track"]))
        if news is not None:
            news(body)

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Ask every now and then whether it lives; end what gives no answer (a stopped process)."""
        while True:
            await trio.sleep(PING_S)
            silent_s = trio.current_time() - self._heard_at
            if silent_s > SILENT_S:
                self._lose("server", f"gave no sign for {silent_s:.0f} s; it was ended.")
                pid = self.about.get("pid")
                if isinstance(pid, int) and peer_pid(self._stream) in (pid, None):
                    end_process(pid)
                scope.cancel()
                return
            self.post(WorkerMessage({"op": "ping"}))

    def _lose(self, kind: str, what: str) -> None:
        if self.lost is None:
            self.lost = TranscriberError(kind, f"The whisper worker {what}", retryable=True)

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
            if lines:
                return f" It said: {lines[-1][:300]}"
        return ""


def peer_pid(stream: trio.SocketStream) -> int | None:
    """Return the process at the other end of a local socket, None where the system cannot say."""
    option = getattr(sockets, "SO_PEERCRED", None)
    if option is None:
        return None
    try:
        raw = stream.socket.getsockopt(sockets.SOL_SOCKET, option, struct.calcsize("3i"))
    except OSError:
        return None
    return int(struct.unpack("3i", raw)[0])


def end_process(pid: int | None) -> None:
    """End a worker that stands still, if it is known which process it is."""
    if pid is not None and pid != os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


class WorkerFinder:
    """Gives a bot its connection: to the worker that runs, or to one that it starts.

    Args:
        settings: What the worker has to be.
        bot_id: Whose connection it is.
        start_timeout_s: How long a worker may take to be ready.
        to_bot: Takes what the worker says to the whole bot.
        nursery: Where connections are served.
    """

    def __init__(
        self,
        settings: WhisperWorkerSettings,
        bot_id: str,
        start_timeout_s: float,
        to_bot: Callable[[Mapping[str, Any]], None],
        nursery: trio.Nursery,
    ) -> None:
        self._settings = settings
        self._path = worker_socket(settings)
        self._bot_id = bot_id
        self._start_timeout_s = start_timeout_s
        self._to_bot = to_bot
        self._nursery = nursery
        self._finding = trio.Lock()
        self._losses: deque[float] = deque(maxlen=_DEATHS_LIMIT)
        self._current: WorkerConnection | None = None

    async def connection(self) -> WorkerConnection:
        """Return a connection to a worker that is ready.

        Raises:
            TranscriberError: None can be had (`retryable` says whether another try may help).
        """
        async with self._finding:
            current = self._current
            if current is not None and current.lost is None:
                return current
            if current is not None:
                self._count_loss(current)
                self._current = None
            with trio.move_on_after(self._start_timeout_s):
                self._current = await self._find()
                return self._current
            raise TranscriberError(
                "server",
                f"The whisper worker was not ready within {self._start_timeout_s:g} s.",
                retryable=True,
                remedy="On a slow machine raise start_timeout_s, or take a smaller model.",
            )

    def _count_loss(self, connection: WorkerConnection) -> None:
        now = trio.current_time()
        self._losses.append(now)
        if len(self._losses) == _DEATHS_LIMIT and now - self._losses[0] < _DEATHS_WITHIN_S:
            assert connection.lost is not None
            raise TranscriberError(
                "crashed",
                f"The whisper worker was lost {_DEATHS_LIMIT} times within "
                f"{_DEATHS_WITHIN_S:g} s. The last time: {connection.lost.message}",
                retryable=False,
                remedy="`meetcore doctor` tries the transcriber out.",
            )

    async def _find(self) -> WorkerConnection:
        while True:
            connection = await self._connect()
            if connection is not None:
                self._nursery.start_soon(connection.run)
                return connection
            await self._start()

    async def _connect(self) -> WorkerConnection | None:
        try:
            stream = await trio.open_unix_socket(str(self._path))
        except (OSError, RuntimeError):
            return None
        connection = WorkerConnection(stream, self._path.with_suffix(".log"), self._to_bot)
        try:
            with trio.move_on_after(GREETED_WITHIN_S) as late:
                await connection.greet(self._bot_id)
            if late.cancelled_caught:
                end_process(peer_pid(stream))
                raise TranscriberError("server", "It gave no answer.", retryable=True)
        except TranscriberError:
            await trio.aclose_forcefully(stream)
            return None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return connection

    async def _start(self) -> None:
        """Have a worker started; where another one is being started, wait a moment."""
        answer = await start_worker(self._path, self._settings)
        if answer["event"] == "ready":
            return
        if answer["event"] == "taken":
            await trio.sleep(_RETRY_S)
            return
        message = answer.get("message", "it died while it loaded the model")
        raise TranscriberError(
            "crashed",
            f"The whisper worker cannot start with model {self._settings.model}: {message}.",
            retryable=answer["event"] == "died",
            remedy="`meetcore models verify` checks the model, `meetcore doctor` the rest.",
        )


async def start_worker(path: Path, settings: WhisperWorkerSettings) -> Mapping[str, Any]:
    """Start a worker process and return what it says about how that went."""
    try:
        done = await trio.run_process(
            [sys.executable, "-m", "meetcore_whisper.worker", str(path)],
            stdin=json.dumps(settings.to_json()).encode(),
            env={**os.environ, **_ONE_THREAD},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    except OSError as error:
        return {"event": "died", "message": str(error)}
    lines = done.stdout.splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = (done.stderr or b"").decode(errors="replace").strip().splitlines()
        return {"event": "died", "message": said[-1][:300] if said else "it said nothing"}
    return answer if isinstance(answer, dict) else {"event": "died"}


@asynccontextmanager
async def finder(
    settings: WhisperWorkerSettings,
    bot_id: str,
    start_timeout_s: float,
    to_bot: Callable[[Mapping[str, Any]], None],
) -> AsyncIterator[WorkerFinder]:
    """Hold a bot's connections; when this ends they are closed."""
    async with trio.open_nursery() as nursery:
        yield WorkerFinder(settings, bot_id, start_timeout_s, to_bot, nursery)
        nursery.cancel_scope.cancel()
