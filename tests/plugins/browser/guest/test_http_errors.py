"""An address that answers with an error: what is over, and what may be well in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore import CallEnded, CallRequest, EndReason, MeetingLink
from meetcore_browser.browser import Browser
from meetcore_browser.guest.attempt import http_end
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.testing import KeepingCallEvents, serve_pages, until
from tests.plugins.browser.guest.toy import ToyJoiner


@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        (404, EndReason.MEETING_NOT_FOUND, False),
        (400, EndReason.MEETING_NOT_FOUND, False),
        (403, EndReason.CLIENT_NEVER_LOADED, False),
        (429, EndReason.CLIENT_NEVER_LOADED, True),
        (500, EndReason.CLIENT_NEVER_LOADED, True),
        (503, EndReason.CLIENT_NEVER_LOADED, True),
    ],
)
def test_a_server_in_trouble_is_tried_again_and_a_refused_address_is_not(
    status: int, reason: EndReason, again: bool
) -> None:
    ended = http_end(status, "https://toy.example/m")
    assert (ended.reason, ended.again) == (reason, again)
    assert f"HTTP {status}" in ended.evidence.detail


@pytest.mark.browser
async def test_a_page_that_is_not_there_ends_soon(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.guest.attempt.HTTP_GRACE_S", 0.5)
    events = KeepingCallEvents()
    request = CallRequest(bot_id="b", display_name="B", folder=tmp_path)
    with serve_pages() as site:
        link = MeetingLink(platform="toy", native_id="m", url=site.url("/nowhere?p=secret"))
        async with open_guest_call(
            ToyJoiner(), link, request, events, frozenset(), browser=browser
        ):
            await until(lambda: bool(events.of_type(CallEnded)))
    [ended] = events.of_type(CallEnded)
    assert ended.reason is EndReason.MEETING_NOT_FOUND  # type: ignore[attr-defined]
    assert "secret" not in ended.evidence.detail  # type: ignore[attr-defined]
