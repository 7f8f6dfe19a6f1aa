"""What the laws' tests share: a short meeting, and sinks that behave badly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import meetcore
from meetcore.testing import SimMeeting

MEETING = """
title = "Laws"
seed = 5
[admission]
after_s = 1
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
joins_s = 0.5
[[lines]]
who = "ada"
at_s = 1
text = "good morning everyone"
[[lines]]
who = "ben"
at_s = 3
text = "good morning"
[[chat]]
who = "ben"
at_s = 4
text = "hello"
[end]
at_s = 6
"""


@pytest.fixture
def meeting() -> SimMeeting:
    return SimMeeting(MEETING)


class WitnessSink(meetcore.Sink):
    """Keeps what it is told and when, and whether it is open."""

    name = "witness"
    wants_drafts = True
    wants_audio = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, Any]] = []
        self.heard = 0
        self.open_now = 0
        self.finished = False

    @asynccontextmanager
    async def open(self, context: meetcore.SinkContext) -> AsyncIterator[None]:
        self.open_now += 1
        try:
            await trio.lowlevel.checkpoint()
            yield
        finally:
            self.open_now -= 1

    async def deliver(self, event: meetcore.Event) -> None:
        await trio.lowlevel.checkpoint()
        self.told.append((trio.current_time(), event))

    async def deliver_draft(self, draft: meetcore.Draft) -> None:
        await trio.lowlevel.checkpoint()
        self.told.append((trio.current_time(), draft))

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        await trio.lowlevel.checkpoint()
        self.heard += chunk.samples

    async def finish(self) -> None:
        await trio.lowlevel.checkpoint()
        self.finished = True

    @property
    def events(self) -> list[meetcore.Event]:
        return [item for _, item in self.told if isinstance(item, meetcore.Event)]


@pytest.fixture
def witness() -> WitnessSink:
    return WitnessSink()
