"""When each track of a page gave blocks, and when there was sound in them. Pure: time is given."""

from __future__ import annotations

import numpy as np
from attrs import define, field, frozen

from meetcore import Pcm

__all__ = ["TrackLevel", "TrackLevels"]

LOUD_RMS = 0.006 * 32768
"""Of int16: below it is what a room and a codec make of nobody speaking."""


@frozen
class TrackLevel:
    """What one track gave, by the host's clock in seconds; None for never.

    Attributes:
        label: The id WebRTC gave it.
        layer: How it is heard.
        taken: Whether it is heard by the bot; False for one that the joiner left out.
        block_s: When it last gave a block.
        sound_s: When it last gave a block that was not digital silence.
        loud_s: When it last gave one as loud as speech.
    """

    label: str
    layer: str = "peer connections"
    taken: bool = True
    block_s: float | None = None
    sound_s: float | None = None
    loud_s: float | None = None


@define
class TrackLevels:
    """Keeps the levels of a page's tracks, by document and number."""

    _blocks: dict[tuple[int, int], float] = field(factory=dict)
    _sounds: dict[tuple[int, int], float] = field(factory=dict)
    _louds: dict[tuple[int, int], float] = field(factory=dict)

    def block(self, key: tuple[int, int], pcm: Pcm, now_s: float) -> None:
        """Note a block."""
        self._blocks[key] = now_s
        if not pcm.any():
            return
        self._sounds[key] = now_s
        if float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) >= LOUD_RMS:
            self._louds[key] = now_s

    def of(self, key: tuple[int, int], label: str) -> TrackLevel:
        """Return what is known of a track."""
        return TrackLevel(
            label,
            block_s=self._blocks.get(key),
            sound_s=self._sounds.get(key),
            loud_s=self._louds.get(key),
        )
