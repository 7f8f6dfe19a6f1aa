"""What a joiner makes of a saved page: its state, its controls by rank, its people and words.

The same pack, reader and readers as on a live page run over it, in a Chromium that fetches nothing
and executes nothing of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urlsplit

import trio
from attrs import field, frozen
from playwright.async_api import Error as PlaywrightError

from meetcore import HealthReport
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.errors import BrowserError
from meetcore_browser.guest.look import PageLook, StateSeen, look_of, merge_looks, read_state
from meetcore_browser.guest.page_scripts import snapshot_script
from meetcore_browser.guest.redaction import redaction_script
from meetcore_browser.guest.saved_page import SavedPage, load_saved_pages
from meetcore_browser.page_state import END_OF, PageState
from meetcore_browser.selectors import SelectorPack

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

__all__ = ["SnapshotRead", "examine_snapshot", "read_saved_page"]

READ_TIMEOUT_S = 30.0
WHOLE_TIMEOUT_S = 120.0
SHOWN = 12


@frozen
class SnapshotRead:
    """What was read of a saved page.

    Attributes:
        page: The page.
        look: Its controls.
        seen: Its state.
        read: What each of the platform's readers saw, by topic.
        missing_styles: How many of its style sheets are not in the file.
        redacted: Its HTML without what is personal, where that was asked for.
    """

    page: SavedPage
    look: PageLook
    seen: StateSeen
    read: Mapping[str, Any]
    missing_styles: int = 0
    redacted: str | None = field(default=None, repr=False)


async def read_saved_page(
    browser: Browser,
    page: SavedPage,
    pack: SelectorPack,
    readers: Sequence[Path],
    *,
    redact: bool = False,
) -> SnapshotRead:
    """Read one saved page as a live one is read.

    Raises:
        BrowserError: The browser failed, or the page could not be opened in time.
    """
    missing: set[str] = set()
    context = await browser.call(browser.raw.new_context, service_workers="block")
    try:
        raw: Page = await browser.call(context.new_page)

        async def answer(route: Route) -> None:  # on the browser thread
            request = route.request
            if urldefrag(request.url)[0] == urldefrag(page.address)[0]:
                await route.fulfill(
                    body=page.markup,
                    content_type="text/html; charset=utf-8",
                    headers={"content-security-policy": "script-src 'none'"},
                )
            elif (part := page.part(request.url)) is not None:
                kind, body = part
                kind += "; charset=utf-8" if kind.startswith("text/") else ""
                no_scripts = {"content-security-policy": "script-src 'none'"}
                await route.fulfill(body=body, content_type=kind, headers=no_scripts)
            else:
                if request.resource_type == "stylesheet":
                    missing.add(request.url)
                await route.abort()

        await browser.call(raw.route, "**/*", answer)
        await browser.call(
            raw.goto,
            page.address,
            wait_until="load",
            timeout=READ_TIMEOUT_S * 1000,
            timeout_s=READ_TIMEOUT_S + 1,
        )
        looks, read = await _read_frames(browser, raw, snapshot_script(pack, readers))
        redacted = None
        if redact:
            redacted = await browser.call(
                raw.evaluate, redaction_script(pack), timeout_s=READ_TIMEOUT_S
            )
    finally:
        with trio.CancelScope(shield=True):
            await browser.call(context.close)
    look = merge_looks(looks)
    return SnapshotRead(page, look, read_state(pack, look), read, len(missing), redacted)


async def _read_frames(
    browser: Browser, page: Page, script: str
) -> tuple[list[PageLook], dict[str, Any]]:
    """Read the page and the frames that were kept with it; of each list the first that is there."""
    looks: list[PageLook] = []
    read: dict[str, Any] = {}
    for frame in await browser.sync(lambda: list(page.frames)):
        if frame is not page.main_frame and not _kept(frame.url, page.url):
            continue
        found = await browser.call(frame.evaluate, script, timeout_s=READ_TIMEOUT_S)
        looks.append(look_of(found))
        for topic, entries in found["read"].items():
            if not read.get(topic):
                read[topic] = entries
    return looks, read


def _kept(frame: str, page: str) -> bool:
    """Whether a frame is read: one of the page's own origin, or from the same single file."""
    inner, outer = urlsplit(frame), urlsplit(page)
    return inner[:2] == outer[:2] or inner.netloc == "cid.invalid" or inner.scheme == "about"


def examine_snapshot(
    path: Path,
    report: HealthReport,
    pack: SelectorPack,
    readers: Sequence[Path],
    redacted_to: Path | None = None,
) -> None:
    """Say in a report what a joiner makes of a saved page.

    Args:
        path: The file; `load_saved_pages` says of which kinds.
        report: Takes the findings.
        pack: The platform's selector pack.
        readers: The platform's readers.
        redacted_to: Where to write the page without what is personal.

    Raises:
        SavedPageInvalid: There is no page in the file.
        BrowserError: No browser, or it failed.
    """
    pages = load_saved_pages(path)
    if redacted_to is not None:
        _check_target(path, redacted_to)

    async def read_all() -> list[SnapshotRead]:
        with trio.fail_after(WHOLE_TIMEOUT_S):
            async with open_browser() as browser:
                redact = redacted_to is not None
                return [
                    await read_saved_page(browser, page, pack, readers, redact=redact)
                    for page in pages
                ]

    try:
        reads = trio.run(read_all)
    except trio.TooSlowError as error:
        raise BrowserError(
            f"{path} could not be read within {WHOLE_TIMEOUT_S:g} s.", "Give a single page of it."
        ) from error
    except PlaywrightError as error:
        raise BrowserError(
            f"{path} cannot be read as a page: {str(error).splitlines()[0]}.",
            "Save it once more, as a single file; or its readers do not fit this version.",
        ) from error
    told = _last_of_each_state(reads)
    for read in told:
        _report(report, read, pack, several=len(told) > 1)
    # Of several the one that shows most; of those the newest.
    fullest = max(reversed(told), key=lambda read: len(read.look.found))
    if redacted_to is not None and fullest.redacted is not None:
        redacted_to.write_text(fullest.redacted, encoding="utf-8")
        of = f": {fullest.page.label}" if len(told) > 1 else ""
        report.fine("redacted", f"{redacted_to}{of}; look at it before you send it")


def _last_of_each_state(reads: Sequence[SnapshotRead]) -> list[SnapshotRead]:
    """Return the newest of each stretch of one page in which its state was the same."""
    told: list[SnapshotRead] = []
    for read in reads:
        before = told[-1] if told and read.page.series else None
        if before and (before.page.series, before.seen.state) == (
            read.page.series,
            read.seen.state,
        ):
            told.pop()
        told.append(read)
    return told


def _report(report: HealthReport, read: SnapshotRead, pack: SelectorPack, *, several: bool) -> None:
    prefix = f"{read.page.label}: " if several else ""
    about = pack.about
    if about is not None:
        report.fine(f"{prefix}pack", f"{about.platform} of {about.version}")
    look, seen = read.look, read.seen
    said = f", in {look.language}" if look.language else ""
    report.fine(f"{prefix}page", f"{look.address or 'no address'}, {look.title!r}{said}")
    if read.missing_styles:
        report.trouble(
            f"{prefix}styles",
            f"{read.missing_styles} style sheets are not in the file: what they hide is taken for"
            " visible",
            "Save the page as a single file (MHTML).",
        )
    evidence = seen.selector(pack) or seen.detail
    if seen.state is PageState.UNKNOWN:
        report.trouble(
            f"{prefix}state",
            "unknown: none of the pack's states holds",
            "Send the page in with --redact FILE, or write a newer pack (`meetcore selectors`).",
        )
    else:
        end = END_OF.get(seen.state)
        means = f", the end: {end.reason.value}" if end is not None else ""
        report.fine(f"{prefix}state", f"{seen.state.value}{means}, by {evidence}")
    also = [rule.state.value for rule in pack.states if _would_hold(rule.state, look, pack)]
    others = [name for name in dict.fromkeys(also) if name != seen.state.value]
    if others:
        report.fine(f"{prefix}would also be", ", ".join(others))
    for name, found in sorted(look.found.items()):
        shown = f" {found.text!r}" if found.text else ""
        report.fine(f"{prefix}control {name}", f"rank {found.rank}{shown}")
    for topic, entries in read.read.items():
        _report_topic(report, f"{prefix}{topic}", entries)
    missed = sorted(set(pack.controls) - set(look.found))
    if missed:
        report.fine(f"{prefix}not found", ", ".join(missed))


def _check_target(path: Path, redacted_to: Path) -> None:
    """Refuse to write where the page itself is, or where nothing can be written."""
    if redacted_to.exists() and redacted_to.samefile(path):
        raise BrowserError(
            f"--redact {redacted_to} would write over the page itself.", "Name another file."
        )
    if not redacted_to.resolve().parent.is_dir():
        raise BrowserError(
            f"--redact {redacted_to}: there is no such folder.", "Make it, or name another file."
        )


def _would_hold(state: PageState, look: PageLook, pack: SelectorPack) -> bool:
    alone = SelectorPack(
        pack.controls, pack.about, tuple(rule for rule in pack.states if rule.state is state)
    )
    return read_state(alone, look).state is state


def _report_topic(report: HealthReport, name: str, entries: Any) -> None:
    if entries is None:
        report.fine(name, "not shown on this page")
    elif isinstance(entries, dict) and "error" in entries:
        report.trouble(name, str(entries["error"]), "The reader does not fit this page.")
    elif isinstance(entries, list):
        report.fine(name, f"{len(entries)}")
        for entry in entries[:SHOWN]:
            report.fine(f"  {name}", _entry_line(entry))
        if len(entries) > SHOWN:
            report.fine(f"  {name}", f"and {len(entries) - SHOWN} more")


def _entry_line(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    parts = [str(entry.get(key)) for key in ("name", "text") if entry.get(key)]
    marks = [
        key for key in ("self", "host", "bot", "muted", "own", "final") if entry.get(key) is True
    ]
    return ": ".join(parts) + (f" ({', '.join(marks)})" if marks else "")
