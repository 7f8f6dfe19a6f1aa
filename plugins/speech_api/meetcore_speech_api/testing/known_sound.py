"""Ears that understand one recording: they find a frame's place in it, and so its words.

A stand-in for a speech service cannot recognise speech. It is given the sound of a test and when
each word is said in it; whatever part of it arrives, in frames of whatever length, in whatever
order, over however many connections, it hears the words whose middle has arrived. So a test sees
what was never sent, and what was sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen

from meetcore import SAMPLE_RATE_HZ, Pcm

__all__ = ["ArrivedWord", "KnownSound", "ScriptedWord", "SoundEar", "distinct_sound"]

_BLOCK = 160
_LOUD = 200
_WORD_S = 0.3


@frozen
class ScriptedWord:
    """A word of a recording.

    Attributes:
        text: The word.
        start_s: Where it begins in the recording, in seconds.
        end_s: Where it ends.
        speaker: Whose voice it is, as an index from 0; None for nobody's in particular.
    """

    text: str
    start_s: float
    end_s: float
    speaker: int | None = None


@frozen
class ArrivedWord:
    """A word that was heard, its times in seconds of the connection's clock."""

    text: str
    start_s: float
    end_s: float
    speaker: int | None = None


def distinct_sound(sound: Pcm) -> Pcm:
    """Return sound in which every frame can be told from every other: a whisper of noise is added.

    A pure tone has the same frames again and again.
    """
    noise = np.random.default_rng(len(sound)).integers(-12, 13, len(sound))
    louder: Pcm = np.clip(sound.astype(np.int32) + noise, -32_768, 32_767).astype(np.int16)
    return louder


@define
class KnownSound:
    """A recording, and when each word is said in it.

    Args:
        sound: int16 mono at 16 kHz, see `distinct_sound`; None where the sound is not known: then
            each 0.3 s that is not silent are the next word, beginning again after the last.
        words: The words, in order.
    """

    sound: Pcm | None
    words: Sequence[ScriptedWord]
    _data: bytes = field(init=False, default=b"")

    def __attrs_post_init__(self) -> None:
        """Keep the bytes to search in."""
        if self.sound is not None:
            self._data = self.sound.astype("<i2").tobytes()

    def place(self, block: bytes, expected: int) -> int | None:
        """Return at which sample a block lies, looking at the expected place first; else None."""
        if expected >= 0 and self._data.startswith(block, 2 * expected):
            return expected
        at = self._data.find(block)
        while at > 0 and at % 2:
            at = self._data.find(block, at + 1)
        return at // 2 if at >= 0 else None


@define
class SoundEar:
    """What one connection has heard.

    Args:
        known: The recording.
    """

    known: KnownSound
    words: list[ArrivedWord] = field(factory=list)
    samples: int = 0
    _expected: int = -1
    _loud: int = 0
    _said: int = 0

    @property
    def audio_s(self) -> float:
        """How much arrived, in seconds."""
        return self.samples / SAMPLE_RATE_HZ

    def hear(self, frame: bytes) -> list[ArrivedWord]:
        """Take a frame; return the words whose middle arrived with it."""
        before = len(self.words)
        for start in range(0, len(frame), 2 * _BLOCK):
            block = frame[start : start + 2 * _BLOCK]
            if self.known.sound is None:
                self._hear_loud(block)
            else:
                self._hear_known(block)
            self.samples += len(block) // 2
        return self.words[before:]

    def _hear_known(self, block: bytes) -> None:
        at = self.known.place(block, self._expected) if any(block) else None
        self._expected = -1
        if at is None:
            return
        samples = len(block) // 2
        self._expected = at + samples
        shift_s = (self.samples - at) / SAMPLE_RATE_HZ
        for word in self.known.words:
            middle = (word.start_s + word.end_s) / 2 * SAMPLE_RATE_HZ
            if at <= middle < at + samples:
                self.words.append(
                    ArrivedWord(
                        word.text,
                        max(0.0, word.start_s + shift_s),
                        word.end_s + shift_s,
                        word.speaker,
                    )
                )

    def _hear_loud(self, block: bytes) -> None:
        loud = np.abs(np.frombuffer(block[: len(block) // 2 * 2], "<i2")).max(initial=0) > _LOUD
        self._loud = self._loud + len(block) // 2 if loud else 0
        if self._loud >= _WORD_S * SAMPLE_RATE_HZ and self.known.words:
            word = self.known.words[self._said % len(self.known.words)]
            end_s = (self.samples + len(block) // 2) / SAMPLE_RATE_HZ
            self.words.append(ArrivedWord(word.text, end_s - _WORD_S, end_s, word.speaker))
            self._said, self._loud = self._said + 1, 0
