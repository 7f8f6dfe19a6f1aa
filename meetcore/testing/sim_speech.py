"""What a bot says in a simulated meeting: played in real pace, kept with its time."""

from __future__ import annotations

import trio
from attrs import frozen

from meetcore.plugin.platform import SpeechOutput

__all__ = ["Said", "SimSpeech"]

BUFFER_S = 1.0


@frozen
class Said:
    """Something the bot said, as far as it was heard.

    Attributes:
        at_s: When it began, in seconds on the script clock.
        pcm: What was heard: int16 mono.
        sample_rate_hz: Its rate.
    """

    at_s: float
    pcm: bytes
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """How long it was."""
        return len(self.pcm) / 2 / self.sample_rate_hz


class SimSpeech(SpeechOutput):
    """A microphone that plays what it is given, a second ahead at most, on Trio's clock.

    Args:
        sample_rate_hz: The rate of what is written.
        began: Trio's time at which the script clock was 0.
    """

    def __init__(self, sample_rate_hz: int, began: float) -> None:
        self._rate_hz = sample_rate_hz
        self._began = began
        self._pieces: list[tuple[float, bytes]] = []
        self._over_at = 0.0

    async def write(self, pcm: bytes) -> None:
        """Take a piece; wait while a second is still to be played."""
        begins = max(trio.current_time(), self._over_at)
        self._pieces.append((begins, pcm))
        self._over_at = begins + len(pcm) / 2 / self._rate_hz
        await trio.sleep_until(self._over_at - BUFFER_S)

    async def drain(self) -> None:
        """Wait until all was played."""
        await trio.sleep_until(self._over_at)

    async def stop(self) -> None:
        """Fall silent."""
        await trio.lowlevel.checkpoint()
        self._cut()

    def _cut(self) -> None:
        """Forget what was not played by now."""
        now = trio.current_time()
        self._over_at = min(self._over_at, now)
        heard = []
        for begins, pcm in self._pieces:
            samples = max(0, round((now - begins) * self._rate_hz))
            if samples:
                heard.append((begins, pcm[: 2 * samples]))
        self._pieces = heard

    @property
    def played_s(self) -> float:
        """How much was played by now."""
        now = trio.current_time()
        lengths = ((begins, len(pcm) / 2 / self._rate_hz) for begins, pcm in self._pieces)
        return sum(min(length, max(0.0, now - begins)) for begins, length in lengths)

    def said(self) -> Said | None:
        """Return what was heard, once it is over; None for nothing."""
        self._cut()
        if not self._pieces:
            return None
        pcm = b"".join(pcm for _, pcm in self._pieces)
        return Said(round(self._pieces[0][0] - self._began, 3), pcm, self._rate_hz)
