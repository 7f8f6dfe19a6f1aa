"""Secrets that do not print, and the redactor that keeps them out of everything written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

import attrs

__all__ = ["Redactor", "Secret", "secrets_in"]

REDACTED = "[redacted]"
_URL_QUERY = re.compile(r"((?:https?|wss?)://[^\s\"'<>?#]+)[?#][^\s\"'<>]*")
_URL_USER = re.compile(r"((?:https?|wss?)://)[^\s\"'<>/@]+@")


class Secret:
    """A value that has to be asked for: `repr`, `str` and format show nothing of it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; the only way to it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Redactor:
    """Takes known secrets, and everything behind a URL's `?` or `#`, out of text.

    A secret shorter than four characters is only taken out where it stands as a word of its own:
    anything else would riddle ordinary text with holes.
    """

    def __init__(self, secrets: Iterable[str | Secret | None] = ()) -> None:
        self._patterns: dict[str, re.Pattern[str]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | Secret | None) -> None:
        """Learn one more secret, in its plain and its URL-encoded spellings."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if not value:
            return
        for spelling in {value, quote(value, safe=""), quote_plus(value)}:
            escaped = re.escape(spelling)
            if len(spelling) < 4:
                escaped = rf"(?<!\w){escaped}(?!\w)"
            self._patterns[spelling] = re.compile(escaped)

    def redact(self, text: str) -> str:
        """Return `text` with every known secret and every URL query replaced."""
        if "://" in text:
            text = _URL_USER.sub(r"\1", text)
            text = _URL_QUERY.sub(rf"\1?{REDACTED}", text)
        for spelling, pattern in self._patterns.items():
            if len(spelling) < 4 or spelling in text:
                text = pattern.sub(REDACTED, text)
        return text


def secrets_in(value: object) -> list[Secret]:
    """Return every secret within options: attrs classes, tables, lists."""
    if isinstance(value, Secret):
        return [value]
    if attrs.has(type(value)):
        names = [a.name for a in attrs.fields(type(value))]  # type: ignore[arg-type]
        return [s for name in names for s in secrets_in(getattr(value, name))]
    if isinstance(value, Mapping):
        return [s for item in value.values() for s in secrets_in(item)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [s for item in value for s in secrets_in(item)]
    return []
