"""What a launcher and a bot's process say to each other over a local socket: frames. Pure.

A frame is its length (4 bytes, big-endian), a kind (1 byte) and that many bytes of content:

| kind | from | content |
|---|---|---|
| `H` | launcher | JSON `{"after": seq, "audio": bool}`: tell, or be heard |
| `C` | launcher | JSON `{"id": n, "by": "…", "command": {...}}` |
| `Q` | launcher | nothing: end at once |
| `P` | launcher | nothing: answer with `O` |
| `S` | launcher | JSON `{"silent_s": seconds}`: so long you did not answer |
| `G` | launcher | JSON `{"id": n, "by": "…", "format": "jpeg"}`: answer with `I`, or with `R` |
| `L` | launcher | JSON `{"id": n, "by": "…"}`: somebody looks in while this connection lasts |
| `N` | launcher | nothing: send the look's next picture as `I` |
| `T` | launcher | JSON `{"id": n, "do": "take_over"}`, `release`, or `act` with an `input` |
| `O` | bot | nothing: it answers |
| `E` | bot | an event as in the journal |
| `D` | bot | a draft |
| `A` | bot | 2 bytes length, JSON `{"track", "start", "rate"}`, int16 samples |
| `I` | bot | 2 bytes length, JSON `{"id", "media_type", "width", "height"}`, a picture |
| `R` | bot | JSON `{"id": n, "error": {…} or null}`, see `error_frames` |
"""

from __future__ import annotations

import json
import struct
from enum import IntEnum
from typing import Any

import numpy as np
from attrs import frozen

from meetcore.audio.chunk import Chunk
from meetcore.model.errors import MeetcoreError
from meetcore.model.page_input import PagePicture

__all__ = [
    "BadFrame",
    "Frame",
    "FrameKind",
    "FrameReader",
    "audio_content",
    "audio_frame",
    "chunk_in",
    "frame",
    "json_frame",
    "picture_frame",
    "picture_in",
]

LONGEST_BYTES = 64 * 1024 * 1024
_HEAD = struct.Struct("!IB")


class FrameKind(IntEnum):
    """What a frame is."""

    HELLO = ord("H")
    COMMAND = ord("C")
    QUIT = ord("Q")
    PING = ord("P")
    WAS_SILENT = ord("S")
    GIVE_PICTURE = ord("G")
    LOOK_IN = ord("L")
    NEXT_PICTURE = ord("N")
    HANDS = ord("T")
    EVENT = ord("E")
    DRAFT = ord("D")
    AUDIO = ord("A")
    PICTURE = ord("I")
    RESULT = ord("R")
    PONG = ord("O")


class BadFrame(MeetcoreError):
    """The other side speaks something else."""


@frozen
class Frame:
    """One frame."""

    kind: FrameKind
    content: bytes

    def json(self) -> Any:
        """Return the content as JSON.

        Raises:
            BadFrame: It is none.
        """
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise BadFrame(f"A {self.kind.name} frame does not hold JSON.") from error


def frame(kind: FrameKind, content: bytes = b"") -> bytes:
    """Return a frame as bytes."""
    return _HEAD.pack(len(content), kind) + content


def json_frame(kind: FrameKind, message: Any) -> bytes:
    """Return a frame with a message."""
    return frame(kind, json.dumps(message).encode())


def audio_frame(chunk: Chunk) -> bytes:
    """Return a chunk as a frame."""
    return frame(FrameKind.AUDIO, audio_content(chunk))


def audio_content(chunk: Chunk) -> bytes:
    """Return a chunk as the content of an audio frame."""
    about = {"track": chunk.track_id, "start": chunk.start_sample, "rate": chunk.sample_rate_hz}
    head = json.dumps(about).encode()
    return struct.pack("!H", len(head)) + head + chunk.pcm.tobytes()


def chunk_in(content: bytes) -> Chunk:
    """Return the chunk in the content of an audio frame."""
    (size,) = struct.unpack_from("!H", content)
    about = json.loads(content[2 : 2 + size])
    pcm = np.frombuffer(content, dtype=np.int16, offset=2 + size) if size % 2 == 0 else None
    if pcm is None:
        pcm = np.frombuffer(content[2 + size :], dtype=np.int16)
    return Chunk(about["track"], about["start"], pcm, about["rate"])


def picture_frame(number: int, picture: PagePicture) -> bytes:
    """Return a picture of a page as a frame, as the answer to what had that number."""
    about = {
        "id": number,
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
    }
    head = json.dumps(about).encode()
    return frame(FrameKind.PICTURE, struct.pack("!H", len(head)) + head + picture.image)


def picture_in(content: bytes) -> tuple[int, PagePicture]:
    """Return what the content of a picture frame answers, and the picture."""
    (size,) = struct.unpack_from("!H", content)
    about = json.loads(content[2 : 2 + size])
    number = int(about.pop("id"))
    return number, PagePicture(image=content[2 + size :], **about)


class FrameReader:
    """Turns bytes as they come into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the frames that are complete.

        Raises:
            BadFrame: What came is no frame.
        """
        self._data += data
        frames: list[Frame] = []
        while len(self._data) >= _HEAD.size:
            size, kind = _HEAD.unpack_from(self._data)
            if size > LONGEST_BYTES or kind not in iter(FrameKind):
                raise BadFrame(f"A frame of kind {kind} with {size} bytes is none of ours.")
            if len(self._data) < _HEAD.size + size:
                break
            content = bytes(self._data[_HEAD.size : _HEAD.size + size])
            frames.append(Frame(FrameKind(kind), content))
            del self._data[: _HEAD.size + size]
        return frames
