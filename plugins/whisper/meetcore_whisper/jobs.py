"""What the worker has to do, and doing it: utterances, drafts, finals. No sockets here.

Every method but `step` is called by the thread that talks to the bots; `step` by the thread that
decodes. A lock is held for moments only, never while a decode runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from meetcore_whisper.engine import HeardWord, LikelyLanguages, Recognised, WhisperEngine
from meetcore_whisper.guard import agreed_words, cut_points
from meetcore_whisper.schedule import LATE_S, DraftPace, Schedule
from meetcore_whisper.spoken import TrackLanguage, commonest
from meetcore_whisper.voice_gate import VoiceGate

__all__ = ["RATE_HZ", "Tell", "WorkLimits", "WorkerJobs"]

RATE_HZ = 16_000
LONGEST_PIECE_S = 20.0
LONGEST_UTTERANCE_S = 120.0
TELL_BEHIND_AFTER_S = 5.0

Tell = Callable[[int, Mapping[str, Any]], None]
"""Sends a message to a client: its number, and the message."""


@frozen(kw_only=True)
class WorkLimits:
    """How the worker goes about it.

    Attributes:
        beam: How many hypotheses a final follows.
        finals_in_full: Whether finals see 30 s while nothing else waits: tiny models need that.
        give_up_after_s: A final that has waited so long is given up.
        when_behind: `finals_only`, or `smaller_model` for a smaller model's finals, too.
        smaller_after_s: A final that has waited so long goes to the smaller model.
    """

    beam: int = 5
    finals_in_full: bool = False
    give_up_after_s: float = 120.0
    when_behind: str = "finals_only"
    smaller_after_s: float = 10.0


@define(eq=False)
class _HeardTrack:
    """One track of one bot."""

    client: int
    number: int
    bot: str
    language: TrackLanguage = field(factory=TrackLanguage)
    told_language: str | None = None
    current: _UndecodedSpeech | None = None

    @property
    def key(self) -> str:
        return f"{self.client}/{self.number}"


@define(eq=False)
class _UndecodedSpeech:
    """Speech that has no final yet."""

    track: _HeardTrack
    utterance_id: str
    start_sample: int
    terms: tuple[str, ...] = ()
    drafts: bool = True
    pieces: list[NDArray[np.int16]] = field(factory=list)
    samples: int = 0
    drafted_samples: int = 0
    draft_words: list[str] = field(factory=list)
    has_voice: bool = False
    dropped: bool = False
    ended_at: float = 0.0

    def audio(self) -> NDArray[np.float32]:
        if not self.pieces:
            return np.zeros(0, dtype=np.float32)
        return np.concatenate(self.pieces).astype(np.float32) / np.float32(32768.0)


class WorkerJobs:
    """The work of one worker.

    Args:
        engine: The model.
        gate: Says whether there is a voice.
        limits: How it goes about it.
        tell: Sends a message to a client; called by both threads.
        smaller: Loads the smaller model, None where there is none.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        engine: WhisperEngine,
        gate: VoiceGate,
        limits: WorkLimits,
        tell: Tell,
        *,
        smaller: Callable[[], WhisperEngine] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._limits = limits
        self._tell = tell
        self._load_smaller = smaller
        self._smaller: WhisperEngine | None = None
        self._clock = clock
        self._changed = threading.Condition()
        self._tracks: dict[tuple[int, int], _HeardTrack] = {}
        self._bots: dict[int, str] = {}
        self._schedule: Schedule[_UndecodedSpeech] = Schedule()
        self._pace = DraftPace()
        self._behind = False
        self._closed = False
        self.decoding_since: float | None = None
        """When the decode began that runs now, None while none does."""

    # --- what the bots say ------------------------------------------------------------------

    def enter(self, client: int, bot: str) -> None:
        """A bot has come."""
        with self._changed:
            self._bots[client] = f"{client}/{bot}"

    def leave(self, client: int) -> None:
        """A bot has gone: what waits of it is dropped."""
        with self._changed:
            bot = self._bots.pop(client, None)
            if bot is not None:
                self._schedule.forget(bot)
            for key in [key for key in self._tracks if key[0] == client]:
                self._forget(key)

    def begin(self, client: int, number: int, body: Mapping[str, Any]) -> None:
        """Speech begins on a track."""
        with self._changed:
            track = self._tracks.get((client, number))
            if track is None:
                track = _HeardTrack(client, number, self._bots.get(client, str(client)))
                self._tracks[client, number] = track
            track.language.wish = body.get("language")
            track.current = _UndecodedSpeech(
                track,
                str(body["utterance"]),
                int(body["start"]),
                terms=tuple(map(str, body.get("terms", ()))),
                drafts=bool(body.get("drafts", True)),
            )

    def hear(self, client: int, number: int, start_sample: int, pcm: bytes) -> None:
        """Audio of a track's utterance; a hole in it is silence."""
        with self._changed:
            track = self._tracks.get((client, number))
            utterance = track.current if track is not None else None
            if track is None or utterance is None:
                return
            expected = utterance.start_sample + utterance.samples
            hole = start_sample - expected
            room = int(LONGEST_UTTERANCE_S * RATE_HZ) - utterance.samples
            if 0 < hole <= room:
                utterance.pieces.append(np.zeros(hole, dtype=np.int16))
                utterance.samples += hole
                room -= hole
            piece = np.frombuffer(pcm, dtype="<i2")[:room]
            utterance.pieces.append(piece)
            utterance.samples += len(piece)
            if utterance.drafts and not self._behind:
                fresh_s = (utterance.samples - utterance.drafted_samples) / RATE_HZ
                first = not utterance.drafted_samples
                if fresh_s >= self._pace.step_s(self._talking(), first=first):
                    utterance.drafted_samples = utterance.samples
                    self._schedule.draft(track.bot, track.key, utterance)
                    self._changed.notify()

    def end(self, client: int, number: int, utterance_id: str) -> None:
        """Speech has ended: its final is due."""
        with self._changed:
            track = self._tracks.get((client, number))
            utterance = track.current if track is not None else None
            if track is None or utterance is None or utterance.utterance_id != utterance_id:
                return
            track.current = None
            utterance.ended_at = self._clock()
            self._schedule.final(track.bot, track.key, utterance.ended_at, utterance)
            self._changed.notify()

    def close(self, client: int, number: int) -> None:
        """A track is gone; finals that are due still come."""
        with self._changed:
            self._forget((client, number))

    def _forget(self, key: tuple[int, int]) -> None:
        track = self._tracks.pop(key, None)
        if track is None:
            return
        self._schedule.forget_track(track.bot, track.key)
        if track.current is not None:
            track.current.dropped = True

    def _talking(self) -> int:
        return sum(track.current is not None for track in self._tracks.values())

    def stop(self) -> None:
        """Let `step` return None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- the decoding thread ----------------------------------------------------------------

    def step(self) -> bool:
        """Do the next piece of work, waiting for one; return False once there is to be no more."""
        with self._changed:
            while not self._closed:
                self._look_at_the_queue()
                job = self._schedule.next()
                if job is not None:
                    break
                self._changed.wait()
            else:
                return False
            bot, utterance, final = job
        self.decoding_since = began = self._clock()
        try:
            if final:
                self._final(utterance, began - utterance.ended_at)
            elif not utterance.dropped and utterance.track.current is utterance:
                self._draft(utterance)
                self._pace.drafted(self._clock() - began)
        except Exception as error:  # noqa: BLE001  told to the bot, which tries once more
            self._say(utterance, "failed", message=f"{type(error).__name__}: {error}"[:300])
        finally:
            self.decoding_since = None
            with self._changed:
                self._schedule.took(bot, self._clock() - began)
        return True

    def _look_at_the_queue(self) -> None:
        """Give up what has waited too long, and tell when finals begin or cease to be late."""
        now = self._clock()
        for _, utterance in self._schedule.overdue(now - self._limits.give_up_after_s):
            self._say(utterance, "given_up", samples=utterance.samples)
        since = self._schedule.waiting_since()
        waited_s = now - since if since is not None else 0.0
        if not self._behind and waited_s > TELL_BEHIND_AFTER_S:
            self._behind = True
            self._tell_all({"event": "behind", "waited_s": round(waited_s, 1)})
        elif self._behind and waited_s < LATE_S:
            self._behind = False
            self._tell_all({"event": "caught_up"})

    def _tell_all(self, body: Mapping[str, Any]) -> None:
        for client in self._bots:
            self._tell(client, body)

    def _say(self, utterance: _UndecodedSpeech, event: str, **fields: Any) -> None:
        track = utterance.track
        body = {"event": event, "track": track.number, "utterance": utterance.utterance_id}
        self._tell(track.client, {**body, **fields})

    def _draft(self, utterance: _UndecodedSpeech) -> None:
        with self._changed:
            samples = utterance.audio()[-int(LONGEST_PIECE_S * RATE_HZ) :]
            cut = utterance.samples - len(samples)
        if not utterance.has_voice:
            utterance.has_voice = self._gate.span(samples) is not None
        if not utterance.has_voice or cut:
            return
        heard = self._recognise(utterance, samples, self._engine, beam=1, times=False)
        words = heard.text.split()
        stable = agreed_words(utterance.draft_words, words)
        utterance.draft_words = words
        if words:
            end = utterance.start_sample + len(samples)
            self._say(
                utterance,
                "draft",
                text=heard.text,
                stable=stable,
                language=heard.language,
                end=end,
            )

    def _final(self, utterance: _UndecodedSpeech, waited_s: float) -> None:
        samples = utterance.audio()
        engine, full = self._engine, self._limits.finals_in_full and waited_s < LATE_S
        smaller = self._limits.when_behind == "smaller_model" and self._load_smaller is not None
        if smaller and waited_s > self._limits.smaller_after_s:
            engine = self._smaller_engine()
        words: list[HeardWord] = []
        texts: list[str] = []
        languages: list[str] = []
        starts = [0, *cut_points(samples, LONGEST_PIECE_S)]
        for start, end in zip(starts, [*starts[1:], len(samples)], strict=True):
            piece = samples[start:end]
            span = self._gate.span(piece)
            if span is None:
                continue
            heard = self._recognise(
                utterance, piece, engine, beam=self._limits.beam, times=True, full_window=full
            )
            if not heard.text:
                continue
            texts.append(heard.text)
            languages.append(heard.language)
            offset_s = start / RATE_HZ
            for word in heard.words:
                begins = min(max(word.start_s, span.start_s), len(piece) / RATE_HZ)
                ends = max(begins, min(word.end_s, len(piece) / RATE_HZ))
                words.append(
                    HeardWord(word.text, offset_s + begins, offset_s + ends, word.confidence)
                )
        base_s = utterance.start_sample / RATE_HZ
        self._say(
            utterance,
            "final",
            text=" ".join(texts),
            language=commonest(languages),
            words=[
                [word.text, base_s + word.start_s, base_s + word.end_s, word.confidence]
                for word in words
            ],
        )

    def _smaller_engine(self) -> WhisperEngine:
        if self._smaller is None:
            assert self._load_smaller is not None
            self._smaller = self._load_smaller()
        return self._smaller

    def _recognise(
        self,
        utterance: _UndecodedSpeech,
        samples: NDArray[np.float32],
        engine: WhisperEngine,
        *,
        beam: int,
        times: bool,
        full_window: bool = False,
    ) -> Recognised:
        track = utterance.track
        length_s = len(samples) / RATE_HZ
        spoken = track.language
        known = spoken.wish or spoken.settled
        language: str | Callable[[LikelyLanguages], str]
        if not engine.multilingual:
            language = "en"
        elif known is not None and not (times and spoken.is_asked):
            language = known
            if times:
                spoken.passed_by()
        else:

            def language(likely: LikelyLanguages) -> str:
                if not times:  # a draft's guess is good enough for the draft
                    return spoken.settled or likely.best[0]
                others = [
                    each.language.settled
                    for each in list(self._tracks.values())
                    if each.client == track.client and each is not track
                ]
                chosen = spoken.heard(likely.ranked, length_s, others=commonest(others))
                if spoken.settled is not None and spoken.settled != track.told_language:
                    track.told_language = spoken.settled
                    probability = dict(likely.ranked).get(spoken.settled, 0.0)
                    self._say(
                        utterance,
                        "language",
                        language=spoken.settled,
                        probability=round(probability, 3),
                    )
                return chosen

        return engine.recognise(
            samples,
            language=language,
            terms=utterance.terms,
            beam=beam,
            times=times,
            full_window=full_window,
            once=not times,
        )
