"""Audio in frames of the lengths that a provider takes, no faster than it takes them."""

from __future__ import annotations

import trio

from meetcore import SAMPLE_RATE_HZ

__all__ = ["FrameCutter", "Pace"]

_BYTES = 2


class FrameCutter:
    """Cuts 16-bit sound of any lengths into frames within limits.

    Args:
        shortest_ms: Frames are at least so long; less is kept back.
        longest_ms: And at most so long.
    """

    def __init__(self, shortest_ms: int, longest_ms: int) -> None:
        self._shortest = shortest_ms * SAMPLE_RATE_HZ // 1000 * _BYTES
        self._longest = longest_ms * SAMPLE_RATE_HZ // 1000 * _BYTES
        self._kept = bytearray()

    def add(self, sound: bytes) -> list[bytes]:
        """Add sound; return the frames that are full."""
        if not self._kept and self._shortest <= len(sound) <= self._longest:
            return [sound]
        self._kept += sound
        frames: list[bytes] = []
        while len(self._kept) >= max(self._shortest, _BYTES):
            frame = bytes(self._kept[: self._longest])
            frames.append(frame)
            del self._kept[: len(frame)]
        return frames

    def rest(self) -> tuple[bytes, int]:
        """Return what was kept back, padded with silence, and how many samples of it are silence.

        Nothing where nothing was kept back.
        """
        if not self._kept:
            return b"", 0
        missing = max(0, self._shortest - len(self._kept))
        frame = bytes(self._kept) + bytes(missing)
        self._kept.clear()
        return frame, missing // _BYTES


class Pace:
    """Lets audio through no faster than real time, but for a small burst.

    Args:
        burst_s: How much may go at once, in seconds: what a voice detector holds back before it
            says that speech began.
    """

    def __init__(self, burst_s: float) -> None:
        self._burst_s = burst_s
        self._free_s = burst_s
        self._at = trio.current_time()

    async def wait(self, audio_s: float) -> None:
        """Return when so much audio may go; it waits no longer than the audio is long."""
        now = trio.current_time()
        self._free_s = min(self._burst_s, self._free_s + now - self._at) - audio_s
        self._at = now
        if self._free_s < 0:
            await trio.sleep(-self._free_s)
