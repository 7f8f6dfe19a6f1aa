"""What is wrong with a selector pack beyond its format: the traps that cost others their meetings.

Each check names where its rule comes from: lists that were raced, lobbies taken for calls, a chat
message taken for a removal, a menu clicked in place of 'Join'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from meetcore_browser.browser import Browser
from meetcore_browser.page_state import PageState, is_final
from meetcore_browser.selectors import Selector, SelectorPack

__all__ = ["PackFinding", "check_css", "check_pack", "difference"]

_GENERIC = frozenset({"ok", "retry", "close", "error", "cancel", "dismiss", "continue", "join"})
_BROAD = re.compile(r"^(?:\*|button|div|span|a|input|p|\[role=[\"']?(?:button|dialog)[\"']?\])$")
_ALERTS = re.compile(r"role=[\"']?(?:alert|status)|\.error\b|\.alert\b", re.IGNORECASE)
_LOOKED_AT = re.compile(r"\bnever (?:to be )?pressed\b")
"""What a selector says that it proves, where its control is for looking only."""
_TYPOGRAPHY = str.maketrans("", "", "’…“”–—")
_TOLD_IN_WORDS = frozenset({PageState.REMOVED, PageState.ENDED, PageState.DENIED})
_NEEDED = (PageState.IN_CALL, PageState.PRE_JOIN, PageState.REMOVED, PageState.ENDED)


@frozen
class PackFinding:
    """Something about a pack.

    Attributes:
        where: The control or the state.
        text: What is wrong with it, and why that matters.
        grave: Whether the pack must not be used so.
    """

    where: str
    text: str
    grave: bool = True


def check_pack(pack: SelectorPack) -> list[PackFinding]:
    """Return what is wrong with a pack, the grave first. Pure."""
    found = [*_selectors(pack), *_order(pack), *_ends(pack), *_clicks(pack), *_uses(pack)]
    return sorted(found, key=lambda finding: not finding.grave)


def _selectors(pack: SelectorPack) -> Iterator[PackFinding]:
    for control, rank, selector in pack.selectors():
        last = rank == len(control.selectors) - 1
        if selector.kind == "css" and _BROAD.match(selector.value) and not selector.within:
            yield PackFinding(
                control.name,
                f"{selector} at rank {rank} matches nearly everything: give it a `within`.",
                grave=not last or rank == 0,
            )
        if selector.kind == "words" and len(selector.value.split()) == 1 and not selector.within:
            yield PackFinding(
                control.name,
                f"{selector} is a single word, looked for on the whole page: give it a `within`,"
                " or more words.",
                grave=len(selector.value) < 6,
            )
        foreign = not selector.value.translate(_TYPOGRAPHY).isascii()
        if selector.locale is None and foreign and selector.kind != "css":
            yield PackFinding(
                control.name, f"{selector} has no `locale`: for which language?", grave=False
            )
    without = sum(not selector.source for _, _, selector in pack.selectors())
    if pack.about is not None and without:
        text = f"{without} selectors have no `source`: where are they known from?"
        yield PackFinding("source", text, grave=False)


def _order(pack: SelectorPack) -> Iterator[PackFinding]:
    states = [rule.state for rule in pack.states]
    if PageState.IN_CALL not in states:
        return
    first = states.index(PageState.IN_CALL)
    for number, state in enumerate(states):
        if number > first and (is_final(state) or state is PageState.WAITING):
            yield PackFinding(
                state.value,
                "is asked for after `in_call`: the page of a lobby, and of an end, shows the"
                " call's controls as well.",
            )
    for rule in pack.states:
        if rule.state is not PageState.IN_CALL or rule.needs >= 2:
            continue
        controls = [pack[name] for name in rule.any_of]
        if not all(s.proves for control in controls for s in control.selectors):
            yield PackFinding(
                "in_call",
                "is believed on one control: ask for two (`needs = 2`), or say of each selector"
                " what it `proves`.",
            )


def _ends(pack: SelectorPack) -> Iterator[PackFinding]:
    for rule in pack.states:
        if rule.state not in _TOLD_IN_WORDS:
            continue
        for name in rule.any_of:
            for selector in pack[name].selectors:
                if selector.kind == "css" and _ALERTS.search(selector.value):
                    yield PackFinding(
                        name, f"{selector} takes any alert for {rule.state.value!r}: use words."
                    )
                if selector.value.lower() in _GENERIC or (selector.name or "").lower() in _GENERIC:
                    yield PackFinding(
                        name, f"{selector} is on pages of every kind, and no {rule.state.value!r}."
                    )


def _clicks(pack: SelectorPack) -> Iterator[PackFinding]:
    never = {_plain(text) for text in pack.never_click.texts}
    for control, _, selector in pack.selectors():
        said = selector.name if selector.kind == "role" else selector.value
        looked_at = _LOOKED_AT.search(selector.proves) is not None
        if selector.kind == "css" or said is None or looked_at:
            continue
        if _plain(said) in never:
            yield PackFinding(control.name, f"{selector} is on the list of what is never clicked.")


def _uses(pack: SelectorPack) -> Iterator[PackFinding]:
    if pack.about is None:
        return
    for state in _NEEDED:
        if state not in {rule.state for rule in pack.states}:
            text = "no rule of [[states]] shows it: the joiner has to conclude it."
            yield PackFinding(state.value, text, grave=False)
    if not pack.about.never_read:
        yield PackFinding(
            "never_read",
            "is empty: what somebody writes in the chat would be read as the page's own word.",
        )
    for rule in pack.dialogs:
        if rule.click is None and rule.notice is None:
            yield PackFinding(rule.seen, "a dialog with neither `click` nor `notice`.", grave=False)


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").lower().split())


async def check_css(browser: Browser, pack: SelectorPack) -> list[PackFinding]:
    """Return the CSS of a pack that Chromium does not take."""
    texts = list(dict.fromkeys(_css_of(pack)))
    page = await browser.call(browser.raw.new_page)
    wrong = await browser.call(page.evaluate, _TRY, [css for _, css in texts])
    await browser.call(page.close)
    return [
        PackFinding(texts[int(number)][0], f"{texts[int(number)][1]!r} is no CSS: {said}")
        for number, said in wrong
    ]


_TRY = """(all) => all.flatMap((css, number) => {
  try { document.querySelector(css); } catch (error) { return [[number, error.message]]; }
  return [];
})"""


def _css_of(pack: SelectorPack) -> Iterator[tuple[str, str]]:
    for control, _, selector in pack.selectors():
        if selector.kind == "css":
            yield control.name, selector.value
        for css in (selector.within, selector.outside, selector.frame):
            if css is not None:
                yield control.name, css
    for css in pack.never_click.selectors:
        yield "never_click", css
    if pack.about is not None and pack.about.never_read:
        yield "never_read", pack.about.never_read


def difference(old: SelectorPack, new: SelectorPack) -> list[str]:
    """Return the lines that say what a pack changes of another. Pure."""
    lines = []
    for name in sorted({*old.controls, *new.controls}):
        before, after = _ranked(old, name), _ranked(new, name)
        if before == after:
            continue
        if not before or not after:
            lines.append(f"{'+' if after else '-'} control {name}")
        lines += [f"- {name}: {selector}" for selector in before if selector not in after]
        lines += [
            f"+ {name}: {selector} (rank {rank})"
            for rank, selector in enumerate(after)
            if selector not in before
        ]
        kept = [selector for selector in before if selector in after]
        if kept != [selector for selector in after if selector in before]:
            lines.append(f"~ {name}: another order")
    for what, ours, theirs in (
        ("states", old.states, new.states),
        ("dialogs", old.dialogs, new.dialogs),
    ):
        if ours != theirs:
            lines.append(f"~ {what}: {_count(ours)} before, {_count(theirs)} now")
    gone = set(old.never_click.texts) - set(new.never_click.texts)
    lines += [f"- never click: {text!r}" for text in sorted(gone)]
    come = set(new.never_click.texts) - set(old.never_click.texts)
    return lines + [f"+ never click: {text!r}" for text in sorted(come)]


def _ranked(pack: SelectorPack, name: str) -> Sequence[Selector]:
    return pack.controls[name].selectors if name in pack.controls else ()


def _count(rules: Sequence[object]) -> str:
    return f"{len(rules)} rules"
