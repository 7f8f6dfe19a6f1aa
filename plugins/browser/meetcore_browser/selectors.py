"""Selector packs: what a joiner looks for on a page, as data.

A control has several selectors, from the most exact to a structural last resort. They are asked in
that order, again and again, and never raced: a broad selector that answers first once clicked a
menu instead of 'Join'. A hit tells its rank, so that a platform's slow drift is seen before the
last selector of a control stops matching.

A file has either nothing but controls, or `[pack]` with the platform and the version, its
`[controls.…]`, and what is to be concluded from them: `[[states]]`, `[[dialogs]]`, `[never_click]`.
The latter is the form that a newer file can replace without a release.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from attrs import field, frozen

from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.page_state import PageState

if TYPE_CHECKING:
    from playwright.async_api import Frame, FrameLocator, Locator, Page

__all__ = [
    "Control",
    "DialogRule",
    "Hit",
    "NeverClick",
    "PackAbout",
    "Selector",
    "SelectorPack",
    "StateRule",
]

Kind = Literal["css", "text", "words", "role"]
Presence = Literal["visible", "attached"]
Leave = Literal["asked", "given", "refused"]
FORMAT = 1


@frozen
class Selector:
    """One way to find a control.

    Attributes:
        kind: `css` for plain CSS, `text` for an element's whole text, `words` for a part of it
            whatever the case, `role` for an ARIA role.
        value: The CSS, the text, or the role.
        name: The accessible name that goes with a role, exact.
        within: CSS of something it has to stand in.
        outside: CSS of what it must not stand in.
        without: A text that must be no part of it, whatever the case: the name of an icon, say.
        only: Whether it counts only where nothing else matches it: what is found by its place alone
            must not be one of several. What is never clicked is left aside.
        min_size: Least width and height in CSS pixels; for what is always there and only counts
            once a person can see it.
        locale: BCP-47 tag of the language it holds for, None for every language.
        frame: CSS of the iframe it stands in, of whatever origin; None for the page and its
            frames of the same origin.
        since: When it was seen, as `2026-07`.
        source: Where it is known from.
        proves: What it proves, or does not.
    """

    kind: Kind
    value: str
    name: str | None = None
    within: str | None = None
    outside: str | None = None
    without: str | None = None
    only: bool = False
    min_size: tuple[int, int] | None = None
    locale: str | None = None
    frame: str | None = None
    since: str = ""
    source: str = ""
    proves: str = ""

    def locate(self, page: Page | Frame | FrameLocator) -> Locator:
        """Return Playwright's locator; to be called on the browser thread."""
        found = self._locate(page)
        if self.within is not None:
            found = found.and_(page.locator(f"css=:is({self.within}) *"))
        if self.outside is not None:
            out = self.outside
            found = found.and_(page.locator(f"css=:not(:is({out}), :is({out}) *)"))
        if self.without is not None:
            found = found.filter(has_not_text=_either_apostrophe(self.without, whole=False))
        return found

    def _locate(self, page: Page | Frame | FrameLocator) -> Locator:
        if self.kind == "css":
            return page.locator(f"css={self.value}")
        if self.kind == "text":
            return page.get_by_text(_either_apostrophe(self.value))
        if self.kind == "words":
            return page.get_by_text(_either_apostrophe(self.value, whole=False))
        name = None if self.name is None else _either_apostrophe(self.name)
        return page.get_by_role(cast("Any", self.value), name=name)

    def __str__(self) -> str:
        named = f" {self.name!r}" if self.name is not None else ""
        return f"{self.kind}={self.value}{named}"


def _either_apostrophe(text: str, *, whole: bool = True) -> re.Pattern[str]:
    """Match a text, or a part of one, but for white space and the two kinds of apostrophe."""
    exact = re.escape(text).replace("’", "'").replace("'", "['’]")
    return re.compile(rf"^\s*{exact}\s*$") if whole else re.compile(exact, re.IGNORECASE)


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
class PackAbout:
    """Whose pack it is, and how new.

    Attributes:
        platform: The platform it is for.
        version: Its date, as `2026-11-28`; the later one is the newer.
        locales: The languages it holds for beside English, as BCP-47 tags.
        never_read: CSS of what no words are read in: chat, captions, names of people. Anybody
            may write 'You have been removed' there.
    """

    platform: str
    version: str
    locales: tuple[str, ...] = ()
    never_read: str | None = None


@frozen
class StateRule:
    """When a page shows a state. The first rule of a pack that holds, counts.

    Attributes:
        state: The state.
        any_of: Names of controls of which some have to be there.
        needs: How many of `any_of`.
        none_of: Names of controls of which none may be there.
        url: A regular expression for the page's address without its query, None for any.
        title: Part of the page's title, None for any.
        about: What has to be known about it; goes into the evidence.
    """

    state: PageState
    any_of: tuple[str, ...] = ()
    needs: int = 1
    none_of: tuple[str, ...] = ()
    url: str | None = None
    title: str | None = None
    about: str = ""


@frozen
class DialogRule:
    """What is done about something that may stand in the way at any time.

    Attributes:
        seen: Name of the control by which it is recognised.
        click: Name of the control that ends it; None where it is only told.
        notice: What it says, if people should know that the bot saw it: `recording`,
            `transcription`, `ai_notes`, `consent`, `still_there`, `other`.
        states: The states in which it is looked for; empty for all.
        at_most: How often it is clicked, or told, while it is there; one that was gone for a
            minute and comes back is another.
        leave: What it says of the host's leave to record: that it is `asked` for, once the button
            was pressed that asks, `given` or `refused`; None where it says nothing of that. Where
            there is no such button, a later rule for the same dialog is followed.
    """

    seen: str
    click: str | None = None
    notice: str | None = None
    states: frozenset[PageState] = frozenset()
    at_most: int = 5
    leave: Leave | None = None


@frozen
class NeverClick:
    """What is never clicked, whatever a selector says.

    Attributes:
        texts: Whole texts or accessible names, in any case.
        selectors: CSS; what stands in such an element is not clicked either.
    """

    texts: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()


@frozen
class SelectorPack:
    """The controls of one platform, and what is concluded from them.

    Attributes:
        controls: By name.
        about: Whose it is; None for a file of nothing but controls.
        states: In the order in which they are asked for.
        dialogs: In the order in which they are looked for.
        never_click: What is never clicked.
    """

    controls: dict[str, Control]
    about: PackAbout | None = None
    states: tuple[StateRule, ...] = ()
    dialogs: tuple[DialogRule, ...] = ()
    never_click: NeverClick = NeverClick()

    def __getitem__(self, name: str) -> Control:
        if name not in self.controls:
            guess = get_close_matches(name, self.controls, 1)
            meant = f"Did you mean {guess[0]!r}?" if guess else ""
            raise SelectorPackInvalid(f"The pack has no control {name!r}.", meant)
        return self.controls[name]

    def selectors(self) -> Iterator[tuple[Control, int, Selector]]:
        """Yield every selector with its control and its rank."""
        for control in self.controls.values():
            for rank, selector in enumerate(control.selectors):
                yield control, rank, selector

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
        if "pack" not in raw:
            return cls({name: _control(name, body, where) for name, body in raw.items()})
        return _whole(raw, where)


def _whole(raw: dict[str, Any], where: str) -> SelectorPack:
    _only(raw, {"pack", "controls", "states", "dialogs", "never_click"}, where)
    about = _about(raw["pack"], f"[pack] of {where}")
    bodies = _table(raw.get("controls", {}), f"[controls] of {where}")
    controls = {name: _control(name, body, where) for name, body in bodies.items()}
    states = [
        _state(entry, controls, f"[[states]] {n} of {where}")
        for n, entry in enumerate(_entries(raw, "states", where), start=1)
    ]
    dialogs = [
        _dialog(entry, controls, f"[[dialogs]] {n} of {where}")
        for n, entry in enumerate(_entries(raw, "dialogs", where), start=1)
    ]
    place = f"[never_click] of {where}"
    never = _table(raw.get("never_click", {}), place)
    _only(never, {"texts", "selectors"}, place)
    return SelectorPack(
        controls,
        about,
        tuple(states),
        tuple(dialogs),
        NeverClick(_texts(never, "texts", place), _texts(never, "selectors", place)),
    )


def _about(body: Any, place: str) -> PackAbout:
    raw = _table(body, place)
    _only(raw, {"format", "platform", "version", "locales", "never_read"}, place)
    if raw.get("format") != FORMAT:
        raise SelectorPackInvalid(
            f"{place} has the format {raw.get('format')!r}; this version of meetcore reads"
            f" {FORMAT}.",
            "Take a pack made for this version, or update meetcore.",
        )
    version = _text(raw, "version", place)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(?:\.\d+)?", version):
        raise SelectorPackInvalid(
            f"`version` in {place} is {version!r}.", "Write its date, as 2026-11-28."
        )
    never_read = _texts(raw, "never_read", place)
    return PackAbout(
        _text(raw, "platform", place),
        version,
        _texts(raw, "locales", place),
        ", ".join(never_read) or None,
    )


def _state(body: Any, controls: Mapping[str, Control], place: str) -> StateRule:
    raw = _table(body, place)
    _only(raw, {"state", "any_of", "needs", "none_of", "url", "title", "about"}, place)
    name = _text(raw, "state", place)
    if name not in set(PageState):
        known = ", ".join(PageState)
        raise SelectorPackInvalid(f"{place}: {name!r} is no state.", f"There are: {known}.")
    any_of, none_of = (
        _names(raw, "any_of", controls, place),
        _names(raw, "none_of", controls, place),
    )
    needs = raw.get("needs", 1)
    if not isinstance(needs, int) or not 1 <= needs <= max(1, len(any_of)):
        raise SelectorPackInvalid(f"{place}: `needs` is {needs!r}, of {len(any_of)} controls.")
    url, title = _maybe_text(raw, "url", place), _maybe_text(raw, "title", place)
    if not any_of and url is None and title is None:
        raise SelectorPackInvalid(f"{place} has neither `any_of`, nor `url`, nor `title`.")
    if url is not None:
        try:
            re.compile(url)
        except re.error as error:
            raise SelectorPackInvalid(f"`url` in {place} is no pattern: {error}.") from error
    about = _maybe_text(raw, "about", place) or ""
    return StateRule(PageState(name), any_of, needs, none_of, url, title, about)


def _dialog(body: Any, controls: Mapping[str, Control], place: str) -> DialogRule:
    raw = _table(body, place)
    _only(raw, {"seen", "click", "notice", "states", "at_most", "leave"}, place)
    click = _maybe_text(raw, "click", place)
    seen = _text(raw, "seen", place)
    for name in (seen, click):
        if name is not None and name not in controls:
            raise SelectorPackInvalid(f"{place}: there is no control {name!r}.")
    states = _texts(raw, "states", place)
    for state in states:
        if state not in set(PageState):
            raise SelectorPackInvalid(f"{place}: {state!r} is no state.")
    at_most = raw.get("at_most", 5)
    if not isinstance(at_most, int) or at_most < 1:
        raise SelectorPackInvalid(f"{place}: `at_most` is {at_most!r}.")
    notice, leave = _maybe_text(raw, "notice", place), _maybe_text(raw, "leave", place)
    if leave is not None and leave not in get_args(Leave):
        raise SelectorPackInvalid(f"{place}: `leave` is {leave!r}.", "Use asked, given or refused.")
    return DialogRule(
        seen, click, notice, frozenset(map(PageState, states)), at_most, cast("Leave | None", leave)
    )


_CONTROL_KEYS = {"selectors", "state", "frame"}
_SELECTOR_KEYS = {
    "kind", "value", "name", "within", "outside", "without", "only", "min_size", "locale",
    "frame", "since", "source", "proves",
}  # fmt: skip


def _control(name: str, body: Any, where: str) -> Control:
    place = f"[{name}] of {where}"
    if not isinstance(body, dict) or set(body) - _CONTROL_KEYS:
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
    if not isinstance(entry, dict) or set(entry) - _SELECTOR_KEYS:
        raise SelectorPackInvalid(
            f"A selector in {place} has kind, value and name, and may have"
            f" {', '.join(sorted(_SELECTOR_KEYS - {'kind', 'value', 'name'}))}, not {entry!r}."
        )
    kind, value, name = entry.get("kind"), entry.get("value"), entry.get("name")
    if kind not in get_args(Kind):
        raise SelectorPackInvalid(f"{place}: {kind!r} is no kind.", "Use css, text, words or role.")
    if not isinstance(value, str) or not value.strip():
        raise SelectorPackInvalid(f"{place}: a {kind} selector without a value.")
    if name is not None and (kind != "role" or not isinstance(name, str)):
        raise SelectorPackInvalid(f"{place}: `name` is text and goes with kind = 'role'.")
    if kind == "role" and not re.fullmatch("[a-z]+", value):
        raise SelectorPackInvalid(f"{place}: {value!r} is no ARIA role.")
    css = {"value": value} if kind == "css" else {}
    css |= {key: entry[key] for key in ("within", "outside", "frame") if key in entry}
    for key, text in css.items():
        _plain_css(text, f"`{key}` in {place}")
    size = entry.get("min_size")
    if size is not None and not (
        isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) for n in size)
    ):
        raise SelectorPackInvalid(f"{place}: `min_size` is {size!r}.", "Write [width, height].")
    only = entry.get("only", False)
    if not isinstance(only, bool):
        raise SelectorPackInvalid(f"{place}: `only` is {only!r}.", "Write true or leave it out.")
    return Selector(
        cast("Kind", kind),
        value,
        name,
        only=only,
        min_size=None if size is None else (size[0], size[1]),
        **{key: _text(entry, key, place) for key in entry if key in _WORDS_OF_SELECTOR},
    )


_WORDS_OF_SELECTOR = {
    "within", "outside", "without", "locale", "frame", "since", "source", "proves",
}  # fmt: skip


def _plain_css(text: Any, place: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise SelectorPackInvalid(f"{place} is {text!r}.", "Write plain CSS.")
    if found := re.search(r"\btext\s*\*?=|\bxpath\s*=|>>|:has-text|:text\b|:visible\b", text):
        raise SelectorPackInvalid(
            f"{place}: {text!r} is not plain CSS ({found.group()!r}).",
            "Write text as kind = 'text' or 'words', so that the same pack works inside the page.",
        )


# --- plain data ---------------------------------------------------------------------------


def _table(body: Any, place: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise SelectorPackInvalid(f"{place} is not a table but {body!r}.")
    return body


def _only(raw: Mapping[str, Any], known: set[str], place: str) -> None:
    if unknown := sorted(set(raw) - known):
        raise SelectorPackInvalid(
            f"{place} has {', '.join(map(repr, unknown))}, which nobody reads.",
            f"There are: {', '.join(sorted(known))}.",
        )


def _entries(raw: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    entries = raw.get(key, [])
    if not isinstance(entries, list):
        raise SelectorPackInvalid(f"`{key}` of {where} is not a list.", f"Write [[{key}]].")
    return entries


def _text(raw: Mapping[str, Any], key: str, place: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SelectorPackInvalid(f"`{key}` in {place} is {value!r}.", "Write text.")
    return value


def _maybe_text(raw: Mapping[str, Any], key: str, place: str) -> str | None:
    return _text(raw, key, place) if key in raw else None


def _texts(raw: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    values = raw.get(key, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise SelectorPackInvalid(f"`{key}` in {place} is {values!r}.", "Write a list of texts.")
    return tuple(values)


def _names(
    raw: Mapping[str, Any], key: str, controls: Mapping[str, Control], place: str
) -> tuple[str, ...]:
    names = _texts(raw, key, place)
    for name in names:
        if name not in controls:
            raise SelectorPackInvalid(f"{place}: there is no control {name!r}.")
    return names
