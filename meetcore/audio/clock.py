"""Between a provider's clock and the call's: what second of what it was sent is which sample.

A provider counts the audio that it was sent over one connection, from 0. That is neither wall time
nor the call's time: silence may be left out, a hole is not sent, what a connection had not
finalized when it broke is sent again over the next one, whose clock starts at 0 again. Adapters of
providers got this wrong wherever they counted time instead of samples.

Pure: tell it what was sent, in order, ask it either way.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from attrs import define, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ

__all__ = ["StreamClock"]


@define
class StreamClock:
    """The clock of one connection to a provider: `restart` it with each new one.

    A sample that was sent twice over one connection is where it was sent last.
    """

    _sent_at: list[int] = field(factory=list)
    _call_at: list[int] = field(factory=list)
    _lengths: list[int] = field(factory=list)
    _total: int = 0

    @property
    def sent_s(self) -> float:
        """How many seconds were sent over this connection."""
        return self._total / SAMPLE_RATE_HZ

    def restart(self) -> None:
        """Begin at 0: there is a new connection."""
        self._sent_at.clear()
        self._call_at.clear()
        self._lengths.clear()
        self._total = 0

    def sent(self, start_sample: int, samples: int) -> None:
        """Note that audio of the call was sent.

        Args:
            start_sample: Where it lies on the call's clock, at 16 kHz.
            samples: How much it is.
        """
        if samples <= 0:
            return
        last = len(self._lengths) - 1
        if (
            last >= 0
            and self._call_at[last] + self._lengths[last] == start_sample
            and self._sent_at[last] + self._lengths[last] == self._total
        ):
            self._lengths[last] += samples
        else:
            self._sent_at.append(self._total)
            self._call_at.append(start_sample)
            self._lengths.append(samples)
        self._total += samples

    def padded(self, samples: int) -> None:
        """Note that silence was sent that is not of the call, to fill a frame or to keep alive."""
        self._total += max(0, samples)

    def sample_at(self, seconds: float, *, end: bool = False) -> int:
        """Return which sample of the call lies at a provider's time.

        What lies in padding, or behind everything, is the end of what was sent before it.

        Args:
            seconds: The provider's time.
            end: Whether something ends there: at a seam it then ends before the hole, and what
                begins there begins behind it.

        Raises:
            ValueError: Nothing was sent yet.
        """
        if not self._lengths:
            raise ValueError("Nothing was sent over this connection, so it has no times.")
        at = round(seconds * SAMPLE_RATE_HZ)
        place = (bisect_left if end else bisect_right)(self._sent_at, at)
        stretch = max(0, place - 1)
        inside = min(max(at - self._sent_at[stretch], 0), self._lengths[stretch])
        return self._call_at[stretch] + inside

    def call_s(self, seconds: float, *, end: bool = False) -> float:
        """Return a provider's time in seconds of the call's sample clock, as a `Word` has it.

        Raises:
            ValueError: Nothing was sent yet.
        """
        return self.sample_at(seconds, end=end) / SAMPLE_RATE_HZ

    def sent_at(self, sample: int) -> float | None:
        """Return at what provider's time a sample of the call was sent, None if it was not."""
        for number in range(len(self._lengths) - 1, -1, -1):
            inside = sample - self._call_at[number]
            if 0 <= inside < self._lengths[number]:
                return (self._sent_at[number] + inside) / SAMPLE_RATE_HZ
        return None
