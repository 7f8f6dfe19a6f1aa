"""Decodes what page/wire.js sends: the payloads of one binding. Pure.

What comes from a page is not trusted: a payload that does not follow the format is a `WireError`,
never a surprise somewhere behind.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from typing import Any, TypeAlias

import numpy as np
from attrs import field, frozen

from meetcore import Pcm
from meetcore_browser.errors import BrowserError

__all__ = ["AudioBlock", "FromPage", "PageMessage", "WireError", "decode", "encode_audio"]

_DOCUMENT = struct.Struct("<I")
_HEADER = struct.Struct("<IId")


class WireError(BrowserError):
    """A payload that page/wire.js would not have sent."""


@frozen(eq=False)
class AudioBlock:
    """Some audio of one track.

    Attributes:
        document: Number of the document that sent it.
        track: Number of the track within the document.
        first_frame: Index of the first sample on the document's sample clock.
        pcm: The samples.
    """

    document: int
    track: int
    first_frame: int
    pcm: Pcm = field(repr=lambda pcm: f"<{len(pcm)} samples>")

    @property
    def key(self) -> tuple[int, int]:
        """What tells the track from all others of the page."""
        return self.document, self.track


@frozen
class PageMessage:
    """Something a page script told.

    Attributes:
        document: Number of the document that told it.
        topic: What about.
        data: What.
        own: Whether it is the capture's; a joiner's script cannot say so, whatever its topic.
        frame: Where the document's sound clock stood, None before it runs.
    """

    document: int
    topic: str
    data: Any
    own: bool = False
    frame: int | None = None


FromPage: TypeAlias = AudioBlock | PageMessage


def decode(payload: str) -> list[FromPage]:
    """Decode one payload: a message, or blocks of one or several tracks.

    Raises:
        WireError: It does not follow the format.
    """
    return [_message(payload)] if payload.startswith("{") else _audio(payload)


def _message(payload: str) -> PageMessage:
    try:
        body = json.loads(payload)
        document, topic = body["document"], body["topic"]
    except (ValueError, KeyError, RecursionError) as error:
        raise WireError(
            f"The page sent a message that cannot be read: {payload[:80]!r}."
        ) from error
    if not isinstance(topic, str) or not isinstance(document, int):
        raise WireError(f"The page sent a message without a topic: {payload[:80]!r}.")
    frame = body.get("frame")
    if frame is not None and (type(frame) is not int or frame < 0):
        raise WireError(f"The page sent a message from frame {frame!r}.")
    return PageMessage(document, topic, body.get("data"), body.get("own") is True, frame)


def _audio(payload: str) -> list[FromPage]:
    try:
        raw = base64.b64decode(payload, validate=True)
    except (ValueError, binascii.Error) as error:
        raise WireError(f"The page sent what is not base64: {payload[:40]!r}.") from error
    if len(raw) <= _DOCUMENT.size:
        raise WireError(f"The page sent audio of {len(raw)} bytes.")
    (document,) = _DOCUMENT.unpack_from(raw)
    blocks: list[FromPage] = []
    at = _DOCUMENT.size
    while at < len(raw):
        block = _block(raw, at, document)
        at += _HEADER.size + block.pcm.nbytes
        blocks.append(block)
    return blocks


def _block(raw: bytes, at: int, document: int) -> AudioBlock:
    start = at + _HEADER.size
    if start > len(raw):
        raise WireError(f"The page sent {len(raw) - at} bytes in place of a block's header.")
    track, samples, first_frame = _HEADER.unpack_from(raw, at)
    if samples == 0 or start + 2 * samples > len(raw):
        raise WireError(f"The page sent {len(raw) - start} bytes for {samples} samples.")
    if not math.isfinite(first_frame) or first_frame < 0 or first_frame != int(first_frame):
        raise WireError(f"The page sent audio at frame {first_frame!r}.")
    # Bytes of its own: who keeps one track's block must not keep everybody's.
    pcm = np.frombuffer(raw[start : start + 2 * samples], dtype="<i2")
    return AudioBlock(document, track, int(first_frame), pcm)


def encode_audio(*blocks: AudioBlock) -> str:
    """Encode blocks of one document as page/pcm_worklet.js and page/wire.js do, for tests."""
    parts = [_DOCUMENT.pack(blocks[0].document)]
    for block in blocks:
        parts.append(_HEADER.pack(block.track, len(block.pcm), float(block.first_frame)))
        parts.append(block.pcm.astype("<i2").tobytes())
    return base64.b64encode(b"".join(parts)).decode()
