"""A plugin file of simulated meetings, for bots that run elsewhere: in a process, or on a machine.

Give it as one of `BotSpec.plugin_files`. The link says which meeting: `simulated:short` ends by
itself after two and a half seconds, `simulated:stay` goes on. The transcriber `scripted` knows
what is said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from meetcore.model.meeting import MeetingLink
from meetcore.plugin.hooks import hookimpl
from meetcore.plugin.options import NoOptions
from meetcore.plugin.platform import Call, CallEvents, CallRequest, Capability, Platform
from meetcore.plugin.transcriber import Transcriber
from meetcore.testing.script_toml import parse_script
from meetcore.testing.scripted import ScriptedTranscriber
from meetcore.testing.sim import SimMeeting
from meetcore.testing.sim_page import SimPage

__all__ = ["PLUGIN_FILE"]

PLUGIN_FILE = str(Path(__file__))
_PREFIX = "simulated:"
_SHORT = """
title = "Simulated"
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
[[lines]]
who = "ada"
at_s = 0.2
text = "good morning"
[[lines]]
who = "ben"
at_s = 1.0
text = "good morning ada"
[end]
at_s = 2.5
"""
_SCRIPTS = {"short": _SHORT, "stay": _SHORT.replace("at_s = 2.5\n", "at_s = 3000\n")}


class SimulatedMeetings(Platform):
    """Opens one of the meetings above."""

    name = "simulated"
    link_examples = ("simulated:short", "simulated:stay")
    capabilities = frozenset(
        {
            Capability.SEND_CHAT,
            Capability.SEND_DIRECT_CHAT,
            Capability.READ_CHAT,
            Capability.SCREENSHOT,
            Capability.LOOK_IN,
        }
    )

    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting of a link, None where there is none."""
        name = url.removeprefix(_PREFIX)
        if name == url or name not in _SCRIPTS:
            return None
        return MeetingLink(platform=self.name, native_id=name, url=url)

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Attend the meeting."""
        meeting = SimMeeting(_SCRIPTS[link.native_id], page=SimPage())
        async with meeting.attend(link, request, events) as call:
            yield call


class _Words(ScriptedTranscriber):
    def __init__(self, options: NoOptions | None = None) -> None:
        del options
        super().__init__(parse_script(_SHORT))


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Register the platform `simulated`."""
    register(SimulatedMeetings)


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Register the transcriber `scripted`."""
    register(_Words)
