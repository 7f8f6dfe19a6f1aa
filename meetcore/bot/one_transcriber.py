"""Who transcribes where there is one transcriber, held open by whoever made it."""

from __future__ import annotations

from collections.abc import Sequence

from meetcore.audio.chunk import Chunk
from meetcore.bot.fallback import FallbackPolicy, NextStep, TranscriberTrouble
from meetcore.bot.held_transcriber import HeldTranscriber

__all__ = ["OneTranscriber"]


class OneTranscriber:
    """The same for every track.

    Args:
        held: The transcriber; its `ready` is set by whoever opens it.
    """

    def __init__(self, held: HeldTranscriber) -> None:
        self._held = held
        self._policy = FallbackPolicy(1)

    def choice(self, track_id: str) -> HeldTranscriber:
        """Return who transcribes a track now."""
        del track_id
        return self._held

    def spares(self, index: int) -> frozenset[int]:
        """Return the places of all transcribers but one: there are none."""
        del index
        return frozenset()

    def finished(self, track_id: str, held: HeldTranscriber, sound: Sequence[Chunk]) -> None:
        """Take it that an utterance had its final: nothing follows."""

    def trouble(self, trouble: TranscriberTrouble) -> NextStep:
        """Take a failure; return what the track does."""
        return self._policy.trouble(trouble)[0]
