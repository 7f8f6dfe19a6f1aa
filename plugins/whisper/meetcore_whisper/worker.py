"""The worker: one process for all bots of a user on a machine that want the same model.

`python -m meetcore_whisper.worker SOCKET` reads its settings from its input, becomes a process of
its own (bots come and go, it stays), loads the model, listens at SOCKET, and says `ready` on its
output, or why not. Where another one has the socket already it says `taken` and ends. It ends by
itself a while after the last bot has gone.

One thread talks to the bots and never waits; one decodes. faster-whisper lets go of the
interpreter's lock while it decodes, so a bot that asks whether the worker lives is answered then,
too; a decode that takes far too long ends the process, and bots start another.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from meetcore import FrameError, WorkerAudio, WorkerFrames, WorkerMessage, encode_frame
from meetcore_whisper.settings import WIRE, WhisperWorkerSettings

__all__ = ["main"]

_READ_BYTES = 1 << 16
_TICK_S = 0.5
_MOST_UNSENT_BYTES = 8 << 20


class _AttendedBot:
    """A bot's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames = WorkerFrames()
        self.unsent: deque[bytes] = deque()
        self.unsent_bytes = 0


class _WorkerServer:
    """Talks to bots over a local socket."""

    def __init__(self, listener: socket.socket, settings: WhisperWorkerSettings) -> None:
        self._listener = listener
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _AttendedBot] = {}
        self._last_client = 0
        self._outbox: deque[tuple[int, bytes]] = deque()
        self._waker, self._wakened = socket.socketpair()
        for each in (listener, self._waker, self._wakened):
            each.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._selector.register(self._wakened, selectors.EVENT_READ, None)
        self.jobs: Any = None
        self.about: dict[str, Any] = {}

    def tell(self, client: int, body: Mapping[str, Any]) -> None:
        """Send a message to a client; from any thread."""
        self._outbox.append((client, encode_frame(WorkerMessage(dict(body)))))
        try:
            self._waker.send(b"x")
        except BlockingIOError:
            return  # it is awake already

    def run(self) -> None:
        """Serve until no bot has been here for `linger_s`, or a decode hangs."""
        alone_since = time.monotonic()
        while True:
            for key, mask in self._selector.select(_TICK_S):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._wakened:
                    self._empty_waker()
                else:
                    self._serve(key.data, mask)
            self._pass_on()
            now = time.monotonic()
            since = self.jobs.decoding_since
            if since is not None and now - since > self._settings.decode_limit_s:
                print(f"A decode took more than {now - since:.0f} s.", file=sys.stderr, flush=True)
                os._exit(70)
            if self._clients:
                alone_since = now
            elif now - alone_since >= self._settings.linger_s:
                return

    def _empty_waker(self) -> None:
        try:
            while self._wakened.recv(4096):
                pass
        except BlockingIOError:
            return

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        self._last_client += 1
        number = self._last_client
        self._clients[number] = _AttendedBot(connection)
        self._selector.register(connection, selectors.EVENT_READ, number)

    def _drop(self, number: int) -> None:
        client = self._clients.pop(number, None)
        if client is None:
            return
        self.jobs.leave(number)
        self._selector.unregister(client.connection)
        client.connection.close()

    def _serve(self, number: int, mask: int) -> None:
        client = self._clients.get(number)
        if client is None:
            return
        if mask & selectors.EVENT_READ:
            try:
                data = client.connection.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(number)
                return
            client.frames.feed(data)
            try:
                for frame in client.frames.frames():
                    self._take(number, frame)
            except (FrameError, KeyError, TypeError, ValueError) as error:
                print(f"A bot sent what cannot be read: {error}", file=sys.stderr, flush=True)
                self._drop(number)
                return
        if mask & selectors.EVENT_WRITE:
            self._write(number)

    def _take(self, number: int, frame: WorkerMessage | WorkerAudio) -> None:
        if isinstance(frame, WorkerAudio):
            self.jobs.hear(number, frame.track, frame.start_sample, frame.pcm)
            return
        body = frame.body
        op = body["op"]
        if op == "hello":
            if body["wire"] != WIRE:
                raise FrameError(f"version {body['wire']!r} instead of {WIRE}")
            self.jobs.enter(number, str(body["bot"]))
            self.tell(number, {"event": "ready", "pid": os.getpid(), **self.about})
        elif op == "begin":
            self.jobs.begin(number, int(body["track"]), body)
        elif op == "end":
            self.jobs.end(number, int(body["track"]), str(body["utterance"]))
        elif op == "close":
            self.jobs.close(number, int(body["track"]))
        elif op == "ping":
            self.tell(number, {"event": "pong"})
        else:
            raise FrameError(f"unknown op {op!r}")

    def _pass_on(self) -> None:
        while self._outbox:
            number, data = self._outbox.popleft()
            client = self._clients.get(number)
            if client is None:
                continue
            client.unsent.append(data)
            client.unsent_bytes += len(data)
            if client.unsent_bytes > _MOST_UNSENT_BYTES:
                self._drop(number)  # it does not read: a frozen bot keeps nobody's memory
            else:
                self._write(number)

    def _write(self, number: int) -> None:
        client = self._clients.get(number)
        if client is None:
            return
        events = selectors.EVENT_READ
        try:
            while client.unsent:
                data = client.unsent[0]
                sent = client.connection.send(data)
                client.unsent_bytes -= sent
                if sent < len(data):
                    client.unsent[0] = data[sent:]
                else:
                    client.unsent.popleft()
        except BlockingIOError:
            events |= selectors.EVENT_WRITE
        except OSError:
            self._drop(number)
            return
        self._selector.modify(client.connection, events, number)


def _listen(path: Path) -> tuple[socket.socket, int] | None:
    """Return a socket that listens at a path, and the lock that says so; None if it is taken."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    return listener, lock


def _jobs(settings: WhisperWorkerSettings, server: _WorkerServer) -> Any:
    """Load the model and return what does the work."""
    from faster_whisper.vad import get_vad_model

    from meetcore_whisper.engine import WhisperEngine
    from meetcore_whisper.jobs import WorkerJobs, WorkLimits
    from meetcore_whisper.voice_gate import VoiceGate

    def load(folder: str) -> WhisperEngine:
        return WhisperEngine(folder, settings.device, settings.compute_type, settings.threads)

    engine = load(settings.folder)
    smaller = settings.smaller_folder
    server.about = {
        "model": settings.model,
        "device": engine.device,
        "compute_type": engine.compute_type,
    }
    return WorkerJobs(
        engine,
        VoiceGate(get_vad_model()),
        WorkLimits(
            beam=settings.beam,
            finals_in_full=settings.finals_in_full,
            give_up_after_s=settings.give_up_after_s,
            when_behind=settings.when_behind,
        ),
        server.tell,
        smaller=(lambda: load(smaller)) if smaller is not None else None,
    )


def _become_daemon(path: Path, report: int) -> None:
    """Leave the bot that started this; what is said from now on goes into a file beside the path.

    The starter's input and output are let go of, but for the descriptor of the report.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for target, source in ((0, null), (1, null), (2, log)):
        os.dup2(source, target)
    for descriptor in range(3, 256):
        if descriptor != report:
            try:
                os.close(descriptor)
            except OSError:
                continue
    os.chdir("/")


def _serve(path: Path, settings: WhisperWorkerSettings, report: int) -> int:
    """Be the worker: load, say how it went, and serve."""

    def say(body: Mapping[str, Any]) -> None:
        try:
            os.write(report, json.dumps(dict(body)).encode() + b"\n")
        except OSError:
            return  # whoever started it is gone; others may need it
        finally:
            os.close(report)

    try:
        found = _listen(path)
        if found is None:
            say({"event": "taken"})
            return 0
        listener, _lock = found
        os.nice(settings.niceness)
        server = _WorkerServer(listener, settings)
        server.jobs = _jobs(settings, server)
    except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
        say({"event": "refused", "message": f"{type(error).__name__}: {error}"[:500]})
        return 1
    say({"event": "ready"})
    decoding = threading.Thread(target=_decode, args=(server.jobs,), daemon=True)
    decoding.start()
    server.run()
    path.unlink(missing_ok=True)
    os._exit(0)  # a decode that nobody waits for is not waited for


def _decode(jobs: Any) -> None:
    try:
        while jobs.step():
            pass
    except BaseException:  # noqa: BLE001  without its thread the process is of no use
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(71)


def main() -> NoReturn:
    """Read the settings, start the worker, and pass on how it went."""
    path = Path(sys.argv[1])
    settings = WhisperWorkerSettings.from_json(json.load(sys.stdin))
    receive, report = os.pipe()
    if os.fork() == 0:
        code = 70
        try:
            os.close(receive)
            _become_daemon(path, report)
            code = _serve(path, settings, report)
        finally:
            os._exit(code)
    os.close(report)
    with os.fdopen(receive, "rb") as answers:
        answer = answers.readline()
    sys.stdout.write(answer.decode() or '{"event": "died"}\n')
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
