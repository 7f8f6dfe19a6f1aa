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
        roster_every_s: How often the list of people is opened where the client shows either that
            or the chat.
    """

    loading_limit_s: float = 20.0
    mix_grace_s: float = 15.0
    mix_silent_s: float = 20.0
    roster_every_s: float = 20.0
