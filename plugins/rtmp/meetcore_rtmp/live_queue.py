"""What waits to be sent to a receiver: never more than so many seconds. Pure.

A live stream that lags is worth less with every second. So where a receiver does not keep up, what
is oldest goes, pictures and sound alike, and up to a picture that stands alone: what refers to a
picture that was never sent cannot be shown. Every picture that goes is counted.
"""

from __future__ import annotations

from collections import deque

from attrs import evolve, field, frozen

from meetcore import SAMPLE_RATE_HZ

__all__ = ["LivePicture", "LiveQueue", "LiveSound", "LostPictures"]


@frozen
class LivePicture:
    """A picture, as it was recorded.

    Attributes:
        track_id: Whose fragment it is.
        number: Which.
        at_s: When it was seen, on the call's clock.
        data: An access unit of H.264.
        alone: Whether a player can begin with it.
    """

    track_id: str
    number: int
    at_s: float
    data: bytes = field(repr=False)
    alone: bool


@frozen
class LiveSound:
    """Sound of everybody: int16, mono, 16 kHz.

    Attributes:
        start_sample: Its first sample, on the call's clock.
        pcm: The samples.
    """

    start_sample: int
    pcm: bytes = field(repr=False)

    @property
    def at_s(self) -> float:
        """When it begins."""
        return self.start_sample / SAMPLE_RATE_HZ


@frozen
class LostPictures:
    """A stretch of pictures of a track that nobody gets, and why."""

    track_id: str
    first: int
    count: int
    cause: str

    def then(self, after: LostPictures) -> LostPictures | None:
        """Return both as one; None where they are not one stretch."""
        same = (self.track_id, self.cause) == (after.track_id, after.cause)
        follows = self.first + self.count == after.first
        return evolve(self, count=self.count + after.count) if same and follows else None


class LiveQueue:
    """Pictures and sound on their way to a receiver.

    Args:
        behind_s: How much may wait.

    Attributes:
        cause: Why what is left out now is left out.
        needs_key: Whether the next picture has to stand alone.
        skipped_s: How many seconds were left out in all.
    """

    def __init__(self, behind_s: float) -> None:
        self.cause = "receiver_away"
        self.needs_key = True
        self._gap = ""
        self.skipped_s = 0.0
        self._behind_s = behind_s
        self._items: deque[LivePicture | LiveSound] = deque()
        self._lost: list[LostPictures] = []

    def __len__(self) -> int:
        return len(self._items)

    @property
    def first_picture(self) -> LivePicture | None:
        """The picture that waits longest; it stands alone if nothing was sent yet."""
        return next((item for item in self._items if isinstance(item, LivePicture)), None)

    def put(self, item: LivePicture | LiveSound) -> None:
        """Add a picture or sound. Never waits."""
        if isinstance(item, LivePicture):
            if self.needs_key and not item.alone:
                self.lose(item, self._gap)
                return
            self.needs_key, self._gap = False, ""
        self._items.append(item)
        while self._items and item.at_s - self._items[0].at_s > self._behind_s:
            self._catch_up()

    def _catch_up(self) -> None:
        """Leave out what is older than the newest picture that stands alone, or everything.

        Of sound without any picture the newer half stays.
        """
        before_s, newest_s = self._items[0].at_s, self._items[-1].at_s
        pictures = [n for n, item in enumerate(self._items) if isinstance(item, LivePicture)]
        if pictures:
            alone = [n for n in pictures if n > 0 and _stands_alone(self._items[n])]
            keep_from = alone[-1] if alone else len(self._items)
        else:
            half_s = newest_s - self._behind_s / 2
            keep_from = sum(item.at_s < half_s for item in self._items)
        for _ in range(keep_from):
            self.lose(self._items.popleft())
        if not self._items:
            self.needs_key = True
        self.skipped_s += (self._items[0].at_s if self._items else newest_s) - before_s

    def gap(self) -> None:
        """Learn that pictures never come: the next has to stand alone, and no receiver did that."""
        if not self.needs_key:
            self.needs_key, self._gap = True, "after_gap"

    def restart(self) -> None:
        """Make ready for another connection: it begins with a picture that stands alone."""
        while self._items:
            if _stands_alone(self._items[0]):
                return
            self.lose(self._items.popleft())
        self.needs_key, self._gap = True, ""

    def take(self) -> LivePicture | LiveSound | None:
        """Return what waited longest, None for nothing."""
        return self._items.popleft() if self._items else None

    def put_back(self, item: LivePicture | LiveSound) -> None:
        """Put back what was taken last."""
        self._items.appendleft(item)

    def drain(self) -> None:
        """Give up everything that waits."""
        while self._items:
            self.lose(self._items.popleft())
        self.needs_key, self._gap = True, ""

    def lose(self, item: LivePicture | LiveSound, cause: str = "") -> None:
        """Note that something is not sent: a picture is counted."""
        if not isinstance(item, LivePicture):
            return
        lost = LostPictures(item.track_id, item.number, 1, cause or self.cause)
        both = self._lost[-1].then(lost) if self._lost else None
        if both is None:
            self._lost.append(lost)
        else:
            self._lost[-1] = both

    def losses(self, *, at_least: int = 0) -> list[LostPictures]:
        """Return, and forget, the stretches that were lost: all, or those that are that long."""
        found, self._lost = self._lost, []
        if found and found[-1].count < at_least:
            self._lost = [found.pop()]
        return found


def _stands_alone(item: LivePicture | LiveSound) -> bool:
    return isinstance(item, LivePicture) and item.alone
