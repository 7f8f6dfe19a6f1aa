"""Meetings in which people say known words, transcribed by a stand-in that may misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import trio
from attrs import define, field, frozen
from trio.testing import MockClock

import meetcore
from meetcore.testing import LeakGuard, synthetic_voice
from meetcore_speech_api.testing.known_sound import ScriptedWord, distinct_sound
from meetcore_speech_api.testing.server import StandInServer

WORD_S = 0.5
QUIET_S = 1.5


@frozen
class Talk:
    """Some sound, and what is said in it."""

    sound: meetcore.Pcm
    words: tuple[ScriptedWord, ...]

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]


def talk(*lengths: int, speakers: Sequence[int] = (0,)) -> Talk:
    """Return stretches of speech of so many words each, with quiet between them."""
    parts, words, at_s = [], [], 0.0
    quiet = np.zeros(round(QUIET_S * 16_000), np.int16)
    for number, length in enumerate(lengths):
        parts += [synthetic_voice(length * WORD_S, 110.0 + 17 * number), quiet]
        for each in range(length):
            start_s = at_s + each * WORD_S + 0.05
            who = speakers[(number + each) % len(speakers)]
            words.append(ScriptedWord(f"W{len(words)}", start_s, start_s + 0.4, who))
        at_s += length * WORD_S + QUIET_S
    return Talk(distinct_sound(np.concatenate(parts)), tuple(words))


class _Call(meetcore.Call):
    platform_name = "talking"

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()


@define(eq=False)
class Meeting:
    """Somebody talks on a track of their own, or everybody on one."""

    said: Talk
    mixed: bool = False
    chunk_s: float = 0.25
    after_s: float = 0.0
    over: trio.Event = field(factory=trio.Event)

    def plugins(self) -> meetcore.Plugins:
        meeting = self

        class TalkingPlatform(meetcore.Platform):
            name = "talking"

            def parse(self, url: str) -> meetcore.MeetingLink | None:
                if not url.startswith("talking:"):
                    return None
                return meetcore.MeetingLink(platform="talking", native_id="room", url=url)

            @asynccontextmanager
            async def open_call(
                self,
                link: meetcore.MeetingLink,
                request: meetcore.CallRequest,
                events: meetcore.CallEvents,
            ) -> AsyncIterator[meetcore.Call]:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(meeting.play, events)
                    yield _Call()
                    nursery.cancel_scope.cancel()

        class Plugin:
            @meetcore.hookimpl
            def meetcore_register_platforms(
                self, register: Callable[[type[meetcore.Platform]], None]
            ) -> None:
                register(TalkingPlatform)

        return meetcore.Plugins(entry_points=False, objects={"talking": Plugin()})

    async def play(self, events: meetcore.CallEvents) -> None:
        events.observe(meetcore.Admitted("the meeting is open"))
        events.observe(meetcore.ParticipantAppeared(meetcore.Participant(id="ada", name="Ada")))
        if self.mixed:
            events.observe(meetcore.TrackAppeared("room", None, kind="mix"))
        else:
            events.observe(meetcore.TrackAppeared("ada", "ada"))
        step = round(self.chunk_s * 16_000)
        for start in range(0, len(self.said.sound), step):
            pcm = self.said.sound[start : start + step]
            await trio.sleep(len(pcm) / 16_000)
            events.hear(meetcore.Chunk("room" if self.mixed else "ada", start, pcm))
        await trio.sleep(self.after_s)
        self.over.set()
        await trio.sleep_forever()


@define
class Outcome:
    """What became of a meeting."""

    events: list[meetcore.Event]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def segments(self) -> list[meetcore.Segment]:
        newest = {e.segment.id: e.segment for e in self.of(meetcore.SegmentFinalized)}
        kept = [segment for segment in newest.values() if not segment.withdrawn]
        return sorted(kept, key=lambda segment: segment.start_s)

    @property
    def words(self) -> list[meetcore.Word]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]

    @property
    def gaps(self) -> list[meetcore.TranscriptionGap]:
        return self.of(meetcore.TranscriptionGap)

    @property
    def offset_s(self) -> float:
        return float(self.of(meetcore.CaptureStarted)[0].offset_s)

    def check(self, said: Talk) -> None:
        """No word is lost without a gap, none is there twice, all are where they were said."""
        (ledger,) = self.of(meetcore.LedgerClosed)
        assert ledger.balanced
        assert len(self.texts) == len(set(self.texts)), f"words twice: {self.texts}"
        known = {word.text.lower(): word for word in said.words}
        for word in self.words:
            truth = known[word.text.lower()]
            at_s = truth.start_s + self.offset_s
            if any(abs(gap.end_s - word.start_s) < 0.01 for gap in self.gaps):
                at_s = max(at_s, word.start_s)  # what was heard of it begins behind the gap
            assert abs(word.start_s - at_s) < 0.06, f"{word.text} is {word.start_s - at_s} s off"
        there = {text.lower() for text in self.texts}
        for truth in said.words:
            middle_s = (truth.start_s + truth.end_s) / 2 + self.offset_s
            gap = any(gap.start_s <= middle_s <= gap.end_s for gap in self.gaps)
            assert truth.text.lower() in there or gap, f"{truth.text} is lost without a word"


def attend(
    make: Callable[[str], meetcore.Transcriber],
    stand_in: StandInServer,
    meeting: Meeting,
    folder: Path,
    **config: Any,
) -> Outcome:
    """Run a bot through a meeting, on a clock that jumps."""
    return trio.run(
        _attended, make, stand_in, meeting, folder, config,
        clock=MockClock(autojump_threshold=0.02),
    )  # fmt: skip


async def _attended(
    make: Callable[[str], meetcore.Transcriber],
    stand_in: StandInServer,
    meeting: Meeting,
    folder: Path,
    config: dict[str, Any],
) -> Outcome:
    guard = LeakGuard("A meeting")
    meeting.over = trio.Event()
    with trio.fail_after(900):
        async with (
            stand_in.serving() as url,
            meetcore.open_bot(
                "talking:room",
                config=meetcore.BotConfig(
                    out_dir=folder, fsync=False, drain_timeout_s=120.0, **config
                ),
                plugins=meeting.plugins(),
                transcriber=make(url),
            ) as bot,
        ):
            await meeting.over.wait()
            await bot.stop()
    await guard.settled()
    return Outcome(list(meetcore.read_journal(bot.journal.path)))
