"""A bot's transcribers: one transcription per track, by the one whose turn it is.

Mostly there is one. With `[transcription] fallback` there are several, and `FallbackPolicy` says
which hears a track. This file has the tasks: it keeps those open that were wanted, and tries out in
the background whether a better one answers again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from meetcore.audio.chunk import Chunk
from meetcore.bot.context import BotContext
from meetcore.bot.fallback import (
    FallbackPolicy,
    NextStep,
    TranscriberChange,
    TranscriberTrouble,
)
from meetcore.bot.held_transcriber import HeldTranscriber
from meetcore.bot.probing import probe
from meetcore.bot.transcribing import TrackTranscription
from meetcore.log.mailbox import Wake
from meetcore.model.backoff import backoff_s
from meetcore.model.errors import TranscriberError
from meetcore.model.events import TranscriberSwitched
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.transcriber import Transcriber, TranscriberContext

__all__ = ["TRANSCRIBER_CONSUMER", "TranscriberRunner"]

TRANSCRIBER_CONSUMER = "transcriber"
FIRST_PROBE_S = 10.0
LONGEST_PROBE_PAUSE_S = 300.0


class TranscriberRunner:
    """Runs the transcribers of one bot.

    Args:
        transcribers: The plugins' objects, in the order in which they are wanted.
        bot: The bot's records.
        context: What the transcribers get.
        take_hypothesis: Called with each result, and its track.
        meeting_time: Says where a sample of the call's clock lies in the meeting, in seconds.
        failed: Called when a track is not transcribed any more.
        changed: Set when `busy` may have become False.
        switched: Called when the bot went over to another transcriber.
    """

    def __init__(
        self,
        transcribers: Sequence[Transcriber],
        bot: BotContext,
        context: TranscriberContext,
        *,
        take_hypothesis: Callable[[str, Hypothesis], None],
        meeting_time: Callable[[int], float],
        failed: Callable[[TranscriberError], None],
        changed: Wake,
        switched: Callable[[], None] = lambda: None,
    ) -> None:
        self._bot = bot
        self._take_hypothesis = take_hypothesis
        self._meeting_time = meeting_time
        self._failed = failed
        self._changed = changed
        self._switched = switched
        self._held = [
            HeldTranscriber(index, each, bot, context) for index, each in enumerate(transcribers)
        ]
        self._policy = FallbackPolicy(len(self._held), bot.config.transcription.fallback_after_s)
        self._to_probe = Wake()
        self._sample: Sequence[Chunk] = ()
        self._all: list[TrackTranscription] = []
        self._running = 0

    @property
    def busy(self) -> bool:
        """Whether a track is being transcribed."""
        return self._running > 0

    @property
    def continuous(self) -> bool:
        """Whether one of the transcribers wants what is between utterances, too."""
        return any(held.limits.wants == "continuous" for held in self._held)

    def tells_speech(self, track_id: str) -> bool:
        """Whether an utterance without words on a track was no speech."""
        return self.choice(track_id).limits.tells_speech

    @property
    def may_mix(self) -> bool:
        """Whether tracks may be mixed into one stream in this call."""
        streams = self._bot.config.transcription.streams
        limited = any(held.limits.max_streams is not None for held in self._held)
        return streams == "mix" or (streams == "auto" and limited)

    @property
    def takes_tracks(self) -> bool:
        """Whether tracks may have streams of their own in this call."""
        return self._bot.config.transcription.streams != "mix"

    def mixes(self, tracks: int) -> bool:
        """Whether so many tracks are mixed into one stream."""
        streams = self._bot.config.transcription.streams
        limit = self._held[self._policy.current].limits.max_streams
        return streams == "mix" or (streams == "auto" and limit is not None and tracks > limit)

    def begin(self, track_id: str, nursery: trio.Nursery) -> TrackTranscription:
        """Transcribe a track from now on, in a task of the nursery, until its feed is closed."""
        transcription = TrackTranscription(
            track_id,
            self,
            self._bot,
            self._bot.ledger.account(track_id, TRANSCRIBER_CONSUMER),
            take_hypothesis=self._take_hypothesis,
            meeting_time=self._meeting_time,
            stopped=self._failed,
        )
        self._all.append(transcription)
        self._running += 1
        nursery.start_soon(self._transcribe, transcription)
        return transcription

    async def _transcribe(self, transcription: TrackTranscription) -> None:
        try:
            await transcription.run()
        finally:
            self._running -= 1
            self._changed.set()

    async def run(self) -> None:
        """Keep open what was wanted, for ever."""
        async with trio.open_nursery() as nursery:
            for held in self._held:
                nursery.start_soon(self._keep, held)
            self._held[0].want()
            if len(self._held) > 1:
                nursery.start_soon(self._probe)

    def give_up(self, cause: str) -> None:
        """Declare what has not been transcribed by now."""
        for transcription in self._all:
            transcription.give_up(cause)

    # --- who transcribes: asked by the tracks ----------------------------------------------

    def choice(self, track_id: str) -> HeldTranscriber:
        """Return who transcribes a track now."""
        if len(self._held) == 1:
            return self._held[0]
        return self._held[self._policy.choice(track_id, trio.current_time())]

    def spares(self, index: int) -> frozenset[int]:
        """Return the places of all transcribers but one."""
        return frozenset(held.index for held in self._held if held.index != index)

    def finished(self, track_id: str, held: HeldTranscriber, sound: Sequence[Chunk]) -> None:
        """Take it that an utterance had its final, and of what sound."""
        if len(self._held) > 1:
            self._policy.finished(track_id, held.index, trio.current_time())
            self._sample = sound or self._sample

    def trouble(self, trouble: TranscriberTrouble) -> NextStep:
        """Take a failure; return what the track does."""
        step, change = self._policy.trouble(trouble)
        if change is not None:
            self._change(change, trouble.error.kind, trouble.error.message)
        return step

    def _change(self, change: TranscriberChange, kind: str, detail: str) -> None:
        self._bot.record(
            TranscriberSwitched(
                track_id=change.track_id,
                previous=self._held[change.previous].name,
                transcriber=self._held[change.index].name,
                kind=kind,
                detail=detail,
            )
        )
        self._held[change.index].want()
        self._to_probe.set()
        self._look_again()
        if change.track_id is None:
            self._switched()

    def _look_again(self) -> None:
        for transcription in self._all:
            transcription.look_again()

    # --- tasks -----------------------------------------------------------------------------

    async def _keep(self, held: HeldTranscriber) -> None:
        def failed(error: TranscriberError, since_s: float, final: bool) -> None:
            self._not_open(held, error, since_s, final=final)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(held.run, self._look_again, failed)
            if len(self._held) > 1:
                nursery.start_soon(self._watch_opening, held)

    async def _watch_opening(self, held: HeldTranscriber) -> None:
        """Let another take over from one that takes too long to open; it may still come."""
        await held.wanted.wait()
        since_s = trio.current_time()
        with trio.move_on_after(held.limits.open_timeout_s):
            await held.ready.wait()
        if not held.ready.is_set():
            error = TranscriberError("network", "It did not open in time.", retryable=True)
            self._not_open(held, error, since_s, final=False)

    def _not_open(
        self, held: HeldTranscriber, error: TranscriberError, since_s: float, *, final: bool
    ) -> None:
        step = self.trouble(
            TranscriberTrouble(
                track_id=None,
                index=held.index,
                error=error,
                since_s=since_s,
                now_s=trio.current_time(),
                exhausted=final,
            )
        )
        if step is NextStep.STOP:
            self._failed(error)

    async def _probe(self) -> None:
        """Try out whether a better transcriber answers again, less and less often."""
        failures = 0
        while True:
            index = self._policy.to_probe()
            if index is None:
                failures = 0
                await self._to_probe.wait()
                continue
            pause_s = backoff_s(
                failures + 1, FIRST_PROBE_S, LONGEST_PROBE_PAUSE_S, self._bot.random
            )
            await trio.sleep(pause_s)
            held = self._held[index]
            if held.ready.is_set() and await probe(held, self._bot, self._sample):
                change = self._policy.recovered(index)
                if change is not None:
                    self._change(change, "recovered", f"{held.name} answers again.")
            else:
                failures = min(failures + 1, 60)
