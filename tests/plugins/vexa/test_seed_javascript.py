"""The JavaScript of the document this dialect was built from, run as written, in a browser.

Only its placeholders are filled in: the address, the key and the meeting. It follows a bot through
its life over `/ws` of the real server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from meetcore_browser.browser import Browser
from tests.plugins.server.running import serving

SEED = (Path(__file__).parent / "seed.js").read_text("utf-8")
KEY = "operators-key"
LIFE = ["requested", "joining", "awaiting_admission", "active", "completed"]


def seed_for(url: str, native_id: str) -> str:
    """Return the example with its three placeholders filled in."""
    filled = SEED.replace("wss://your-api-url/ws", f"{url.replace('http', 'ws', 1)}/vexa/ws")
    filled = filled.replace("your-api-key", KEY).replace("abc-defg-hij", native_id)
    assert "your-" not in filled
    return filled


async def in_a_browser(
    browser: Browser, url: str, script: str, order: Callable[[], Awaitable[None]]
) -> tuple[list[str], list[list[str]]]:
    """Run a script in a page; return what it wrote and how it updated its indicator."""
    lines: list[str] = []
    page = await browser.call(browser.raw.new_page)
    await browser.sync(page.on, "console", lambda message: lines.append(message.text))
    await browser.call(page.goto, f"{url}/health")
    await browser.call(page.evaluate, "window.updated = [];")
    await browser.call(
        page.evaluate,
        "window.updateStatusIndicator = (id, status) => updated.push([id, status]); 0",
    )
    await order()
    await browser.call(page.add_script_tag, content=script)
    closed = "ws.readyState === 3"
    await browser.call(page.wait_for_function, closed, timeout=60_000, timeout_s=61)
    updated: list[list[str]] = await browser.call(page.evaluate, "updated")
    return lines, updated


async def followed(browser: Browser, tmp_path: Path, native_id: str) -> tuple[list[str], list[str]]:
    """Return what the example wrote, and the statuses it saw, for a bot sent just before."""
    async with serving(tmp_path, dialects=("vexa",), api_key=KEY) as server:

        async def order() -> None:
            body = {"platform": "google_meet", "native_meeting_id": native_id}
            headers = {"X-API-Key": KEY}
            async with httpx2.AsyncClient(headers=headers, trust_env=False) as client:
                answer = await client.post(f"{server.url}/vexa/bots", json=body)
            assert answer.status_code == 201, answer.text

        script = seed_for(server.url, native_id)
        lines, updated = await in_a_browser(browser, server.url, script, order)
        assert {shown for shown, _ in updated} == {native_id}
        return lines, [status for _, status in updated]


@pytest.mark.browser
async def test_the_example_follows_a_bot_to_its_end_and_hangs_up(
    browser: Browser, tmp_path: Path
) -> None:
    lines, statuses = await followed(browser, tmp_path, "abc-defg-hij")
    assert statuses[-2:] == ["stopping", "completed"]
    assert [status for status in statuses if status != "stopping"] == LIFE[-len(statuses) + 1 :]
    assert "Bot is actively transcribing!" in lines
    assert lines[-1] == "Transcription completed"


@pytest.mark.browser
async def test_the_example_says_why_a_bot_failed(browser: Browser, tmp_path: Path) -> None:
    lines, statuses = await followed(browser, tmp_path, "den-defg-hij")
    assert statuses[-1] == "failed"
    assert lines[-1].startswith("Bot failed: ")
    assert len(lines[-1]) > len("Bot failed: undefined")
