"""What a person may choose of a bot's browser, whichever platform it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen, validators

from meetcore import build_options

__all__ = ["ATTEMPT_SLACK_S", "VIDEO_SIZES", "VIDEO_VIEWS", "BrowserOptions", "browser_options"]

ATTEMPT_SLACK_S = 60.0
"""What an attempt may take beside its own limit: a browser has to start, a page to be given up."""
VIDEO_SIZES = {"360p": (640, 360), "480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
"""Width and height in pixels."""
VIDEO_VIEWS = ("gallery", "speaker")


@frozen(kw_only=True)
class BrowserOptions:
    """The options of `[plugins.browser]`, for every platform that stands on it.

    Attributes:
        headed: Whether the browser is visible.
        incoming_video: Whether the others' video is received at all; where the meeting is recorded
            as video it is in any case.
        video_size: How large the picture of a recording is: `360p`, `480p`, `720p` or `1080p`.
        video_frames_per_s: How many pictures a second a recording has, 1 to 30.
        video_view: Who is seen in a recording, where the platform lets its guests choose: `gallery`
            for all alike, `speaker` for who speaks large and the others small. None for what its
            client shows by itself.
        share: Whether each screen that somebody shares is recorded as a stream of its own as well,
            where the meeting is recorded as video and the platform tells it apart: the sink `files`
            makes files and stills of it. Encoding it takes part of a core while one is shared.
        trace: Whether all that the page shows is kept, as `trace.zip` in the bot's folder; for a
            first run on a platform. It holds names and words of the meeting.
        page_hosts: The hosts whose pages the bot may show as its camera, and that those may load
            from: `status.example.com`, with a port where it is neither 80 nor 443,
            `*.example.com` for every name below one. By default none.
    """

    headed: bool = False
    incoming_video: bool = False
    video_size: str = field(default="720p", validator=validators.in_(tuple(VIDEO_SIZES)))
    video_frames_per_s: int = field(
        default=15, validator=validators.and_(validators.ge(1), validators.le(30))
    )
    video_view: str | None = field(
        default=None, validator=validators.optional(validators.in_(VIDEO_VIEWS))
    )
    share: bool = False
    trace: bool = False
    page_hosts: tuple[str, ...] = ()


def browser_options(plugins: Mapping[str, Mapping[str, Any]]) -> BrowserOptions:
    """Return the options in a bot's settings of plugins.

    Raises:
        UnknownOption, ConfigError: They cannot be used.
    """
    return build_options(BrowserOptions, plugins.get("browser"), "[plugins.browser]")
