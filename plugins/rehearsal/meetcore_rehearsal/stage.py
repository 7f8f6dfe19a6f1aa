"""The platform `rehearsal_stage`: plays a meeting of its own for any link.

Software can so be tried without a meeting. A link of Google Meet, Zoom or Teams is read as those
platforms write it; nothing is dialled there. For each bot the site is opened in the bot's own
process, the cast of a script comes, and the bot joins that room. It claims links only where its
option `enabled` is set.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from attrs import field, frozen

from meetcore import (
    Call,
    CallEvents,
    CallRequest,
    MeetingLink,
    Platform,
    UnknownMeetingUrl,
    read_link,
)
from meetcore_browser.options import ATTEMPT_SLACK_S, browser_options
from meetcore_rehearsal.links import PLATFORM_NAME, parse_link
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_rehearsal.scripts import (
    DEFAULT_SCRIPT,
    bundled_scripts,
    find_script,
    script_path,
)

__all__ = ["RehearsalStage", "StageOptions", "read_any_link"]


@frozen(kw_only=True)
class StageOptions:
    """How the stage is set.

    Attributes:
        enabled: Whether the stage takes links at all.
        script: The script to play: a bundled one's name, or a file.
        scripts: Scripts by the native id of the meeting, before `script`. A native id that is
            the name of a bundled script plays that one.
    """

    enabled: bool = False
    script: str = DEFAULT_SCRIPT
    scripts: Mapping[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse scripts that are not there.

        Raises:
            UnknownScript: One of them.
        """
        if self.enabled:
            for name in (self.script, *self.scripts.values()):
                script_path(name)


def read_any_link(url: str) -> MeetingLink | None:
    """Return the meeting a link of one of the big platforms, or of a rehearsal room, means."""
    return parse_link(url) or read_link(url)


class RehearsalStage(Platform[StageOptions]):
    """Plays a scripted meeting for any link."""

    name: ClassVar[str] = "rehearsal_stage"
    claims_first: ClassVar[bool] = True
    capabilities = RehearsalPlatform.capabilities

    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting `url` means, or None; always None unless the stage is enabled."""
        return read_any_link(url) if self.options.enabled else None

    def longest_join_s(self, join_timeout_s: float) -> float:
        """Return how long joining may take with the start of two browsers: the cast's is first."""
        return join_timeout_s + 2 * ATTEMPT_SLACK_S

    def script_for(self, native_id: str) -> str:
        """Return the name of the script to play for a meeting."""
        options = self.options
        if native_id in options.scripts:
            return options.scripts[native_id]
        return native_id if native_id in bundled_scripts() else options.script

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Have the cast come, then begin to join; a link of a rehearsal room leads there.

        Raises:
            UnknownScript, ScriptError: The script.
            CastFailed: The cast did not come.
        """
        from meetcore_rehearsal.joiner import open_rehearsal_call  # brings Playwright with it
        from meetcore_rehearsal.rehearsal import open_rehearsal

        if link.platform == PLATFORM_NAME:
            async with open_rehearsal_call(link, request, events) as call:
                yield call
            return
        script = find_script(self.script_for(link.native_id))
        headed = browser_options(request.plugins).headed
        async with open_rehearsal(script, headed=headed) as rehearsal:
            room = parse_link(rehearsal.link)
            if room is None:
                raise UnknownMeetingUrl(rehearsal.link, [])
            async with open_rehearsal_call(room, request, events) as call:
                yield call
