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


def decode(payload: str) -> FromPage:
    """Decode one payload.

    Raises:
        WireError: It does not follow the format.
    """
    return _message(payload) if payload.startswith("{") else _audio(payload)


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


def _audio(payload: str) -> AudioBlock:
    try:
        raw = base64.b64decode(payload, validate=True)
    except (ValueError, binascii.Error) as error:
        raise WireError(f"The page sent what is not base64: {payload[:40]!r}.") from error
    if len(raw) <= _HEADER.size or len(raw) % 2:
        raise WireError(f"The page sent an audio block of {len(raw)} bytes.")
    document, track, first_frame = _HEADER.unpack_from(raw)
    if not math.isfinite(first_frame) or first_frame < 0 or first_frame != int(first_frame):
        raise WireError(f"The page sent audio at frame {first_frame!r}.")
    pcm = np.frombuffer(raw, dtype="<i2", offset=_HEADER.size)
    return AudioBlock(document, track, int(first_frame), pcm)


def encode_audio(block: AudioBlock) -> str:
    """Encode a block as page/wire.js does, for tests and tools."""
    header = _HEADER.pack(block.document, block.track, float(block.first_frame))
    return base64.b64encode(header + block.pcm.astype("<i2").tobytes()).decode()
