"""Which pictures are taken, and the plain one that takes a picture back."""

from __future__ import annotations

import io

import av
import pytest

from meetcore.gateway import PICTURE_BYTES, picture, picture_type, plain_picture
from meetcore.model.errors import MediaRefused

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_plain_picture_is_an_even_grey_that_any_decoder_takes() -> None:
    shown = plain_picture()
    assert shown.media_type == picture_type(shown.image) == "image/png"
    with av.open(io.BytesIO(shown.image), format="png_pipe") as file:
        (frame,) = file.decode(video=0)
    pixels = frame.to_ndarray(format="gray")
    assert pixels.shape == (180, 320)
    assert 0x20 < pixels.min() == pixels.max() < 0x40
    assert plain_picture() == shown


@pytest.mark.parametrize(
    ("image", "kind"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"),
     (b"GIF87a", "image/gif")],
)  # fmt: skip
def test_a_picture_is_known_by_how_it_begins(image: bytes, kind: str) -> None:
    assert picture(image + b"more").media_type == kind


@pytest.mark.parametrize(
    "image", [b"", b"GIF", b"<svg xmlns=", b"RIFF____WEBP", PNG[:-1], PNG + b"x" * PICTURE_BYTES]
)
def test_what_is_none_or_too_large_is_refused(image: bytes) -> None:
    with pytest.raises(MediaRefused):
        picture(image)
