"""A plugin file: meetings in which two people take turns without a pause, for `TALK_S` seconds.

Every line is told from every other, so that a lost or doubled one shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting
from meetcore.testing.script_toml import parse_script

EVERY_S = 3.0
HEAD = """
title = "Talk"
seed = 5
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
"""
LINE = """
[[lines]]
who = "{who}"
at_s = {at_s}
text = "{text}"
"""
CHAT = """
[[chat]]
who = "ben"
at_s = {at_s}
text = "note {number}"
"""
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def length_s() -> float:
    """Return how long every talk is, as the environment has it."""
    return float(os.environ.get("TALK_S", "30"))


def lines(for_s: float) -> list[str]:
    """Return what is said in a talk, in order."""
    count = int((for_s - 3.0) / EVERY_S)
    return [" ".join(NUMBERS[int(d)] for d in f"{number:04d}") for number in range(count)]


def script(for_s: float) -> str:
    """Return the script of a talk."""
    said = [
        LINE.format(who=("ada", "ben")[number % 2], at_s=1.0 + number * EVERY_S, text=text)
        for number, text in enumerate(lines(for_s))
    ]
    written = [
        CHAT.format(at_s=2.0 + number * 10, number=number) for number in range(int(for_s / 10))
    ]
    return "".join([HEAD, *said, *written, f"[end]\nat_s = {for_s}\n"])


class TalkPlatform(meetcore.Platform):
    name = "talks"
    claims_first = True
    capabilities = frozenset({meetcore.Capability.SEND_CHAT, meetcore.Capability.READ_CHAT})

    def parse(self, url: str) -> meetcore.MeetingLink | None:
        found = re.fullmatch(r"https://meet\.google\.com/talk-(\w+)", url)
        if found is None:
            return None
        return meetcore.MeetingLink(platform="google_meet", native_id=found[1], url=url)

    @asynccontextmanager
    async def open_call(
        self,
        link: meetcore.MeetingLink,
        request: meetcore.CallRequest,
        events: meetcore.CallEvents,
    ) -> AsyncIterator[meetcore.Call]:
        async with SimMeeting(script(length_s())).attend(link, request, events) as call:
            yield call


class Talked(ScriptedTranscriber):
    name = "talked"

    def __init__(self, options: object = None) -> None:
        super().__init__(parse_script(script(length_s())))


@meetcore.hookimpl
def meetcore_register_platforms(register):
    register(TalkPlatform)


@meetcore.hookimpl
def meetcore_register_transcribers(register):
    register(Talked)
