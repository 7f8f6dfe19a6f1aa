"""A bot's transcriber: held open, one transcription per track, never more streams than it takes."""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetcore.bot.context import BotContext
from meetcore.bot.stream_slots import StreamSlots
from meetcore.bot.transcribing import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    MOST_RETRIES,
    TrackTranscription,
)
from meetcore.log.mailbox import Wake
from meetcore.model.backoff import backoff_s
from meetcore.model.errors import TranscriberError, found_in
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.transcriber import Transcriber, TranscriberContext

__all__ = ["TRANSCRIBER_CONSUMER", "TranscriberRunner"]

TRANSCRIBER_CONSUMER = "transcriber"


class TranscriberRunner:
    """Runs one transcriber for one bot.

    Args:
        transcriber: The plugin's object.
        bot: The bot's records.
        context: What the transcriber gets.
        take_hypothesis: Called with each result, and its track.
        meeting_time: Says where a sample of the call's clock lies in the meeting, in seconds.
        failed: Called when a track is not transcribed any more.
        changed: Set when `busy` may have become False.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        bot: BotContext,
        context: TranscriberContext,
        *,
        take_hypothesis: Callable[[str, Hypothesis], None],
        meeting_time: Callable[[int], float],
        failed: Callable[[TranscriberError], None],
        changed: Wake,
    ) -> None:
        self._transcriber = transcriber
        self._bot = bot
        self._context = context
        self._take_hypothesis = take_hypothesis
        self._meeting_time = meeting_time
        self._failed = failed
        self._changed = changed
        self._ready = trio.Event()
        self._limit = transcriber.capabilities.max_streams
        self._slots = StreamSlots(self._limit)
        self._all: list[TrackTranscription] = []
        self._running = 0

    @property
    def busy(self) -> bool:
        """Whether a track is being transcribed."""
        return self._running > 0

    @property
    def continuous(self) -> bool:
        """Whether the transcriber wants what is between utterances, too."""
        return self._transcriber.capabilities.wants == "continuous"

    @property
    def tells_speech(self) -> bool:
        """Whether an utterance without words was no speech."""
        return self._transcriber.capabilities.tells_speech

    @property
    def may_mix(self) -> bool:
        """Whether tracks may be mixed into one stream in this call."""
        streams = self._bot.config.transcription.streams
        return streams == "mix" or (streams == "auto" and self._limit is not None)

    @property
    def takes_tracks(self) -> bool:
        """Whether tracks may have streams of their own in this call."""
        return self._bot.config.transcription.streams != "mix"

    def mixes(self, tracks: int) -> bool:
        """Whether so many tracks are mixed into one stream."""
        streams = self._bot.config.transcription.streams
        too_many = self._limit is not None and tracks > self._limit
        return streams == "mix" or (streams == "auto" and too_many)

    def begin(self, track_id: str, nursery: trio.Nursery) -> TrackTranscription:
        """Transcribe a track from now on, in a task of the nursery, until its feed is closed."""
        transcription = TrackTranscription(
            track_id,
            self._transcriber,
            self._bot,
            self._bot.ledger.account(track_id, TRANSCRIBER_CONSUMER),
            take_hypothesis=self._take_hypothesis,
            meeting_time=self._meeting_time,
            stopped=self._failed,
            ready=self._ready,
            slots=self._slots,
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
        """Keep the transcriber open, for ever; open it again when it fails."""
        attempt = 0
        while True:
            try:
                async with self._transcriber.open(self._context):
                    self._ready.set()
                    await trio.sleep_forever()
            except Exception as error:  # noqa: BLE001  a plugin's trouble is an event, not ours
                trouble = found_in(error, TranscriberError)
                attempt += 1
                name = self._transcriber.name
                self._bot.plugin_failed(name, "transcriber open", trouble or error)
                final = trouble is not None and not trouble.retryable
                if final or attempt > MOST_RETRIES:
                    # The streams are let go on: each will meet the same trouble, declare its gaps
                    # and stop.
                    self._ready.set()
                    self._failed(
                        trouble or TranscriberError("crashed", str(error), retryable=False)
                    )
                    await trio.sleep_forever()
            await trio.sleep(backoff_s(attempt, FIRST_RETRY_S, LONGEST_RETRY_S))

    def give_up(self, cause: str) -> None:
        """Declare what has not been transcribed by now."""
        for transcription in self._all:
            transcription.give_up(cause)
