"""Conformance suites: subclass one in your tests, say how to make your plugin, and run pytest.

    class TestMySink(SinkConformance):
        def make_sink(self) -> Sink:
            return MySink(MySink.Options(path="out.txt"))

They hold a plugin to what the core relies on: that it tells everything, loses nothing in silence
and leaves nothing behind, also when it is cancelled in the middle.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import trio
import trio.lowlevel
import trio.testing
from attrs import evolve

from meetcore.audio.chunk import Chunk
from meetcore.audio.media import MediaFragment
from meetcore.log.folders import journal_path
from meetcore.log.journal import Journal, read_journal
from meetcore.model.config import BotConfig
from meetcore.model.errors import CommandRefused, MeetingRefused
from meetcore.model.events import Event, LedgerClosed, PluginFailed, StateChanged
from meetcore.model.lifecycle import TERMINAL, EndReason
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    ChatArrived,
    Knocked,
    ParticipantAppeared,
    RosterSeen,
    Signal,
    TrackAppeared,
)
from meetcore.plugin.platform import Call, CallRequest, Capability, Platform
from meetcore.plugin.sink import Sink, SinkContext
from meetcore.testing.leaks import LeakGuard
from meetcore.testing.scripted import ScriptedTranscriber
from meetcore.testing.sim import SimMeeting
from meetcore.testing.transcriber_conformance import TranscriberConformance

__all__ = [
    "ConformanceMeeting",
    "PlatformConformance",
    "RecordingCallEvents",
    "SinkConformance",
    "TranscriberConformance",
]

S = TypeVar("S", bound=Signal)
KNOCK_PATIENCE_S = 10.0
SHORT_MEETING = """
title = "Conformance"
seed = 11
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 1.0
text = "shall we begin with the plan"
[[lines]]
who = "ben"
at_s = 5.0
text = "yes <b>please</b> & thank you"
[[chat]]
who = "ben"
at_s = 6.0
text = "the link is in the notes"
[end]
at_s = 9.0
"""


class SinkConformance:
    """What every sink has to keep. Override `make_sink`; meetings run at eight times real pace."""

    pace = 8.0

    @abstractmethod
    def make_sink(self) -> Sink:
        """Return a new sink, as a bot would get it."""

    def bot_config(self, out_dir: Path) -> BotConfig:
        """Return the configuration of the bots used; override to change it."""
        return BotConfig(out_dir=out_dir, fsync=False)

    async def _attend(self, out_dir: Path, stop_after_s: float | None = None) -> list[Event]:
        meeting = SimMeeting(SHORT_MEETING)
        folder: Path | None = None
        with trio.move_on_after(stop_after_s or 600):
            async with meeting.open_bot(
                out_dir,
                sinks=[self.make_sink()],
                transcriber=ScriptedTranscriber(meeting.script),
                config=self.bot_config(out_dir),
            ) as bot:
                folder = bot.journal.path
                await bot.wait_ended()
        assert folder is not None
        return list(read_journal(folder))

    def _run(self, out_dir: Path, stop_after_s: float | None = None) -> list[Event]:
        clock = trio.testing.MockClock(rate=self.pace)
        return trio.run(self._attend, out_dir, stop_after_s, clock=clock)

    def test_a_meeting_with_the_sink_completes_without_trouble(self, tmp_path: Path) -> None:
        """The bot completes, and no call on the sink failed."""
        events = self._run(tmp_path)
        assert [e for e in events if isinstance(e, PluginFailed)] == []
        assert any(
            isinstance(e, StateChanged) and e.reason is EndReason.MEETING_ENDED for e in events
        )

    def test_every_sample_is_accounted_for(self, tmp_path: Path) -> None:
        """The ledger balances, and a sink that wants audio got it all."""
        sink = self.make_sink()
        events = self._run(tmp_path)
        ledger = next(e for e in events if isinstance(e, LedgerClosed))
        assert ledger.balanced
        own = [entry for entry in ledger.entries if entry.consumer == sink.name]
        assert bool(own) == sink.wants_audio
        assert all(entry.lost == 0 for entry in own)

    def test_nothing_is_left_behind_when_the_bot_is_cancelled(self, tmp_path: Path) -> None:
        """Cancelled in the middle of the meeting, the journal ends and nothing remains."""
        guard = LeakGuard(f"The sink {self.make_sink().name!r}")
        events = self._run(tmp_path, stop_after_s=3.0)
        assert any(isinstance(e, StateChanged) and e.state in TERMINAL for e in events)
        guard.check()

    def test_recovering_a_finished_bot_does_no_harm(self, tmp_path: Path) -> None:
        """`recover` on a bot that ended well returns and leaves the journal as it was."""
        events = self._run(tmp_path)
        folder = tmp_path / events[0].bot_id

        async def recover() -> None:
            journal = Journal(journal_path(folder), events[0].bot_id, fsync=False)

            async def refuse(command: object) -> None:
                await trio.lowlevel.checkpoint()
                raise CommandRefused(f"no bot for {command!r}")

            sink = self.make_sink()
            context = SinkContext(
                name=sink.name,
                bot_id=events[0].bot_id,
                folder=folder,
                journal=journal,
                report=journal.append,
                perform=refuse,
            )
            with trio.fail_after(60):
                await sink.recover(context)
            journal.close()

        trio.run(recover)
        after = list(read_journal(journal_path(folder)))
        assert after[: len(events)] == events


class ConformanceMeeting(Protocol):
    """A meeting of your platform that a test can steer.

    Beside what is here it may have, and the suite then tries: `remove()`, which throws the bot out;
    `wrong_passcode_link`, a link to it with a passcode that is wrong; `missing_link`, a link to a
    meeting that does not exist. What it does not have is skipped, with the reason.
    """

    link: str

    async def admit(self) -> None:
        """Let the bot in, now or as soon as it has knocked.

        The suite waits for `Knocked` before it calls this, `KNOCK_PATIENCE_S` at most: a platform
        without that signal is asked to admit a bot that has perhaps not knocked yet.
        """

    async def deny(self) -> None:
        """Refuse the bot."""

    async def end(self) -> None:
        """End the meeting for all."""

    async def say(self, text: str) -> None:
        """Write a chat message as a participant."""

    async def say_directly(self, text: str) -> None:
        """Write a message that only the bot sees, as a participant, where the platform has such."""


class RecordingCallEvents:
    """A `CallEvents` that keeps what comes in and checks the rules of it."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.chunks: dict[str, list[Chunk]] = {}
        self.lost: list[tuple[str, int, int, str]] = []
        self.fragments: dict[str, list[MediaFragment]] = {}
        self.media_lost: list[tuple[str, int, str]] = []
        self._changed = trio.Event()

    def observe(self, signal: Signal) -> None:
        """Keep a signal; a whole list of people is also kept as the appearing of each."""
        self.signals.append(signal)
        if isinstance(signal, RosterSeen):
            for each in signal.participants:
                here = evolve(each, is_self=each.id == signal.self_id)
                self.signals.append(ParticipantAppeared(here))
        if isinstance(signal, TrackAppeared):
            self.chunks.setdefault(signal.track_id, [])
        self._wake()

    def hear(self, chunk: Chunk) -> None:
        """Keep a chunk; it must belong to an announced track and follow the one before it."""
        chunks = self.chunks.get(chunk.track_id)
        assert chunks is not None, f"track {chunk.track_id!r} was not announced"
        if chunks:
            assert chunk.start_sample >= chunks[-1].end_sample, "chunks overlap"
            assert chunk.sample_rate_hz == chunks[-1].sample_rate_hz, "the rate changed"
        chunks.append(chunk)
        self._wake()

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Keep a declaration."""
        self.lost.append((track_id, start_sample, samples, cause))

    def media(
        self,
        track_id: str,
        *,
        kind: str,
        container: str,
        data: bytes,
        at_s: float,
        duration_s: float,
        header: bool = False,
    ) -> None:
        """Keep a fragment of media; it must follow the one before it, and a header has no time."""
        fragments = self.fragments.setdefault(track_id, [])
        assert duration_s == 0 if header else duration_s >= 0, "a header has media in it"
        if fragments and not header:
            assert at_s >= fragments[-1].at_s, "fragments go back in time"
        fragments.append(
            MediaFragment(
                track_id=track_id,
                number=len(fragments),
                kind=kind,
                container=container,
                data=data,
                at_s=at_s,
                duration_s=duration_s,
                header=header,
            )
        )
        self._wake()

    def declare_media_lost(self, track_id: str, fragments: int, cause: str) -> None:
        """Keep a declaration."""
        self.media_lost.append((track_id, fragments, cause))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, kind: type[S], timeout_s: float = 30.0) -> S:
        """Return the first signal of a kind, waiting for it."""
        return await self.wait_until(kind, lambda _: True, timeout_s)

    async def wait_until(
        self, kind: type[S], holds: Callable[[S], bool], timeout_s: float = 30.0
    ) -> S:
        """Return the first signal of a kind for which something holds, waiting for it."""
        with trio.fail_after(timeout_s):
            while True:
                for signal in self.signals:
                    if isinstance(signal, kind) and holds(signal):
                        return signal
                await self._changed.wait()

    async def wait_for_audio(self, timeout_s: float = 30.0) -> str:
        """Return the id of the first track with audio, waiting for it."""
        with trio.fail_after(timeout_s):
            while True:
                for track_id, chunks in self.chunks.items():
                    if chunks:
                        return track_id
                await self._changed.wait()


class PlatformConformance:
    """What every platform has to keep. Override `make_platform` and `open_meeting`."""

    timeout_s = 60.0
    foreign_links = ("https://example.org/", "mailto:ada@example.org", "", "not a link")

    @abstractmethod
    def make_platform(self) -> Platform:
        """Return a new platform, as a bot would get it."""

    @abstractmethod
    def open_meeting(self) -> AbstractAsyncContextManager[ConformanceMeeting]:
        """Return a meeting with one talking participant, a waiting room and chat."""

    def _request(self, folder: Path) -> CallRequest:
        return CallRequest(bot_id="conformance", display_name="Conformance bot", folder=folder)

    def _call(
        self, meeting: ConformanceMeeting, folder: Path, calls: RecordingCallEvents
    ) -> AbstractAsyncContextManager[Call]:
        platform = self.make_platform()
        link = platform.parse(meeting.link)
        assert link is not None
        return platform.open_call(link, self._request(folder), calls)

    def test_links_of_others_are_not_claimed(self) -> None:
        """`parse` returns None for what is not ours, without raising."""
        platform = self.make_platform()
        assert [platform.parse(link) for link in self.foreign_links] == [None] * len(
            self.foreign_links
        )

    def test_a_link_keeps_its_secrets_out_of_sight(self) -> None:
        """Neither `repr` nor the public URL of a link shows query or passcode."""
        platform = self.make_platform()
        for example in platform.link_examples:
            link = platform.parse(example + ("&" if "?" in example else "?") + "pwd=s3cr3t-0")
            if link is not None:
                assert "s3cr3t-0" not in repr(link) + link.public_url

    async def _admitted(self, meeting: ConformanceMeeting, calls: RecordingCallEvents) -> None:
        with trio.move_on_after(KNOCK_PATIENCE_S):
            await calls.wait_for(Knocked)
        await meeting.admit()
        await calls.wait_for(Admitted)

    @pytest.mark.trio
    async def test_a_bot_is_admitted_hears_chats_and_leaves(self, tmp_path: Path) -> None:
        """Admission, the roster with ourselves in it, audio in order, chat; a polite leave."""
        calls = RecordingCallEvents()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, calls) as call:
                await self._admitted(meeting, calls)
                await calls.wait_until(
                    ParticipantAppeared, lambda signal: not signal.participant.is_self
                )
                await calls.wait_until(
                    ParticipantAppeared, lambda signal: signal.participant.is_self
                )
                await calls.wait_for_audio()
                await self._chat(meeting, call, calls)
                await self._speech(call)
                await call.leave()
        selves = {
            signal.participant.id
            for signal in calls.signals
            if isinstance(signal, ParticipantAppeared) and signal.participant.is_self
        }
        assert len(selves) == 1, f"the bot is one participant, not {sorted(selves)}"

    async def _chat(
        self, meeting: ConformanceMeeting, call: Call, calls: RecordingCallEvents
    ) -> None:
        """What somebody says comes once, as theirs; what we say comes back once, as ours."""
        capabilities = self.make_platform().capabilities & call.capabilities
        reads = Capability.READ_CHAT in capabilities
        if reads:
            await meeting.say("hello bot")
            await calls.wait_until(
                ChatArrived, lambda chat: chat.text == "hello bot" and not chat.by_bot
            )
        if Capability.SEND_CHAT in capabilities:
            await call.send_chat("hello everybody")
            if reads:
                await calls.wait_until(
                    ChatArrived, lambda chat: chat.text == "hello everybody" and chat.by_bot
                )
        if Capability.SEND_DIRECT_CHAT in capabilities:
            await self._direct_chat(meeting, call, calls, capabilities)
        chats = {
            (signal.message_id, signal.text, signal.by_bot)
            for signal in calls.signals
            if isinstance(signal, ChatArrived)
        }
        assert len({text for _, text, _ in chats}) == len(chats), f"one message, told as {chats}"

    async def _direct_chat(
        self,
        meeting: ConformanceMeeting,
        call: Call,
        calls: RecordingCallEvents,
        capabilities: frozenset[Capability],
    ) -> None:
        """What is for one person alone is marked so, in both directions, with whom it is for."""
        reads = Capability.READ_CHAT in capabilities
        others = [
            signal.participant
            for signal in calls.signals
            if isinstance(signal, ParticipantAppeared) and not signal.participant.is_self
        ]
        if reads:
            await meeting.say_directly("psst bot")
            await calls.wait_until(
                ChatArrived,
                lambda chat: chat.text == "psst bot" and chat.direct and not chat.by_bot,
            )
        await call.send_direct_chat("psst you", others[0])
        if reads:
            await calls.wait_until(
                ChatArrived,
                lambda chat: (
                    chat.text == "psst you"
                    and chat.by_bot
                    and chat.direct
                    and chat.to_name == others[0].name
                ),
            )
        if Capability.SEND_CHAT in capabilities:
            await call.send_chat("hello again everybody")
            if reads:
                await calls.wait_until(
                    ChatArrived,
                    lambda chat: chat.text == "hello again everybody" and not chat.direct,
                )

    async def _speech(self, call: Call) -> None:
        """What is said is played to its end; a stop is silence, and says how much was heard."""
        if Capability.SPEAK not in self.make_platform().capabilities & call.capabilities:
            return
        piece_s, piece = 0.1, bytes(3200)
        async with call.open_speech(16_000) as output:
            for _ in range(5):
                await output.write(piece)
            await output.drain()
            assert output.played_s == pytest.approx(5 * piece_s, abs=piece_s)
        async with call.open_speech(16_000) as output:
            for _ in range(5):
                await output.write(piece)
            await output.stop()
            assert output.played_s < 5 * piece_s, "a stop is at once, not at the end"

    @pytest.mark.trio
    async def test_a_refused_bot_says_denied(self, tmp_path: Path) -> None:
        """Denial is a CallEnded with its reason and evidence, never an exception."""
        calls = RecordingCallEvents()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, calls):
                with trio.move_on_after(KNOCK_PATIENCE_S):
                    await calls.wait_for(Knocked)
                await meeting.deny()
                await self._ended(calls, EndReason.DENIED)

    async def _ended(self, calls: RecordingCallEvents, *reasons: EndReason) -> None:
        ended = await calls.wait_for(CallEnded)
        assert ended.reason in reasons
        assert ended.evidence.signal, "an end has evidence"

    @pytest.mark.trio
    async def test_one_who_left_may_come_again_and_notices_the_end(self, tmp_path: Path) -> None:
        """A second call is like the first; the host's end for all is a CallEnded."""
        with trio.fail_after(self.timeout_s * 2):
            async with self.open_meeting() as meeting:
                first = RecordingCallEvents()
                async with self._call(meeting, tmp_path, first) as call:
                    await self._admitted(meeting, first)
                    await call.leave()
                second = RecordingCallEvents()
                async with self._call(meeting, tmp_path, second):
                    await self._admitted(meeting, second)
                    await meeting.end()
                    await self._ended(second, EndReason.MEETING_ENDED)
        assert not [s for s in first.signals if isinstance(s, CallEnded)], "leaving is no end"

    @pytest.mark.trio
    async def test_a_bot_that_is_thrown_out_says_removed(self, tmp_path: Path) -> None:
        """Being removed is a CallEnded with its reason."""
        calls = RecordingCallEvents()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting:
                remove = _offered(meeting, "remove")
                async with self._call(meeting, tmp_path, calls):
                    await self._admitted(meeting, calls)
                    await remove()
                    await self._ended(calls, EndReason.REMOVED)

    @pytest.mark.trio
    @pytest.mark.parametrize(
        ("link", "reasons"),
        [
            ("wrong_passcode_link", (EndReason.WRONG_PASSCODE,)),
            ("missing_link", (EndReason.MEETING_NOT_FOUND, EndReason.INVALID_MEETING_URL)),
        ],
    )
    async def test_a_meeting_that_cannot_be_entered_says_why(
        self, tmp_path: Path, link: str, reasons: tuple[EndReason, ...]
    ) -> None:
        """As MeetingRefused, or as a CallEnded, with the reason."""
        calls = RecordingCallEvents()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting:
                address = _offered(meeting, link)
                platform = self.make_platform()
                parsed = platform.parse(address)
                assert parsed is not None, f"{link} is not recognised"
                try:
                    async with platform.open_call(parsed, self._request(tmp_path), calls):
                        await self._ended(calls, *reasons)
                except MeetingRefused as refused:
                    assert refused.reason in reasons  # noqa: PT017  either way is fine

    @pytest.mark.trio
    async def test_nothing_is_left_behind_when_cancelled_while_joining(
        self, tmp_path: Path
    ) -> None:
        """Cancelling before admission ends threads, processes and sockets.

        The fake server of `open_meeting` may run in this program: it is given time to close its
        end of a connection, and must do so by itself.
        """
        calls = RecordingCallEvents()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting:
                guard = LeakGuard(
                    f"The platform {self.make_platform().name!r} (or the server of open_meeting)"
                )
                with trio.move_on_after(0.3):
                    async with self._call(meeting, tmp_path, calls):
                        await trio.sleep_forever()
                await guard.settled()


def _offered(meeting: ConformanceMeeting, name: str) -> Any:
    """Return what a meeting has beside the protocol; skip the test where it has not."""
    offered = getattr(meeting, name, None)
    if offered is None:
        pytest.skip(f"the meeting has no `{name}`, so this is not tried")
    return offered
