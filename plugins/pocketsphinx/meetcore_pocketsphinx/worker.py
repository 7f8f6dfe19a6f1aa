"""The worker process: reads audio of many tracks from stdin, writes hypotheses to stdout.

pocketsphinx holds the interpreter lock for as long as it computes (up to 400 ms for 20 ms of
sound), so it has a process of its own, `python -m meetcore_pocketsphinx.worker`, at nice 5. It ends
when its stdin ends, which is also how it notices that its parent was killed.

One thread, one loop. A partial hypothesis is computed when no input waits, else at a fifth of the
wished rate: a worker that is behind thus sheds partials first and catches up on audio. A track that
starts to speak while all decoders are out waits with its audio; how much that can be is bounded by
the parent's window.

Requests (`op`): `configure`, `begin`, `end`, `close`, and audio frames. Answers (`event`): `ready`,
`refused`, `heard` (for every audio frame, when it is decoded), `partial`, `final`, `failed`, and
`alive` while tracks wait.
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Iterable
from typing import Any

from meetcore import WorkerAudio, WorkerFrames, WorkerMessage, encode_frame
from meetcore_pocketsphinx.decoders import DecoderPool, ModelRefused
from meetcore_pocketsphinx.settings import WorkerSettings
from meetcore_pocketsphinx.utterance import DecodedUtterance

__all__ = ["Worker", "main"]

_READ_BYTES = 1 << 16
_ALIVE_EVERY_S = 1.0


class Worker:
    """Answers requests on one pair of pipes.

    Args:
        input_fd: Where frames come from.
        output_fd: Where answers go.
    """

    def __init__(self, input_fd: int, output_fd: int) -> None:
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._incoming = WorkerFrames()
        self._settings = WorkerSettings()
        self._pool = DecoderPool(self._settings)
        self._speaking: dict[int, DecodedUtterance] = {}
        self._waiting: dict[int, deque[WorkerMessage | WorkerAudio]] = {}

    def run(self) -> None:
        """Work until the input ends."""
        while True:
            timeout = _ALIVE_EVERY_S if self._waiting else None
            ready, _, _ = select.select([self._input_fd], [], [], timeout)
            if not ready:
                self._answer("alive")
                continue
            data = os.read(self._input_fd, _READ_BYTES)
            if not data:
                return
            self._incoming.feed(data)
            self._take(self._incoming.frames())

    def _take(self, frames: Iterable[WorkerMessage | WorkerAudio]) -> None:
        for frame in frames:
            if isinstance(frame, WorkerMessage) and frame.body["op"] == "configure":
                self._configure(frame.body["settings"])
                continue
            track = frame.track if isinstance(frame, WorkerAudio) else int(frame.body["track"])
            if isinstance(frame, WorkerMessage) and frame.body["op"] == "close":
                self._close(track)
            elif track in self._waiting:
                self._waiting[track].append(frame)
            else:
                self._handle(track, frame)
            self._serve_waiting()

    def _configure(self, settings: dict[str, Any]) -> None:
        self._settings = WorkerSettings.from_json(settings)
        self._pool = DecoderPool(self._settings)
        try:
            if self._settings.preload:
                self._pool.preload()
        except ModelRefused as error:
            self._answer("refused", message=error.message, remedy=error.remedy)
            return
        self._answer("ready", pid=os.getpid())

    def _handle(self, track: int, frame: WorkerMessage | WorkerAudio) -> None:
        if isinstance(frame, WorkerAudio):
            self._hear(track, frame)
        elif frame.body["op"] == "begin":
            self._begin(track, frame)
        elif frame.body["op"] == "end":
            self._end(track, str(frame.body["utterance"]))

    def _begin(self, track: int, frame: WorkerMessage) -> None:
        utterance_id = str(frame.body["utterance"])
        self._abandon(track)
        try:
            decoder = self._pool.lend(track)
        except ModelRefused as error:
            self._answer(
                "refused", track=track, utterance=utterance_id,
                message=error.message, remedy=error.remedy,
            )  # fmt: skip
            return
        if decoder is None:
            self._waiting[track] = deque([frame])
            return
        self._speaking[track] = DecodedUtterance(
            decoder,
            utterance_id,
            self._settings.partial_every_ms,
            posteriors=self._settings.bestpath,
        )

    def _hear(self, track: int, frame: WorkerAudio) -> None:
        utterance = self._speaking.get(track)
        if utterance is not None:
            try:
                utterance.hear(frame.start_sample, frame.pcm)
                if utterance.partial_overdue or (utterance.partial_due and self._caught_up()):
                    words = utterance.partial()
                    if words:
                        self._answer(
                            "partial", track=track, utterance=utterance.utterance_id, words=words
                        )
            except RuntimeError as error:
                self._fail(track, utterance.utterance_id, error)
        self._answer("heard", track=track, samples=len(frame.pcm) // 2)

    def _end(self, track: int, utterance_id: str) -> None:
        utterance = self._speaking.get(track)
        if utterance is None or utterance.utterance_id != utterance_id:
            self._answer("failed", track=track, utterance=utterance_id, message="it was not begun")
            return
        try:
            words = utterance.finish()
        except RuntimeError as error:
            self._fail(track, utterance_id, error)
            return
        del self._speaking[track]
        self._pool.give_back(track)
        self._answer("final", track=track, utterance=utterance_id, words=words)

    def _fail(self, track: int, utterance_id: str, error: RuntimeError) -> None:
        del self._speaking[track]
        self._pool.discard(track)
        self._answer("failed", track=track, utterance=utterance_id, message=str(error))

    def _abandon(self, track: int) -> None:
        utterance = self._speaking.pop(track, None)
        if utterance is not None:
            try:
                utterance.abandon()
            except RuntimeError:
                self._pool.discard(track)
            else:
                self._pool.give_back(track)

    def _close(self, track: int) -> None:
        for frame in self._waiting.pop(track, ()):  # what is owed for them is settled
            if isinstance(frame, WorkerAudio):
                self._answer("heard", track=track, samples=len(frame.pcm) // 2)
            elif frame.body["op"] == "end":
                utterance_id = str(frame.body["utterance"])
                self._answer("failed", track=track, utterance=utterance_id, message="given up")
        self._abandon(track)
        self._pool.forget(track)

    def _serve_waiting(self) -> None:
        for track in list(self._waiting):
            if not self._pool.can_lend:
                return
            frames = self._waiting.pop(track)
            while frames and track not in self._waiting:
                self._handle(track, frames.popleft())
            if frames:
                self._waiting[track].extend(frames)

    def _caught_up(self) -> bool:
        if self._incoming.holds_frame:
            return False
        ready, _, _ = select.select([self._input_fd], [], [], 0)
        return not ready

    def _answer(self, event: str, **fields: Any) -> None:
        data = memoryview(encode_frame(WorkerMessage({"event": event, **fields})))
        while data:
            data = data[os.write(self._output_fd, data) :]


def main() -> None:
    """Run the worker on this process's stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    output_fd = os.dup(1)
    os.dup2(2, 1)  # whatever a C library prints goes to stderr, not between our frames
    try:
        Worker(0, output_fd).run()
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main()
