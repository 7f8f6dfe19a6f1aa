"""Names as Zoom's page shows them, and what it glues to them. Pure."""

from __future__ import annotations

import re

__all__ = ["clean_name"]

# What the client itself writes behind a name, alone or several with commas, in the languages whose
# wording is known. Anything else in brackets is the person's own: 'Ada (Sales)'.
_OWN_WORDS = frozenset(
    (
        *("host", "co-host", "cohost", "me", "guest", "unverified"),
        *("ich", "mich", "gast", "mitveranstalter"),
        *("anfitrión", "coanfitrión", "yo", "invitado"),
        *("ホスト", "共同ホスト", "自分", "ゲスト"),
    )
)
_OPEN, _CLOSE, _COMMAS = "(\uff08", ")\uff09", ",\u3001\uff0c"
_LAST_BRACKET = re.compile(rf"\s*[{_OPEN}]([^{_OPEN}{_CLOSE}]*)[{_CLOSE}]\s*$")


def clean_name(name: str) -> str:
    """Return a person's name without what the page adds: 'Ada (Host, me)' is Ada."""
    text = " ".join(name.split())
    while (found := _LAST_BRACKET.search(text)) and found.start() > 0:
        words = {word.strip().lower() for word in re.split(f"[{_COMMAS}]", found[1])}
        if not words <= _OWN_WORDS:
            break
        text = text[: found.start()]
    return text
