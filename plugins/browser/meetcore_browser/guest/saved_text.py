"""The text of a saved file, in whatever encoding it was written."""

from __future__ import annotations

import codecs
import re

__all__ = ["text_of"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"(?:charset\s*=\s*|encoding\s*=\s*|@charset\s+)[\"']?\s*([\w.:-]+)", re.I)
_LOOKED_AT = 4096
# Who says Latin-1 means Windows' superset of it (WHATWG Encoding Standard, section 4.2).
_MEANT = {"iso-8859-1": "windows-1252", "latin-1": "windows-1252", "ascii": "windows-1252"}


def text_of(data: bytes, declared: str | None = None) -> str:
    """Return the text of HTML or CSS.

    A byte order mark decides; then UTF-8, if that is what it can be; then what whoever sent it
    says, then what it says itself; Windows' Latin for the rest. What cannot be decoded is replaced.

    Args:
        data: The file, or a part of one.
        declared: The encoding that is named outside of it, None for none.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    head = data[:200]
    zeros = head.count(b"\0")
    if zeros * 3 > len(head):  # UTF-16 without a mark: every other byte of markup is none
        little = head[1::2].count(b"\0") >= head[::2].count(b"\0")
        return data.decode("utf-16-le" if little else "utf-16-be", "replace")
    said = declared or _said_in(data)
    known = _known(said)
    seven_bits = known.startswith(("iso2022", "utf-7", "hz"))
    if not seven_bits:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return data.decode("utf-8" if known.startswith("utf-") else known, "replace")


def _said_in(data: bytes) -> str | None:
    found = _DECLARED.search(data[:_LOOKED_AT])
    return found[1].decode("ascii", "replace") if found else None


def _known(name: str | None) -> str:
    """Return the encoding that a name means, Windows' Latin for none."""
    try:
        known = codecs.lookup(name.strip()).name if name else ""
    except (LookupError, ValueError):
        known = ""
    return _MEANT.get(known, known) or "windows-1252"
