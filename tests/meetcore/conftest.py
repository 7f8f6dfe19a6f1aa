"""What the core's tests share: a meeting that the test itself plays, and a reader of journals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing

import meetcore
from meetcore.bot.factory import open_bot
from meetcore.model.lifecycle import TERMINAL, TRANSITIONS
from meetcore.model.signals import (
    Admitted,
    ParticipantAppeared,
    SpeakingIndicated,
    TrackAppeared,
    TrackIdentified,
)
from meetcore.plugin.platform import Call, Capability, Platform
from meetcore.testing import simulated_clock, synthetic_voice


class StageCall(Call):
    """A call that does what its stage says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.capabilities = stage.call_capabilities
        self.platform_name = "stage"

    async def leave(self) -> None:
        await trio.sleep(self.stage.leave_s)
        self.stage.left = True

    async def answer_person(self, answer: meetcore.PersonAnswer) -> None:
        await trio.lowlevel.checkpoint()
        self.stage.answers.append(answer)

    async def reconnect(self, url: str) -> None:
        await trio.lowlevel.checkpoint()
        self.stage.reconnected.append(url)

    async def send_chat(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.stage.chat_error is not None:
            raise self.stage.chat_error
        self.stage.chat.append(text)

    async def send_direct_chat(self, text: str, to: meetcore.Participant) -> None:
        await trio.lowlevel.checkpoint()
        self.stage.direct_chat.append((to.id, text))


class Stage:
    """A meeting played by the test: it observes and hears through `events` what the test says."""

    link = "stage:room"

    def __init__(self, *, capabilities: Iterable[Capability] = (Capability.SEND_CHAT,)) -> None:
        self.capabilities = frozenset(capabilities)
        self.call_capabilities = Call.capabilities
        self.leave_s = 0.0
        self.left = False
        self.chat: list[str] = []
        self.direct_chat: list[tuple[str, str]] = []
        self.reconnected: list[str] = []
        self.answers: list[meetcore.PersonAnswer] = []
        self.chat_error: Exception | None = None
        self.opened = trio.Event()
        self.closed = False
        self.events: Any = None
        self.request: Any = None
        self.at: dict[str, int] = {}

    def plugins(self, **more: object) -> meetcore.Plugins:
        stage = self

        class StagePlatform(Platform):
            name = "stage"
            capabilities = stage.capabilities
            link_examples = ("stage:ROOM",)

            def parse(self, url):
                if not url.startswith("stage:"):
                    return None
                return meetcore.MeetingLink(platform="stage", native_id=url[6:], url=url)

            @asynccontextmanager
            async def open_call(self, link, request, events):
                stage.events, stage.request = events, request
                stage.opened.set()
                try:
                    yield StageCall(stage)
                finally:
                    stage.closed = True

        class Plugin:
            @meetcore.hookimpl
            def meetcore_register_platforms(self, register):
                register(StagePlatform)

        return meetcore.Plugins(entry_points=False, objects={"stage": Plugin(), **more})

    @asynccontextmanager
    async def bot(self, out_dir: Path, **settings: Any) -> AsyncIterator[meetcore.Bot]:
        settings.setdefault("config", meetcore.BotConfig(out_dir=out_dir, fsync=False))
        settings.setdefault("plugins", self.plugins())
        async with open_bot(
            self.link, wall_clock=simulated_clock(), random=Random(1), **settings
        ) as bot:
            await self.opened.wait()
            yield bot

    # --- what the test plays ---------------------------------------------------------

    def admit(self) -> None:
        self.events.observe(Admitted())

    def join(self, person_id: str, **more: Any) -> None:
        participant = meetcore.Participant(id=person_id, name=person_id.title(), **more)
        self.events.observe(ParticipantAppeared(participant))

    def track(self, track_id: str, person_id: str | None = None, **more: Any) -> None:
        self.events.observe(TrackAppeared(track_id, person_id, **more))

    def identify(self, track_id: str, person_id: str | None, **more: Any) -> None:
        more.setdefault("source", "track")
        self.events.observe(TrackIdentified(track_id, person_id, **more))

    def speaks(self, person_id: str, speaking: bool = True, **more: Any) -> None:
        self.events.observe(SpeakingIndicated(person_id, speaking, **more))

    def sound(self, track_id: str, seconds: float, *, voice: bool = True) -> None:
        """Hand in sound that follows what the track had before."""
        pcm = synthetic_voice(seconds) if voice else np.zeros(round(seconds * 16_000), np.int16)
        start = self.at.get(track_id, 0)
        for at in range(0, len(pcm), 1600):
            self.events.hear(meetcore.Chunk(track_id, start + at, pcm[at : at + 1600]))
        self.at[track_id] = start + len(pcm)

    async def live(self, seconds: float, *tracks: str, voice: bool = False) -> None:
        """Let time pass with sound on tracks, a tenth of a second at a time."""
        for _ in range(round(seconds * 10)):
            await trio.sleep(0.1)
            for track_id in tracks:
                self.sound(track_id, 0.1, voice=voice)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def run(main: Any, *args: Any) -> Any:
    """Run an async function on a clock that jumps."""
    return trio.run(main, *args, clock=trio.testing.MockClock(autojump_threshold=0))


def events_of(bot: meetcore.Bot) -> list[meetcore.Event]:
    return list(meetcore.read_journal(bot.journal.path))


def kinds(events: Iterable[meetcore.Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def end_of(events: Iterable[meetcore.Event]) -> meetcore.StateChanged:
    (end,) = [e for e in kinds(events, meetcore.StateChanged) if e.state in TERMINAL]
    return end


def check_journal(events: list[meetcore.Event], *, cut_short: bool = False) -> None:
    """Hold a finished journal to the rules every journal keeps.

    Args:
        events: All of it.
        cut_short: Whether the bot was abandoned: then it may end from wherever it stood.
    """
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], meetcore.BotRequested)
    changes = kinds(events, meetcore.StateChanged)
    previous = None
    for change in changes:
        assert change.previous is previous
        if previous is not None:
            allowed = TRANSITIONS[previous] | (TERMINAL if cut_short else frozenset())
            assert change.state in allowed, f"{previous} -> {change.state}"
        previous = change.state
    assert [c.state in TERMINAL for c in changes].count(True) == 1
    assert changes[-1].state in TERMINAL
    assert changes[-1].reason is not None
    assert changes[-1].evidence is not None
    (ledger,) = kinds(events, meetcore.LedgerClosed) or [None]
    assert ledger is None or ledger.balanced
