"""What the bot says: one speech after the other, each with a deadline for every step.

A speech is a stream: its source (samples, a file, a synthesizer, a voice agent) is read no faster
than the call plays it, so that an interruption is heard at once and its position is known.

Every step of a speech has its time, by one cancel scope whose deadline moves. A scope of its own
around `anext` or around opening the call's output would be torn where those hold a scope open
across their yields, as async generators of plugins do.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from math import inf
from typing import TypeVar

import trio

from meetcore.bot.barge_in import BargeInWatch
from meetcore.bot.context import BotContext
from meetcore.bot.ducking import Ducking
from meetcore.bot.life import Life
from meetcore.bot.speech_source import (
    CLOSE_TIMEOUT_S,
    SourceToSay,
    SpeechSource,
    closing,
    opened_at_its_turn,
)
from meetcore.log.mailbox import Wake
from meetcore.model.commands import BargeIn, WhenSpeaking
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    MeetcoreError,
    brief,
    found_in,
)
from meetcore.model.events import Event, SpeechFinished, SpeechInterrupted, SpeechStarted
from meetcore.model.lifecycle import IN_CALL, State
from meetcore.model.plain import rounded_s
from meetcore.model.roster import NameSource
from meetcore.model.spoken import LETTERS_PER_S, SpokenText
from meetcore.model.transcript import Segment, Word
from meetcore.plugin.platform import Capability, Platform, SpeechOutput
from meetcore.plugin.synthesizer import SynthesisRequest, Synthesizer

_LOG = logging.getLogger("meetcore.bot")
P = TypeVar("P", WhenSpeaking, BargeIn)
__all__ = ["OWN_TRACK", "Speech", "SpeechQueue", "SpeechSource"]

OWN_TRACK = "own-voice"
"""The track of what the bot says, in its segments; it is no track of the call."""

PIECE_S = 0.1
DUCKABLE_PIECE_S = 0.05
DUCKABLE_AHEAD_S = 0.2
SOURCE_TIMEOUT_S = 15.0
OUTPUT_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
LONGEST_WAITING = 100


class Speech:
    """Something that the bot says, or is to say. `Bot.say` makes one.

    Attributes:
        id: As in its events.
        barge_in: What becomes of it when somebody begins to speak.
    """

    def __init__(
        self,
        speech_id: str,
        spoken: SpokenText,
        barge_in: BargeIn,
        by: str,
        interrupt: Callable[[Speech], None],
    ) -> None:
        self.id = speech_id
        self.barge_in = barge_in
        self._spoken = spoken
        self._made_s = 0.0
        self._whole = False
        self._began_s: float | None = None
        self._participant_id: str | None = None
        self._by = by
        self._interrupt = interrupt
        self._scope = trio.CancelScope()
        self._done = trio.Event()
        self._output: SpeechOutput | None = None
        self._position = 0.0
        self._cause = ""
        self._error: CommandFailed | None = None

    def __repr__(self) -> str:
        how = self._cause or ("finished" if self._done.is_set() else "to be said")
        return f"<Speech {self.id} {how}, {self.position:.1f} s>"

    @property
    def position(self) -> float:
        """How many seconds of it were really played."""
        return self._position if self._output is None else self._output.played_s

    @property
    def text(self) -> str:
        """What it says in words, as far as that is known; empty where it is not."""
        return self._spoken.text

    @property
    def said(self) -> str:
        """The words of it that were heard so far.

        By the times that come with the sound, else by their share of its length.
        """
        return " ".join(word.text for word in self._words())

    def _words(self) -> list[Word]:
        return self._spoken.words(self.position, self._made_s, whole=self._whole)

    async def wait(self) -> bool:
        """Return when it is over: True if it was said to its end, False if it was interrupted.

        No deadline of its own; each step of the speech has one.

        Raises:
            CommandFailed: It broke off by some trouble.
        """
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return not self._cause

    def interrupt(self) -> None:
        """Be silent; what is not said yet is not. Returns at once, and harmless afterwards."""
        self._interrupt(self)


class SpeechQueue:
    """Says what one bot has to say, in order.

    Args:
        context: The bot's records.
        life: Its state and its call.
        platform: What it can do at best.
        synthesizer: Who makes speech of text, None for nobody.

    Attributes:
        watch: Notices who begins to speak meanwhile.
    """

    def __init__(
        self,
        context: BotContext,
        life: Life,
        platform: Platform,
        synthesizer: Synthesizer | None,
    ) -> None:
        self._owner_of: Callable[[str], str | None] = lambda track_id: None
        self._was_said: Callable[[Segment], None] = lambda segment: None
        self.watch = BargeInWatch()
        self.watch.began = self._barged_in
        self._letters_per_s = LETTERS_PER_S
        self._context = context
        self._life = life
        self._platform = platform
        self._synthesizer = synthesizer
        self._waiting: deque[tuple[Speech, SourceToSay]] = deque()
        self._current: Speech | None = None
        self._wake = Wake()
        self._unwanted: deque[SourceToSay] = deque()
        self._let_go = Wake()
        self._count = 0
        self._step = ""
        self._reading = False

    def heard_by(
        self, owner_of: Callable[[str], str | None], was_said: Callable[[Segment], None]
    ) -> None:
        """Say whose a track is, and who is told what the bot said, as a segment."""
        self._owner_of, self._was_said = owner_of, was_said

    # --- what is asked ----------------------------------------------------------------

    def say(
        self,
        source: SpeechSource,
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: WhenSpeaking | str = WhenSpeaking.APPEND,
        text: str = "",
        barge_in: BargeIn | str | None = None,
        by: str = "",
    ) -> Speech:
        """Give something its place among what is to be said; see `Bot.say`."""
        when = _policy("when_speaking", when_speaking, WhenSpeaking)
        configured = self._context.config.speech.barge_in
        barging = _policy("barge_in", barge_in or configured, BargeIn)
        self._check_possible()
        read = opened_at_its_turn(source, sample_rate_hz, self._synthesizer, self._request)
        if self._current is not None or self._waiting:
            if when is WhenSpeaking.REFUSE:
                raise CommandRefused("The bot is speaking.", "Wait, append to it, or interrupt it.")
            if when is WhenSpeaking.INTERRUPT:
                self.interrupt_all("replaced")
        if len(self._waiting) >= LONGEST_WAITING:
            raise CommandRefused(f"{LONGEST_WAITING} speeches are waiting already.")
        self._count += 1
        spoken = SpokenText(text or read.words, self._letters_per_s)
        speech = Speech(f"speech-{self._count}", spoken, barging, by, self._interrupt)
        self._waiting.append((speech, read))
        self._wake.set()
        return speech

    def interrupt_all(self, cause: str) -> None:
        """End what is being said and forget what was to be."""
        for speech in [waiting[0] for waiting in self._waiting]:
            self._interrupt(speech, cause)
        if self._current is not None:
            self._interrupt(self._current, cause)

    def _interrupt(self, speech: Speech, cause: str = "interrupted") -> None:
        if speech._done.is_set() or speech._cause:
            return
        speech._cause = cause
        speech._scope.cancel()
        for waiting in self._waiting:
            if waiting[0] is speech:
                self._waiting.remove(waiting)
                self._unwanted.append(waiting[1])
                self._let_go.set()
                self._settle(speech)
                return

    def _barged_in(self, track_id: str) -> None:
        """End what is not to be said while somebody speaks, and what was to follow with it."""
        if self._current is None or self._current.barge_in is not BargeIn.STOP:
            return
        who = self._owner_of(track_id)
        for speech in [*(each for each, _ in self._waiting), self._current]:
            if speech.barge_in is BargeIn.STOP:
                speech._participant_id = who
                self._interrupt(speech, "barge_in")

    def _check_possible(self) -> None:
        life = self._life
        if life.state not in IN_CALL or life.call is None or life.ending.reason is not None:
            state = (life.state or State.REQUESTED).value
            raise CommandRefused(f"The bot is {state}, not in the call: it cannot speak now.")
        if Capability.SPEAK not in self._platform.capabilities & life.call.capabilities:
            raise CapabilityMissing(self._platform.name, Capability.SPEAK)

    def _request(self, text: str) -> SynthesisRequest:
        return SynthesisRequest(
            bot_id=self._context.id,
            text=text,
            language=self._context.config.language,
            redactor=self._context.redactor,
        )

    # --- speaking ---------------------------------------------------------------------

    async def run(self) -> None:
        """Say what there is to say, for ever."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._let_go_of_unwanted)
                while True:
                    while self._waiting:
                        speech, source = self._waiting.popleft()
                        self._current = speech
                        await self._say(speech, source)
                        self._current = None
                    await self._wake.wait()
        finally:
            self._current = None
            self.interrupt_all("leaving")
            await self._close_unwanted()
            if self._synthesizer is not None:
                await self._close(self._synthesizer)

    async def _let_go_of_unwanted(self) -> None:
        """Close the sources of speeches that ended before their turn, for ever."""
        while True:
            await self._let_go.wait()
            await self._close_unwanted()

    async def _close_unwanted(self) -> None:
        """Close them side by side, in a few seconds, whoever is cancelled meanwhile."""
        unwanted, self._unwanted = self._unwanted, deque()
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for source in unwanted:
                    nursery.start_soon(self._close_source, source)

    async def _close_source(self, source: SourceToSay) -> None:
        try:
            await source.let_go()
        except Exception as error:  # noqa: BLE001  nobody hears of it any more
            _LOG.warning("bot=%s a source did not close: %s", self._context.id, brief(error))

    async def _close(self, synthesizer: Synthesizer) -> None:
        with trio.CancelScope(shield=True) as patience:
            patience.deadline = trio.current_time() + CLOSE_TIMEOUT_S
            try:
                await synthesizer.aclose()
            except Exception as error:  # noqa: BLE001  whatever it is, the bot leaves
                self._context.plugin_failed(synthesizer.name, "close", error)

    async def _say(self, speech: Speech, source: SourceToSay) -> None:
        finished = False
        try:
            with speech._scope:
                await self._play(speech, source)
                finished = True
        except Exception as error:  # noqa: BLE001  whatever it is, it ends this speech only
            if not speech._cause:
                self._failed(speech, source, error)
        finally:
            if finished:
                speech._cause = ""
            elif speech._scope.cancelled_caught and not speech._cause:
                speech._cause = "timed_out"
                speech._error = CommandFailed(f"The speech broke off: {self._step}.")
            else:
                speech._cause = speech._cause or "leaving"
            self._settle(speech)

    def _failed(self, speech: Speech, source: SourceToSay, error: Exception) -> None:
        speech._cause = "failed"
        ours = found_in(error, MeetcoreError)
        if ours is None:
            whose = source.plugin if self._reading else self._platform.name
            if whose:
                self._context.plugin_failed(whose, "speech", error)
        words = str(ours) if ours is not None else f"{type(error).__name__}: {error}"
        speech._error = CommandFailed(f"The speech broke off: {words}")
        speech._error.__cause__ = error

    async def _play(self, speech: Speech, source: SourceToSay) -> None:
        call = self._life.call
        assert call is not None, "the queue runs no longer than the call"
        self._within(speech, SOURCE_TIMEOUT_S, "its source did not open", reading=True)
        opened = await source.open()
        if opened.length_s is not None:
            speech._made_s, speech._whole = opened.length_s, True
        async with closing(opened.pieces) as pieces:
            self._within(speech, OUTPUT_TIMEOUT_S, "the call did not open its microphone")
            async with call.open_speech(opened.rate_hz) as output:
                speech._output = output
                self.watch.speaks(opened.rate_hz)
                try:
                    await self._pass_on(speech, pieces, output, opened.rate_hz)
                except BaseException:
                    speech._scope.deadline = inf
                    with trio.CancelScope(shield=True) as patience:
                        patience.deadline = trio.current_time() + STOP_TIMEOUT_S
                        self.watch.silent()
                        await output.stop()
                    raise
                finally:
                    speech._position, speech._output = output.played_s, None
                self._within(speech, OUTPUT_TIMEOUT_S, "the call did not close its microphone")
            speech._scope.deadline = inf

    async def _pass_on(
        self,
        speech: Speech,
        pieces: AsyncIterator[bytes | str],
        output: SpeechOutput,
        rate_hz: int,
    ) -> None:
        ducking = self._ducking(speech, rate_hz)
        piece_s = PIECE_S if ducking is None else DUCKABLE_PIECE_S
        written, piece_bytes, rest = 0, 2 * max(1, round(piece_s * rate_hz)), b""
        while True:
            nothing = f"its source gave nothing for {SOURCE_TIMEOUT_S:g} s"
            self._within(speech, SOURCE_TIMEOUT_S, nothing, reading=True)
            given = await anext(pieces, None)
            if given is None:
                break
            if isinstance(given, str):
                speech._spoken.stretch((written + len(rest)) / 2 / rate_hz, given)
                continue
            rest += given
            whole = len(rest) // 2 * 2
            for at in range(0, whole, piece_bytes):
                self._within(speech, OUTPUT_TIMEOUT_S, "the call took nothing any more")
                piece = rest[at : min(at + piece_bytes, whole)]
                if ducking is not None:
                    await _played_up_to(output, written / 2 / rate_hz - DUCKABLE_AHEAD_S)
                    piece = ducking.take(piece, quiet=bool(self.watch.talking))
                self.watch.plays(piece, max(0.0, written / 2 / rate_hz - output.played_s))
                if not written:
                    speech._began_s = self._context.meeting_now()
                await output.write(piece)
                if not written:
                    started = SpeechStarted(speech_id=speech.id, text=speech.text, by=speech._by)
                    self._context.record(started)
                written += len(piece)
                speech._made_s = max(speech._made_s, written / 2 / rate_hz)
            rest = rest[whole:]
        speech._whole = True
        left_s = max(0.0, written / 2 / rate_hz - output.played_s)
        self._within(speech, left_s + OUTPUT_TIMEOUT_S, "the call did not play it in time")
        await output.drain()

    def _ducking(self, speech: Speech, rate_hz: int) -> Ducking | None:
        if speech.barge_in is not BargeIn.DUCK:
            return None
        return Ducking(self._context.config.speech.duck_db, rate_hz)

    def _within(self, speech: Speech, seconds: float, step: str, *, reading: bool = False) -> None:
        """Give the next step of the speech in hand its time."""
        if speech._scope.cancel_called:
            return
        speech._scope.deadline = trio.current_time() + seconds
        self._step, self._reading = step, reading

    def _settle(self, speech: Speech) -> None:
        position_s = rounded_s(speech.position)
        segment = self._segment(speech)
        if speech._cause:
            error = speech._error
            event: Event = SpeechInterrupted(
                speech_id=speech.id,
                position_s=position_s,
                cause=speech._cause,
                text=speech.text,
                detail=str(error) if error else "",
                said=speech.said,
                participant_id=speech._participant_id,
            )
        else:
            self._letters_per_s = speech._spoken.pace(position_s)
            event = SpeechFinished(speech_id=speech.id, duration_s=position_s, text=speech.text)
        self._context.record(event)
        speech._done.set()
        if segment is not None:
            self._was_said(segment)

    def being_said(self) -> Segment | None:
        """Return what is being said, as far as it was heard; None for nothing."""
        return None if self._current is None else self._segment(self._current)

    def _segment(self, speech: Speech) -> Segment | None:
        words, began_s = speech._words(), speech._began_s
        if not words or began_s is None:
            return None
        context = self._context
        me = next((each for each in context.roster.known.values() if each.is_self), None)
        timed = tuple(
            Word(word.text, rounded_s(began_s + word.start_s), rounded_s(began_s + word.end_s))
            for word in words
        )
        return Segment(
            id=f"{OWN_TRACK}-{speech.id.rpartition('-')[2]}",
            revision=1,
            finalized=True,
            track_id=OWN_TRACK,
            participant_id=None if me is None else me.id,
            speaker_name=context.config.name if me is None else me.name,
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=" ".join(word.text for word in words),
            words=timed,
            start_s=timed[0].start_s,
            end_s=timed[-1].end_s,
            onset_s=timed[0].start_s,
            by_bot=True,
        )


async def _played_up_to(output: SpeechOutput, seconds: float) -> None:
    """Return when so much of what was written was played; the caller sets the deadline."""
    while (left_s := seconds - output.played_s) > 0.001:  # noqa: ASYNC110  the call's own clock
        await trio.sleep(max(0.005, left_s))


def _policy(name: str, value: P | str, policies: type[P]) -> P:
    try:
        return policies(value)
    except ValueError:
        known = ", ".join(policies)
        raise CommandRefused(f"{name} is {value!r}, not one of {known}.") from None
