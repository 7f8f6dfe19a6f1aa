"""Every way in which it ends, or never begins: a reason, evidence, a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore import CallEnded, EndReason, Knocked
from meetcore_browser.browser import Browser
from tests.plugins.meet.visits import visit
from tests.standins.site import StandinSite

pytestmark = pytest.mark.browser

BOTH = ("en-US", "de-DE")


def check(ended: CallEnded, reason: EndReason, signal: str) -> None:
    assert (ended.reason, ended.evidence.signal) == (reason, signal)
    assert ended.evidence.detail or ended.evidence.selector


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize(
    ("switches", "act", "reason", "signal"),
    [
        ({}, "deny", EndReason.DENIED, "denied"),
        ({"lobby_limit_ms": 300}, "", EndReason.ADMISSION_TIMEOUT, "lobby_timeout"),
        ({"refuse": "fast"}, "", EndReason.BOT_BLOCKED, "refused"),
        ({"not_found": True}, "", EndReason.MEETING_NOT_FOUND, "not_found"),
    ],
)
async def test_who_never_comes_in(
    browser: Browser,
    site: StandinSite,
    tmp_path: Path,
    language: str,
    switches: dict[str, Any],
    act: str,
    reason: EndReason,
    signal: str,
) -> None:
    async with visit(browser, site, tmp_path, language=language, switches=switches) as at:
        if act:
            await at.knocked()
            at.room.tell(act)
        ended = await at.ended()
        check(ended, reason, signal)
        assert ended.evidence.hint
        assert ended.evidence.screenshot is not None
        assert (tmp_path / ended.evidence.screenshot).is_file()


async def test_trouble_that_may_be_a_refusal_is_tried_again_and_told_as_one(
    browser: Browser, site: StandinSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.guest.guest_call.BETWEEN_ATTEMPTS_S", 0.1)
    trouble = "document.body.textContent = 'There is a problem connecting to this video call'"
    async with visit(browser, site, tmp_path, attempts=2) as at:
        await at.knocked()
        await at.script(trouble)
        await at.until(Knocked, 2)
        assert "attempt 1 of 2: refused" in at.steps()
        await at.script(trouble)
        check(await at.ended(), EndReason.BOT_BLOCKED, "refused")


async def test_a_refusal_at_once_is_no_hosts_denial(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"refuse": "denied fast"}) as at:
        ended = await at.ended()
        check(ended, EndReason.BOT_BLOCKED, "refused")
        assert "refused within 5 s" in ended.evidence.detail
        assert "account" in (ended.evidence.hint or "")


async def test_a_client_that_the_service_flags_says_so_with_its_refusal(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {"refuse": "fast", "flagged": True}
    async with visit(browser, site, tmp_path, switches=switches) as at:
        ended = await at.ended()
        check(ended, EndReason.BOT_BLOCKED, "refused")
        assert "flagged as automated" in ended.evidence.detail
        assert "client flagged" in at.steps()


async def test_the_page_of_leaving_before_the_call_is_a_denial(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path) as at:
        await at.knocked()
        at.room.tell("deny_by_left")
        check(await at.ended(), EndReason.DENIED, "denied")


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize(
    ("act", "reason", "signal"),
    [
        ("remove", EndReason.REMOVED, "removed"),
        ("end", EndReason.MEETING_ENDED, "ended"),
    ],
)
async def test_who_was_inside(
    browser: Browser,
    site: StandinSite,
    tmp_path: Path,
    language: str,
    act: str,
    reason: EndReason,
    signal: str,
) -> None:
    async with visit(browser, site, tmp_path, language=language, switches={"lobby": False}) as at:
        await at.inside()
        at.room.tell(act)
        check(await at.ended(), reason, signal)
        await trio.sleep(0.3)
        assert len(at.all(CallEnded)) == 1, "the first reason is the last"


async def test_a_service_out_of_reach_is_waited_for_and_then_lost(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {"lobby": False, "lost_ms": 1000}
    async with visit(browser, site, tmp_path, switches=switches) as at:
        await at.inside()
        at.room.cut()
        check(await at.ended(), EndReason.CONNECTION_LOST, "connection_lost")
        assert "page: reconnecting" in at.steps()


@pytest.mark.parametrize(
    ("path", "inside", "reason"),
    [
        ("/landing", True, EndReason.MEETING_ENDED),
        ("/landing", False, EndReason.DENIED),
        ("/_meet/whoops", True, EndReason.CONNECTION_LOST),
        ("/unsupported", False, EndReason.CLIENT_NEVER_LOADED),
    ],
)
async def test_the_clients_own_routes(
    browser: Browser,
    site: StandinSite,
    tmp_path: Path,
    path: str,
    inside: bool,
    reason: EndReason,
) -> None:
    async with visit(browser, site, tmp_path, switches={"lobby": not inside}) as at:
        await (at.inside() if inside else at.knocked())
        at.room.tell("go", path=path)
        ended = await at.ended()
        assert ended.reason is reason
        assert path in ended.evidence.detail


async def test_only_a_challenge_that_can_be_seen_is_one(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path) as at:
        await at.knocked()
        assert await at.script("document.querySelector('iframe').src.includes('recaptcha')")
        at.room.tell("captcha")
        check(await at.ended(), EndReason.CAPTCHA_REQUIRED, "captcha")


async def test_a_wall_of_accounts_is_known_by_its_host_only(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path) as at:
        await at.knocked()  # its page before the call had a link to sign in, as every one has
        page = at.guest.page.page

        async def accounts(route: Any) -> None:
            await route.fulfill(body="<h1>Sign in</h1>", content_type="text/html")

        await page.call(page.context.route, "https://accounts.google.com/**", accounts)
        at.room.tell("go_there", url="https://accounts.google.com/v3/signin?continue=x")
        ended = await at.ended()
        check(ended, EndReason.SIGN_IN_REQUIRED, "sign_in")
        assert "continue" not in ended.evidence.detail


async def test_a_call_that_is_gone_without_a_word_is_lost_after_some_looks(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"lobby": False}) as at:
        await at.inside()
        at.guest.follower.grace_s = 0.5
        at.room.tell("unknown")
        check(await at.ended(), EndReason.CONNECTION_LOST, "connection_lost")
