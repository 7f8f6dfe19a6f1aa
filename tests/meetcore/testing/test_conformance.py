"""The conformance classes hold on what ships in the test kit, and find what does not conform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

import meetcore
from meetcore.lifecycle import EndReason, Evidence
from meetcore.signals import (
    Admitted,
    CallEnded,
    ChatArrived,
    Knocked,
    ParticipantAppeared,
    TrackAppeared,
)
from meetcore.testing import (
    PlatformConformance,
    ScriptedTranscriber,
    SinkConformance,
    TranscriberConformance,
    parse_script,
    synthetic_voice,
)
from meetcore.testing.conformance import RecordingDoor

WORDS = "shall we begin with the plan"
SCRIPT = f"""
[[people]]
id = "one"
name = "One"
[[people]]
id = "two"
name = "Two"
[[lines]]
who = "one"
at_s = 2.0
text = "{WORDS}"
[[lines]]
who = "two"
at_s = 0.0
text = "{WORDS}"
"""


class TestScripted(TranscriberConformance):
    """Its tracks are people: `one` speaks at two seconds, where the suite's utterance lies."""

    def make_transcriber(self):
        return ScriptedTranscriber(parse_script(SCRIPT))

    def speech(self):
        return synthetic_voice(2.2), "plan"

    async def test_two_tracks_are_kept_apart(self, tmp_path):
        """Both people speak at the beginning here."""
        self.make_transcriber = lambda: ScriptedTranscriber(
            parse_script(SCRIPT.replace("at_s = 2.0", "at_s = 0.0"))
        )
        await super().test_two_tracks_are_kept_apart(tmp_path)


class LineSink(meetcore.Sink):
    """Writes a line per event: about the smallest sink there is."""

    name = "lines"
    wants_audio = True

    @asynccontextmanager
    async def open(self, context: meetcore.SinkContext) -> AsyncIterator[None]:
        await trio.lowlevel.checkpoint()
        self.path = context.folder / "lines.txt"
        self.path.touch()
        yield

    async def deliver(self, event: meetcore.Event) -> None:
        await trio.lowlevel.checkpoint()
        with self.path.open("a") as file:
            file.write(f"{event.seq} {event.type}\n")

    async def hear(self, chunk: meetcore.Chunk) -> None:
        await trio.lowlevel.checkpoint()


class TestLines(SinkConformance):
    def make_sink(self):
        return LineSink()


class Lobby:
    """A meeting in memory that a test steers by hand."""

    link = "lobby:blue"

    def __init__(self) -> None:
        self.door: meetcore.CallDoor | None = None

    async def admit(self) -> None:
        self.door.observe(Admitted())
        ada = meetcore.Participant(id="ada", name="Ada")
        self.door.observe(ParticipantAppeared(ada))
        self.door.observe(TrackAppeared("ada", "ada"))
        self.door.hear(meetcore.Chunk("ada", 0, synthetic_voice(0.1)))

    async def deny(self) -> None:
        self.door.observe(CallEnded(EndReason.DENIED, Evidence("lobby")))

    async def end(self) -> None:
        self.door.observe(CallEnded(EndReason.MEETING_ENDED, Evidence("lobby")))

    async def say(self, text: str) -> None:
        self.door.observe(ChatArrived("1", "ada", "Ada", text))


class LobbyCall(meetcore.Call):
    capabilities = frozenset({meetcore.Capability.SEND_CHAT, meetcore.Capability.READ_CHAT})

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_chat(self, text: str) -> None:
        await trio.lowlevel.checkpoint()


class LobbyPlatform(meetcore.Platform):
    name = "lobby"
    link_examples = ("lobby:blue",)
    lobby: Lobby

    def parse(self, url: str) -> meetcore.MeetingLink | None:
        if not url.startswith("lobby:"):
            return None
        return meetcore.MeetingLink(platform="lobby", native_id="blue", url=url)

    @asynccontextmanager
    async def open_call(self, link, request, door):
        self.lobby.door = door
        door.observe(Knocked())
        yield LobbyCall()


class TestLobby(PlatformConformance):
    def make_platform(self):
        platform = LobbyPlatform()
        platform.lobby = self.lobby
        return platform

    @property
    def lobby(self) -> Lobby:
        if not hasattr(self, "_lobby"):
            self._lobby = Lobby()
        return self._lobby

    @asynccontextmanager
    async def open_meeting(self):
        yield self.lobby


# --- and what does not conform is found ----------------------------------------------------------


def test_a_sink_that_raises_is_found(tmp_path):
    class Raising(LineSink):
        async def deliver(self, event):
            raise ValueError("no")

    suite = TestLines()
    suite.make_sink = Raising
    with pytest.raises(AssertionError):
        suite.test_a_meeting_with_the_sink_completes_without_trouble(tmp_path)


def test_a_sink_that_leaves_a_file_open_is_found(tmp_path):
    kept = []

    class Leaky(LineSink):
        @asynccontextmanager
        async def open(self, context):
            kept.append((context.folder / "left-open").open("w"))
            async with super().open(context):
                yield

    suite = TestLines()
    suite.make_sink = Leaky
    with pytest.raises(AssertionError, match="left-open"):
        suite.test_nothing_is_left_behind_when_the_bot_is_cancelled(tmp_path)
    for file in kept:
        file.close()


async def test_a_transcriber_that_never_finalizes_is_found(tmp_path):
    suite = TestScripted()
    suite.make_transcriber = lambda: ScriptedTranscriber(parse_script(SCRIPT), stall_from_s=0.0)
    with pytest.raises(AssertionError):
        await suite.test_an_utterance_gets_drafts_and_one_final(tmp_path)


def test_a_platform_that_claims_every_link_is_found():
    suite = TestLobby()
    suite.make_platform = lambda: type(
        "Greedy",
        (LobbyPlatform,),
        {"parse": lambda self, url: meetcore.MeetingLink(platform="x", native_id="x", url=url)},
    )()
    with pytest.raises(AssertionError):
        suite.test_links_of_others_are_not_claimed()


def test_a_door_refuses_audio_out_of_order_or_of_no_track():
    door = RecordingDoor()
    chunk = meetcore.Chunk("a", 0, synthetic_voice(0.1))
    with pytest.raises(AssertionError, match="not announced"):
        door.hear(chunk)
    door.observe(TrackAppeared("a", None))
    door.hear(chunk)
    with pytest.raises(AssertionError, match="overlap"):
        door.hear(chunk)
