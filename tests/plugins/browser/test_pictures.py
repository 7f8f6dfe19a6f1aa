"""What the head of a picture says, and what is refused by it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import CommandRefused
from meetcore_browser.pictures import LARGEST_PICTURE_BYTES, PictureFacts, picture_facts


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(4)


def jpeg(width: int, height: int, marker: int = 0xC2) -> bytes:
    app = b"\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    frame = b"\xff" + bytes([marker]) + struct.pack(">HBHH", 17, 8, height, width)
    return b"\xff\xd8" + app + b"\xff\xff\xff" + app[1:] + frame + bytes(10)


@pytest.mark.parametrize(
    ("image", "media_type"),
    [(png(640, 360), "image/png"), (gif(640, 360), "image/gif"), (jpeg(640, 360), "image/jpeg")],
)
def test_kind_and_size_are_read_from_the_head(image: bytes, media_type: str) -> None:
    assert picture_facts(image) == PictureFacts(media_type, 640, 360)


@pytest.mark.parametrize("make", [png, gif, jpeg])
def test_a_picture_that_would_fill_the_memory_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(CommandRefused, match="too large to be decoded"):
        picture_facts(make(50_000, 60_000))
    with pytest.raises(CommandRefused, match="0 × 5 pixels"):
        picture_facts(make(0, 5))
    with pytest.raises(CommandRefused, match=r"8\.0 MiB, more than 8 MiB"):
        picture_facts(make(5, 5) + bytes(LARGEST_PICTURE_BYTES))


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: jpeg(9, 9)[:24] + rest))
def test_any_bytes_are_a_picture_or_a_clear_refusal(image: bytes) -> None:
    try:
        facts = picture_facts(image)
    except CommandRefused:
        return
    assert 0 < facts.width * facts.height <= 40_000_000


@pytest.mark.parametrize(
    "image", [png(9, 9)[:30], gif(9, 9)[:9], jpeg(9, 9)[:30], b"", b"\xff\xd8"]
)
def test_what_is_cut_short_is_no_picture(image: bytes) -> None:
    with pytest.raises(CommandRefused, match="no picture"):
        picture_facts(image)
