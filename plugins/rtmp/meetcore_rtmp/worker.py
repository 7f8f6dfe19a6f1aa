"""The worker that speaks RTMP: takes pictures and sound on its input, and sends them.

    python -m meetcore_rtmp.worker

A process of its own: ffmpeg's libraries wait where a receiver does not read, and nobody else is to
wait with them. Where the stream goes comes on the input, so that no list of processes shows the
key. It ends with its input: whoever started it may have been killed.

It answers on its output, a line of JSON each: `{"taken": true}` once the receiver takes the stream,
`{"failed": why}`, `{"done": true}` after the goodbye.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any, BinaryIO

import numpy as np

from meetcore import SAMPLE_RATE_HZ
from meetcore_rtmp.frames import BEGIN, END, KEY, SOUND, WorkerFrame, read_frame
from meetcore_rtmp.live_mux import BlackPictures, LiveMux, output_name

__all__ = ["main"]


def _tell(**news: Any) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


class _OutgoingStream:
    """What is sent, once the first picture says what it is like."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._name = output_name(
            order["address"], app=order["app"], key=order["key"], tc_url=order["tc_url"]
        )
        self._black = BlackPictures() if order["black"] else None
        self._mux: LiveMux | None = None
        self._base_us = 0

    def take(self, frame: WorkerFrame) -> None:
        """Take a picture or sound."""
        if frame.kind == SOUND:
            self._sound(frame)
            return
        if self._mux is None:
            self._begin(frame.data, frame.at)
        assert self._mux is not None
        self._mux.picture(frame.at, frame.data, alone=frame.kind == KEY)

    def _begin(self, first: bytes, at_us: int) -> None:
        self._mux = LiveMux(self._name, first, at_us)
        self._base_us = at_us
        _tell(taken=True)

    def _sound(self, frame: WorkerFrame) -> None:
        pcm = np.frombuffer(frame.data, "<i2").astype(np.int16)
        if self._mux is None and self._black is not None:
            self._begin(self._black.first, round(frame.at * 1_000_000 / SAMPLE_RATE_HZ))
        if self._mux is None:
            return
        if self._black is not None:
            end_us = round((frame.at + len(pcm)) * 1_000_000 / SAMPLE_RATE_HZ)
            self._black.until(self._mux, self._base_us, end_us)
        self._mux.sound(frame.at, pcm)

    def end(self) -> None:
        """Say goodbye."""
        if self._mux is not None:
            self._mux.close()


def _why(error: Exception, logs: list[Any], secrets: list[str]) -> str:
    """Return what went wrong in a line, by ffmpeg's own last words, without any secret."""
    said = [str(message).strip() for _, _, message in logs if str(message).strip()]
    words = said[-1] if said else getattr(error, "strerror", None) or type(error).__name__
    for secret in secrets:
        words = words.replace(secret, "…")
    return str(words)[:300]


def _serve(source: BinaryIO) -> None:
    import av
    import av.logging

    first = read_frame(source)
    if first is None or first.kind != BEGIN:
        return
    order: dict[str, Any] = json.loads(first.data)
    secrets = [order["key"], order["app"]]
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as logs:
        try:
            stream = _OutgoingStream(order)
            while (frame := read_frame(source)) is not None:
                if frame.kind == END:
                    stream.end()
                    _tell(done=True)
                    return
                stream.take(frame)
        except (av.FFmpegError, OSError, ValueError) as error:
            _tell(failed=_why(error, logs, secrets))


def main() -> None:
    """Send until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(sys.stdin.buffer)


if __name__ == "__main__":
    main()
