"""Selector packs: what a joiner looks for on a page, as data.

A control has several selectors, from the most exact to a structural last resort. They are asked in
that order, again and again, and never raced: a broad selector that answers first once clicked a
menu instead of 'Join'. A hit tells its rank, so that a platform's slow drift is seen before the
last selector of a control stops matching.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from attrs import field, frozen

from meetcore_browser.errors import SelectorPackInvalid

if TYPE_CHECKING:
    from playwright.async_api import Frame, FrameLocator, Locator, Page

__all__ = ["Control", "Hit", "Selector", "SelectorPack"]

Kind = Literal["css", "text", "role"]
Presence = Literal["visible", "attached"]


@frozen
class Selector:
    """One way to find a control.

    Attributes:
        kind: `css` for plain CSS, `text` for an element's whole text, `role` for an ARIA role.
        value: The CSS, the text, or the role.
        name: The accessible name that goes with a role, exact.
    """

    kind: Kind
    value: str
    name: str | None = None

    def locate(self, page: Page | Frame | FrameLocator) -> Locator:
        """Return Playwright's locator; to be called on the browser thread."""
        if self.kind == "css":
            return page.locator(f"css={self.value}")
        if self.kind == "text":
            return page.get_by_text(_either_apostrophe(self.value))
        name = None if self.name is None else _either_apostrophe(self.name)
        return page.get_by_role(cast("Any", self.value), name=name)

    def __str__(self) -> str:
        named = f" {self.name!r}" if self.name is not None else ""
        return f"{self.kind}={self.value}{named}"


def _either_apostrophe(text: str) -> re.Pattern[str]:
    """Match a text exactly, but for white space around it and the two kinds of apostrophe."""
    exact = re.escape(text).replace("’", "'").replace("'", "['’]")
    return re.compile(rf"^\s*{exact}\s*$")


@frozen
class Control:
    """A thing on a page, and the selectors for it, the best first.

    Attributes:
        name: What it is.
        selectors: The ways to find it. Open shadow roots are looked into.
        presence: Whether it has to be visible, or only there.
        frame: CSS of the iframe it stands in, of whatever origin; None for the page itself and
            its frames of the same origin.
    """

    name: str
    selectors: tuple[Selector, ...]
    presence: Presence = "visible"
    frame: str | None = None

    @property
    def tried(self) -> tuple[str, ...]:
        """The selectors in words."""
        within = f" in {self.frame}" if self.frame else ""
        return tuple(f"{selector}{within}" for selector in self.selectors)


@frozen
class Hit:
    """A control that was found.

    Attributes:
        control: Which.
        selector: The selector that matched.
        rank: Its place in the pack, 0 for the best.
        locator: Playwright's locator of the first match.
    """

    control: Control
    selector: Selector
    rank: int
    locator: Locator = field(repr=False)

    def describe(self) -> str:
        """Say in words what matched: for evidence and for the record of a step."""
        return f"{self.control.name} by {self.selector} (rank {self.rank})"


@frozen
class SelectorPack:
    """The controls of one platform."""

    controls: dict[str, Control]

    def __getitem__(self, name: str) -> Control:
        return self.controls[name]

    @classmethod
    def load(cls, path: Path) -> SelectorPack:
        """Read a pack from a TOML file.

        Raises:
            SelectorPackInvalid: It does not follow the format; says where.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SelectorPackInvalid(
                f"The selector pack {path} cannot be read: {error}."
            ) from error
        return cls.parse(raw, str(path))

    @classmethod
    def parse(cls, raw: dict[str, Any], where: str = "the selector pack") -> SelectorPack:
        """Build a pack from plain data.

        Raises:
            SelectorPackInvalid: It does not follow the format; says where.
        """
        return cls({name: _control(name, body, where) for name, body in raw.items()})


def _control(name: str, body: Any, where: str) -> Control:
    place = f"[{name}] of {where}"
    if not isinstance(body, dict) or set(body) - {"selectors", "state", "frame"}:
        raise SelectorPackInvalid(
            f"{place} may have `selectors`, `state` and `frame`, not {body!r}."
        )
    frame = body.get("frame")
    if frame is not None and (not isinstance(frame, str) or not frame.strip()):
        raise SelectorPackInvalid(f"`frame` in {place} is {frame!r}.", "Write CSS of the iframe.")
    state = body.get("state", "visible")
    if state not in get_args(Presence):
        raise SelectorPackInvalid(f"`state` in {place} is {state!r}.", "Use visible or attached.")
    selectors = body.get("selectors")
    if not isinstance(selectors, list) or not selectors:
        raise SelectorPackInvalid(f"{place} has no selectors.")
    return Control(name, tuple(_selector(entry, place) for entry in selectors), state, frame)


def _selector(entry: Any, place: str) -> Selector:
    if not isinstance(entry, dict) or set(entry) - {"kind", "value", "name"}:
        raise SelectorPackInvalid(f"A selector in {place} has kind, value and name, not {entry!r}.")
    kind, value, name = entry.get("kind"), entry.get("value"), entry.get("name")
    if kind not in get_args(Kind):
        raise SelectorPackInvalid(f"{place}: {kind!r} is no kind.", "Use css, text or role.")
    if not isinstance(value, str) or not value.strip():
        raise SelectorPackInvalid(f"{place}: a {kind} selector without a value.")
    if name is not None and (kind != "role" or not isinstance(name, str)):
        raise SelectorPackInvalid(f"{place}: `name` is text and goes with kind = 'role'.")
    if kind == "css" and (found := re.search(r"\btext\s*=|\bxpath\s*=|>>|:has-text", value)):
        raise SelectorPackInvalid(
            f"{place}: {value!r} is not plain CSS ({found.group()!r}).",
            "Write text as kind = 'text', so that the same pack works inside the page.",
        )
    return Selector(cast("Kind", kind), value, name)
