"""The conformance suite of transcribers whose provider misbehaves.

Where `TranscriberConformance` calls a stream by itself, this one runs a whole bot: the core's own
supervisor stands between the transcriber and a provider that answers late, twice, about something
else, or not at all. What is held is what a user gets: everything that was said is in the transcript
once, or declared as a gap, and the bot ends in order.

    class TestMine(ProviderConformance):
        @asynccontextmanager
        async def misbehave(self, how):
            async with open_fake_server(how) as url:  # in the same Trio loop, over loopback
                yield MyTranscriber(MyOptions(url=url, key="k"))
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import pytest
import trio
import trio.abc
from attrs import define, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.bot.factory import open_bot
from meetcore.log.journal import read_journal
from meetcore.model.config import BotConfig
from meetcore.model.drafts import SegmentDraft
from meetcore.model.events import (
    Event,
    LedgerClosed,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TranscriberRestarted,
    TranscriptionGap,
)
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Participant
from meetcore.model.signals import Admitted, ParticipantAppeared, TrackAppeared
from meetcore.model.transcript import Segment
from meetcore.plugin.hooks import hookimpl
from meetcore.plugin.platform import Call, CallEvents, CallRequest, Platform
from meetcore.plugin.registry import Plugins
from meetcore.plugin.transcriber import Transcriber
from meetcore.testing.leaks import LeakGuard
from meetcore.testing.voice import synthetic_voice

__all__ = ["Misbehaviour", "ProviderConformance"]

Misbehaviour = Literal[
    "late_final",
    "unknown_utterance",
    "older_revision",
    "final_twice",
    "disconnect",
    "rate_limit",
    "stall",
]
"""What a provider does wrong.

`late_final`: finals come seconds late, within `final_timeout_s`. `unknown_utterance`: results about
something that nobody said. `older_revision`: drafts that go back. `final_twice`: each final comes
again. `disconnect`: the connection breaks in the middle of the second utterance, once.
`rate_limit`: streams are refused for three seconds. `stall`: the first stream never answers.
"""

_CHUNK_S = 0.5
_QUIET_S = 1.5
_UTTERANCES = 3
_SLACK_S = 0.75


class _TalkingCall(Call):
    platform_name = "talking"

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()


@define(eq=False)
class _TalkingMeeting:
    """A meeting in which one person says the same thing several times."""

    sound: Pcm
    speed: float
    over: trio.Event = field(factory=trio.Event)

    def plugins(self) -> Plugins:
        meeting = self

        class TalkingPlatform(Platform):
            name = "talking"

            def parse(self, url: str) -> MeetingLink | None:
                if not url.startswith("talking:"):
                    return None
                return MeetingLink(platform="talking", native_id="room", url=url)

            @asynccontextmanager
            async def open_call(
                self, link: MeetingLink, request: CallRequest, events: CallEvents
            ) -> AsyncIterator[Call]:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(meeting.play, events)
                    yield _TalkingCall()
                    nursery.cancel_scope.cancel()

        class TalkingPlugin:
            @hookimpl
            def meetcore_register_platforms(
                self, register: Callable[[type[Platform]], None]
            ) -> None:
                register(TalkingPlatform)

        return Plugins(entry_points=False, objects={"talking": TalkingPlugin()})

    async def play(self, events: CallEvents) -> None:
        events.observe(Admitted("the meeting is open"))
        events.observe(ParticipantAppeared(Participant(id="ada", name="Ada")))
        events.observe(TrackAppeared("ada", "ada"))
        quiet = np.zeros(round(_QUIET_S * SAMPLE_RATE_HZ), np.int16)
        sound = np.concatenate([*[self.sound, quiet] * _UTTERANCES])
        step = round(_CHUNK_S * SAMPLE_RATE_HZ)
        for start in range(0, len(sound), step):
            pcm = sound[start : start + step]
            await trio.sleep(len(pcm) / SAMPLE_RATE_HZ / self.speed)
            events.hear(Chunk("ada", start, pcm))
        self.over.set()
        await trio.sleep_forever()


class ProviderConformance:
    """What a transcriber and the core keep together when the provider does not.

    Override `misbehave`; where the provider's words are not taken for granted, `speech` too.

    Attributes:
        misbehaviours: Those that this provider can be made to show; the others are skipped.
        timeout_s: How long one meeting may take.
        speed: How much faster than real time people talk: more than 1 on the real clock.
    """

    misbehaviours: ClassVar[frozenset[str]] = frozenset(get_args(Misbehaviour))
    timeout_s: ClassVar[float] = 300.0
    speed: ClassVar[float] = 1.0

    @abstractmethod
    def misbehave(self, how: Misbehaviour) -> AbstractAsyncContextManager[Transcriber]:
        """Return a transcriber whose provider misbehaves while it is held.

        A fake server in the same Trio loop will do, on a real loopback socket.
        """

    def speech(self) -> Pcm:
        """Return a second or two of speech, 16 kHz."""
        return synthetic_voice(1.2)

    def clock(self) -> trio.abc.Clock | None:
        """Return the clock to run on; None for the real one, for a provider outside of the loop.

        The default jumps over every wait in which nothing has come over a socket for 20 ms.
        """
        from trio.testing import MockClock  # imports pytest

        return MockClock(autojump_threshold=0.02)

    # --- the tests ----------------------------------------------------------------------

    def test_finals_that_come_late_are_waited_for(self, tmp_path: Path) -> None:
        """Late, but within the limit that the capabilities name: nothing is begun anew."""
        events = self._attend("late_final", tmp_path)
        assert len(_said(events)) == _UTTERANCES
        assert not _restarts(events)

    def test_results_about_something_else_are_nobodys_words(self, tmp_path: Path) -> None:
        """What nobody said is in no transcript, and what was said is."""
        events = self._attend("unknown_utterance", tmp_path)
        assert len(_said(events)) == _UTTERANCES

    def test_drafts_that_go_back_are_not_shown(self, tmp_path: Path) -> None:
        """A viewer sees a segment's revisions rise (checked for every run)."""
        events = self._attend("older_revision", tmp_path)
        assert len(_said(events)) == _UTTERANCES

    def test_a_final_that_comes_twice_is_said_once(self, tmp_path: Path) -> None:
        """The second one changes nothing."""
        events = self._attend("final_twice", tmp_path)
        finals = [event for event in events if isinstance(event, SegmentFinalized)]
        assert len(finals) == len(_said(events)) == _UTTERANCES

    def test_a_broken_connection_costs_no_words(self, tmp_path: Path) -> None:
        """Another stream is opened, and what had no final is said to it again, once."""
        events = self._attend("disconnect", tmp_path)
        assert _restarts(events)
        assert len(_said(events)) == _UTTERANCES
        assert not [event for event in events if isinstance(event, TranscriptionGap)]

    def test_a_rate_limit_is_waited_out(self, tmp_path: Path) -> None:
        """It is a `rate` trouble with the time to wait, and the provider is not hammered."""
        events = self._attend("rate_limit", tmp_path)
        restarts = _restarts(events)
        assert {restart.kind for restart in restarts} == {"rate"}
        assert len(restarts) <= 2, "retry_after_s was not told, or not kept"
        assert len(_said(events)) == _UTTERANCES

    def test_a_stream_that_never_answers_is_given_up_for_another(self, tmp_path: Path) -> None:
        """It is noticed, and what it owed comes from the next one or is declared."""
        events = self._attend("stall", tmp_path)
        gaps = [event for event in events if isinstance(event, TranscriptionGap)]
        assert _restarts(events) or gaps
        assert _said(events)

    # --- one meeting --------------------------------------------------------------------

    def _attend(self, how: Misbehaviour, folder: Path) -> list[Event]:
        if how not in self.misbehaviours:
            pytest.skip(f"this provider cannot be made to show {how!r}")
        return trio.run(self._attended, how, folder, clock=self.clock())

    async def _attended(self, how: Misbehaviour, folder: Path) -> list[Event]:
        guard = LeakGuard(f"A meeting with {how!r}")
        meeting, shown = _TalkingMeeting(self.speech(), self.speed), list[Segment]()
        with trio.fail_after(self.timeout_s):
            async with self.misbehave(how) as transcriber:
                limits = transcriber.capabilities
                config = BotConfig(
                    out_dir=folder,
                    fsync=False,
                    drain_timeout_s=2 * (limits.final_timeout_s + limits.open_timeout_s),
                )
                async with (
                    open_bot(
                        "talking:room",
                        config=config,
                        plugins=meeting.plugins(),
                        transcriber=transcriber,
                    ) as bot,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(_watch, bot.events(drafts=True), shown)
                    await meeting.over.wait()
                    await bot.stop()
        await guard.settled()
        events = list(read_journal(bot.journal.path))
        _check(events, shown)
        return events


async def _watch(items: AsyncIterator[object], shown: list[Segment]) -> None:
    told = [item async for item in items if isinstance(item, SegmentDraft | SegmentFinalized)]
    shown.extend(item.segment for item in told)


def _check(events: list[Event], shown: list[Segment]) -> None:
    """Hold what every meeting keeps, whatever its provider did."""
    end = [event for event in events if isinstance(event, StateChanged)][-1]
    assert end.state == "completed", f"the bot ended {end.state}: {end.reason}"
    (ledger,) = [event for event in events if isinstance(event, LedgerClosed)]
    assert ledger.balanced
    newest: dict[str, Segment] = {}
    for segment in shown:
        before = newest.get(segment.id)
        if before is not None:
            assert segment.revision > before.revision, f"{segment.id} went back"
            assert segment.finalized or not before.finalized, f"{segment.id} was reopened"
        newest[segment.id] = segment
    heard = _heard(events)
    assert len(heard) == _UTTERANCES, "the core did not hear what was said: is it speech?"
    gaps = [event for event in events if isinstance(event, TranscriptionGap)]
    for start_s, end_s in heard:
        said = [s for s in _said(events) if _touch(s.start_s, s.end_s, start_s, end_s)]
        gap = any(_touch(gap.start_s, gap.end_s, start_s, end_s) for gap in gaps)
        assert said or gap, f"what was said from {start_s} s to {end_s} s is lost without a word"
        assert len(said) <= 1, f"what was said from {start_s} s to {end_s} s is there twice"
    for segment in _said(events):
        inside = any(_touch(segment.start_s, segment.end_s, a, b) for a, b in heard)
        assert inside, f"nobody said {segment.text!r} at {segment.start_s} s"


def _touch(start_s: float, end_s: float, from_s: float, to_s: float) -> bool:
    return start_s < to_s + _SLACK_S / 2 and end_s > from_s - _SLACK_S / 2


def _heard(events: list[Event]) -> list[tuple[float, float]]:
    starts = [event.start_s for event in events if isinstance(event, SpeakingStarted)]
    ends = [event.end_s for event in events if isinstance(event, SpeakingStopped)]
    return list(zip(starts, ends, strict=True))


def _said(events: list[Event]) -> list[Segment]:
    newest = {
        event.segment.id: event.segment for event in events if isinstance(event, SegmentFinalized)
    }
    return [segment for segment in newest.values() if not segment.withdrawn]


def _restarts(events: list[Event]) -> list[TranscriberRestarted]:
    return [event for event in events if isinstance(event, TranscriberRestarted)]
