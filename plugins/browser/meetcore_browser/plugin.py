"""The plugin's hooks: options checked before a bot goes, `doctor` and `selectors`."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from meetcore import BotConfig, HealthReport, MeetcoreError, PrivateTargets, hookimpl
from meetcore_browser.options import browser_options
from meetcore_browser.page_hosts import PageHosts

if TYPE_CHECKING:
    import click

meetcore_api_version = "1.0"

_CHECK_TIMEOUT_S = 60.0
_WITHOUT_XVFB = "from the tab; with Xvfb it costs less: apt-get install xvfb"


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options of the browser that cannot be used, before anything was started."""
    options = browser_options(config.plugins)
    PageHosts.listed(options.page_hosts, PrivateTargets.listed(config.private_targets))


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore selectors`, `meetcore login` and `meetcore logout`."""
    from meetcore_browser.login_command import login, logout
    from meetcore_browser.selectors_command import selectors

    group.add_command(selectors)
    group.add_command(login)
    group.add_command(logout)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Start what a web joiner needs: Playwright's driver, a Chromium, a page that runs a script."""
    from meetcore_browser.finder import chromium_version, find_chromium
    from meetcore_browser.machine import driver_program, missing_libraries, remedy_for

    driver = driver_program()
    lacking = missing_libraries(driver)
    if lacking:
        named = ", ".join(lacking)
        report.trouble(
            "browser driver", f"{driver} cannot run without {named}", remedy_for(lacking)
        )
    try:
        found = find_chromium()
        version = chromium_version(found.path)
    except MeetcoreError as missing:
        report.trouble("Chromium", missing.message, missing.remedy)
        return
    report.fine("Chromium", f"{version} at {found.path}")
    xvfb = shutil.which("Xvfb")
    way = f"from a screen of the bot's own, {xvfb}" if xvfb else _WITHOUT_XVFB
    report.fine("video", way)
    if not lacking:
        _check_page(report)


def _check_page(report: HealthReport) -> None:
    import trio

    began = time.monotonic()
    try:
        trio.run(_run_script)
    except MeetcoreError as error:
        report.trouble("browser page", error.message, error.remedy)
    except trio.TooSlowError:
        report.trouble(
            "browser page",
            f"no page came up within {_CHECK_TIMEOUT_S:g} s",
            "The machine may be overloaded; try again when it is quiet.",
        )
    else:
        report.fine("browser page", f"up in {time.monotonic() - began:.1f} s")


async def _run_script() -> None:
    import trio

    from meetcore_browser.browser import open_browser

    with trio.fail_after(_CHECK_TIMEOUT_S):
        async with open_browser() as browser:
            page = await browser.call(browser.raw.new_page)
            await browser.call(page.evaluate, "() => new AudioContext().sampleRate")
