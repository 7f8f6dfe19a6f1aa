"""What a person may choose of a bot's browser, whichever platform it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from meetcore import build_options

__all__ = ["BrowserOptions", "browser_options"]


@frozen(kw_only=True)
class BrowserOptions:
    """The options of `[plugins.browser]`, for every platform that stands on it.

    Attributes:
        headed: Whether the browser is visible.
        incoming_video: Whether the others' video is received at all.
        trace: Whether all that the page shows is kept, as `trace.zip` in the bot's folder; for a
            first run on a platform. It holds names and words of the meeting.
    """

    headed: bool = False
    incoming_video: bool = False
    trace: bool = False


def browser_options(plugins: Mapping[str, Mapping[str, Any]]) -> BrowserOptions:
    """Return the options in a bot's settings of plugins.

    Raises:
        UnknownOption, ConfigError: They cannot be used.
    """
    return build_options(BrowserOptions, plugins.get("browser"), "[plugins.browser]")
