"""Which piece of speech is decoded next: finals before drafts, fair between bots. Pure.

One worker decodes for all bots of a machine. A final that waits is text that somebody waits for; a
draft is worth something only while it is new. So finals go first, of a track there is one draft at
most, the newest, and among bots the one goes first that has had the least of the worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import define, field

__all__ = ["DraftPace", "Schedule"]

T = TypeVar("T")

FIRST_DRAFT_S = 0.8
STEP_S = 1.2
LONGEST_STEP_S = 5.0
DRAFT_SHARE = 0.6
LATE_S = 1.5


@define
class _BotQueue(Generic[T]):
    """What waits of one bot, and how much of the worker it had."""

    used_s: float
    finals: list[tuple[float, T]] = field(factory=list)
    drafts: dict[str, T] = field(factory=dict)

    @property
    def idle(self) -> bool:
        return not self.finals and not self.drafts


@define
class Schedule(Generic[T]):
    """What waits to be decoded."""

    _bots: dict[str, _BotQueue[T]] = field(factory=dict)

    def _bot(self, bot_id: str) -> _BotQueue[T]:
        bot = self._bots.get(bot_id)
        if bot is None:
            # Who comes anew owes nothing and has no credit for the time before, either.
            busy = [each.used_s for each in self._bots.values()]
            bot = self._bots[bot_id] = _BotQueue(min(busy, default=0.0))
        return bot

    def final(self, bot_id: str, track: str, ended_at: float, item: T) -> None:
        """Take speech that has ended; a draft of its track is worth nothing any more."""
        bot = self._bot(bot_id)
        bot.drafts.pop(track, None)
        bot.finals.append((ended_at, item))

    def draft(self, bot_id: str, track: str, item: T) -> None:
        """Take speech so far; it replaces an older draft of the track that waits."""
        self._bot(bot_id).drafts[track] = item

    def forget(self, bot_id: str) -> None:
        """Drop what waits of a bot that is gone."""
        self._bots.pop(bot_id, None)

    def forget_track(self, bot_id: str, track: str) -> None:
        """Drop a draft that waits of a track that is gone."""
        bot = self._bots.get(bot_id)
        if bot is not None:
            bot.drafts.pop(track, None)

    def next(self) -> tuple[str, T, bool] | None:
        """Return the bot, the piece and whether it is final, of what is to be decoded next."""
        waiting = [(bot.used_s, bot_id) for bot_id, bot in self._bots.items() if bot.finals]
        if waiting:
            _, bot_id = min(waiting)
            finals = self._bots[bot_id].finals
            oldest = min(range(len(finals)), key=lambda index: finals[index][0])
            return bot_id, finals.pop(oldest)[1], True
        waiting = [(bot.used_s, bot_id) for bot_id, bot in self._bots.items() if bot.drafts]
        if waiting:
            _, bot_id = min(waiting)
            drafts = self._bots[bot_id].drafts
            return bot_id, drafts.pop(next(iter(drafts))), False
        return None

    def took(self, bot_id: str, seconds: float) -> None:
        """Note how long a bot's piece took."""
        bot = self._bots.get(bot_id)
        if bot is not None:
            bot.used_s += seconds

    def waiting_since(self) -> float | None:
        """Return when the speech ended that has waited longest for its final, None for none."""
        return min((at for bot in self._bots.values() for at, _ in bot.finals), default=None)

    def overdue(self, before: float) -> Iterator[tuple[str, T]]:
        """Take out and yield finals of speech that ended before a time, with their bots."""
        for bot_id, bot in self._bots.items():
            kept: list[tuple[float, T]] = []
            late = [entry for entry in bot.finals if entry[0] < before]
            kept = [entry for entry in bot.finals if entry[0] >= before]
            bot.finals[:] = kept
            for _, item in late:
                yield bot_id, item


@define
class DraftPace:
    """How much new speech there has to be for a draft: more, the more the worker has to do.

    Drafts may take `DRAFT_SHARE` of the worker's time, over all tracks that talk.
    """

    _cost_s: float = 0.0

    def drafted(self, seconds: float) -> None:
        """Note how long a draft took."""
        self._cost_s = seconds if not self._cost_s else 0.8 * self._cost_s + 0.2 * seconds

    def step_s(self, talking: int, *, first: bool = False) -> float:
        """Return how much new speech makes another draft worth it.

        Args:
            talking: How many tracks are being spoken on.
            first: Whether it would be the utterance's first.
        """
        needed = self._cost_s * max(1, talking) / DRAFT_SHARE
        return min(LONGEST_STEP_S, max(FIRST_DRAFT_S if first else STEP_S, needed))
