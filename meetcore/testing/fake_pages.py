"""The part of the fake service that has pages to be seen: grey ones."""

from __future__ import annotations

from meetcore.gateway.records import BotRow
from meetcore.model.errors import MeetcoreError
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.testing.sim_page import SimPage

__all__ = ["FakePages"]


class FakePages:
    """Screenshots of bots.

    Attributes:
        refusing: Raised instead, None to obey.
        records_video: As in `Service`.
    """

    records_video = False

    refusing: MeetcoreError | None

    async def screenshot(
        self, row: BotRow, picture_format: PictureFormat = PictureFormat.JPEG
    ) -> PagePicture:
        """Return a grey picture, or refuse."""
        del row
        if self.refusing is not None:
            raise self.refusing
        return SimPage().picture(picture_format)
