"""Whisper's codes of languages, and the tags that they stand for."""

from __future__ import annotations

__all__ = ["LANGUAGES", "whisper_code"]

_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he "
    "hi hr ht hu hy id is it ja ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl "
    "nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur "
    "uz vi yi yo zh"
)
_AS_CODES = {"jv": "jw", "nb": "no", "fil": "tl"}

LANGUAGES = tuple(sorted({*_CODES.split(), *_AS_CODES}))
"""BCP-47 tags of what base and larger models speak. Cantonese is large-v3's alone."""


def whisper_code(tag: str | None) -> str | None:
    """Return Whisper's code of a language, None where none was asked for.

    Args:
        tag: A BCP-47 tag; a region or a script says nothing to Whisper.
    """
    if tag is None:
        return None
    primary = tag.partition("-")[0].lower()
    return _AS_CODES.get(primary, primary)
