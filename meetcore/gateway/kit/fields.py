"""Reads the fields of a request's body, and words what is wrong as the vendor does. Pure.

The checks are the same for all; a vendor's table of sentences says what a client is told:

    WORDS = FieldWords({"text": "{name} must be a string", "required": "{name} is required"})
    fields = BodyFields.of(request.json(), WORDS)
    name = fields.required("bot_name")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from meetcore.gateway.http import BadBody
from meetcore.gateway.kit.times import parse_utc
from meetcore.model.addresses import PrivateTargets
from meetcore.model.links import read_link
from meetcore.model.printable import is_blank

__all__ = ["BadField", "BodyFields", "FieldProblem", "FieldWords", "is_web_address"]

WEB = ("http", "https")
_WHOLE = re.compile(r"-?\d{1,15}")
_TRUE = (True, 1, "1")
_FALSE = (False, 0, "0")


@frozen
class FieldProblem:
    """What is wrong with one field.

    Attributes:
        path: Where it stands: names, and places in lists.
        kind: What is wrong, by the keys of `FieldWords.sentences`.
        text: The vendor's sentence.
    """

    path: tuple[str | int, ...]
    kind: str
    text: str

    @property
    def dotted(self) -> str:
        """The path as one word: `stop_options.time_limit`."""
        return ".".join(map(str, self.path))


class BadField(BadBody):
    """Fields that cannot be used; its message is the first sentence."""

    code = "bad_field"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__(problems[0].text)
        self.problems = problems


def _never(text: str) -> bool:
    del text
    return False


@frozen(kw_only=True)
class FieldWords:
    """How a vendor reads fields, and what it says of those that are wrong.

    Attributes:
        sentences: For each kind of mistake the vendor's sentence: `body` (it is no object), `body_
            missing`, `required`, `text` (`text_required` where it has to be there), `long`, `zero`
            (a zero character), `choice`, `flag`, `whole`, `range`, `url`, `webhook` (a URL that
            nothing would be posted to), `link`, `time`, `part` (no object), `list`. What may stand
            in it: `{name}`, `{dotted}`, `{label}` (dotted, with blanks), `{least}`, `{most}`,
            `{known}`, `{schemes}`, `{trouble}` (what is wrong, beginning with a verb).
            A body of no object, a length and a zero character pass where there is no sentence for
            them.
        collects: Whether all that is wrong is told at once, by `BodyFields.check`; otherwise
            the first mistake raises.
        loose: Whether 0, 1, "0" and "1" are taken as yes or no, and "7" as a number.
        is_absent: Whether a text is as good as none; null always is.
        longest: How long a text may be where nothing else is said.
    """

    sentences: Mapping[str, str] = field(kw_only=False)
    collects: bool = False
    loose: bool = False
    is_absent: Callable[[str], bool] = _never
    longest: int | None = None


@define
class BodyFields:
    """An object in a body. Fields that nobody asks for are ignored.

    Every method raises `BadField`, or notes what is wrong and returns None (see `FieldWords`).

    Attributes:
        body: The object.
        words: The vendor's.
        problems: What was found wrong so far, where that is collected.
        path: Where the object stands in the body.
    """

    body: Mapping[str, Any]
    words: FieldWords
    problems: list[FieldProblem] = field(factory=list)
    path: tuple[str | int, ...] = ()

    @classmethod
    def of(cls, body: object, words: FieldWords) -> BodyFields:
        """Return the fields of a body; none for a body that is no object, where that passes."""
        if isinstance(body, Mapping):
            return cls(body, words)
        fields = cls({}, words)
        kind = "body_missing" if body is None and "body_missing" in words.sentences else "body"
        if kind in words.sentences:
            fields.wrong_at((), kind)
        return fields

    # --- what is wrong -----------------------------------------------------------------

    def wrong(self, name: str, kind: str, text: str | None = None, **values: Any) -> None:
        """Say that a field is wrong: in the table's words, or with a sentence of one's own."""
        self.wrong_at((*self.path, name), kind, text, **values)

    def wrong_at(
        self, path: Sequence[str | int], kind: str, text: str | None = None, **values: Any
    ) -> None:
        """Say what is wrong at a path from the body's root."""
        dotted = ".".join(map(str, path))
        if text is None:
            label = dotted.replace("_", " ")
            name = path[-1] if path else ""
            sentence = self.words.sentences[kind]
            text = sentence.format(name=name, dotted=dotted, label=label, **values)
        self.problems.append(FieldProblem(tuple(path), kind, text))
        if not self.words.collects:
            self.check()

    def check(self) -> None:
        """Raise what was found wrong, if anything was.

        Raises:
            BadField: Something was.
        """
        if self.problems:
            raise BadField(*self.problems)

    # --- values ------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        """Return a field's value as it was sent, None for one that is not there."""
        return self.body.get(name)

    def _worded(self, name: str, *, required: bool) -> Any:
        """Return what should be a text; None, which may be noted, for one as good as absent."""
        value = self.get(name)
        if isinstance(value, str):
            nothing = is_blank(value) if required else self.words.is_absent(value)
            value = None if nothing else value
        if value is None and required:
            self.wrong(name, "required")
        return value

    def text(self, name: str, *, required: bool = False, longest: int | None = None) -> str | None:
        """Return a text."""
        value = self._worded(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            strict = required and "text_required" in self.words.sentences
            self.wrong(name, "text_required" if strict else "text")
        elif (most := longest or self.words.longest) is not None and len(value) > most:
            self.wrong(name, "long", most=most)
        elif "\x00" in value and "zero" in self.words.sentences:
            self.wrong(name, "zero")
        else:
            return value
        return None

    def required(self, name: str, *, longest: int | None = None) -> str:
        """Return a text that has to be there; an empty one where it is not, and that is noted."""
        return self.text(name, required=True, longest=longest) or ""

    def choice(self, name: str, known: Collection[str], *, required: bool = False) -> str | None:
        """Return one of the words a field takes."""
        value = self._worded(name, required=required)
        if value is None or (isinstance(value, str) and value in known):
            return value
        self.wrong(name, "choice", known=", ".join(known))
        return None

    def flag(self, name: str) -> bool | None:
        """Return a yes or no."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        if self.words.loose and isinstance(value, (int, str)) and value in (*_TRUE, *_FALSE):
            return value in _TRUE
        self.wrong(name, "flag")
        return None

    def whole(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number within bounds; 7.0 is one."""
        value = self.get(name)
        if value is None:
            return None
        if self.words.loose and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, "whole", least=least, most=most)
        elif not least <= value <= most:
            self.wrong(name, "range", least=least, most=most)
        else:
            return value
        return None

    def url(
        self,
        name: str,
        schemes: Sequence[str] = WEB,
        *,
        longest: int | None = None,
        ascii_only: bool = False,
    ) -> str | None:
        """Return a URL of one of the schemes."""
        value = self.text(name, longest=longest)
        if value is None or is_web_address(value, schemes, ascii_only=ascii_only):
            return value
        self.wrong(name, "url", schemes=" or ".join(schemes))
        return None

    def webhook(
        self,
        name: str,
        private: PrivateTargets,
        *,
        longest: int | None = None,
        ascii_only: bool = False,
    ) -> str | None:
        """Return a URL to which something can be posted as far as can be read from it.

        Args:
            name: The field.
            private: What may be posted to that is not public; see `Service.private_targets`.
            longest: As in `text`.
            ascii_only: As in `url`.
        """
        value = self.url(name, longest=longest, ascii_only=ascii_only)
        trouble = private.webhook_trouble(value) if value else None
        if trouble is not None:
            self.wrong(name, "webhook", trouble=trouble)
            return None
        return value

    def link(self, name: str, *, longest: int | None = None) -> str:
        """Return a meeting's link: a URL, or what people send in place of one."""
        value = self.required(name, longest=longest)
        if value and read_link(value) is None and not is_web_address(value):
            self.wrong(name, "link")
            return ""
        return value

    def time(self, name: str, *, longest: int | None = None) -> datetime | None:
        """Return a time in ISO 8601; one without a zone is in UTC."""
        value = self.text(name, longest=longest)
        if value is None:
            return None
        try:
            return parse_utc(value)
        except ValueError:
            self.wrong(name, "time")
            return None

    def part(self, name: str) -> BodyFields:
        """Return an object within this one; an empty one where it is not there."""
        value = self.get(name)
        if value is not None and not isinstance(value, Mapping):
            self.wrong(name, "part")
            value = None
        return BodyFields(value or {}, self.words, self.problems, (*self.path, name))

    def list(self, name: str) -> list[Any]:
        """Return a list; an empty one where it is not there."""
        value = self.get(name)
        if value is None or isinstance(value, list):
            return value or []
        self.wrong(name, "list")
        return []


def is_web_address(text: str, schemes: Sequence[str] = WEB, *, ascii_only: bool = False) -> bool:
    """Whether a text is a URL with a host and one of the schemes."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    bare = not any(character.isspace() or ord(character) < 32 for character in text)
    ours = bare and parts.scheme in schemes and bool(parts.hostname)
    return ours and (text.isascii() or not ascii_only)
