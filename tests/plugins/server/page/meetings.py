"""A plugin file: the scripted meetings, and further ones that a page should be seen with.

`busy-…` is a lively meeting of four that goes on; `markup-…` has people who write HTML; `slow-…`
never gets beyond joining; `wall-…` needs a person before it goes on; `film-…` has a picture where
one is wanted; `few-…` is short, with speech by one who is loud enough to be recorded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting, SimPage, SimPageCall
from meetcore.testing.script_toml import parse_script
from tests import scripted_meetings
from tests.moving_pictures import FRAMES_PER_S, pictures

IMAGE = "<img src=x onerror=document.title='broken'>"

HEAD = """
title = "Meeting"
seed = 5
[admission]
after_s = 0.2
"""

BUSY_PEOPLE = """
[[people]]
id = "cara"
name = "Cara Mendes"
host = true
[[people]]
id = "dev"
name = "Dev Patel"
[[people]]
id = "eli"
name = "Eli Brandt"
[[people]]
id = "flo"
name = "Flo Nakamura"
"""

SAID = [
    ("cara", 0.3, "good morning everyone shall we begin with the pilot"),
    ("dev", 4.2, "the pilot went well all three sites recorded without a gap"),
    ("dev", 8.8, "we counted two hundred meetings in the first week"),
    ("eli", 12.8, "support had four questions and all of them were about the waiting room"),
    ("flo", 18.2, "I can write that down for the handbook until Thursday"),
    ("cara", 22.4, "thank you then the next point is the price and who decides"),
    ("dev", 27.0, "I would rather wait for the numbers from the second week"),
    ("flo", 31.4, "so would I they come on Monday"),
]

BUSY_CHAT = """
[[chat]]
who = "flo"
at_s = 6
text = "The numbers are in the sheet, second tab."
[[chat]]
who = "eli"
at_s = 14
text = "Four tickets: 118, 121, 122 and 130."
[[mutes]]
who = "eli"
at_s = 0.5
until_s = 11
"""


def _lines() -> str:
    return "".join(
        f'[[lines]]\nwho = "{who}"\nat_s = {at}\ntext = "{text}"\n' for who, at, text in SAID
    )


BUSY = HEAD + BUSY_PEOPLE + _lines() + BUSY_CHAT + "[end]\nat_s = 3000\n"
MARKUP = (
    HEAD
    + f"""
[[people]]
id = "mal"
name = "{IMAGE}"
[[lines]]
who = "mal"
at_s = 0.4
text = "an honest sentence"
[[chat]]
who = "mal"
at_s = 0.4
text = "<script>document.title='broken'</script>{IMAGE}"
[end]
at_s = 3000
"""
)
LONG_NAME = "سارا محمدی از دانشگاه صنعتی اصفهان گروه مهندسی کامپیوتر گرایش نرم افزار"
NAMES = (
    f"""
title = "Names"
[admission]
after_s = 0.1
[[people]]
id = "mal"
name = "{LONG_NAME}"
[[lines]]
who = "mal"
at_s = 0.4
text = "an honest sentence"
"""
    + "".join(f'[[chat]]\nwho = "mal"\nat_s = 0.4\ntext = "message {n}"\n' for n in range(40))
    + "[end]\nat_s = 3000\n"
)
SLOW = scripted_meetings.STAY + '[[faults]]\nkind = "hanging_call"\nwhat = "join"\nfor_s = 3000\n'
SCRIPTS = {
    **scripted_meetings.SCRIPTS,
    "busy": BUSY,
    "markup": MARKUP,
    "names": NAMES,
    "slow": SLOW,
}

KNOWN_LINES = (
    scripted_meetings.SHORT.partition("[[chat]]")[0]
    + BUSY_PEOPLE.replace("host = true\n", "")
    + _lines()
    + """
[[people]]
id = "mal"
name = "Mal"
[[lines]]
who = "mal"
at_s = 0.4
text = "an honest sentence"
[end]
at_s = 3000
"""
)


class WalledCall(SimPageCall):
    """Stands before a wall until a person has answered."""

    platform_name = "page_meetings"

    def __init__(self, events: meetcore.CallEvents) -> None:
        self.page = SimPage()
        self._events = events
        events.observe(meetcore.PersonNeeded("captcha", True, "Which of these are boats?", 300.0))

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()

    async def answer_person(self, answer: meetcore.PersonAnswer) -> None:
        await trio.lowlevel.checkpoint()
        self._events.observe(meetcore.PersonNeeded("captcha", False))
        if answer is meetcore.PersonAnswer.DONE:
            self._events.observe(meetcore.Admitted())
            return
        evidence = meetcore.Evidence("captcha", "nobody does what a person was asked for")
        reason = meetcore.EndReason.CAPTCHA_REQUIRED
        self._events.observe(meetcore.CallEnded(reason, evidence))


class PageMeetings(scripted_meetings.ScriptedPlatform):
    name = "page_meetings"
    link_examples = ("https://meet.google.com/stay-abc",)
    capabilities = scripted_meetings.ScriptedPlatform.capabilities | {meetcore.Capability.VIDEO}

    @asynccontextmanager
    async def open_call(
        self,
        link: meetcore.MeetingLink,
        request: meetcore.CallRequest,
        events: meetcore.CallEvents,
    ) -> AsyncIterator[meetcore.Call]:
        kind = link.native_id.partition("-")[0]
        if kind == "wall":
            yield WalledCall(events)
            return
        meeting = SimMeeting(SCRIPTS.get(kind, scripted_meetings.SHORT), page=SimPage())
        async with meeting.attend(link, request, events) as call, trio.open_nursery() as nursery:
            if request.video:
                nursery.start_soon(_show_film, events)
            yield call
            nursery.cancel_scope.cancel()


async def _show_film(events: meetcore.CallEvents) -> None:
    for number, unit in enumerate(pictures(20.0)):
        await trio.sleep(1 / FRAMES_PER_S)
        events.media(
            "screen",
            kind="tab",
            container="video/H264",
            data=unit,
            at_s=number / FRAMES_PER_S,
            duration_s=1 / FRAMES_PER_S,
        )


class PageTranscriber(ScriptedTranscriber):
    name = "scripted"

    def __init__(self, options: object = None) -> None:
        super().__init__(parse_script(KNOWN_LINES))


@meetcore.hookimpl
def meetcore_register_platforms(register: Callable[[type[meetcore.Platform]], None]) -> None:
    register(PageMeetings)


@meetcore.hookimpl
def meetcore_register_transcribers(register: Callable[[type[meetcore.Transcriber]], None]) -> None:
    register(PageTranscriber)
