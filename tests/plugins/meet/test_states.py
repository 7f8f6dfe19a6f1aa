"""The pack, the detector and the readers over small pages, and over addresses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.guest.look import PageLook, look_of, read_state
from meetcore_browser.guest.pack_checks import check_css, check_pack
from meetcore_browser.guest.page_scripts import reader_scripts, snapshot_script
from meetcore_browser.page_script import page_script
from meetcore_meet.joiner import MeetJoiner
from meetcore_meet.options import MeetOptions
from meetcore_meet.platform import MeetPlatform
from tests.plugins.meet.visits import PACK, STANDIN, standin

PAGES: list[dict[str, Any]] = tomllib.loads((STANDIN / "snapshots.toml").read_text("utf-8"))["page"]
SCRIPTS = sorted((MeetPlatform.readers.parent).glob("*.js"))


@pytest.fixture(scope="module")
def script() -> str:
    return snapshot_script(PACK, [MeetPlatform.readers])


@pytest.fixture
async def blank(browser: Browser) -> AsyncIterator[Any]:
    page = await browser.call(browser.raw.new_page)
    yield page
    await browser.call(page.close)


@pytest.mark.browser
async def test_each_page_shows_its_state_and_its_people(
    browser: Browser, blank: Any, script: str
) -> None:
    wrong = []
    for page in PAGES:
        await browser.call(blank.set_content, f"<!doctype html><body>{page['markup']}")
        raw = await browser.call(blank.evaluate, script)
        seen = read_state(PACK, look_of(raw))
        if seen.state.value != page["state"]:
            wrong.append((page["name"], seen.state.value, [found.control for found in seen.by]))
        if "people" in page:
            people = [person["name"] for person in raw["read"]["people"]]
            assert people == page["people"], page["name"]
        if "speakers" in page:
            assert raw["read"]["speakers"] == page["speakers"], page["name"]
        assert not [read for read in raw["read"].values() if isinstance(read, dict)], page["name"]
    assert wrong == []
    assert len(PAGES) >= 30


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://accounts.google.com/v3/signin/identifier?continue=x", "sign_in"),
        ("https://accounts.google.com.evil.example/", "unknown"),
        ("https://saved.invalid/", "unknown"),
        ("https://meet.google.com/abc-defg-hij?hl=en", "unknown"),
        ("https://meet.google.com/landing?hs=1", "not_found"),
        ("https://meet.google.com/", "not_found"),
        ("https://meet.google.com/unsupported", "browser_unwanted"),
        ("https://meet.google.com/whoops", "connection_lost"),
        ("https://meet.google.com/_meet/error?x=1", "connection_lost"),
        ("https://meet.google.com/lookup/abc", "not_found"),
        ("https://meet.google.com/error-review", "unknown"),
        ("about:blank", "unknown"),
    ],
)
def test_an_address_may_say_it_alone(url: str, state: str) -> None:
    assert read_state(PACK, PageLook(url=url)).state.value == state


def test_the_pack_keeps_the_rules_of_packs() -> None:
    assert check_pack(PACK) == []
    assert PACK.about is not None
    assert PACK.about.platform == "meet"
    for control, _, selector in PACK.selectors():
        assert selector.since, control.name
        assert selector.source, control.name


@pytest.mark.browser
async def test_chromium_takes_all_of_the_packs_css(browser: Browser) -> None:
    assert await check_css(browser, PACK) == []


def test_every_control_is_used_by_somebody() -> None:
    texts = [path.read_text("utf-8") for path in MeetPlatform.readers.parent.parent.rglob("*.py")]
    whole = "\n".join([*texts, *(path.read_text("utf-8") for path in SCRIPTS)])
    used = {name for rule in PACK.states for name in (*rule.any_of, *rule.none_of)}
    used |= {name for rule in PACK.dialogs for name in (rule.seen, rule.click)}
    unused = [name for name in PACK.controls if name not in used and f'"{name}"' not in whole]
    assert unused == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_writes_markup_or_code(path: Path) -> None:
    """The client enforces Trusted Types."""
    found = re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|new Worker",
        path.read_text("utf-8"),
    )
    assert found is None


@pytest.mark.browser
async def test_all_that_runs_in_the_page_runs_under_its_own_policy(browser: Browser) -> None:
    """Trusted Types enforced and not bypassed: capture, reader and readers still work."""
    joiner = MeetJoiner(MeetOptions(), PACK)
    with standin() as site:
        site.room("abc-defg-hij", lobby=False, people=[{"id": "ada", "name": "Ada", "tone": 500}])
        context = await browser.call(browser.raw.new_context)  # no `bypass_csp`
        try:
            script = page_script(
                "told",
                capture=joiner.capture_options(),
                incoming_video=False,
                scripts=reader_scripts(joiner),
            )
            said: list[str] = []
            await browser.call(context.expose_function, "told", lambda text: said.append(text))
            await browser.call(context.add_init_script, script=script)
            page = await browser.call(context.new_page)
            await browser.sync(page.on, "pageerror", lambda error: said.append(f"ERROR {error}"))
            await browser.call(page.goto, f"{site.origin}/abc-defg-hij?hl=en")
            refused = "() => { try { document.body.innerHTML = '<b>x</b>' } catch { return true } }"
            assert await browser.call(page.evaluate, refused)
            await browser.call(page.fill, "input", "Notes")
            await browser.call(page.click, "text=Join now")
            await browser.call(page.wait_for_selector, "[data-in-call]")
            await browser.call(page.evaluate, "() => window[Symbol.for('meetcore')].observe(true)")
            await browser.call(
                page.wait_for_function, "() => call.media.client.connectionState === 'connected'"
            )
            look = await browser.call(page.evaluate, "() => window[Symbol.for('meetcore')].look()")
            assert read_state(PACK, look_of(look)).state.value == "in_call"
            people = "() => window[Symbol.for('meetcore')].readNow('people')"
            assert [p["name"] for p in await browser.call(page.evaluate, people)] == [
                "Notes",
                "Ada",
            ]
            await browser.call(page.wait_for_timeout, 500)
            assert any('"topic":"track"' in text for text in said)
            assert any('"topic":"channel"' in text for text in said)
            assert not [text for text in said if "ERROR" in text or '"trouble"' in text]
        finally:
            await browser.call(context.close)
