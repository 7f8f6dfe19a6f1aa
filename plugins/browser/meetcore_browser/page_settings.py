"""What a page takes itself to be in: language, time zone, window, and a session from before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

__all__ = ["PageSettings"]


@frozen(kw_only=True)
class PageSettings:
    """Settings of one page.

    Attributes:
        locale: BCP-47 tag of the language the page is asked in: a joiner's selectors hold for it.
        timezone: IANA name, None for the machine's.
        width: Of the window's inside, in CSS pixels.
        height: Of the window's inside, in CSS pixels.
        user_agent: In place of Chromium's own. Left alone by default: one that does not fit the
            browser behind it is what pages look for.
        storage_state: Cookies and local storage from `BotPage.storage_state`, or a file of it.
    """

    locale: str = "en-US"
    timezone: str | None = None
    width: int = 1280
    height: int = 720
    user_agent: str | None = None
    storage_state: Mapping[str, Any] | Path | None = field(default=None, repr=False)

    def for_context(self, *, fills_screen: bool = False) -> dict[str, Any]:
        """Return them as Playwright's `new_context` takes them.

        Args:
            fills_screen: Whether the page is as large as its window, which fills a screen.
        """
        chosen: dict[str, Any] = {"locale": self.locale}
        if fills_screen:
            chosen["no_viewport"] = True
        else:
            chosen["viewport"] = {"width": self.width, "height": self.height}
        if self.timezone is not None:
            chosen["timezone_id"] = self.timezone
        if self.user_agent is not None:
            chosen["user_agent"] = self.user_agent
        if self.storage_state is not None:
            state = self.storage_state
            chosen["storage_state"] = state if isinstance(state, Path) else dict(state)
        return chosen
