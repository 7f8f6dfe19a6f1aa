"""Reads fields of a request's body and words what is wrong with them as Skribby does. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field

from meetcore.model.links import read_link
from meetcore.model.plain import parse_time
from meetcore.model.printable import is_blank

__all__ = ["Form"]

_WHOLE = re.compile(r"-?\d{1,15}")
_TRUE = (True, 1, "1")
_FALSE = (False, 0, "0")
_LONGEST_URL = 2048


@define
class Form:
    """A body, and what was found wrong with it so far. A field that is null is not there.

    Attributes:
        body: What was sent.
        errors: For each field what is wrong, in sentences.
        within: Name of the object this is a part of, as it stands in field names.
    """

    body: Mapping[str, Any]
    errors: dict[str, list[str]] = field(factory=dict)
    within: str = ""

    def wrong(self, name: str, what: str) -> None:
        """Note that a field is wrong: `what` goes on from 'The … field'."""
        key = f"{self.within}.{name}" if self.within else name
        self.errors.setdefault(key, []).append(f"The {key.replace('_', ' ')} field {what}.")

    def selected_wrong(self, name: str, remedy: str = "") -> None:
        """Note that a choice is none of those there are."""
        sentence = f"The selected {name.replace('_', ' ')} is invalid. {remedy}".strip()
        self.errors.setdefault(name, []).append(sentence)

    def _get(self, name: str, *, required: bool = False) -> Any:
        value = self.body.get(name)
        if required and (value is None or (isinstance(value, str) and is_blank(value))):
            self.wrong(name, "is required")
            return None
        return value

    def text(self, name: str, *, required: bool = False, longest: int = 10_000) -> str | None:
        """Return a text."""
        value = self._get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "must be a string")
        elif len(value) > longest:
            self.wrong(name, f"must not be greater than {longest} characters")
        elif "\x00" in value:
            self.wrong(name, "format is invalid")
        else:
            return value
        return None

    def choice(self, name: str, known: Collection[str], *, required: bool = False) -> str | None:
        """Return one of the words a field takes."""
        value = self._get(name, required=required)
        if value is None:
            return None
        if isinstance(value, str) and value in known:
            return value
        self.selected_wrong(name)
        return None

    def url(self, name: str, *, required: bool = False) -> str | None:
        """Return an http or https URL."""
        value = self.text(name, required=required, longest=_LONGEST_URL)
        if value is None:
            return None
        if _is_web_address(value):
            return value
        self.wrong(name, "must be a valid URL")
        return None

    def link(self, name: str) -> str | None:
        """Return a meeting's link: a URL, or what people send in place of one."""
        value = self.text(name, required=True, longest=_LONGEST_URL)
        if value is None or read_link(value) is not None:
            return value
        return self.url(name, required=True)

    def flag(self, name: str) -> bool | None:
        """Return a yes or no."""
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, (bool, int, str)) and (value in _TRUE or value in _FALSE):
            return value in _TRUE
        self.wrong(name, "must be true or false")
        return None

    def whole(self, name: str, lowest: int, highest: int) -> int | None:
        """Return a whole number within bounds; one written as a string is taken, too."""
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, "must be an integer")
        elif not lowest <= value <= highest:
            self.wrong(name, f"must be between {lowest} and {highest}")
        else:
            return value
        return None

    def time(self, name: str) -> datetime | None:
        """Return a time in ISO 8601; one without a zone is in UTC."""
        value = self.text(name, longest=64)
        if value is None:
            return None
        try:
            at = parse_time(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.wrong(name, "must be a valid date")
            return None

    def part(self, name: str) -> Form | None:
        """Return an object within the body as a form of its own."""
        value = self._get(name)
        if value is None or value == []:
            return None
        if isinstance(value, Mapping):
            return Form(value, self.errors, f"{self.within}.{name}" if self.within else name)
        self.wrong(name, "must be an array")
        return None

    def texts(self, name: str, *, most: int, longest: int) -> dict[str, str]:
        """Return an object of texts."""
        part = self.part(name)
        if part is None:
            return {}
        if len(part.body) > most:
            self.wrong(name, f"must not have more than {most} items")
            return {}
        if any("\x00" in key for key in part.body):
            self.wrong(name, "format is invalid")
            return {}
        values = {key: part.text(key, longest=longest) for key in part.body}
        return {key: value for key, value in values.items() if value is not None}

    def list_of_texts(self, name: str, *, longest: int) -> list[str]:
        """Return a list of texts."""
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(name, "must be an array")
            return []
        for index, item in enumerate(value):
            if not isinstance(item, str):
                self.wrong(f"{name}.{index}", "must be a string")
            elif len(item) > longest:
                self.wrong(f"{name}.{index}", f"must not be greater than {longest} characters")
        return [item for item in value if isinstance(item, str)]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    bare = not any(character.isspace() or ord(character) < 32 for character in text)
    return bare and parts.scheme in ("http", "https") and bool(parts.hostname)
