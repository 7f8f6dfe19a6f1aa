"""The conformance classes hold on what ships in the test kit, and find what does not conform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

import meetcore
from meetcore.model.errors import MeetingRefused, TranscriberError
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.signals import (
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
    leaks,
    parse_script,
    synthetic_voice,
)
from meetcore.testing.conformance import RecordingCallEvents
from meetcore.testing.sim_speech import SimSpeech

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


class Provided(ScriptedTranscriber):
    """One whose provider does not do its part."""

    def __init__(self, how: str) -> None:
        super().__init__(parse_script(SCRIPT))
        self.how = how

    @asynccontextmanager
    async def stream(self, request):
        if self.how == "hangs":
            await trio.sleep_forever()
        kind, remedy = ("auth", "Check it.") if self.how == "refuses" else ("server", "")
        raise TranscriberError(kind, "no", retryable=self.how == "fails", remedy=remedy)
        yield


class TestScripted(TranscriberConformance):
    """Its tracks are people: `one` speaks at two seconds, where the suite's utterance lies."""

    def make_transcriber(self):
        return ScriptedTranscriber(parse_script(SCRIPT))

    def speech(self):
        return synthetic_voice(2.2), "plan"

    async def test_two_tracks_are_kept_apart(self, tmp_path, clock):
        """Both people speak at the beginning here."""
        self.make_transcriber = lambda: ScriptedTranscriber(
            parse_script(SCRIPT.replace("at_s = 2.0", "at_s = 0.0"))
        )
        await super().test_two_tracks_are_kept_apart(tmp_path, clock)

    @asynccontextmanager
    async def break_provider(self, how):
        yield Provided(how)


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

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        await trio.lowlevel.checkpoint()


class TestLines(SinkConformance):
    def make_sink(self):
        return LineSink()


class Lobby:
    """A meeting in memory that a test steers by hand."""

    link = "lobby:blue"
    missing_link = "lobby:meeting_not_found"
    wrong_passcode_link = "lobby:wrong_passcode"

    def __init__(self) -> None:
        self.calls: meetcore.CallEvents | None = None

    async def admit(self) -> None:
        self.calls.observe(Admitted())
        bot = meetcore.Participant(id="me", name="Bot", is_self=True)
        self.calls.observe(ParticipantAppeared(bot))
        ada = meetcore.Participant(id="ada", name="Ada")
        self.calls.observe(ParticipantAppeared(ada))
        self.calls.observe(TrackAppeared("ada", "ada"))
        self.calls.hear(meetcore.Chunk("ada", 0, synthetic_voice(0.1)))

    async def deny(self) -> None:
        self.calls.observe(CallEnded(EndReason.DENIED, Evidence("lobby")))

    async def end(self) -> None:
        self.calls.observe(CallEnded(EndReason.MEETING_ENDED, Evidence("lobby")))

    async def say(self, text: str) -> None:
        self.calls.observe(ChatArrived("1", "ada", "Ada", text))

    async def remove(self) -> None:
        self.calls.observe(CallEnded(EndReason.REMOVED, Evidence("lobby")))


class LobbyCall(meetcore.Call):
    def __init__(self, calls: meetcore.CallEvents) -> None:
        self.calls = calls

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_chat(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.observe(ChatArrived("2", "me", "Bot", text, by_bot=True))

    @asynccontextmanager
    async def open_speech(self, sample_rate_hz):
        yield SimSpeech(sample_rate_hz, 0.0)


class LobbyPlatform(meetcore.Platform):
    name = "lobby"
    link_examples = ("lobby:blue",)
    capabilities = frozenset(
        {
            meetcore.Capability.SEND_CHAT,
            meetcore.Capability.READ_CHAT,
            meetcore.Capability.SPEAK,
        }
    )
    lobby: Lobby

    def parse(self, url: str) -> meetcore.MeetingLink | None:
        if not url.startswith("lobby:"):
            return None
        return meetcore.MeetingLink(platform="lobby", native_id=url[6:].partition("?")[0], url=url)

    @asynccontextmanager
    async def open_call(self, link, request, calls):
        if link.native_id != "blue":
            raise MeetingRefused(link.native_id, "No entry.")
        self.lobby.calls = calls
        calls.observe(Knocked())
        yield LobbyCall(calls)


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


class Wired(LobbyPlatform):
    """Dials a fake server that runs in the same Trio program."""

    port = 0

    @asynccontextmanager
    async def open_call(self, link, request, calls):
        async with (
            await trio.open_tcp_stream("127.0.0.1", self.port),
            super().open_call(link, request, calls) as call,
        ):
            yield call


class TestWithAServerInTheSameProgram(TestLobby):
    port = 0

    def make_platform(self):
        platform = Wired()
        platform.lobby, platform.port = self.lobby, self.port
        return platform

    @asynccontextmanager
    async def open_meeting(self):
        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                while await stream.receive_some():
                    """Nothing is ever said."""

        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, serve, 0)
            self.port = listeners[0].socket.getsockname()[1]
            yield self.lobby
            nursery.cancel_scope.cancel()


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
        await suite.test_an_utterance_gets_drafts_and_one_final(tmp_path, None)


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
    calls = RecordingCallEvents()
    chunk = meetcore.Chunk("a", 0, synthetic_voice(0.1))
    with pytest.raises(AssertionError, match="not announced"):
        calls.hear(chunk)
    calls.observe(TrackAppeared("a", None))
    calls.hear(chunk)
    with pytest.raises(AssertionError, match="overlap"):
        calls.hear(chunk)


async def test_a_socket_left_behind_is_told_with_whose_it_is_and_where_it_leads(monkeypatch):
    monkeypatch.setattr(leaks, "_PATIENCE_S", 0.1)
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    guard = leaks.LeakGuard("The platform 'demo'")
    async with await trio.open_tcp_stream("127.0.0.1", port):
        with pytest.raises(leaks.LeakError, match=rf"^The platform 'demo' left .* to 127.*:{port}"):
            await guard.settled()
    await listener.aclose()
    await guard.settled()


async def test_a_microphone_that_does_not_stop_is_found(autojump_clock):
    class Late(SimSpeech):
        async def stop(self):
            await self.drain()

    class Deaf(LobbyCall):
        @asynccontextmanager
        async def open_speech(self, sample_rate_hz):
            yield Late(sample_rate_hz, 0.0)

    with pytest.raises(AssertionError, match="a stop is at once"):
        await TestLobby()._speech(Deaf(None))


async def test_a_bot_that_says_its_own_words_are_anothers_is_found(tmp_path):
    class Deaf(LobbyCall):
        async def send_chat(self, text):
            self.calls.observe(ChatArrived("2", "me", "Bot", text))

    class Confused(LobbyPlatform):
        @asynccontextmanager
        async def open_call(self, link, request, calls):
            async with super().open_call(link, request, calls):
                yield Deaf(calls)

    suite = TestLobby()
    suite.timeout_s = 0.5
    suite.make_platform = lambda: confused
    confused = Confused()
    confused.lobby = suite.lobby
    with pytest.raises(trio.TooSlowError):
        await suite.test_a_bot_is_admitted_hears_chats_and_leaves(tmp_path)
