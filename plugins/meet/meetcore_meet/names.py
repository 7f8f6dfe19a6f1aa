"""A person's name, without what the page glues to it. Pure."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["clean_name", "is_presentation", "plain_text"]

_NO_NAME = re.compile(
    r"^(?:google participant \(|spaces/|devices/|let participants"
    r"|you can.t remove this participant)",
    re.IGNORECASE,
)
_SELF = "you|du|ich|sie|tú|usted|vous|você|voi|tu|自分|あなた"
_PRESENTED = "presentation|präsentation|presentación|présentation|apresentação|プレゼンテーション"
_ICONS = (
    "domain_disabled|frame_person|keep_outline|mic_none|mic_off|more_vert|person_add|push_pin"
    "|videocam_off|visual_effects"
)
# Badges stand behind a name, alone or several; where the text of a whole row was read they are
# glued to it. The names of icons are words, too, of which a font makes pictures.
_BADGES = (
    re.compile(rf"\s*[(（](?:{_SELF}|{_PRESENTED})[)）]$", re.IGNORECASE),
    re.compile(r"\s*Meeting host$"),
    re.compile(rf"\s*(?:{_ICONS})$"),
    re.compile(r"(?<=[^\W\d_A-Z])(?:Visitor|External)$"),
)
_PRESENTATION = re.compile(rf"[(（](?:{_PRESENTED})[)）]$", re.IGNORECASE)


_UNSEEN = dict.fromkeys(
    [0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
"""Characters that only stand in the way; joiners stay, which make one picture of several."""


def plain_text(text: str) -> str:
    """Return a text on one line, without characters that cannot be seen."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_UNSEEN).split())


def clean_name(text: str) -> str:
    """Return the name in what the page shows; empty where that is none.

    A person who is called like a badge keeps the name: only what stands behind a name goes.
    """
    name = plain_text(text)
    if _NO_NAME.match(name):
        return ""
    while shorter := next((cut for badge in _BADGES if (cut := badge.sub("", name)) != name), ""):
        name = shorter
    return name


def is_presentation(text: str) -> bool:
    """Whether a name is that of a shared screen, which is no person."""
    return _PRESENTATION.search(plain_text(text)) is not None
