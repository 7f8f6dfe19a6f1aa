"""What of a name in Teams is the person's, and what the client added. Pure."""

from __future__ import annotations

import re

__all__ = ["bare_name"]

_BADGE = re.compile(
    r"\s*[(\uff08](?:unverified|guest|external|you|me|nicht überprüft|gast|extern|sie|ich"
    r"|no verificad[oa]|invitado|invitada|externo|externa|tú|usted|invité|externe"
    r"|未確認|ゲスト|外部|自分|あなた)[)\uff09](?:\s*\(\d+\))?\s*$",
    re.IGNORECASE,
)
_NOBODY = frozenset({"unknown user", "unbekannter benutzer", "unknown"})


def bare_name(name: str) -> str:
    """Return a name without the client's badges; nothing for a placeholder.

    'Ada (Sales)' stays as it is: only what the client writes itself is taken off, with the number
    that it gives to guests of one name.
    """
    text = " ".join(name.split())
    while (short := _BADGE.sub("", text)) != text:
        text = short
    return "" if text.lower() in _NOBODY else text
