"""Which of several transcribers hears a track: the pure part of `[transcription] fallback`.

They stand in the order in which they are wanted; the first is the chosen one. Trouble that will not
pass, or that lasts, moves the whole bot to another one. A track whose transcriber serves the others
well moves alone, for a while. The chosen one is tried out in the background, and when it answers
the bot moves back, between two utterances, so that no word is heard by two of them.

What a transcriber was given and did not finish is kept by the track and said again to the next one.
One that is gone for good is not asked again; when all are, transcription stops. So every series of
failures ends. Nothing here waits or knows of Trio: times are seconds that the caller brings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum

from attrs import define, field, frozen

from meetcore.model.errors import TranscriberError

__all__ = ["ALONE_S", "FallbackPolicy", "NextStep", "TranscriberChange", "TranscriberTrouble"]

ALONE_S = 60.0
"""How long a track that moved alone stays away from what serves the others."""

_WELL_WITHIN_S = 30.0
_EVERYBODYS = frozenset({"auth", "quota", "rate"})
"""Kinds of trouble that are never one track's alone."""


class NextStep(Enum):
    """What a track does after trouble."""

    RETRY = "retry"
    """Open another stream of the same transcriber, after a pause."""
    SWITCH = "switch"
    """Open a stream of another transcriber, at once."""
    STOP = "stop"
    """Nobody is left to transcribe it."""


@frozen(kw_only=True)
class TranscriberTrouble:
    """A failure of a stream, or of a transcriber that does not open.

    Attributes:
        track_id: Whose stream it was; None where the transcriber itself failed.
        index: Which transcriber.
        error: What happened.
        since_s: Since when it owed something.
        now_s: Now.
        exhausted: Whether it was tried as often as it ever is.
        untried: Which others have not had an utterance that would be given up now.
    """

    track_id: str | None
    index: int
    error: TranscriberError
    since_s: float
    now_s: float
    exhausted: bool = False
    untried: frozenset[int] = frozenset()


@frozen
class TranscriberChange:
    """A move from one transcriber to another.

    Attributes:
        track_id: The one track that moves; None for the whole bot.
        previous: Which it was.
        index: Which it is now.
    """

    track_id: str | None
    previous: int
    index: int


@define
class FallbackPolicy:
    """Decides who transcribes.

    Args:
        count: How many transcribers there are; 0 is the chosen one.
        after_s: How long retryable trouble lasts before another takes over, in seconds.
    """

    count: int
    after_s: float = 5.0
    _bot: int = field(init=False, default=0)
    _alone: dict[str | None, tuple[int, float]] = field(init=False, factory=dict)
    _gone: set[int] = field(init=False, factory=set)
    _gone_for: dict[str | None, set[int]] = field(init=False, factory=dict)
    _since: dict[tuple[str | None, int], float] = field(init=False, factory=dict)
    _well_at: dict[int, dict[str, float]] = field(init=False, factory=dict)

    @property
    def current(self) -> int:
        """Which transcriber the bot as a whole uses."""
        return self._bot

    def choice(self, track_id: str | None, now_s: float) -> int:
        """Return which transcriber a track uses now; a running stream ends at a border."""
        index, until_s = self._alone.get(track_id, (self._bot, math.inf))
        if now_s >= until_s:
            del self._alone[track_id]
            index = self._bot
        if index in self._gone or index in self._gone_for.get(track_id, ()):
            return next(self._others(track_id, index), index)
        return index

    def finished(self, track_id: str, index: int, now_s: float) -> None:
        """Take it that an utterance had its final."""
        self._since.pop((track_id, index), None)
        self._well_at.setdefault(index, {})[track_id] = now_s

    def trouble(self, trouble: TranscriberTrouble) -> tuple[NextStep, TranscriberChange | None]:
        """Take a failure; return what the track does, and who moves by it."""
        track_id, index, error = trouble.track_id, trouble.index, trouble.error
        on_its_way = self.choice(track_id, trouble.now_s) != index
        since_s = self._since.setdefault((track_id, index), trouble.since_s)
        gone = trouble.exhausted or not error.retryable
        alone = self._is_alone(trouble, since_s)
        if gone:
            (self._gone_for.setdefault(track_id, set()) if alone else self._gone).add(index)
        if on_its_way:
            return NextStep.SWITCH, None
        others = list(self._others(track_id, index))
        untried = [other for other in others if other in trouble.untried]
        lasts_s = max(trouble.now_s - since_s, error.retry_after_s or 0.0)
        if not (gone or untried or (others and lasts_s >= self.after_s)):
            return NextStep.RETRY, None
        if not others:
            return NextStep.STOP, None
        del self._since[track_id, index]
        target = (untried or others)[0]
        self._alone.pop(track_id, None)
        if not alone and index == self._bot:
            self._bot = target
            return NextStep.SWITCH, TranscriberChange(None, index, target)
        if target != self._bot:
            self._alone[track_id] = (target, trouble.now_s + ALONE_S)
        return NextStep.SWITCH, TranscriberChange(track_id, index, target)

    def to_probe(self) -> int | None:
        """Return which transcriber would be better than the present one, if it answered."""
        return next((i for i in range(self._bot) if i not in self._gone), None)

    def recovered(self, index: int) -> TranscriberChange | None:
        """Take it that a transcriber answers again; return the move back, None for none."""
        if index >= self._bot or index in self._gone:
            return None
        self._since = {key: since for key, since in self._since.items() if key[1] != index}
        previous, self._bot = self._bot, index
        return TranscriberChange(None, previous, index)

    def _is_alone(self, trouble: TranscriberTrouble, since_s: float) -> bool:
        if trouble.track_id is None or trouble.error.kind in _EVERYBODYS:
            return False
        since_s = min(since_s, trouble.now_s - _WELL_WITHIN_S)
        well = self._well_at.get(trouble.index, {})
        return any(at >= since_s for other, at in well.items() if other != trouble.track_id)

    def _others(self, track_id: str | None, index: int) -> Iterator[int]:
        """Yield who could take over, the next in order first."""
        gone = self._gone | self._gone_for.get(track_id, set())
        for step in range(1, self.count):
            other = (index + step) % self.count
            if other not in gone:
                yield other
