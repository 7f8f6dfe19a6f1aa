"""What of a speech was said by a moment, in words. Pure: no clock, no I/O.

Whoever makes the sound may say which words lie in it, stretch by stretch: a word, a sentence.
Within a stretch, and in a text of which nothing is said, a word has the share of the time that it
has of the letters. How long a stretch takes whose end is not there yet is taken from how
fast letters were said before.
"""

from __future__ import annotations

from attrs import define, field

from meetcore.model.plain import rounded_s
from meetcore.model.transcript import Word

__all__ = ["LETTERS_PER_S", "SpokenText"]

LETTERS_PER_S = 15.0
"""How fast English is read aloud at about 160 words a minute, spaces counted."""


@define
class SpokenText:
    """The words of one speech, and where they lie in its sound.

    Attributes:
        given: What it says as a whole, empty where that is not known beforehand.
        letters_per_s: How fast it is taken to be said, as long as its end is not known.
    """

    given: str = ""
    letters_per_s: float = LETTERS_PER_S
    _stretches: list[tuple[float, str]] = field(factory=list)

    @property
    def text(self) -> str:
        """What it says: the whole text, or what is known of it so far."""
        return self.given or " ".join(text for _, text in self._stretches)

    def stretch(self, at_s: float, text: str) -> None:
        """Take what the sound says from a place on, in seconds from its beginning."""
        plain = " ".join(text.split())
        if plain:
            self._stretches.append((at_s, plain))

    def words(self, upto_s: float, made_s: float, *, whole: bool) -> list[Word]:
        """Return the words that were said: those of which at least half was heard.

        Args:
            upto_s: How much of the sound was heard, in seconds.
            made_s: How much sound there is so far.
            whole: Whether that is all of it.

        Returns:
            The words, their times in seconds from the beginning of the sound.
        """
        stretches = self._stretches or [(0.0, " ".join(self.given.split()))]
        ends = [at_s for at_s, _ in stretches[1:]]
        at_s, last = stretches[-1]
        ends.append(made_s if whole else max(made_s, at_s + len(last) / self.letters_per_s))
        said: list[Word] = []
        for (start_s, text), end_s in zip(stretches, ends, strict=True):
            per_letter = max(0.0, end_s - start_s) / (len(text) + 1)
            for token in text.split():
                word_end_s = start_s + per_letter * (len(token) + 1)
                if (start_s + word_end_s) / 2 > upto_s:
                    return said
                heard_s = min(word_end_s, upto_s)
                said.append(Word(token, rounded_s(start_s), rounded_s(max(start_s, heard_s))))
                start_s = word_end_s
        return said

    def pace(self, length_s: float) -> float:
        """Return how many letters a second were said; as it was taken where that is unclear."""
        letters = len(self.text)
        return letters / length_s if letters >= 20 and length_s >= 1 else self.letters_per_s
