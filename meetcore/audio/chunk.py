"""A piece of PCM audio of one track, placed on its call's sample clock."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

__all__ = ["SAMPLE_RATE_HZ", "Chunk", "Pcm"]

SAMPLE_RATE_HZ = 16_000
"""The one sample rate inside the core."""

Pcm: TypeAlias = npt.NDArray[np.int16]


@frozen(eq=False, slots=True)
class Chunk:
    """PCM audio of one track.

    Attributes:
        track_id: The track it belongs to.
        start_sample: Index of the first sample on the call's one sample clock, counted at
            `sample_rate_hz`. All tracks of a call share that clock, so a hole between two
            chunks of a track is visible, and two tracks can be laid side by side.
        pcm: int16 mono samples, one-dimensional.
        sample_rate_hz: Samples per second; 16,000 inside the core.
    """

    track_id: str
    start_sample: int
    pcm: Pcm = field(repr=lambda pcm: f"<{len(pcm)} samples>")
    sample_rate_hz: int = SAMPLE_RATE_HZ

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return len(self.pcm)

    @property
    def core_start(self) -> int:
        """Where its first sample lies on the clock at 16 kHz, rounded down."""
        return self.start_sample * SAMPLE_RATE_HZ // self.sample_rate_hz

    @property
    def core_samples(self) -> int:
        """How many samples it is at 16 kHz; those of chunks in a row add up without a gap."""
        if self.sample_rate_hz == SAMPLE_RATE_HZ:
            return len(self.pcm)
        return self.end_sample * SAMPLE_RATE_HZ // self.sample_rate_hz - self.core_start

    @property
    def end_sample(self) -> int:
        """Index of the first sample after it."""
        return self.start_sample + len(self.pcm)
