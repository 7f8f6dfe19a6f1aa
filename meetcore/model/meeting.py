"""A place to join, as a link that names its platform."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

__all__ = ["MeetingLink", "without_query"]


def without_query(url: str) -> str:
    """Return `url` without user, query and fragment: that is where passcodes travel."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@frozen(kw_only=True)
class MeetingLink:
    """One meeting on one platform.

    Attributes:
        platform: Name of the platform plugin that knows the link.
        native_id: The platform's own id of the meeting.
        url: The link to open; may carry secrets, so it is not shown in `repr`.
        passcode: What the platform asks guests for, if it does.
    """

    platform: str
    native_id: str
    url: str = field(repr=without_query)
    passcode: str | None = field(default=None, repr=False)

    @property
    def public_url(self) -> str:
        """The link without query and fragment: fit for a log, a journal, a webhook."""
        return without_query(self.url)
