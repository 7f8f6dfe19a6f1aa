"""Conformance suites: subclass one in your tests, say how to make your plugin, and run pytest.

    class TestMySink(SinkConformance):
        def make_sink(self) -> Sink:
            return MySink(MySink.Options(path="out.txt"))

They hold a plugin to what the core relies on: that it tells everything, loses nothing in silence
and leaves nothing behind, also when it is cancelled in the middle.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
import trio
import trio.lowlevel
import trio.testing

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.config import BotConfig
from meetcore.contracts import (
    Call,
    CallRequest,
    Capability,
    Platform,
    Sink,
    SinkContext,
    StreamRequest,
    Transcriber,
    TranscriberContext,
    TranscriberStream,
    UntranscribedAudio,
)
from meetcore.errors import CommandRefused
from meetcore.events import Event, LedgerClosed, PluginFailed, StateChanged
from meetcore.folders import journal_path
from meetcore.journal import Journal, read_journal
from meetcore.lifecycle import TERMINAL, EndReason
from meetcore.signals import (
    Admitted,
    CallEnded,
    ChatArrived,
    ParticipantAppeared,
    Signal,
    TrackAppeared,
)
from meetcore.testing.leaks import LeakGuard
from meetcore.testing.scripted import ScriptedTranscriber
from meetcore.testing.sim import SimMeeting
from meetcore.transcript import Hypothesis

__all__ = [
    "ConformanceMeeting",
    "PlatformConformance",
    "RecordingDoor",
    "SinkConformance",
    "TranscriberConformance",
]

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
        guard = LeakGuard()
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


class TranscriberConformance:
    """What every transcriber has to keep. Override `make_transcriber` and `speech`."""

    timeout_s = 60.0

    @abstractmethod
    def make_transcriber(self) -> Transcriber:
        """Return a new transcriber, as a bot would get it."""

    @abstractmethod
    def speech(self) -> tuple[Pcm, str]:
        """Return a few seconds of speech it can understand, 16 kHz, and at least one word of it."""

    track_ids = ("one", "two")

    async def _utter(
        self, stream: TranscriberStream, track_id: str, utterance_id: str, pcm: Pcm, at: int
    ) -> None:
        await stream.begin_utterance(utterance_id, at)
        for first in range(0, len(pcm), 1600):
            await stream.feed(Chunk(track_id, at + first, pcm[first : first + 1600]))
        await stream.end_utterance(utterance_id, at + len(pcm), "silence")

    @asynccontextmanager
    async def _open(self, folder: Path) -> AsyncIterator[Transcriber]:
        transcriber = self.make_transcriber()
        with trio.fail_after(self.timeout_s):
            async with transcriber.open(TranscriberContext(bot_id="conformance", folder=folder)):
                yield transcriber

    @pytest.mark.trio
    async def test_an_utterance_gets_drafts_and_one_final(self, tmp_path: Path) -> None:
        """Revisions rise, the final is the last word, its words lie within the utterance."""
        results: list[Hypothesis | UntranscribedAudio] = []
        pcm, word = self.speech()
        track = self.track_ids[0]
        async with self._open(tmp_path) as transcriber:
            request = StreamRequest(bot_id="c", track_id=track, emit=results.append)
            async with transcriber.stream(request) as stream:
                await self._utter(stream, track, "u1", pcm, 32_000)
                await stream.flush()
        hypotheses = [r for r in results if isinstance(r, Hypothesis)]
        assert [h.final for h in hypotheses].count(True) == 1
        final = hypotheses[-1]
        assert final.final
        assert word in final.text.lower()
        revisions = [h.revision for h in hypotheses]
        assert revisions == sorted(set(revisions))
        if transcriber.capabilities.partials:
            assert len(hypotheses) > 1
        if transcriber.capabilities.word_times:
            assert final.words
            starts = [w.start_s for w in final.words]
            assert starts == sorted(starts)
            margin_s = 0.2
            assert final.words[0].start_s >= 32_000 / SAMPLE_RATE_HZ - margin_s
            assert final.words[-1].end_s <= (32_000 + len(pcm)) / SAMPLE_RATE_HZ + margin_s

    @pytest.mark.trio
    async def test_two_tracks_are_kept_apart(self, tmp_path: Path) -> None:
        """Each stream gets the results of its own track only, each with its final."""
        results: dict[str, list[Hypothesis | UntranscribedAudio]] = {}
        pcm, word = self.speech()
        async with self._open(tmp_path) as transcriber:

            async def one(track_id: str) -> None:
                mine = results.setdefault(track_id, [])
                request = StreamRequest(bot_id="c", track_id=track_id, emit=mine.append)
                async with transcriber.stream(request) as stream:
                    await self._utter(stream, track_id, f"{track_id}-u", pcm, 0)
                    await stream.flush()

            async with trio.open_nursery() as nursery:
                for track_id in self.track_ids:
                    nursery.start_soon(one, track_id)
        for track_id, mine in results.items():
            hypotheses = [r for r in mine if isinstance(r, Hypothesis)]
            assert {h.utterance_id for h in hypotheses} == {f"{track_id}-u"}
            assert [h.text for h in hypotheses if h.final and word in h.text.lower()]

    @pytest.mark.trio
    async def test_silence_gets_a_final_without_words_or_is_declared(self, tmp_path: Path) -> None:
        """An utterance of silence is answered too, or the core would wait for it."""
        results: list[Hypothesis | UntranscribedAudio] = []
        silence = self.speech()[0][:16_000] * 0
        track = self.track_ids[0]
        async with self._open(tmp_path) as transcriber:
            request = StreamRequest(bot_id="c", track_id=track, emit=results.append)
            async with transcriber.stream(request) as stream:
                await self._utter(stream, track, "u1", silence, 3_200_000)
                await stream.flush()
        answered = [r for r in results if isinstance(r, UntranscribedAudio) or r.final]
        assert len(answered) == 1

    @pytest.mark.trio
    async def test_nothing_is_left_behind_when_cancelled_in_mid_utterance(
        self, tmp_path: Path
    ) -> None:
        """Cancelling while it works ends threads, processes and sockets."""
        guard = LeakGuard()
        pcm, _ = self.speech()
        track = self.track_ids[0]
        with trio.CancelScope() as scope:
            async with self._open(tmp_path) as transcriber:
                request = StreamRequest(bot_id="c", track_id=track, emit=lambda _: None)
                async with transcriber.stream(request) as stream:
                    await stream.begin_utterance("u1", 0)
                    await stream.feed(Chunk(track, 0, pcm[:8000]))
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
        guard.check()


class ConformanceMeeting(Protocol):
    """A meeting of your platform that a test can steer."""

    link: str

    async def admit(self) -> None:
        """Let the bot in."""

    async def deny(self) -> None:
        """Refuse the bot."""

    async def end(self) -> None:
        """End the meeting for all."""

    async def say(self, text: str) -> None:
        """Write a chat message as a participant."""


class RecordingDoor:
    """A door that keeps what comes in and checks the rules of it."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.chunks: dict[str, list[Chunk]] = {}
        self.lost: list[tuple[str, int, int, str]] = []
        self._changed = trio.Event()

    def observe(self, signal: Signal) -> None:
        """Keep a signal."""
        self.signals.append(signal)
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

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, kind: type[Signal], timeout_s: float = 30.0) -> Signal:
        """Return the first signal of a kind, waiting for it."""
        with trio.fail_after(timeout_s):
            while True:
                for signal in self.signals:
                    if isinstance(signal, kind):
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
        self, meeting: ConformanceMeeting, folder: Path, door: RecordingDoor
    ) -> AbstractAsyncContextManager[Call]:
        platform = self.make_platform()
        link = platform.parse(meeting.link)
        assert link is not None
        return platform.open_call(link, self._request(folder), door)

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

    @pytest.mark.trio
    async def test_a_bot_is_admitted_hears_and_leaves(self, tmp_path: Path) -> None:
        """Admission, participants, a track with audio in order; then a polite leave."""
        door = RecordingDoor()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, door) as call:
                await meeting.admit()
                await door.wait_for(Admitted)
                await door.wait_for(ParticipantAppeared)
                await door.wait_for_audio()
                await call.leave()
        kinds = [type(signal) for signal in door.signals]
        assert Admitted in kinds

    @pytest.mark.trio
    async def test_a_refused_bot_says_denied(self, tmp_path: Path) -> None:
        """Denial is a CallEnded with its reason and evidence, never an exception."""
        door = RecordingDoor()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, door):
                await meeting.deny()
                ended = await door.wait_for(CallEnded)
        assert isinstance(ended, CallEnded)
        assert ended.reason is EndReason.DENIED
        assert ended.evidence.signal

    @pytest.mark.trio
    async def test_the_end_of_the_meeting_is_noticed(self, tmp_path: Path) -> None:
        """The host's end for all is a CallEnded."""
        door = RecordingDoor()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, door):
                await meeting.admit()
                await door.wait_for(Admitted)
                await meeting.end()
                ended = await door.wait_for(CallEnded)
        assert isinstance(ended, CallEnded)
        assert ended.reason is EndReason.MEETING_ENDED

    @pytest.mark.trio
    async def test_chat_is_read_and_sent_where_the_platform_can(self, tmp_path: Path) -> None:
        """A message of ours is out, and somebody else's comes in once, with its sender."""
        door = RecordingDoor()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting, self._call(meeting, tmp_path, door) as call:
                await meeting.admit()
                await door.wait_for(Admitted)
                if Capability.READ_CHAT in call.capabilities:
                    await meeting.say("hello bot")
                    chat = await door.wait_for(ChatArrived)
                    assert isinstance(chat, ChatArrived)
                    assert (chat.text, chat.by_bot) == ("hello bot", False)
                if Capability.SEND_CHAT in call.capabilities:
                    await call.send_chat("hello everybody")
                await call.leave()

    @pytest.mark.trio
    async def test_nothing_is_left_behind_when_cancelled_while_joining(
        self, tmp_path: Path
    ) -> None:
        """Cancelling before admission ends threads, processes and sockets."""
        door = RecordingDoor()
        with trio.fail_after(self.timeout_s):
            async with self.open_meeting() as meeting:
                guard = LeakGuard()
                with trio.move_on_after(0.3):
                    async with self._call(meeting, tmp_path, door):
                        await trio.sleep_forever()
                guard.check()
