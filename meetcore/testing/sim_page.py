"""The page of a simulated meeting: grey, but there to be photographed, looked at and taken over."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from meetcore.model.errors import CapabilityMissing, CommandFailed
from meetcore.model.page_input import (
    KeyInput,
    MouseAction,
    MouseInput,
    PageInput,
    PagePicture,
    PictureFormat,
)
from meetcore.plugin.page_view import PageView
from meetcore.plugin.platform import Call, Capability

__all__ = ["SimPage", "SimPageCall", "grey_picture"]

SIZE = (32, 18)
_ONE_CODE = bytes([1, *[0] * 15])
"""How a Huffman table counts its codes by length (ITU-T T.81, B.2.4.2): one, of a single bit."""


@define(eq=False)
class SimPage:
    """A page that changes every so often, and notes what is done in it.

    Attributes:
        every_s: How long one picture stands.
        closed: Whether it is gone.
        pictures: How many pictures were made of it.
        views: How many people see it now.
        most_views: How many there were at once at most.
        acting: Whether a person has taken it over.
        inputs: What people did in it.
        held: Which keys and buttons are held.
    """

    every_s: float = 0.05
    closed: bool = False
    pictures: int = 0
    views: int = 0
    most_views: int = 0
    acting: bool = False
    inputs: list[PageInput] = field(factory=list)
    held: set[str] = field(factory=set)

    def picture(self, picture_format: PictureFormat) -> PagePicture:
        """Return a picture, unlike every other.

        Raises:
            CommandFailed: The page is closed.
        """
        if self.closed:
            raise CommandFailed("The simulated page is closed.")
        self.pictures += 1
        image = grey_picture(picture_format, f"picture {self.pictures}")
        return PagePicture(
            image=image, media_type=picture_format.media_type, width=SIZE[0], height=SIZE[1]
        )


class _SimView(PageView):
    def __init__(self, page: SimPage) -> None:
        self._page = page
        self._given_at = trio.current_time()

    async def next_picture(self) -> PagePicture:
        await trio.sleep_until(self._given_at + self._page.every_s)
        self._given_at = trio.current_time()
        return self._page.picture(PictureFormat.JPEG)

    async def act(self, what: PageInput) -> None:
        await trio.lowlevel.checkpoint()
        page = self._page
        page.inputs.append(what)
        if isinstance(what, KeyInput):
            (page.held.add if what.down else page.held.discard)(what.key)
        elif isinstance(what, MouseInput) and what.action is MouseAction.DOWN:
            page.held.add(what.button)
        elif isinstance(what, MouseInput) and what.action is MouseAction.UP:
            page.held.discard(what.button)

    async def let_go(self) -> None:
        await trio.lowlevel.checkpoint()
        self._page.held.clear()


class SimPageCall(Call):
    """The part of a simulated call that is seen.

    Attributes:
        page: The page, None where the meeting has none.
    """

    page: SimPage | None = None

    def _page_for(self, capability: Capability) -> SimPage:
        if self.page is None:
            raise CapabilityMissing(self.platform_name, capability)
        return self.page

    async def screenshot(self, picture_format: PictureFormat) -> PagePicture:
        """Return a picture of the page."""
        await trio.lowlevel.checkpoint()
        return self._page_for(Capability.SCREENSHOT).picture(picture_format)

    @asynccontextmanager
    async def open_view(self) -> AsyncIterator[PageView]:
        """Let a person see the page."""
        page = self._page_for(Capability.LOOK_IN)
        await trio.lowlevel.checkpoint()
        page.views += 1
        page.most_views = max(page.most_views, page.views)
        try:
            yield _SimView(page)
        finally:
            page.views -= 1

    def person_acts(self, *, acting: bool) -> None:
        """Note whether a person has taken over."""
        if self.page is not None:
            self.page.acting = acting


def grey_picture(picture_format: PictureFormat, comment: str = "") -> bytes:
    """Return a small grey picture, valid for every decoder, with a comment in it."""
    return (_jpeg if picture_format is PictureFormat.JPEG else _png)(comment.encode())


def _jpeg(comment: bytes) -> bytes:
    """A JPEG (ITU-T T.81, baseline) of blocks that are all middle grey: two bits each."""
    width, height = SIZE
    blocks = -(-width // 8) * -(-height // 8)
    bits = "00" * blocks
    data = int(bits + "1" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big")
    segments = [
        (0xFE, comment),
        (0xDB, bytes([0, *[1] * 64])),
        (0xC0, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])),
        (0xC4, b"\x00" + _ONE_CODE + b"\x00"),
        (0xC4, b"\x10" + _ONE_CODE + b"\x00"),
        (0xDA, bytes([1, 1, 0x00, 0, 63, 0])),
    ]
    head = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments
    )
    return b"\xff\xd8" + head + data + b"\xff\xd9"


def _png(comment: bytes) -> bytes:
    width, height = SIZE
    rows = (b"\x00" + b"\x80" * width) * height
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\x00" + comment),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
