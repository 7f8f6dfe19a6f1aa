"""What a person may choose about a bot as a guest of a web client, on every platform."""

from __future__ import annotations

from attrs import frozen

__all__ = ["BETWEEN_ATTEMPTS_S", "GuestOptions"]

BETWEEN_ATTEMPTS_S = 3.0
"""How long is waited after the first attempt; after the second twice as long, and so on."""


@frozen(kw_only=True)
class GuestOptions:
    """Options of a platform that is joined through its web client.

    Attributes:
        origin: Where the client is, as `https://host[:port]`; None for the platform's own. For
            gateways of one's own, and for tests.
        locale: The language that the page is asked in, as a BCP-47 tag.
        selectors: Path of a selector pack to use in place of the newest that is installed.
        identity: Name of the bot's own account, as it was signed in by `meetcore login`; several
            with commas between them, of which the first free one is taken, and the next where it
            is not let in with an account. None to go as a guest.
            Google Meet, Zoom and Teams have accounts; other platforms refuse the option.
        attempts: How often it is tried, from a fresh context, where a failure gives hope.
        unknown_limit_s: How long the page may show nothing that is known.
        person_wait_s: How long a person at the browser may take to sign in or to answer a question
            of the page; 0 where nobody sits there.
    """

    origin: str | None = None
    locale: str = "en-US"
    selectors: str | None = None
    identity: str | None = None
    attempts: int = 2
    unknown_limit_s: float = 45.0
    person_wait_s: float = 0.0
