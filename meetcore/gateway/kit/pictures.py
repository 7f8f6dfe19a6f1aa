"""Pictures that a bot is to show: which are taken, the one at a URL, and a plain one."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from meetcore.gateway.service import Service
from meetcore.model.commands import ShowImage
from meetcore.model.errors import MediaRefused

__all__ = ["PICTURE_BYTES", "fetched_picture", "picture", "picture_type", "plain_picture"]

PICTURE_BYTES = 8 * 1024 * 1024
"""The largest picture that is taken."""

_KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_PLAIN_SIZE = (320, 180)
_PLAIN_GREY = 0x30


def picture_type(image: bytes) -> str | None:
    """Return the media type of a picture by how it begins; None for what cannot be shown."""
    return next((kind for begin, kind in _KINDS.items() if image.startswith(begin)), None)


def picture(image: bytes) -> ShowImage:
    """Return the command that shows a picture. Nothing is decoded here: the bot's page does that.

    Raises:
        MediaRefused: It is too large, or none of PNG, JPEG and GIF.
    """
    if len(image) > PICTURE_BYTES:
        raise MediaRefused(
            f"The picture has {len(image)} bytes; it may have {PICTURE_BYTES}.", "Send a smaller."
        )
    kind = picture_type(image)
    if kind is None:
        raise MediaRefused("That is no picture that can be shown.", "Send a PNG, JPEG or GIF.")
    return ShowImage(image, kind)


async def fetched_picture(service: Service, url: str) -> ShowImage:
    """Return the command that shows the picture at a URL.

    Raises:
        NotFetched: It cannot be had.
        MediaRefused: It is none that can be shown.
    """
    return picture(await service.fetch(url, most_bytes=PICTURE_BYTES))


def plain_picture() -> ShowImage:
    """Return the command that takes a picture back: an even grey stands in its place."""
    return ShowImage(_grey(), "image/png")


@cache
def _grey() -> bytes:
    width, height = _PLAIN_SIZE
    row = b"\0" + bytes([_PLAIN_GREY]) * width

    def part(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(row * height, 9)
    begin = next(iter(_KINDS))
    return begin + part(b"IHDR", head) + part(b"IDAT", pixels) + part(b"IEND", b"")
