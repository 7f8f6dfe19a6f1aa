"""Text to speech.

Called on the Trio thread, in a task of the bot's speech: what a synthesizer does wrong, or not in
time, ends the speech in hand and nothing else.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

from attrs import field, frozen

from meetcore.model.secrets import Redactor
from meetcore.plugin.options import Configured, OptionsT

__all__ = ["LONGEST_SENTENCE_CHARS", "SynthesisRequest", "Synthesizer", "spoken_sentences"]

LONGEST_SENTENCE_CHARS = 400
"""What `spoken_sentences` gives at most at a time."""


@frozen(kw_only=True)
class SynthesisRequest:
    """One text to be said.

    Attributes:
        bot_id: The bot's id.
        text: What is to be said.
        language: BCP-47 tag wished for, None for the synthesizer's own choice.
        redactor: Takes secrets out of anything written.
    """

    bot_id: str
    text: str
    language: str | None = None
    redactor: Redactor = field(factory=Redactor)


class Synthesizer(Configured[OptionsT], ABC):
    """Turns text into speech.

    Attributes:
        name: Its name, as in configuration.
        sample_rate_hz: The rate of what it gives, in Hz.
    """

    name: ClassVar[str]
    sample_rate_hz: int = 16_000

    @abstractmethod
    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes | str]:
        """Yield the speech piece by piece, as soon as there is something: int16 mono PCM.

        Text that is yielded is what the sound after it says, up to the next text: a word or a
        sentence at a time, so that it is known what was said when the speech is interrupted.

        Best an async generator: what it holds open is closed when the speech is interrupted. A
        piece that does not come within 15 s ends the speech.

        Raises:
            MeetcoreError: It cannot; the words are told to whoever asked.
        """

    async def aclose(self) -> None:
        """Let go of what is held from one text to the next, a process for instance.

        Called when the bot's call is over; it has 5 s. A text that is asked for afterwards is
        spoken all the same. By default nothing is held.
        """


def spoken_sentences(text: str) -> Iterator[str]:
    """Yield a text in pieces that are spoken one after the other, none longer than 400 characters.

    For synthesizers that speak a sentence at a time. Each piece is one line without control
    characters. Signs that a program would spell out or stumble over are left out; what is not to be
    pronounced at all gives no piece.
    """
    plain = re.sub(r"[\x00-\x1f\x7f*_#`~|<>\\]+", " ", text)
    for part in re.split(r"(?<=[.!?…:;])\s+", " ".join(plain.split())):
        rest = part
        while len(rest) > LONGEST_SENTENCE_CHARS:
            cut = rest.rfind(" ", 0, LONGEST_SENTENCE_CHARS)
            cut = cut if cut > 0 else LONGEST_SENTENCE_CHARS
            yield rest[:cut]
            rest = rest[cut:].lstrip()
        if re.search(r"\w", rest):
            yield rest
