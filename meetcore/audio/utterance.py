"""Utterances: where speech begins and ends on one track, from a flag per 20 ms frame.

Speech begins when 8 of the last 10 frames are speech, and reaches back by a pre-roll so that the
first consonant is in; it ends after a hangover of silence, at a hard maximum length (in strong
noise the detector says speech for ever), at a hole, or when the track closes. Somebody who speaks
without a pause for that long would be cut in the middle of a word, so the longer an utterance
gets, the shorter a silence ends it: between two words there is nearly always enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from meetcore.audio.vad import FRAME_MS, FRAME_SAMPLES

__all__ = ["EndCause", "SpeechBegan", "SpeechEnded", "SpeechRules", "UtteranceDetector"]

EndCause: TypeAlias = Literal[
    "silence", "max_length", "gap", "paused", "track_closed", "handed_over"
]


@frozen
class SpeechRules:
    """When speech counts as begun and ended.

    Attributes:
        window_frames: How many 20 ms frames are looked at for a start.
        start_frames: How many of them have to be speech.
        hangover_ms: How much silence ends an utterance.
        pre_roll_ms: How far an utterance reaches back before its first speech frame.
        max_utterance_s: The longest utterance.
    """

    window_frames: int = 10
    start_frames: int = 8
    hangover_ms: int = 500
    pre_roll_ms: int = 300
    max_utterance_s: float = 20.0


@frozen
class SpeechBegan:
    """Speech began: the utterance reaches from `start_sample`, the voice from `onset_sample`."""

    start_sample: int
    onset_sample: int


@frozen
class SpeechEnded:
    """The voice ended at `voice_end_sample`, the utterance (with its hangover) at `end_sample`."""

    end_sample: int
    voice_end_sample: int
    cause: EndCause


_LONG = 0.5
_LEAST_HANGOVER = 3


@frozen
class _Frames:
    hangover: int
    pre_roll: int
    longest: int
    long: int

    def hangover_at(self, length: int) -> int:
        """Return how many silent frames end an utterance of so many frames."""
        if length <= self.long:
            return self.hangover
        left = (self.longest - length) / (self.longest - self.long)
        return min(self.hangover, max(_LEAST_HANGOVER, round(self.hangover * left)))


def _in_frames(rules: SpeechRules) -> _Frames:
    longest = max(rules.window_frames, int(rules.max_utterance_s * 1000) // FRAME_MS)
    return _Frames(
        max(1, rules.hangover_ms // FRAME_MS),
        max(0, rules.pre_roll_ms // FRAME_MS),
        longest,
        round(_LONG * longest),
    )


class UtteranceDetector:
    """Finds utterances on one track. Pure: a function of the flags and their positions.

    Args:
        rules: When speech counts as begun and ended.
        start_sample: Where the track's first frame lies on the sample clock.
    """

    def __init__(self, rules: SpeechRules | None = None, start_sample: int = 0) -> None:
        self._rules = rules or SpeechRules()
        self._frames = _in_frames(self._rules)
        self._mask = (1 << self._rules.window_frames) - 1
        self._earliest = start_sample
        self._at = start_sample
        self._window = 0
        self._speaking = False
        self._began_at = start_sample
        self._silent_frames = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._speaking

    @property
    def next_sample(self) -> int:
        """Where the next frame begins."""
        return self._at

    def feed(self, flags: Sequence[bool]) -> Sequence[SpeechBegan | SpeechEnded]:
        """Take the flags of the next frames; return what begins and ends in them, in order."""
        if self._speaking:
            length = self._at + len(flags) * FRAME_SAMPLES - self._began_at
            if all(flags) and length < self._frames.longest * FRAME_SAMPLES:
                self._silent_frames = 0
                self._at += len(flags) * FRAME_SAMPLES
                return ()
        elif not self._window and True not in flags:
            self._at += len(flags) * FRAME_SAMPLES
            return ()
        return self._each(flags)

    def _each(self, flags: Sequence[bool]) -> list[SpeechBegan | SpeechEnded]:
        marks: list[SpeechBegan | SpeechEnded] = []
        rules, frames, mask = self._rules, self._frames, self._mask
        for speech in flags:
            self._at += FRAME_SAMPLES
            if not self._speaking:
                self._window = (self._window << 1 | speech) & mask
                if self._window.bit_count() >= rules.start_frames:
                    marks.append(self._begin())
                continue
            self._silent_frames = 0 if speech else self._silent_frames + 1
            length = (self._at - self._began_at) // FRAME_SAMPLES
            if self._silent_frames and self._silent_frames >= frames.hangover_at(length):
                marks.append(self._end("silence"))
            elif self._at - self._began_at >= frames.longest * FRAME_SAMPLES:
                marks.append(self._end("max_length"))
        return marks

    def _begin(self) -> SpeechBegan:
        onset = self._at - self._window.bit_length() * FRAME_SAMPLES
        start = max(self._earliest, onset - self._frames.pre_roll * FRAME_SAMPLES)
        self._speaking, self._began_at, self._silent_frames = True, start, 0
        return SpeechBegan(start, onset)

    def _end(self, cause: EndCause) -> SpeechEnded:
        voice_end = self._at - self._silent_frames * FRAME_SAMPLES
        self._speaking, self._window, self._earliest = False, 0, self._at
        self._silent_frames = 0
        return SpeechEnded(self._at, voice_end, cause)

    def interrupt(self, resume_sample: int, cause: EndCause) -> SpeechEnded | None:
        """End an open utterance now and go on from `resume_sample`: after a hole or a pause."""
        mark = self._end(cause) if self._speaking else None
        self._window = 0
        self._at = self._earliest = resume_sample
        return mark
