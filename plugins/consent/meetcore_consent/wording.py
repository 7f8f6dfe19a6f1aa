"""What a message in the chat says: no, yes, or neither. Pure.

Other bots tell people the same as this one does, and people quote it. So what stands in quotes, and
a notice of this kind, is nobody's answer, unless there is nothing else in the message.
"""

from __future__ import annotations

import re
from functools import lru_cache

from meetcore_consent.options import DEFAULT_MESSAGE, ConsentOptions

__all__ = ["agrees", "refuses"]

_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|»[^«]*«|^\s*>.*$', re.MULTILINE)
_BLANKS = (
    (re.escape("{bot}"), r"[^.!?:\n]{1,100}?"),
    (re.escape("{refuse}"), ".{1,200}?"),
    (re.escape("{agree}"), ".{1,200}?"),
)


def refuses(text: str, options: ConsentOptions) -> bool:
    """Return whether whoever writes a message does not agree."""
    own = _straight(text)
    for message in {options.message, DEFAULT_MESSAGE}:
        own = _notice(message).sub(" ", own)
    own = _QUOTED.sub(" ", own)
    return any(_says(own, phrase) or _is(text, phrase) for phrase in options.refuse)


def agrees(text: str, options: ConsentOptions) -> bool:
    """Return whether a message is a yes, and nothing else."""
    return any(_is(text, phrase) for phrase in options.agree)


@lru_cache(maxsize=64)
def _notice(message: str) -> re.Pattern[str]:
    """Return what finds a notice, whoever's it is and whatever it tells people to write."""
    words = r"\s+".join(re.escape(word) for word in _straight(message).split())
    for blank, filled in _BLANKS:
        words = words.replace(blank, filled)
    return re.compile(words, re.IGNORECASE)


def _says(text: str, phrase: str) -> bool:
    words = r"\W+".join(re.escape(word) for word in _straight(phrase).split())
    return re.search(rf"(?<!\w){words}(?!\w)", _straight(text), re.IGNORECASE) is not None


def _is(text: str, phrase: str) -> bool:
    return _words(text) == _words(phrase)


def _words(text: str) -> list[str]:
    found = re.findall(r"[\w']+", _straight(text).casefold())
    return [bare for word in found if (bare := word.strip("'"))]


def _straight(text: str) -> str:
    return text.replace("’", "'")
