"""What a person sees of a bot's page, and does there with mouse and keyboard.

Places are shares of the picture's width and height, so that whoever looks needs to know nothing of
the page's own measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar

from attrs import asdict, field, fields, frozen

from meetcore.model.errors import CommandRefused

__all__ = [
    "KeyInput",
    "MouseAction",
    "MouseButton",
    "MouseInput",
    "PageInput",
    "PagePicture",
    "PictureFormat",
    "TextInput",
    "page_input_from_wire",
    "page_input_to_wire",
]

_LONGEST_KEY = 32
_LONGEST_TEXT = 2000
_FARTHEST_WHEEL = 10_000.0


class PictureFormat(StrEnum):
    """How a screenshot is encoded."""

    JPEG = "jpeg"
    PNG = "png"

    @property
    def media_type(self) -> str:
        """The media type of such a picture."""
        return f"image/{self.value}"


@frozen(kw_only=True)
class PagePicture:
    """A picture of a bot's page. It shows everybody, whoever is left out of the recording.

    Attributes:
        image: The bytes of the file.
        media_type: `image/jpeg` or `image/png`.
        width: In pixels.
        height: In pixels.
    """

    image: bytes = field(repr=lambda image: f"<{len(image)} bytes>")
    media_type: str
    width: int
    height: int


class MouseAction(StrEnum):
    """What a mouse does."""

    MOVE = "move"
    DOWN = "down"
    UP = "up"
    WHEEL = "wheel"


class MouseButton(StrEnum):
    """Which button of a mouse."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


@frozen
class PageInput:
    """Root of what a person does in a page. `kind` is the name on the wire."""

    kind: ClassVar[str]


@frozen(kw_only=True)
class MouseInput(PageInput):
    """The mouse, moved to a place and used there.

    Attributes:
        action: What it does.
        x: How far from the left edge, 0 to 1.
        y: How far from the upper edge, 0 to 1.
        button: Which button, for `down` and `up`.
        wheel_x: How far the wheel turns to the right, in the page's pixels.
        wheel_y: How far down.
    """

    kind: ClassVar[str] = "mouse"
    action: MouseAction = field(converter=MouseAction)
    x: float
    y: float
    button: MouseButton = field(default=MouseButton.LEFT, converter=MouseButton)
    wheel_x: float = 0.0
    wheel_y: float = 0.0

    def __attrs_post_init__(self) -> None:
        """Check where it is.

        Raises:
            CommandRefused: Nowhere in the picture.
        """
        if not (0 <= self.x <= 1 and 0 <= self.y <= 1):
            raise CommandRefused(
                f"The place {self.x:g}, {self.y:g} is not in the picture.",
                "x and y are shares of its width and height, 0 to 1.",
            )
        if not all(abs(far) <= _FARTHEST_WHEEL for far in (self.wheel_x, self.wheel_y)):
            raise CommandRefused(f"A wheel turns {_FARTHEST_WHEEL:g} pixels at most.")


@frozen(kw_only=True)
class KeyInput(PageInput):
    """A key, pressed or let go.

    Attributes:
        down: Whether it is pressed.
        key: Its name as browsers have it in `KeyboardEvent.key`: `a`, `Enter`, `Shift`.
    """

    kind: ClassVar[str] = "key"
    down: bool
    key: str = field(repr=False)

    def __attrs_post_init__(self) -> None:
        """Check that it can be the name of a key.

        Raises:
            CommandRefused: It cannot.
        """
        if not 0 < len(self.key) <= _LONGEST_KEY:
            raise CommandRefused("A key has a name, for instance 'a' or 'Enter'.")


@frozen(kw_only=True)
class TextInput(PageInput):
    """Text, put in at once where the page has its cursor.

    Attributes:
        text: The text.
    """

    kind: ClassVar[str] = "text"
    text: str = field(repr=lambda text: f"<{len(text)} characters>")

    def __attrs_post_init__(self) -> None:
        """Check how long it is.

        Raises:
            CommandRefused: Empty, or too long.
        """
        if not 0 < len(self.text) <= _LONGEST_TEXT:
            raise CommandRefused(f"A text to put in has 1 to {_LONGEST_TEXT} characters.")


_KINDS: dict[str, type[PageInput]] = {cls.kind: cls for cls in (MouseInput, KeyInput, TextInput)}
_WORDS = {"bool": "true or false", "float": "a number", "str": "text"}


def page_input_to_wire(what: PageInput) -> dict[str, Any]:
    """Return what a person does as the mapping that becomes its JSON."""
    return {"kind": what.kind, **asdict(what)}


def page_input_from_wire(message: object) -> PageInput:
    """Return what a decoded JSON message says that a person does.

    Raises:
        CommandRefused: It has no known kind, or not that kind's fields.
    """
    kind = message.get("kind") if isinstance(message, Mapping) else None
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None or not isinstance(message, Mapping):
        raise CommandRefused(
            "What is done in a page is a JSON object with a 'kind'.",
            f"Known kinds: {', '.join(_KINDS)}.",
        )
    data = {str(name): value for name, value in message.items() if name != "kind"}
    known = {each.name: str(each.type) for each in fields(cls)}
    for name, value in data.items():
        if name not in known:
            raise CommandRefused(
                f"The input {kind!r} has no field {name[:40]!r}.", f"Known: {', '.join(known)}."
            )
        if not _fits(value, known[name]):
            wanted = _WORDS.get(known[name], "text")
            raise CommandRefused(f"The field {name!r} of the input {kind!r} must be {wanted}.")
    try:
        return cls(**data)
    except (TypeError, ValueError) as error:
        raise CommandRefused(f"This is no input of the kind {kind!r}: {error}.") from error


def _fits(value: object, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "float":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and isfinite(value)  # type: ignore[arg-type]
    return isinstance(value, str)
