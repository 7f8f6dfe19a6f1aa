"""Which language a track speaks, found out while it is spoken. Pure.

A wish is obeyed. Else Whisper's own guess is taken, and kept once it was sure; people switch now
and then, so it is asked again, and believed when it is sure twice. What it is unsure about is taken
to be in the language of the others in the meeting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import define, field

__all__ = ["TrackLanguage", "commonest"]

SURE = 0.8
VERY_SURE = 0.9
ENOUGH_S = 1.5
UNSURE = 0.5
ASK_AGAIN_EVERY = 4


@define
class TrackLanguage:
    """What one track speaks.

    Attributes:
        wish: Whisper's code of the language that was asked for, None to find out.
        settled: The language that it was found to be, None so far.
    """

    wish: str | None = None
    settled: str | None = None
    _votes: Counter[str] = field(factory=Counter)
    _other: str | None = None
    _since_asked: int = 0

    @property
    def is_asked(self) -> bool:
        """Whether the next piece is to be listened to for its language."""
        if self.wish is not None:
            return False
        return self.settled is None or self._since_asked >= ASK_AGAIN_EVERY

    def passed_by(self) -> None:
        """Note a piece that was not listened to for its language."""
        self._since_asked += 1

    def heard(
        self, ranked: Sequence[tuple[str, float]], length_s: float, *, others: str | None = None
    ) -> str:
        """Take what a piece may be in; return the language to recognise it in.

        Args:
            ranked: Languages and their probabilities, the likeliest first.
            length_s: How long the piece is.
            others: What the rest of the meeting speaks, None where that is not known.
        """
        self._since_asked = 0
        best, probability = ranked[0]
        if self.settled is not None:
            if best == self.settled or probability < VERY_SURE or length_s < ENOUGH_S:
                self._other = None
                self._since_asked = 0 if best == self.settled else ASK_AGAIN_EVERY
                return self.settled
            if self._other == best:
                self.settled, self._other = best, None
                return best
            self._other = best
            self._since_asked = ASK_AGAIN_EVERY
            return best
        if length_s >= ENOUGH_S:
            self._votes[best] += 1
            if probability >= SURE or self._votes[best] >= 2:
                self.settled = best
                return best
        if probability < UNSURE and others is not None:
            return others
        return best


def commonest(languages: Iterable[str | None]) -> str | None:
    """Return the language that most of some tracks speak, None where none is known."""
    known = Counter(each for each in languages if each is not None)
    return known.most_common(1)[0][0] if known else None
