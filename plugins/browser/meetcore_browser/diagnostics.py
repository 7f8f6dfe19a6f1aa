"""The diagnostics bundle: what a page looked like when a step went wrong.

`screenshot.png`, `page.html` (`frame-1.html` … for what stands in frames) and `report.json`. Each
part has its own deadline and they are fetched side by side: a page that hangs still gives what it
can. Everything textual goes through the bot's redactor; in the picture, fields are masked and so is
every text in which the redactor finds something.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from attrs import asdict, define, field

from meetcore import Redactor
from meetcore.log import make_private_folder, private_file
from meetcore_browser.errors import BrowserError
from meetcore_browser.steps import StepLog

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

    from meetcore_browser.browser import Browser

__all__ = ["Diagnostics", "redacted", "redacted_html"]

PART_TIMEOUT_S = 4.0
FRAMES_TIMEOUT_S = 3.0
MAX_HTML_CHARS = 5_000_000
MAX_MASKED_TEXTS = 20
MAX_FRAMES = 5

_RELATIVE_QUERY = re.compile(r"""((?:href|src|action|data|poster)\s*=\s*["'][^"'?#]*)[?#][^"']*""")

_HIDE_FIELDS = """
input, textarea, [contenteditable] { -webkit-text-security: disc !important; }
"""

_LOOK = """() => {
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility !== "hidden";
  };
  const all = "button, [role=button], input[type=submit], a[href]";
  const buttons = [...document.querySelectorAll(all)];
  const label = (b) => (b.getAttribute("aria-label") || b.innerText || b.value || "").trim();
  const texts = new Set();
  const walker = document.createTreeWalker(document.body ?? document, NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && texts.size < 5000) {
    const text = walker.currentNode.data.trim();
    if (text) texts.add(text.slice(0, 500));
  }
  return {
    title: document.title,
    lang: document.documentElement?.lang ?? "",
    navigator_language: navigator.language,
    ready_state: document.readyState,
    visible_buttons: buttons.filter(shown).map(label).filter(Boolean).slice(0, 100),
    texts: [...texts],
  };
}"""


# Before its document comes, a frame holds an empty one of our own origin, whatever its address; a
# document of another origin cannot be seen from here, and so has come.
_FRAMES_LOADED = """() => [...document.querySelectorAll("iframe[src]")].every((frame) => {
  const inner = frame.contentDocument;
  if (!inner || !frame.src.startsWith("http")) return true;
  return inner.URL !== "about:blank" && inner.readyState !== "loading";
})"""


def redacted(value: Any, redactor: Redactor) -> Any:
    """Return plain data with every text in it redacted, keys included."""
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, dict):
        return {redactor.redact(str(key)): redacted(item, redactor) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, redactor) for item in value]
    return value


def redacted_html(text: str, redactor: Redactor) -> str:
    """Return HTML without secrets and without the queries of its links."""
    text = redactor.redact(_RELATIVE_QUERY.sub(r"\1?", text))
    plain = html.unescape(text)
    # A secret can stand in it as `a&amp;b`. Then the markup is worth less than the secret.
    return text if redactor.redact(plain) == plain else redactor.redact(plain)


@define
class Diagnostics:
    """Writes bundles about one page.

    Attributes:
        browser: The browser of the page.
        page: The page.
        folder: The bot's folder; bundles go into `diagnostics/` in it.
        redactor: Takes secrets out.
        log: The steps so far.
        console: The last lines of the page's console.
    """

    browser: Browser
    page: Page
    folder: Path
    redactor: Redactor
    log: StepLog
    console: Iterable[str]
    _parts: dict[str, str] = field(factory=dict, init=False)
    _look: dict[str, Any] = field(factory=dict, init=False)

    async def write(self, step: str, error: BaseException | None = None) -> str | None:
        """Write a bundle; return its folder relative to the bot's, None if the disk refused.

        Takes about twice `PART_TIMEOUT_S` at most.
        """
        try:
            target = self._make_folder(step)
            self._parts, self._look = {}, {}
            if self.browser.crash is None:
                await self._fetch(target)
            report = json.dumps(self._report(step, error), indent=2, ensure_ascii=False)
            private_file(target / "report.json").write_text(report, encoding="utf-8")
        except OSError as trouble:
            self.log.note(f"diagnostics could not be written: {trouble}", trio.current_time())
            return None
        return target.relative_to(self.folder).as_posix()

    def _make_folder(self, step: str) -> Path:
        root = self.folder / "diagnostics"
        make_private_folder(root)
        slug = re.sub(r"[^a-z0-9]+", "-", self.redactor.redact(step).lower()).strip("-")[:40]
        number = len(list(root.iterdir())) + 1
        target = root / f"{number:02d}-{slug}"
        target.mkdir(mode=0o700)
        return target

    async def _fetch(self, target: Path) -> None:
        await self._part("page", self._fetch_look)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._part, "screenshot.png", self._fetch_screenshot, target)
            nursery.start_soon(self._part, "page.html", self._fetch_html, self.page, target, "page")
            await self._part("frames", self._frames_loaded)
            for number, frame in enumerate(self._frames(), start=1):
                name = f"frame-{number}"
                nursery.start_soon(
                    self._part, f"{name}.html", self._fetch_html, frame, target, name
                )

    async def _frames_loaded(self) -> None:
        """Wait a moment for frames that have an address and no document yet."""
        await self.browser.call(
            self.page.wait_for_function,
            _FRAMES_LOADED,
            timeout=FRAMES_TIMEOUT_S * 1000,
            timeout_s=FRAMES_TIMEOUT_S + 0.5,
        )

    def _frames(self) -> list[Frame]:
        inner = (frame for frame in self.page.frames if frame.parent_frame is not None)
        return [frame for frame in inner if frame.url.startswith("http")][:MAX_FRAMES]

    async def _part(self, name: str, fetch: Callable[..., Awaitable[None]], *args: Any) -> None:
        from playwright.async_api import Error

        try:
            await fetch(*args)
            self._parts[name] = "ok"
        except (Error, BrowserError) as error:
            self._parts[name] = str(error).splitlines()[0][:300]

    async def _fetch_look(self) -> None:
        timeout_s = PART_TIMEOUT_S / 2
        self._look = await self.browser.call(self.page.evaluate, _LOOK, timeout_s=timeout_s)

    async def _fetch_screenshot(self, target: Path) -> None:
        texts = [text for text in self._look.get("texts", ()) if self._secret_in(text)]
        mask = [self.page.get_by_text(text) for text in texts[:MAX_MASKED_TEXTS]]
        if len(texts) > MAX_MASKED_TEXTS or not self._look:
            # Not known what stands there, or too much of it: then no picture of the text at all.
            mask = [self.page.locator("body")]
        picture = await self.browser.call(
            self.page.screenshot,
            style=_HIDE_FIELDS,
            mask=mask,
            animations="disabled",
            timeout=PART_TIMEOUT_S * 1000,
            timeout_s=PART_TIMEOUT_S,
        )
        private_file(target / "screenshot.png").write_bytes(picture)

    def _secret_in(self, text: str) -> bool:
        return self.redactor.redact(text) != text

    async def _fetch_html(self, source: Page | Frame, target: Path, name: str) -> None:
        text = await self.browser.call(source.content, timeout_s=PART_TIMEOUT_S)
        text = redacted_html(text, self.redactor)[:MAX_HTML_CHARS]
        private_file(target / f"{name}.html").write_text(text, encoding="utf-8")

    def _report(self, step: str, error: BaseException | None) -> dict[str, Any]:
        look = {key: value for key, value in self._look.items() if key != "texts"}
        report = {
            "step": step,
            "error": f"{type(error).__name__}: {error}" if error is not None else None,
            "url": self.page.url.split("?")[0].split("#")[0],
            "frames": [frame.url for frame in self.page.frames],
            **look,
            "selectors_tried": list(self.log.tried),
            "steps": [asdict(record) for record in self.log.records],
            "console": list(self.console),
            "chromium": {"version": self.browser.version, "path": str(self.browser.path)},
            "parts": self._parts,
        }
        plain: dict[str, Any] = redacted(report, self.redactor)
        return plain
