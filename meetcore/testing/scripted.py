"""A transcriber that knows the script: for tests of everything around transcription.

It takes a line's words from the script when their time has been fed, gives partials as it goes and
a final at the end of the utterance. It can be made to crash, stall and answer late, as real
ones do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.model.errors import TranscriberError
from meetcore.model.transcript import Hypothesis, Word
from meetcore.plugin.transcriber import (
    StreamRequest,
    Transcriber,
    TranscriberContext,
    TranscriberStream,
)
from meetcore.testing.script import Script
from meetcore.testing.sim_tracks import SimTracks

__all__ = ["ScriptedTranscriber"]


@define
class _Heard:
    start_sample: int
    fed: list[tuple[int, int]] = field(factory=list)
    revision: int = 0
    said: str = ""


class ScriptedTranscriber(Transcriber):
    """Transcribes a SimMeeting's tracks by looking the words up.

    Args:
        script: The script.
        crash_at_s: Call seconds at which feeding raises, once each.
        fatal: An error every stream raises at once, for instance a refused key.
        final_delay_s: How long a final takes.
        tracks: On which tracks people are heard, as the meeting has it.
        stall_from_s: From these call seconds on finals do not come, until the stream is
            opened again.

    Attributes:
        streams: How many streams were opened.
        open_now: How many are open.
    """

    name = "scripted"

    def __init__(
        self,
        script: Script,
        *,
        crash_at_s: tuple[float, ...] = (),
        fatal: TranscriberError | None = None,
        final_delay_s: float = 0.0,
        stall_from_s: float | None = None,
        tracks: SimTracks | None = None,
    ) -> None:
        super().__init__()
        self.script = script
        self.streams = 0
        self.open_now = 0
        self.contexts_open = 0
        self._crashes = sorted(crash_at_s)
        self._fatal = fatal
        self._final_delay_s = final_delay_s
        self._stall_from_s = stall_from_s
        self._tracks = tracks or SimTracks()
        self._words = [
            (round((word.start_s + word.end_s) / 2 * SAMPLE_RATE_HZ), word)
            for word in sorted(script.reference_words(), key=lambda w: w.start_s)
        ]

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Count bots that hold it open."""
        del context
        self.contexts_open += 1
        try:
            yield
        finally:
            self.contexts_open -= 1

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        """Open a stream for one track."""
        if self._fatal is not None:
            raise self._fatal
        self.streams += 1
        self.open_now += 1
        stalls, self._stall_from_s = self._stall_from_s, None
        try:
            yield _ScriptedStream(self, request, stalls)
        finally:
            self.open_now -= 1

    def crash_if_due(self, at_s: float) -> None:
        """Raise if a crash is due by `at_s`."""
        if self._crashes and at_s >= self._crashes[0]:
            self._crashes.pop(0)
            raise TranscriberError("network", f"scripted crash at {at_s:.1f} s", retryable=True)

    def lines_on(self, track_id: str) -> frozenset[int]:
        """Return the indices of the lines on a track."""
        return self._tracks.lines_on(self.script, track_id)

    def words(self, lines: frozenset[int], heard: _Heard) -> tuple[Word, ...]:
        """Return the words of lines whose time was fed."""
        found = []
        if not heard.fed:
            return ()
        first, last = heard.fed[0][0], heard.fed[-1][1]
        for middle, word in self._words:
            if word.line not in lines or not first <= middle < last:
                continue
            if any(a <= middle < b for a, b in heard.fed):
                found.append(Word(word.text, round(word.start_s, 3), round(word.end_s, 3), 0.9))
        return tuple(found)

    async def wait_for_final(self) -> None:
        """Take as long as a final takes."""
        await trio.sleep(self._final_delay_s)


class _ScriptedStream(TranscriberStream):
    def __init__(
        self, owner: ScriptedTranscriber, request: StreamRequest, stall_from_s: float | None
    ) -> None:
        self._owner = owner
        self._emit: Callable[[Hypothesis], None] = request.emit
        self._lines = owner.lines_on(request.track_id)
        self._heard: dict[str, _Heard] = {}
        self._current = ""
        self._stall_from_s = stall_from_s

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        self._heard[utterance_id] = _Heard(start_sample)
        self._current = utterance_id
        await trio.lowlevel.checkpoint()

    async def feed(self, chunk: Chunk) -> None:
        self._owner.crash_if_due(chunk.end_sample / SAMPLE_RATE_HZ)
        heard = self._heard[self._current]
        if heard.fed and heard.fed[-1][1] == chunk.start_sample:
            heard.fed[-1] = (heard.fed[-1][0], chunk.end_sample)
        else:
            heard.fed.append((chunk.start_sample, chunk.end_sample))
        self._say(self._current, final=False)
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        del cause
        stalled = self._stall_from_s
        if stalled is not None and end_sample / SAMPLE_RATE_HZ >= stalled:
            return
        await self._owner.wait_for_final()
        self._say(utterance_id, final=True)

    def _say(self, utterance_id: str, *, final: bool) -> None:
        heard = self._heard[utterance_id]
        words = self._owner.words(self._lines, heard)
        text = " ".join(word.text for word in words)
        if text == heard.said and not final:
            return
        heard.said = text
        heard.revision += 1
        self._emit(
            Hypothesis(
                utterance_id=utterance_id,
                revision=heard.revision,
                text=text,
                words=words,
                final=final,
                confidence=0.9 if words else None,
                language="en",
                start_s=heard.start_sample / SAMPLE_RATE_HZ,
                end_s=heard.fed[-1][1] / SAMPLE_RATE_HZ if heard.fed else None,
                stable_words=0 if final else max(0, len(words) - 1),
            )
        )
