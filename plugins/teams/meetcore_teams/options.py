"""What a person may choose about a bot in a Teams meeting."""

from __future__ import annotations

from attrs import frozen

from meetcore_browser.guest.options import GuestOptions

__all__ = ["TeamsOptions"]


@frozen(kw_only=True)
class TeamsOptions(GuestOptions):
    """Options of the platform `teams`.

    Attributes:
        loading_limit_s: How long the client's loading screen may stay before the page is loaded
            again, and then before it is given up.
        mix_grace_s: How long the client's mixed track is waited for before every track is taken.
        mix_silent_s: How long the mix may be silent, while another track has sound, before every
            track is taken.
        look_again_s: After how long a page is loaded again that says that nobody from outside may
            join before the event begins.
        host_wait_s: How long that is gone on with before the bot ends with what the page said; at
            most until shortly before `waiting_room_s` of `[automatic_leave]` is up.
        roster_every_s: How often the list of people is opened where the client shows either that
            or the chat.
    """

    loading_limit_s: float = 20.0
    mix_grace_s: float = 15.0
    mix_silent_s: float = 20.0
    look_again_s: float = 15.0
    host_wait_s: float = 600.0
    roster_every_s: float = 20.0
