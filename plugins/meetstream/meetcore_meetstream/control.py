"""What a client asks over the control socket. Pure: nothing it sends is an error."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from meetcore.model.commands import Command, SendChat, ShowImage, Speak

__all__ = ["Interrupt", "PictureByUrl", "read_control"]

_RATE_HZ = 48_000
_RATES_HZ = (8_000, 192_000)
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


@frozen
class Interrupt:
    """Say nothing more of what waits to be said."""


@frozen
class PictureByUrl:
    """Show a picture that lies somewhere."""

    url: str = field(repr=False)


def read_control(message: str | bytes) -> Command | Interrupt | PictureByUrl | None:
    """Return what a message asks for.

    None for what is to be ignored: malformed messages, unknown commands, acknowledgements, sound
    that is not what was agreed on, and chat that is not final yet.
    """
    try:
        asked = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, Mapping):
        return None
    command = asked.get("command")
    if command == "sendmsg":
        return _chat(asked, ("message", "msg"))
    if command == "sendchat":
        return _chat(asked, ("text",)) if asked.get("is_final") is True else None
    if command == "sendaudio":
        return _sound(asked)
    if command == "interrupt":
        return Interrupt() if asked.get("action", "clear_audio_queue") else None
    if command == "sendimg":
        return _picture(asked)
    if command == "sendimg_url":
        url = asked.get("img_url")
        return PictureByUrl(url) if isinstance(url, str) and url.strip() else None
    return None


def _chat(asked: Mapping[str, Any], names: tuple[str, ...]) -> SendChat | None:
    texts = [asked.get(name) for name in names]
    for text in texts:
        if isinstance(text, str) and text.strip():
            return SendChat(text.encode("utf-8", "replace").decode())
    return None


def _decoded(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        return base64.b64decode(value, validate=True) or None
    except ValueError:
        return None


def _sound(asked: Mapping[str, Any]) -> Speak | None:
    pcm = _decoded(asked.get("audiochunk"))
    rate_hz = asked.get("sample_rate", _RATE_HZ)
    whole = isinstance(rate_hz, int) and not isinstance(rate_hz, bool)
    agreed = (
        asked.get("encoding", "pcm16") == "pcm16"
        and asked.get("channels", 1) == 1
        and asked.get("endianness", "little") == "little"
    )
    if pcm is None or len(pcm) % 2 or not agreed or not whole:
        return None
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        return None
    return Speak(pcm, rate_hz)


def _picture(asked: Mapping[str, Any]) -> ShowImage | None:
    image = _decoded(asked.get("img"))
    if image is None:
        return None
    kinds = (kind for begin, kind in _PICTURES.items() if image.startswith(begin))
    kind = next(kinds, None)
    return None if kind is None else ShowImage(image, kind)
