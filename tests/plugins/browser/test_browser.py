"""A bot's Chromium: how it is launched, and what its loss looks like from here."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from playwright.async_api import Error as PlaywrightError

from meetcore.log.scratch import PREFIX, scratch_root
from meetcore_browser import browser as browser_module
from meetcore_browser.bot_page import open_page
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.driver import open_driver, process_alive
from meetcore_browser.errors import (
    BrowserCrashed,
    CallTimedOut,
    ChromiumFailed,
    ChromiumMissing,
    DriverCrashed,
    NoDisplay,
    PageCrashed,
    PageGone,
)
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.screen.page_video import launch_on
from meetcore_browser.screen.screen import open_screen
from meetcore_browser.testing import KeepingCallEvents, PageSite, until
from meetcore_browser.thread import browser_thread

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("nothing_left")]


def switches(browser: Browser) -> list[str]:
    return Path(f"/proc/{browser.pid}/cmdline").read_text().split("\0")


async def gone(pid: int | None) -> None:
    assert pid is not None
    await until(lambda: not process_alive(pid))


async def test_chromium_gets_one_merged_list_of_features_and_keeps_to_itself() -> None:
    async with open_browser(LaunchOptions(disabled_features=("Extra",))) as browser:
        given = switches(browser)
        features = [switch for switch in given if switch.startswith("--disable-features=")]
        # With another Playwright this says that PLAYWRIGHT_DISABLED_FEATURES has to follow.
        assert len(features) == 1
        assert "HttpsUpgrades" in features[0]
        assert features[0].endswith("Extra")
        for switch in (
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
            "--lang=en-US",
            "--accept-lang=en-US,en",
            "--autoplay-policy=no-user-gesture-required",
        ):
            assert given.count(switch) == 1
        assert ("--no-sandbox" in given) == (os.geteuid() == 0)
        assert str(browser.driver.folder) in " ".join(given)


async def test_a_window_costs_no_page_and_no_process_but_its_own(site: PageSite) -> None:
    """Chromium's own pages (the address bar's pop-ups, for one) are loaded by no bot's window."""
    async with open_browser() as browser:
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, site.url("/bot"))
        session = await browser.call(browser.raw.new_browser_cdp_session)
        asked = {"filter": [{}]}
        answer = await browser.call(session.send, "Target.getTargets", asked)
        pages = {target["url"] for target in answer["targetInfos"]}
        assert pages == {site.url("/bot")}
        answer = await browser.call(session.send, "SystemInfo.getProcessInfo")
        kinds = [process["type"] for process in answer["processInfo"]]
        assert kinds.count("renderer") == 1


MOTION = """async () => {
  const began = performance.now();
  const box = document.body.appendChild(document.createElement("div"));
  await box.animate([{ opacity: 0 }, { opacity: 1 }], 300).finished;
  const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return [performance.now() - began, reduced];
}"""


async def test_what_a_page_moves_takes_its_time(browser: Browser, site: PageSite) -> None:
    """Only what Chromium itself would move in its window is at its end at once."""
    page = await browser.call(browser.raw.new_page)
    await browser.call(page.goto, site.url("/bot"))
    took_ms, reduced = await browser.call(page.evaluate, MOTION)
    assert took_ms > 250
    assert not reduced


@pytest.mark.law(1)
async def test_nothing_of_a_browser_remains_after_it_was_closed() -> None:
    async with open_browser() as browser:
        assert browser.driver.pid is not None
        assert process_alive(browser.driver.pid)
    assert not browser.driver.folder.exists()
    await gone(browser.pid)
    await gone(browser.driver.pid)


@pytest.mark.law(1)
@pytest.mark.parametrize("on_a_screen", [False, True])
async def test_a_browser_writes_nowhere_but_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: PageSite, on_a_screen: bool
) -> None:
    """Reports of crashes too, which are told by the switch that their keeper gets."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    async with AsyncExitStack() as stack:
        options = LaunchOptions()
        if on_a_screen:
            screen = await stack.enter_async_context(open_screen(640, 480))
            options = launch_on(screen, options)
        browser = await stack.enter_async_context(open_browser(options))
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, site.url("/bot"))
        family = [psutil.Process(pid) for pid in descendants()]
        databases = [a for each in family for a in each.cmdline() if a.startswith("--database=")]
        assert all(a.startswith(f"--database={browser.driver.folder}") for a in databases)
        commands = {each: " ".join(each.cmdline()) for each in family}
        [chromium] = [
            each
            for each, command in commands.items()
            if "--remote-debugging-pipe" in command and "--type=" not in command
        ]
        assert chromium.environ()["TMPDIR"] == str(browser.driver.folder)
        with suppress(PlaywrightError, BrowserCrashed):
            await browser.call(page.goto, "chrome://crash")
    assert [name for name in files_below(tmp_path) if "rash" in name or "hromium" in name] == []


def files_below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.law(1)
@pytest.mark.parametrize("after_s", [0.05, 0.4, 0.7, 1.0])
async def test_nothing_remains_when_the_launch_is_cancelled(after_s: float) -> None:
    before = set(scratch_root().glob(PREFIX + "*"))
    children = set(descendants())
    with trio.move_on_after(after_s):
        async with open_browser():
            await trio.sleep_forever()
    await until(lambda: set(descendants()) <= children)
    assert set(scratch_root().glob(PREFIX + "*")) <= before


def descendants() -> list[int]:
    """Return the processes below this one, but for those of a browser that other tests share."""
    return [
        process.pid
        for child in psutil.Process().children()
        if child.pid not in SHARED
        for process in [child, *child.children(recursive=True)]
    ]


SHARED: set[int] = set()


@pytest.fixture(autouse=True)
def _shared_browsers() -> Iterator[None]:
    """A browser that other tests share starts and ends processes as it likes."""
    SHARED.update(child.pid for child in psutil.Process().children())
    yield
    SHARED.clear()


async def test_a_killed_browser_is_a_browser_crash_and_another_can_be_launched(
    site: PageSite, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_browser() as browser:
        context = await browser.call(browser.raw.new_context)
        page = await browser.call(context.new_page)
        await browser.call(page.goto, site.url("/bot"))
        assert browser.pid is not None
        os.kill(browser.pid, signal.SIGKILL)
        with trio.fail_after(90), pytest.raises(BrowserCrashed):
            await browser.call(page.evaluate, "() => new Promise(() => {})")
        with pytest.raises(BrowserCrashed):
            await browser.call(page.title)
    async with open_browser() as another:
        assert another.version == browser.version
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.law(8)
async def test_a_killed_driver_is_a_driver_crash_and_touches_no_other_bot(
    site: PageSite, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_browser() as sibling, open_browser() as browser:
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, site.url("/bot"))
        assert browser.driver.pid is not None
        os.kill(browser.driver.pid, signal.SIGKILL)
        with trio.fail_after(90), pytest.raises(DriverCrashed):
            await browser.call(page.evaluate, "() => new Promise(() => {})")
        await gone(browser.pid)
        unharmed = await sibling.call(sibling.raw.new_page)
        await sibling.call(unharmed.goto, site.url("/bot"))
        async with open_browser() as another:
            assert await another.call(another.raw.new_page)
    assert not browser.driver.folder.exists()
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("victim", ["browser", "driver", "page"])
async def test_the_watch_over_a_page_tells_promptly_what_was_lost(
    victim: str, site: PageSite, events: KeepingCallEvents, request_for: Any
) -> None:
    expected = {"browser": BrowserCrashed, "driver": DriverCrashed, "page": PageCrashed}[victim]
    async with open_page(request_for(), events) as page:
        await page.goto(site.url("/bot"))
        with trio.fail_after(90), pytest.RaisesGroup(expected):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(page.watch)
                if victim == "page":
                    os.kill(await renderer(page.browser), signal.SIGKILL)
                else:
                    pid = page.browser.pid if victim == "browser" else page.browser.driver.pid
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
        with pytest.raises(expected):
            await page.call(page.raw.title, timeout_s=5)


async def test_a_page_that_was_closed_is_gone_but_not_crashed(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: Any
) -> None:
    async with open_page(request_for(), events, browser=browser) as page:
        await page.goto(site.url("/bot"))
        with trio.fail_after(90), pytest.RaisesGroup(PageGone):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(page.watch)
                await page.browser.call(page.raw.close)


async def renderer(browser: Browser) -> int:
    session = await browser.call(browser.raw.new_browser_cdp_session)
    answer = await browser.call(session.send, "SystemInfo.getProcessInfo")
    return max(int(p["id"]) for p in answer["processInfo"] if p["type"] == "renderer")


@pytest.mark.law(7)
async def test_a_page_that_hangs_does_not_hang_its_caller(browser: Browser, site: PageSite) -> None:
    page = await browser.call(browser.raw.new_page)
    await browser.call(page.goto, site.url("/bot"))
    with pytest.raises(CallTimedOut):
        await browser.call(page.evaluate, "() => { for (;;); }", timeout_s=0.3)
    with pytest.raises(CallTimedOut):
        await browser.call(page.title, timeout_s=0.3)


async def test_thirty_cancelled_waits_leave_the_page_usable(
    browser: Browser, site: PageSite
) -> None:
    page = await browser.call(browser.raw.new_page)
    await browser.call(page.goto, site.url("/bot"))
    for _ in range(30):
        with trio.move_on_after(0.02) as scope:
            await browser.call(page.wait_for_selector, "#never")
        assert scope.cancelled_caught
    assert await browser.call(page.title) == "The bot's end"
    assert browser.aio.pending_calls == 0


async def test_a_browser_that_does_not_start_says_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text(
        "#!/bin/sh\necho 'libnss3.so: cannot open shared object file' >&2\nexit 127\n"
    )
    broken.chmod(0o755)
    with pytest.raises(ChromiumFailed, match=r"libnss3\.so"):
        async with open_browser(LaunchOptions(chromium=str(broken))):
            pass


@pytest.mark.law(1)
async def test_a_browser_that_hangs_is_killed_when_it_does_not_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browser_module, "CLOSE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(browser_module, "DEATH_TIMEOUT_S", 0.2)
    async with open_browser() as browser:
        assert browser.pid is not None
        os.kill(browser.pid, signal.SIGSTOP)
        began = trio.current_time()
    assert trio.current_time() - began < 60
    await gone(browser.pid)


async def test_a_driver_keeps_little_and_what_the_user_set_for_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--no-deprecation")
    async with open_browser() as browser:
        environ = psutil.Process(browser.driver.pid).environ()
        assert environ["NODE_OPTIONS"] == "--max-semi-space-size=1 --no-deprecation"
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.evaluate, "() => { window.a = new AudioContext(); }")
        kinds = [child.cmdline() for child in psutil.Process(browser.pid).children(recursive=True)]
        assert kinds
        assert not [kind for kind in kinds if "--utility-sub-type=audio.mojom.AudioService" in kind]


async def test_browsers_that_belong_together_may_share_a_driver() -> None:
    async with (
        browser_thread() as aio,
        open_driver(aio) as driver,
        open_browser(driver=driver) as one,
        open_browser(driver=driver) as two,
    ):
        assert one.pid != two.pid
        assert one.driver is two.driver
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(BrowserCrashed):
            await one.call(one.raw.new_page)
        assert await two.call(two.raw.new_page)


async def test_no_browser_is_told_before_anything_is_started() -> None:
    with pytest.raises(ChromiumMissing, match="does not exist"):
        async with open_browser(LaunchOptions(chromium="/nowhere/chromium")):
            pass


async def test_a_visible_browser_without_a_display_is_told_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(NoDisplay, match="no display"):
        async with open_browser(LaunchOptions(headed=True)):
            pass
