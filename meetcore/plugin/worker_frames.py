"""The frames between a local transcriber and its worker process: a length, a kind, JSON or PCM.

Both ends use this module, over pipes or a socket; it does no I/O. A frame is a big-endian header
(payload length in bytes as uint32, kind as uint8) and the payload. Audio carries the track's number
and the sample index of its first sample before the PCM (int16, little-endian, mono, 16 kHz).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import attrs

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "FrameError",
    "WorkerAudio",
    "WorkerFrames",
    "WorkerMessage",
    "encode_frame",
]

MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
_HEADER = struct.Struct(">IB")
_AUDIO = struct.Struct(">Iq")
_KIND_MESSAGE = 0
_KIND_AUDIO = 1


class FrameError(ValueError):
    """Bytes that are no frame: the other side is broken, or the stream was cut and joined."""


@attrs.frozen
class WorkerMessage:
    """A JSON object; `body["op"]` or `body["event"]` says what it is."""

    body: dict[str, Any]


@attrs.frozen
class WorkerAudio:
    """PCM of one track.

    Args:
        track: The number the transcriber gave the track.
        start_sample: Index of the first sample on the call's sample clock.
        pcm: int16, little-endian, mono, 16 kHz.
    """

    track: int
    start_sample: int
    pcm: bytes


def encode_frame(frame: WorkerMessage | WorkerAudio) -> bytes:
    """Return the bytes of one frame."""
    if isinstance(frame, WorkerAudio):
        payload = _AUDIO.pack(frame.track, frame.start_sample) + frame.pcm
        return _HEADER.pack(len(payload), _KIND_AUDIO) + payload
    payload = json.dumps(frame.body, separators=(",", ":")).encode()
    return _HEADER.pack(len(payload), _KIND_MESSAGE) + payload


class WorkerFrames:
    """Cuts a stream of bytes, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the stream."""
        self._bytes += data

    @property
    def holds_frame(self) -> bool:
        """Whether a whole frame is waiting."""
        if len(self._bytes) < _HEADER.size:
            return False
        length, _ = _HEADER.unpack_from(self._bytes)
        return len(self._bytes) >= _HEADER.size + int(length)

    def frames(self) -> Iterator[WorkerMessage | WorkerAudio]:
        """Yield the whole frames in order.

        Raises:
            FrameError: A frame longer than allowed, of an unknown kind, or with a bad payload.
        """
        while len(self._bytes) >= _HEADER.size:
            length, kind = _HEADER.unpack_from(self._bytes)
            if length > MAX_PAYLOAD_BYTES or kind not in (_KIND_MESSAGE, _KIND_AUDIO):
                raise FrameError(f"frame of kind {kind} with {length} bytes")
            end = _HEADER.size + length
            if len(self._bytes) < end:
                return
            payload = bytes(self._bytes[_HEADER.size : end])
            del self._bytes[:end]
            yield _decode(kind, payload)


def _decode(kind: int, payload: bytes) -> WorkerMessage | WorkerAudio:
    if kind == _KIND_AUDIO:
        if len(payload) < _AUDIO.size or (len(payload) - _AUDIO.size) % 2:
            raise FrameError(f"audio frame with {len(payload)} bytes")
        track, start_sample = _AUDIO.unpack_from(payload)
        return WorkerAudio(track, start_sample, payload[_AUDIO.size :])
    try:
        body = json.loads(payload)
    except ValueError as error:
        raise FrameError(f"message that is no JSON: {payload[:80]!r}") from error
    if not isinstance(body, dict):
        raise FrameError(f"message that is no JSON object: {payload[:80]!r}")
    return WorkerMessage(body)
