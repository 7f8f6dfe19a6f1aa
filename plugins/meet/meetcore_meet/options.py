"""The options of the platform `meet`."""

from __future__ import annotations

from attrs import frozen

from meetcore_browser.guest.options import GuestOptions

__all__ = ["MeetOptions"]


@frozen(kw_only=True)
class MeetOptions(GuestOptions):
    """How a bot attends Google Meet.

    Attributes:
        sound_wait_s: How long the call's own tracks may give no sound before what the page plays
            by itself is heard as well.
        read_wire: Whether what the service sends to its own client is read along: who is there,
            whose a stream is, chat, captions. Off, all of it comes from what the page shows.
    """

    sound_wait_s: float = 20.0
    read_wire: bool = True
