"""A server with scripted meetings, and visitors of its page in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

import meetcore
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore_browser.browser import Browser
from meetcore_server.assembly import ServeOptions, Server, open_server
from tests.plugins.server.empty_tables import with_tables

MEETINGS = Path(__file__).with_name("meetings.py")
WITHIN_MS = 15_000

Serve = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def serving_the_page(
    folder: Path, *, dialects: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Server]:
    """Serve the page, with bots in this process."""
    plugins = meetcore.Plugins(only=["files", "server", *dialects], files=[MEETINGS])
    settings = {"transcriber": "scripted", "out_dir": folder / "bots", "sinks": ["files"]}
    config = meetcore.load_config(None, settings, environ={})
    if "database" not in options:
        options["database"] = with_tables(folder / "server.db")
    options.setdefault("port", 0)
    with trio.fail_after(110):
        async with (
            meetcore.open_fleet(
                config, plugins=plugins, launcher=InProcessLauncher(plugins), recover_first=False
            ) as fleet,
            open_server(fleet, ServeOptions(**options)) as server,
        ):
            yield server


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    def make(**options: Any) -> AbstractAsyncContextManager[Server]:
        return serving_the_page(tmp_path, **options)

    return make


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving_the_page(tmp_path) as opened:
        yield opened


@define
class Visitor:
    """Somebody at the page. `troubles` is what went wrong in it, also what its policy forbade."""

    browser: Browser
    page: Any
    url: str
    troubles: list[str] = field(factory=list)

    async def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.browser.call(getattr(self.page, method), *args, **kwargs)

    async def open(self, path: str = "/") -> None:
        await self.do("goto", self.url + path)

    async def see(self, selector: str, **kwargs: Any) -> None:
        await self.do("wait_for_selector", selector, timeout=WITHIN_MS, **kwargs)

    async def click(self, selector: str) -> None:
        await self.do("click", selector, timeout=WITHIN_MS)

    async def text(self, selector: str) -> str:
        return " ".join(str(await self.do("inner_text", selector, timeout=WITHIN_MS)).split())

    async def until(self, expression: str, argument: Any = None) -> None:
        """Wait until a JavaScript expression holds."""
        await self.do("wait_for_function", expression, arg=argument, timeout=WITHIN_MS)

    async def run(self, script: str, argument: Any = None) -> Any:
        return await self.do("evaluate", script, argument)

    async def press(self, *keys: str) -> None:
        for each in keys:
            await self.browser.call(self.page.keyboard.press, each)

    async def order(self, url: str, **body: Any) -> str:
        """Order a bot behind the page's back; return its id."""
        answer = await self.run(
            """async (body) => (await (await fetch("/v1/bots", {method: "POST", body:
               JSON.stringify(body), headers: {"content-type": "application/json"}})).json()).id""",
            {"meeting_url": url, **body},
        )
        return str(answer)

    async def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        script = "() => document.documentElement.scrollWidth <= innerWidth"
        return bool(await self.run(script))


@define
class House:
    """A browser in which there are visitors."""

    browser: Browser

    async def visit(
        self,
        server: Server,
        path: str | None = "/",
        *,
        width: int = 1280,
        height: int = 800,
        scheme: str = "light",
    ) -> Visitor:
        context = await self.browser.call(
            self.browser.raw.new_context,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale="en-GB",
            accept_downloads=True,
        )
        page = await self.browser.call(context.new_page)
        visitor = Visitor(self.browser, page, server.url)
        await self.browser.sync(
            page.on, "pageerror", lambda error: visitor.troubles.append(str(error))
        )
        await self.browser.sync(page.on, "console", lambda line: _note(visitor, line))
        if path is not None:
            await visitor.open(path)
        return visitor


def _note(visitor: Visitor, line: Any) -> None:
    if line.type == "error" and "Content Security Policy" in line.text:
        visitor.troubles.append(line.text)


@pytest.fixture
def house(browser: Browser) -> House:
    return House(browser)
