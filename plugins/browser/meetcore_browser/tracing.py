"""A trace of a bot's page: what it showed at each step, as Playwright's viewer opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from meetcore.log import make_private_folder, private_file
from meetcore_browser.browser import Browser
from meetcore_browser.errors import BrowserError

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["kept_trace"]

STOP_TIMEOUT_S = 20.0


@asynccontextmanager
async def kept_trace(
    browser: Browser, context: BrowserContext, folder: Path, told: Callable[[str], None]
) -> AsyncIterator[None]:
    """Keep a trace for as long as it lasts, then write it to the bot's folder.

    Args:
        browser: The browser.
        context: The page's context.
        folder: The bot's folder.
        told: Takes what became of it, in words.
    """
    from playwright.async_api import Error

    await browser.call(context.tracing.start, snapshots=True, screenshots=False)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            try:
                name = _free_name(folder)
                await browser.call(
                    context.tracing.stop, path=folder / name, timeout_s=STOP_TIMEOUT_S
                )
                with suppress(OSError):
                    private_file(folder / name)
                told(name)
            except (BrowserError, Error, OSError) as error:
                told(f"could not be kept: {(str(error).splitlines() or [''])[0]}")


def _free_name(folder: Path) -> str:
    make_private_folder(folder)
    names = ("trace.zip", *(f"trace-{number}.zip" for number in range(2, 100)))
    return next(name for name in names if not (folder / name).exists())
