"""What kind of picture some bytes are, and how large: read from the head, nothing decoded. Pure.

A picture that the bot is to show comes from anywhere. It is decoded in the page's own process,
which has Chromium's sandbox around it; what is looked at here are a few numbers at fixed places, so
that a picture that would take all memory when it is decoded is refused before.
"""

from __future__ import annotations

import struct

from attrs import frozen

from meetcore import CommandRefused

__all__ = ["LARGEST_PICTURE_BYTES", "PictureFacts", "picture_facts"]

LARGEST_PICTURE_BYTES = 8 * 2**20
MOST_PIXELS = 40_000_000
"""As many as a phone's camera takes; 160 MB when decoded."""
LONGEST_SIDE = 16_384

# Start-of-frame markers of JPEG (ITU-T T.81, table B.1): all of C0 to CF but DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@frozen
class PictureFacts:
    """What a picture's head says.

    Attributes:
        media_type: `image/png`, `image/jpeg` or `image/gif`.
        width: In pixels.
        height: In pixels.
    """

    media_type: str
    width: int
    height: int


def picture_facts(image: bytes) -> PictureFacts:
    """Return what a PNG, JPEG or GIF says of itself, whatever it was called.

    Raises:
        CommandRefused: It is none of these, is cut short, or is too large to be shown.
    """
    if len(image) > LARGEST_PICTURE_BYTES:
        raise CommandRefused(
            f"The picture has {len(image) / 2**20:.1f} MiB, more than"
            f" {LARGEST_PICTURE_BYTES // 2**20} MiB.",
            "Make it smaller: it is shown as large as a camera's.",
        )
    facts = _png(image) or _gif(image) or _jpeg(image)
    if facts is None:
        raise CommandRefused(
            "These bytes are no picture that can be shown.", "Give a whole PNG, JPEG or GIF."
        )
    width, height = facts.width, facts.height
    if not (width and height):
        raise CommandRefused(f"The picture is {width} × {height} pixels large.")
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise CommandRefused(
            f"The picture is {width} × {height} pixels large: too large to be decoded safely.",
            f"Make it smaller, at most {MOST_PIXELS // 10**6} million pixels.",
        )
    return facts


def _png(image: bytes) -> PictureFacts | None:
    if not image.startswith(b"\x89PNG\r\n\x1a\n") or image[12:16] != b"IHDR" or len(image) < 33:
        return None
    return PictureFacts("image/png", *struct.unpack(">II", image[16:24]))


def _gif(image: bytes) -> PictureFacts | None:
    if not image.startswith((b"GIF87a", b"GIF89a")) or len(image) < 14:
        return None
    return PictureFacts("image/gif", *struct.unpack("<HH", image[6:10]))


def _jpeg(image: bytes) -> PictureFacts | None:
    if not image.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(image):
        if image[at] != 0xFF:
            return None
        marker = image[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            at += 2
        elif marker in _JPEG_FRAMES:
            if at + 9 > len(image):
                return None
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return PictureFacts("image/jpeg", width, height)
        else:
            at += 2 + int.from_bytes(image[at + 2 : at + 4], "big")
    return None
