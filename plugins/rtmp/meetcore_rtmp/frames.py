"""What the sink writes to its worker: frames with a head. Pure.

The head is a byte that says what it is, a time, and the length of what follows, big-endian. The
time of a picture is in microseconds of the call's clock, that of sound in samples at 16 kHz of the
same clock.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

from attrs import field, frozen

__all__ = [
    "BEGIN",
    "DELTA",
    "END",
    "KEY",
    "SOUND",
    "WorkerFrame",
    "pack_frame",
    "pack_order",
    "read_frame",
]

BEGIN, KEY, DELTA, SOUND, END = b"B", b"K", b"D", b"S", b"E"
_HEAD = struct.Struct(">cqI")


@frozen
class WorkerFrame:
    """A frame: what it is, when, and its bytes."""

    kind: bytes
    at: int
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")


def pack_frame(kind: bytes, at: int, data: bytes = b"") -> bytes:
    """Return a frame as it is written."""
    return _HEAD.pack(kind, at, len(data)) + data


def pack_order(**order: Any) -> bytes:
    """Return the first frame: where the stream goes."""
    return pack_frame(BEGIN, 0, json.dumps(order).encode())


def read_frame(file: BinaryIO) -> WorkerFrame | None:
    """Return the next frame; None where whoever writes is gone, be it in the middle. Blocks."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, at, length = _HEAD.unpack(head)
    data = file.read(length)
    return WorkerFrame(kind, at, data) if len(data) == length else None
