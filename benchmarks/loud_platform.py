"""A plugin file for the server's benchmarks: a meeting whose chat says as much as it is told to.

The link is `https://loud.invalid/NAME`. The bot is admitted at once. A chat message `loud N PACE_MS
BYTES` that the bot sends makes somebody write N messages, one each PACE_MS milliseconds (0: as
quickly as may be), of about BYTES each, that begin with the time they were written at, by the clock
all processes of the machine share.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

import meetcore
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Participant
from meetcore.model.signals import Admitted, ChatArrived, ParticipantAppeared
from meetcore.plugin.platform import Capability

PREFIX = "https://loud.invalid/"


class LoudCall(meetcore.Call):
    """The bot's presence there."""

    platform_name = "loud"

    def __init__(self, events: meetcore.CallEvents, nursery: trio.Nursery) -> None:
        self._events = events
        self._nursery = nursery
        self._said = 0

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_chat(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        _, count, pace_ms, size_bytes = text.split()
        self._nursery.start_soon(self._talk, int(count), float(pace_ms) / 1e3, int(size_bytes))

    async def _talk(self, count: int, pace_s: float, size_bytes: int) -> None:
        due = trio.current_time()
        for _ in range(count):
            self._said += 1
            text = f"t={time.monotonic_ns():019d} " + "x" * max(0, size_bytes - 22)
            self._events.observe(ChatArrived(f"m{self._said}", "ada", "Ada", text))
            due += pace_s
            await trio.sleep_until(due)


class LoudPlatform(meetcore.Platform):
    """Knows those links."""

    name = "loud"
    capabilities = frozenset({Capability.SEND_CHAT, Capability.READ_CHAT})

    def parse(self, url: str) -> MeetingLink | None:
        if not url.startswith(PREFIX):
            return None
        return MeetingLink(platform="loud", native_id=url.removeprefix(PREFIX), url=url)

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: meetcore.CallRequest, events: meetcore.CallEvents
    ) -> AsyncIterator[meetcore.Call]:
        del link, request
        async with trio.open_nursery() as nursery:
            events.observe(Admitted())
            events.observe(ParticipantAppeared(Participant(id="ada", name="Ada")))
            yield LoudCall(events, nursery)
            nursery.cancel_scope.cancel()


@meetcore.hookimpl
def meetcore_register_platforms(register: Callable[[type[meetcore.Platform]], None]) -> None:
    """Register the platform."""
    register(LoudPlatform)
