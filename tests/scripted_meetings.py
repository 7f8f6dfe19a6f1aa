"""A plugin file for tests: scripted meetings behind links of the big platforms, in any process.

The native id chooses the meeting: `short-…` ends by itself after three seconds, `stay-…` goes on,
`deny-…` refuses the bot, `wait-…` never answers its knock; `den-…` and `sta-…` are for links that
must look like Google Meet's. Any other ends by itself.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting, SimPage
from meetcore.testing.script_toml import parse_script

SHORT = """
title = "Short"
seed = 5
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
joins_s = 0.2
[[lines]]
who = "ada"
at_s = 0.3
text = "good morning everyone"
[[lines]]
who = "ben"
at_s = 1.4
text = "good morning ada"
[[chat]]
who = "ben"
at_s = 0.5
text = "hello"
[end]
at_s = 3
"""

STAY = SHORT.replace("at_s = 3\n", "at_s = 3000\n")
WAIT = STAY.replace("after_s = 0.2", "after_s = 3000")
DENY = SHORT.replace("after_s = 0.2", 'after_s = 0.2\ndecision = "deny"')
SCRIPTS = {"short": SHORT, "stay": STAY, "wait": WAIT, "deny": DENY, "den": DENY, "sta": STAY}

_LINK = re.compile(
    r"https://(meet\.google\.com|zoom\.us/j|teams\.live\.com/meet)/(\w+)(-[\w-]*)?(?:\?.*)?"
)
_PLATFORMS = {"meet.google.com": "google_meet", "zoom.us/j": "zoom", "teams.live.com/meet": "teams"}


class ScriptedPlatform(meetcore.Platform):
    name = "scripted_meetings"
    claims_first = True
    capabilities = frozenset(
        {
            meetcore.Capability.SEND_CHAT,
            meetcore.Capability.SEND_DIRECT_CHAT,
            meetcore.Capability.READ_CHAT,
            meetcore.Capability.SCREENSHOT,
            meetcore.Capability.LOOK_IN,
        }
    )

    def parse(self, url: str) -> meetcore.MeetingLink | None:
        found = _LINK.fullmatch(url)
        if found is None:
            return None
        return meetcore.MeetingLink(
            platform=_PLATFORMS[found[1]], native_id=found[2] + (found[3] or ""), url=url
        )

    @asynccontextmanager
    async def open_call(
        self,
        link: meetcore.MeetingLink,
        request: meetcore.CallRequest,
        events: meetcore.CallEvents,
    ) -> AsyncIterator[meetcore.Call]:
        kind = link.native_id.partition("-")[0]
        meeting = SimMeeting(SCRIPTS.get(kind, SHORT), page=SimPage())
        async with meeting.attend(link, request, events) as call:
            yield call


class Scripted(ScriptedTranscriber):
    name = "scripted"

    def __init__(self, options: object = None) -> None:
        super().__init__(parse_script(SHORT))


@meetcore.hookimpl
def meetcore_register_platforms(register):
    register(ScriptedPlatform)


@meetcore.hookimpl
def meetcore_register_transcribers(register):
    register(Scripted)
