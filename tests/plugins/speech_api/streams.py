"""A stream without a connection: what it sends is kept, what is said to it is handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
import trio

import meetcore


class KeptSocket:
    """Stands where a connection does."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.sent_at = self.opened_at = trio.current_time()
        self.closing = False

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)


class Heard:
    """A request of the core, and what became of it."""

    def __init__(self, **wishes: Any) -> None:
        self.results: list[Any] = []
        self.notices: list[tuple[str, str]] = []
        self.request = meetcore.StreamRequest(
            bot_id="b",
            track_id="t",
            emit=self.results.append,
            notice=lambda kind, detail: self.notices.append((kind, detail)),
            **wishes,
        )

    @property
    def finals(self) -> list[meetcore.Hypothesis]:
        return [r for r in self.results if isinstance(r, meetcore.Hypothesis) and r.final]


async def utter(
    stream: meetcore.TranscriberStream,
    key: str,
    start_s: float,
    length_s: float,
    step_s: float = 0.5,
) -> None:
    """Feed an utterance of noise."""
    at = round(start_s * 16_000)
    await stream.begin_utterance(key, at)
    end = at + round(length_s * 16_000)
    while at < end:
        samples = min(round(step_s * 16_000), end - at)
        pcm = np.full(samples, 500, np.int16)
        await stream.feed(meetcore.Chunk("t", at, pcm))
        at += samples
    await stream.end_utterance(key, end, "silence")
