"""What a look at a page found, and the state that follows from it. Pure.

The order in which states are asked for is a pack's, and it is not free: what is final comes before
walls, walls before the waiting room, and the call last. A lobby shows the call's toolbar today.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import Selector, SelectorPack, StateRule

__all__ = [
    "Found",
    "PageLook",
    "StateSeen",
    "look_of",
    "merge_looks",
    "pack_data",
    "read_state",
]

TEXT_CHARS = 200


@frozen
class Found:
    """A control that a page shows.

    Attributes:
        control: Its name.
        rank: Which of its selectors matched, 0 for the best.
        text: What it says.
    """

    control: str
    rank: int
    text: str = ""

    def describe(self, pack: SelectorPack) -> str:
        """Say in words what matched."""
        selectors = pack[self.control].selectors
        which = f" by {selectors[self.rank]}" if self.rank < len(selectors) else ""
        return f"{self.control}{which} (rank {self.rank})"


@frozen
class PageLook:
    """What one look at a page found.

    Attributes:
        url: The page's address.
        title: The page's title.
        language: What the page says it is written in.
        found: The controls that are there, by name.
    """

    url: str = ""
    title: str = ""
    language: str = ""
    found: Mapping[str, Found] = field(factory=dict)

    @property
    def address(self) -> str:
        """The address without query and fragment: those hold passcodes."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path


@frozen
class StateSeen:
    """A state, and what shows it.

    Attributes:
        state: The state.
        by: The controls that show it; empty where the address or the title does.
        detail: What they say, in words.
        about: What the pack says about this rule.
        hint: What a person can do about it, where that is another than the state's.
        again: Whether another attempt may help, also where the state gives no hope of that.
    """

    state: PageState
    by: tuple[Found, ...] = ()
    detail: str = ""
    about: str = ""
    hint: str = ""
    again: bool = False

    def selector(self, pack: SelectorPack) -> str | None:
        """Return what matched, in words, for evidence."""
        return " and ".join(found.describe(pack) for found in self.by) or None


def look_of(raw: Any) -> PageLook:
    """Return what page/reader.js looked up; what it cannot have sent is left out."""
    if not isinstance(raw, dict):
        return PageLook()
    hits = raw.get("hits")
    found = {
        str(name): Found(str(name), int(hit[0]), str(hit[1])[:TEXT_CHARS])
        for name, hit in (hits.items() if isinstance(hits, dict) else ())
        if isinstance(hit, list) and len(hit) == 2 and isinstance(hit[0], int)
    }
    return PageLook(
        str(raw.get("url", "")), str(raw.get("title", "")), str(raw.get("lang", "")), found
    )


def merge_looks(looks: Sequence[PageLook]) -> PageLook:
    """Return the page and its frames as one; where several show a control, the first counts."""
    if not looks:
        return PageLook()
    found: dict[str, Found] = {}
    for look in looks:
        for name, hit in look.found.items():
            found.setdefault(name, hit)
    return evolve(looks[0], found=found)


def read_state(pack: SelectorPack, look: PageLook) -> StateSeen:
    """Return the first state of a pack that a look shows, `unknown` if none."""
    for rule in pack.states:
        seen = _holds(rule, look)
        if seen is not None:
            return seen
    return StateSeen(PageState.UNKNOWN)


def _holds(rule: StateRule, look: PageLook) -> StateSeen | None:
    if rule.url is not None and not re.search(rule.url, look.address):
        return None
    if rule.title is not None and rule.title.lower() not in look.title.lower():
        return None
    if any(name in look.found for name in rule.none_of):
        return None
    by = tuple(look.found[name] for name in rule.any_of if name in look.found)
    if rule.any_of and len(by) < rule.needs:
        return None
    said = "; ".join(dict.fromkeys(found.text for found in by if found.text))
    where = "" if rule.any_of else f"the page is at {look.address}"
    return StateSeen(rule.state, by, said or where, rule.about)


def pack_data(pack: SelectorPack, locale: str | None = None) -> dict[str, Any]:
    """Return a pack as page/reader.js takes it.

    Args:
        pack: The pack.
        locale: The language the page is shown in; selectors for others are left out. None keeps
            all, for a page of which the language is not known.
    """
    return {
        "controls": {
            name: {
                "state": control.presence,
                "selectors": [
                    _selector_data(selector, rank)
                    for rank, selector in enumerate(control.selectors)
                    if _speaks(selector, locale)
                ],
            }
            for name, control in pack.controls.items()
        },
        "never_click": {
            "texts": list(pack.never_click.texts),
            "selectors": list(pack.never_click.selectors),
        },
        "never_read": pack.about.never_read if pack.about else None,
    }


def _selector_data(selector: Selector, rank: int) -> dict[str, Any]:
    data: dict[str, Any] = {"rank": rank, "kind": selector.kind, "value": selector.value}
    for key in ("name", "within", "outside", "without"):
        if (value := getattr(selector, key)) is not None:
            data[key] = value
    if selector.only:
        data["only"] = True
    if selector.min_size is not None:
        data["min_size"] = list(selector.min_size)
    return data


def _speaks(selector: Selector, locale: str | None) -> bool:
    if selector.locale is None or locale is None:
        return True
    return selector.locale.split("-")[0].lower() == locale.split("-")[0].lower()
