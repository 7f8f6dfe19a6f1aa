"""What a person may choose about a bot in Zoom's web client."""

from __future__ import annotations

from attrs import frozen

from meetcore_browser.guest.options import GuestOptions

__all__ = ["ZoomOptions"]


@frozen(kw_only=True)
class ZoomOptions(GuestOptions):
    """Of `[plugins.zoom]`, beside what every guest has.

    Attributes:
        look_again_s: After how long a page is loaded again that says that there is no such meeting:
            Zoom says so too of a meeting that its host has not started.
        host_wait_s: How long that is gone on with before the bot ends with what the page said; at
            most until shortly before `waiting_room_s` of `[automatic_leave]` is up.
        panels: Whether the lists of people and of chat are kept open: without them nobody's coming
            and going is seen, and no chat.
    """

    look_again_s: float = 15.0
    host_wait_s: float = 600.0
    panels: bool = True
