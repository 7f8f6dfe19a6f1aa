"""Sound that comes bit by bit over a socket, said by the bot as it comes.

Such protocols do not say where a speech ends. So sound makes one speech for as long as it goes on:
after a pause, or two seconds of digital silence, it ends, and what comes later is another. What
waits is bounded; what is too much is not said, and counted.
"""

from __future__ import annotations

from collections import deque

import trio

from meetcore import SinkSpeech, SinkVoice
from meetcore.log import Wake

__all__ = ["AHEAD_S", "PAUSE_S", "StreamedSpeech"]

PAUSE_S = 1.5
"""How long nothing may come before a speech ends."""
AHEAD_S = 60.0
"""How much sound may wait to be said."""
_SILENCE_S = 2.0
_SPEECHES = 100


class _SoundToSay:
    """The sound of one speech, as an async iterator; what is not said yet waits here."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.over = False
        self._ending = False
        self._news = Wake()

    def add(self, pcm: bytes) -> None:
        self.waiting.append(pcm)
        self.waiting_bytes += len(pcm)
        self._news.set()

    def end(self) -> None:
        """Take it that nothing follows."""
        self._ending = True
        self._news.set()

    def __aiter__(self) -> _SoundToSay:
        return self

    async def __anext__(self) -> bytes:
        with trio.move_on_after(PAUSE_S):
            while not self.waiting and not self._ending:
                await self._news.wait()
        if not self.waiting:
            self.over = True
            raise StopAsyncIteration
        pcm = self.waiting.popleft()
        self.waiting_bytes -= len(pcm)
        return pcm

    async def aclose(self) -> None:
        """Learn that the speech has ended, perhaps before its sound did."""
        self.over = True
        await trio.lowlevel.checkpoint()


class StreamedSpeech:
    """Makes speeches of sound that comes.

    Args:
        say: Has the bot say something.
        ahead_s: How much sound may wait.

    Attributes:
        dropped_s: How many seconds of sound were too much.
    """

    def __init__(self, say: SinkVoice, ahead_s: float = AHEAD_S) -> None:
        self.dropped_s = 0.0
        self._say = say
        self._ahead_s = ahead_s
        self._pieces: _SoundToSay | None = None
        self._speeches: deque[SinkSpeech] = deque(maxlen=_SPEECHES)
        self._rate_hz = 0
        self._silent_s = 0.0

    @property
    def waiting(self) -> int:
        """How many pieces wait to be said."""
        return 0 if self._pieces is None else len(self._pieces.waiting)

    def take(self, pcm: bytes, sample_rate_hz: int) -> None:
        """Take sound: int16, mono.

        Raises:
            CommandRefused: The bot cannot speak, or not now.
        """
        seconds = len(pcm) / 2 / sample_rate_hz
        silent = not pcm.strip(b"\0")
        self._silent_s = self._silent_s + seconds if silent else 0.0
        pieces = self._pieces
        if pieces is not None and (pieces.over or sample_rate_hz != self._rate_hz):
            self._close()
            pieces = None
        if silent and (pieces is None or self._silent_s >= _SILENCE_S):
            self._close()
            return
        if pieces is None:
            pieces = _SoundToSay()
            self._speeches.append(self._say(pieces, sample_rate_hz=sample_rate_hz))
            self._pieces, self._rate_hz = pieces, sample_rate_hz
        if pieces.waiting_bytes / 2 / sample_rate_hz + seconds > self._ahead_s:
            self.dropped_s += seconds
            return
        pieces.add(pcm)

    def interrupt(self) -> int:
        """Be silent at once; return how many pieces are not said any more."""
        waiting = self.waiting
        self._close()
        while self._speeches:
            self._speeches.pop().interrupt()
        return waiting

    def _close(self) -> None:
        if self._pieces is not None:
            self._pieces.end()
            self._pieces = None
